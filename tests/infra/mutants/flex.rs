//! Ways to break the rules of `rules/flex.rs`.

use super::Mutant;
use crate::project::{ASSERTIONS, FLEX, MAIN, RESOURCES, STORAGE};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant("flex plan", FLEX, "name: 'FC1'", "name: 'Y1'"),
    Mutant("flex plan", FLEX, "    reserved: true", "    reserved: false"),
    Mutant("flex runtime", FLEX, "version: '1.0'", "version: '1'"),
    Mutant(
        "flex runtime",
        FLEX,
        "type: 'UserAssignedIdentity'",
        "type: 'StorageAccountConnectionString'",
    ),
    Mutant(
        "flex runtime",
        STORAGE,
        "primaryEndpoints.blob}${container.name}",
        "primaryEndpoints.blob}${containerName}s",
    ),
    Mutant(
        "flex refuses properties",
        FLEX,
        "      cors: {",
        "      alwaysOn: true\n      cors: {",
    ),
    Mutant(
        "flex refuses properties",
        FLEX,
        "      cors: {",
        "      linuxFxVersion: ''\n      cors: {",
    ),
    Mutant(
        "flex refuses settings",
        FLEX,
        "    AzureWebJobsStorage__credential:",
        "    FUNCTIONS_EXTENSION_VERSION: '~4'\n    AzureWebJobsStorage__credential:",
    ),
    Mutant(
        "flex refuses settings",
        RESOURCES,
        "  LOG_FORMAT: logFormat\n",
        "  LOG_FORMAT: logFormat\n  WEBSITE_RUN_FROM_PACKAGE: '1'\n",
    ),
    Mutant(
        "flex concurrency",
        FLEX,
        "perInstanceConcurrency: perInstanceConcurrency",
        "perInstanceConcurrency: 16",
    ),
    Mutant(
        "flex concurrency",
        MAIN,
        "param perInstanceConcurrency int = 100",
        "param perInstanceConcurrency int = 16",
    ),
    Mutant(
        "flex scale",
        FLEX,
        "instanceMemoryMB: instanceMemoryMB",
        "instanceMemoryMB: 2048",
    ),
    Mutant(
        "flex scale",
        FLEX,
        "            name: 'http'",
        "            name: 'function'",
    ),
    Mutant(
        "flex origins",
        FLEX,
        "        allowedOrigins: allowedOrigins\n",
        "        allowedOrigins: []\n",
    ),
    Mutant(
        "flex origins",
        FLEX,
        "supportCredentials: allowCredentials",
        "supportCredentials: false",
    ),
    Mutant(
        "flex origins",
        RESOURCES,
        "split(allowedOrigins, ',')",
        "split(allowedOrigins, ';')",
    ),
    Mutant(
        "flex knows no patterns",
        RESOURCES,
        "hostingPlan == 'premium' || !hasOriginPattern",
        "true",
    ),
    Mutant(
        "flex knows no patterns",
        RESOURCES,
        "hostingPlan == 'premium' || !hasOriginPattern",
        "!hasOriginPattern",
    ),
    Mutant(
        "flex knows no patterns",
        RESOURCES,
        "contains(allowedOrigins, '*') && !isAnyOrigin",
        "contains(allowedOrigins, '*')",
    ),
    Mutant(
        "flex knows no patterns",
        ASSERTIONS,
        "@allowed([\n  true\n])\nparam allowedOriginsAreExact",
        "param allowedOriginsAreExact",
    ),
];
