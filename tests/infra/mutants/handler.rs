//! Ways to break the rules of `rules/handler.rs`.

use super::Mutant;
use crate::project::{MAIN, RESOURCES};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant("every setting", RESOURCES, "  LOG_FORMAT: logFormat\n", ""),
    Mutant(
        "every setting",
        RESOURCES,
        "  LOG_FORMAT: logFormat\n",
        "  LOG_FORMAT: logFormat\n  LOG_LEVEL: 'info'\n",
    ),
    Mutant(
        "one parameter a setting",
        RESOURCES,
        "ENTRA_REQUIRED_ROLES: entraRequiredRoles",
        "ENTRA_REQUIRED_ROLES: entraRequiredScopes",
    ),
    Mutant(
        "one parameter a setting",
        RESOURCES,
        "string(cacheStaleSeconds)",
        "'3600'",
    ),
    Mutant(
        "texts of bools",
        RESOURCES,
        "toLower(string(prefetch))",
        "string(prefetch)",
    ),
    Mutant(
        "texts of bools",
        RESOURCES,
        "toLower(string(requireOrigin))",
        "requireOrigin ? 'yes' : 'no'",
    ),
    Mutant(
        "the handler's defaults",
        MAIN,
        "param upstreamTimeoutSeconds int = 5",
        "param upstreamTimeoutSeconds int = 6",
    ),
    Mutant(
        "the handler's defaults",
        MAIN,
        "x-functions-key,x-ms-client-request-id,x-ms-useragent",
        "x-ms-client-request-id,x-ms-useragent",
    ),
    Mutant(
        "the handler's defaults",
        MAIN,
        "string = environment().authentication.loginEndpoint",
        "string = 'https://login.microsoftonline.us'",
    ),
    Mutant(
        "the handler's verdict",
        RESOURCES,
        "AZURE_TOKEN_CREDENTIALS: 'prod'",
        "AZURE_TOKEN_CREDENTIALS: 'dev'",
    ),
    Mutant(
        "the handler's verdict",
        RESOURCES,
        "string(cacheTtlSeconds)",
        "'${cacheTtlSeconds}s'",
    ),
    Mutant(
        "the handler's verdict",
        RESOURCES,
        "KEY_VAULT_URL: 'https://${vaultName}",
        "KEY_VAULT_URL: 'https://${vaultName}/",
    ),
    Mutant(
        "the handler's verdict",
        RESOURCES,
        "ALLOWED_ORIGINS: allowedOrigins",
        "ALLOWED_ORIGINS: '${allowedOrigins},http://localhost:3000'",
    ),
];
