//! Ways to break the rules of `rules/roles.rs`.

use super::Mutant;
use crate::project::{MONITORING, RESOURCES, ROLE, STORAGE};

pub(super) const MUTANTS: &[Mutant] = &[
    // Owner, and Contributor.
    Mutant(
        "known roles",
        STORAGE,
        "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
        "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    ),
    Mutant(
        "known roles",
        ROLE,
        "var keyVaultSecretsOfficer = 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'",
        "var keyVaultSecretsOfficer = 'b24988ac-6180-42a0-ab88-20f7382dd24c'",
    ),
    Mutant("principal type", STORAGE, "    principalType: 'ServicePrincipal'\n", ""),
    Mutant(
        "principal type",
        ROLE,
        "principalType: officerType",
        "principalType: 'ServicePrincipal'",
    ),
    Mutant(
        "principal type",
        MONITORING,
        "principalType: 'ServicePrincipal'",
        "principalType: 'User'",
    ),
    Mutant(
        "assignment names",
        ROLE,
        "guid(vault.id, name, principalId, keyVaultSecretsUser)",
        "guid(vault.id, principalId, keyVaultSecretsUser)",
    ),
    Mutant(
        "assignment names",
        STORAGE,
        "guid(account.id, identity.id, storageBlobDataOwner)",
        "guid(account.id, identity.id)",
    ),
    Mutant(
        "assignment names",
        MONITORING,
        "guid(insights.id, identity.id, ",
        "guid(insights.id, ",
    ),
    Mutant("narrow roles", STORAGE, "  scope: account\n", ""),
    Mutant(
        "narrow roles",
        MONITORING,
        "  scope: insights\n",
        "  scope: workspace\n",
    ),
    Mutant("narrow roles", ROLE, "  scope: secrets[index]\n", "  scope: vault\n"),
    Mutant("narrow roles", ROLE, "= if (empty(secretNames)) {", "= {"),
    Mutant(
        "narrow roles",
        RESOURCES,
        "officerId: makesVault ? secretsOfficerId : ''",
        "officerId: secretsOfficerId",
    ),
    Mutant(
        "narrow roles",
        RESOURCES,
        "rbacScope == 'vault' || !contains(allowedSecrets, '*')",
        "true",
    ),
    Mutant(
        "narrow roles",
        RESOURCES,
        "any(rbacScope == 'vault' || keyVaultAccessModel == 'rbac')",
        "true",
    ),
    Mutant(
        "narrow roles",
        RESOURCES,
        "vaultRole 'modules/vault-role.bicep' = if (keyVaultAccessModel == 'rbac')",
        "vaultRole 'modules/vault-role.bicep' = if (true)",
    ),
];
