//! Ways to break the rules of `rules/vault.rs`.

use super::Mutant;
use crate::project::{ASSERTIONS, MONITORING, POLICY, RESOURCES, VAULT};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant(
        "access model",
        VAULT,
        "    enableRbacAuthorization: accessModel == 'rbac'\n",
        "",
    ),
    Mutant(
        "access model",
        VAULT,
        "enableRbacAuthorization: accessModel == 'rbac'",
        "enableRbacAuthorization: true",
    ),
    Mutant(
        "purge protection",
        VAULT,
        "purgeProtection ? true : null",
        "purgeProtection",
    ),
    Mutant(
        "soft delete",
        VAULT,
        "enableSoftDelete: true",
        "enableSoftDelete: false",
    ),
    Mutant(
        "own policies",
        VAULT,
        "        'get'\n",
        "        'get'\n        'list'\n",
    ),
    Mutant(
        "own policies",
        VAULT,
        "    permissions: {\n      secrets: [",
        "    permissions: {\n      keys: [\n        'get'\n      ]\n      secrets: [",
    ),
    Mutant(
        "own policies",
        VAULT,
        "concat(readerPolicies, officerPolicies)",
        "readerPolicies",
    ),
    Mutant(
        "own policies",
        RESOURCES,
        "vaultPolicy 'modules/vault-policy.bicep' = if (!makesVault && ",
        "vaultPolicy 'modules/vault-policy.bicep' = if (",
    ),
    Mutant("existing policies", POLICY, "  name: 'add'", "  name: 'replace'"),
    Mutant(
        "existing policies",
        POLICY,
        "            'get'\n",
        "            'get'\n            'set'\n",
    ),
    Mutant(
        "existing policies",
        POLICY,
        "          secrets: [",
        "          certificates: [\n            'get'\n          ]\n          secrets: [",
    ),
    Mutant(
        "existing policies",
        RESOURCES,
        "module vault 'modules/vault.bicep' = if (makesVault) {",
        "module vault 'modules/vault.bicep' = {",
    ),
    Mutant(
        "existing policies",
        RESOURCES,
        "|| empty(existingKeyVaultResourceGroup) ?",
        "|| !empty(existingKeyVaultResourceGroup) ?",
    ),
    Mutant(
        "model of the existing vault",
        RESOURCES,
        "== (keyVaultAccessModel == 'rbac')",
        "!= (keyVaultAccessModel == 'rbac')",
    ),
    Mutant(
        "model of the existing vault",
        RESOURCES,
        "module vaultModel 'modules/assertions.bicep' = if (!makesVault)",
        "module vaultModel 'modules/assertions.bicep' = if (makesVault)",
    ),
    Mutant(
        "model of the existing vault",
        ASSERTIONS,
        "@allowed([\n  true\n])\nparam keyVaultAccessModel",
        "param keyVaultAccessModel",
    ),
    Mutant(
        "vault audit",
        VAULT,
        "category: 'AuditEvent'",
        "category: 'AzurePolicyEvaluationDetails'",
    ),
    Mutant(
        "vault audit",
        VAULT,
        "        enabled: true\n",
        "        enabled: false\n",
    ),
    Mutant(
        "vault audit",
        MONITORING,
        "output auditWorkspaceId string = auditWorkspace.id",
        "output auditWorkspaceId string = workspace.id",
    ),
    Mutant(
        "closed vault",
        RESOURCES,
        "any(empty(vaultAllowedIpRanges) || vnetEnabled)",
        "true",
    ),
    Mutant("closed vault", VAULT, "isPrivate ? 'Deny' : 'Allow'", "'Allow'"),
    Mutant(
        "closed vault",
        VAULT,
        "isPrivate && empty(allowedIpRanges) ? 'Disabled'",
        "isPrivate && empty(allowedIpRanges) ? 'Enabled'",
    ),
    Mutant("closed vault", VAULT, "bypass: 'None'", "bypass: 'AzureServices'"),
    Mutant(
        "closed vault",
        RESOURCES,
        "isPrivate: vnetEnabled",
        "isPrivate: !vnetEnabled",
    ),
    Mutant(
        "one vault",
        RESOURCES,
        "makesVault ? 'kv-${token}'",
        "makesVault ? 'keyvault-cors-${token}'",
    ),
    Mutant(
        "one vault",
        RESOURCES,
        "KEY_VAULT_URL: 'https://${vaultName}",
        "KEY_VAULT_URL: 'https://kv-${token}",
    ),
];
