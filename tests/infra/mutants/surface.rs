//! Ways to break the rules of `rules/surface.rs`.

use super::Mutant;
use crate::project::{AZURE, FLEX, MAIN, PARAMETERS, PREMIUM, RESOURCES, STORAGE};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant(
        "main's parameters",
        MAIN,
        "param cacheTtlSeconds int = 300",
        "param cacheTtlSeconds int = 600",
    ),
    Mutant("main's parameters", MAIN, "@minValue(40)\n", ""),
    Mutant(
        "main's parameters",
        RESOURCES,
        "param preflightMaxAgeSeconds string = '600'",
        "param preflightMaxAgeSeconds int = 600",
    ),
    Mutant(
        "main's parameters",
        MAIN,
        "param rustLog string",
        "param rustLogs string",
    ),
    Mutant("handed through", MAIN, "    requireOrigin: requireOrigin\n", ""),
    Mutant(
        "handed through",
        MAIN,
        "    requireOrigin: requireOrigin\n",
        "    requireOrigin: prefetch\n",
    ),
    Mutant("outputs", MAIN, "output AZURE_KEY_VAULT_NAME", "output KEY_VAULT_NAME"),
    Mutant(
        "outputs",
        RESOURCES,
        "string = 'https://${hostingPlan",
        "string = '${hostingPlan",
    ),
    Mutant("azd's parameters", PARAMETERS, "\"prefetch\"", "\"preFetch\""),
    Mutant("azd's parameters", PARAMETERS, "\"prefetch\"", "\"rustLog\""),
    Mutant(
        "azd's defaults",
        PARAMETERS,
        "${CACHE_TTL_SECONDS=300}",
        "${CACHE_TTL_SECONDS=30}",
    ),
    Mutant(
        "azd's defaults",
        PARAMETERS,
        "${ALLOWED_SECRETS}",
        "${ALLOWED_SECRETS=maps}",
    ),
    Mutant(
        "azd's defaults",
        PARAMETERS,
        "${REQUIRE_ORIGIN=true}",
        "${REQUIRE_ORIGIN}",
    ),
    Mutant(
        "azd's variables",
        PARAMETERS,
        "${PREFETCH=true}",
        "${PREFETCH_SECRETS=true}",
    ),
    Mutant("azd's variables", PARAMETERS, "${AZURE_PRINCIPAL_ID}", "${OFFICER_ID}"),
    Mutant(
        "tags",
        STORAGE,
        "  location: location\n  tags: tags\n",
        "  location: location\n",
    ),
    Mutant(
        "tags",
        MAIN,
        "'azd-env-name': environmentName",
        "'azd-env': environmentName",
    ),
    Mutant(
        "service",
        FLEX,
        "'azd-service-name': 'handler'",
        "'azd-service-name': 'app'",
    ),
    Mutant(
        "service",
        PREMIUM,
        "union(tags, {\n    'azd-service-name': 'handler'\n  })",
        "tags",
    ),
    Mutant("service", AZURE, "\n  handler:", "\n  api:"),
    Mutant("azure.yaml", AZURE, "language: custom", "language: rust"),
    Mutant("azure.yaml", AZURE, "dist: dist", "dist: target"),
    Mutant(
        "azure.yaml",
        AZURE,
        "      prepackage:\n        posix:\n          shell: sh\n          run: scripts/package",
        "      prepackage:\n        posix:\n          shell: sh\n          run: cargo build",
    ),
    Mutant("azure.yaml", AZURE, "module: main", "module: resources"),
];
