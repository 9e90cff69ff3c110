//! Ways to break the rules of `rules/secrets.rs`.

use super::Mutant;
use crate::project::{MONITORING, PREMIUM, RESOURCES, STORAGE};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant("no secrets", RESOURCES, "@description('LOG_FORMAT')", "@secure()"),
    Mutant(
        "no secrets",
        MONITORING,
        "output auditWorkspaceId string = auditWorkspace.id",
        "output insights string = insights.properties.ConnectionString\noutput auditWorkspaceId string = auditWorkspace.id",
    ),
    Mutant(
        "no secrets",
        STORAGE,
        "param containerName string",
        "param containerName string\nparam accountKey string",
    ),
    Mutant(
        "no secrets",
        PREMIUM,
        "    WEBSITE_RUN_FROM_PACKAGE: '1'",
        "    WEBSITE_RUN_FROM_PACKAGE: 'https://x/y?sig=z'",
    ),
    Mutant(
        "storage without keys",
        STORAGE,
        "allowSharedKeyAccess: false",
        "allowSharedKeyAccess: true",
    ),
    Mutant(
        "storage without keys",
        STORAGE,
        "minimumTlsVersion: 'TLS1_2'",
        "minimumTlsVersion: 'TLS1_0'",
    ),
    Mutant(
        "storage without keys",
        STORAGE,
        "    allowBlobPublicAccess: false\n",
        "",
    ),
    Mutant(
        "private package",
        STORAGE,
        "publicAccess: 'None'",
        "publicAccess: 'Blob'",
    ),
    Mutant(
        "logs without keys",
        MONITORING,
        "DisableLocalAuth: true",
        "DisableLocalAuth: false",
    ),
    Mutant(
        "bounded logs",
        MONITORING,
        "dailyQuotaGb: dailyQuotaGb",
        "dailyQuotaGb: -1",
    ),
    Mutant(
        "bounded logs",
        RESOURCES,
        "retentionDays: logRetentionDays",
        "retentionDays: 730",
    ),
];
