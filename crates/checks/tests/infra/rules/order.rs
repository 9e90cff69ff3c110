//! Order, which no snapshot shows. Each dependency is named where it is needed: one that runs through a module that is
//! left out does not hold.

use serde_json::{Value, json};

use super::Findings;

/// A module, what it comes after, and what happens otherwise.
const AFTER: &[(&str, &[&str], &str)] = &[
    (
        "network",
        &["vault", "vaultModel", "vaultPolicy", "vaultRole"],
        "Azure refuses two writers of one vault (ConflictError)",
    ),
    (
        "vaultPolicy",
        &["vaultModel"],
        "a policy goes into a vault of the other model",
    ),
    (
        "vaultRole",
        &["vault", "vaultModel"],
        "a role is given on a vault that is not there",
    ),
    (
        "flexApp",
        &[
            "monitoring",
            "storage",
            "vault",
            "vaultModel",
            "vaultPolicy",
            "vaultRole",
            "network",
        ],
        "the app starts before it may read",
    ),
    (
        "premiumApp",
        &[
            "monitoring",
            "storage",
            "vault",
            "vaultModel",
            "vaultPolicy",
            "vaultRole",
            "network",
        ],
        "the app starts before it may read",
    ),
    (
        "alerts",
        &["monitoring", "vault", "vaultModel"],
        "an alert watches what is not there",
    ),
];

/// Which modules are left out, and when.
const CONDITIONS: &[(&str, &str)] = &[
    ("vault", "[variables('makesVault')]"),
    ("vaultModel", "[not(variables('makesVault'))]"),
    (
        "vaultPolicy",
        "[and(not(variables('makesVault')), equals(parameters('keyVaultAccessModel'), 'accessPolicy'))]",
    ),
    (
        "vaultRole",
        "[or(equals(parameters('keyVaultAccessModel'), 'rbac'), not(empty(variables('scopedSecrets'))))]",
    ),
    ("network", "[parameters('vnetEnabled')]"),
    ("flexApp", "[equals(parameters('hostingPlan'), 'flex')]"),
    ("premiumApp", "[equals(parameters('hostingPlan'), 'premium')]"),
    (
        "alerts",
        "[or(not(empty(parameters('alertEmail'))), variables('hasBudget'))]",
    ),
];

pub(super) fn order(template: &Value, found: &mut Findings<'_>) {
    let modules = &template["main/resources"]["resources"];
    for (module, others, otherwise) in AFTER {
        let after = modules[module]["after"].as_array();
        for other in *others {
            let named = after.is_some_and(|all| all.iter().any(|it| it == other));
            found.holds(&format!("{module} does not come after {other}: {otherwise}"), named);
        }
    }
    for (module, condition) in CONDITIONS {
        let what = format!("when {module} is deployed");
        found.equal(&what, &modules[module]["condition"], &json!(condition));
    }
    // Azure refuses two changes of one app at a time.
    for (module, chain) in [
        ("flexApp", &["appSettings", "scmPassword"][..]),
        ("premiumApp", &["appSettings", "scmPassword", "ftpPassword"]),
    ] {
        let resources = &template[format!("main/resources/{module}")]["resources"];
        for pair in chain.windows(2) {
            let after = resources[&pair[1]]["after"].as_array();
            let named = after.is_some_and(|all| all.iter().any(|it| *it == *pair[0]));
            found.holds(&format!("{module}: {} does not come after {}", pair[1], pair[0]), named);
        }
    }
    // What an existing vault is refused by.
    let model = template["main/resources/vaultModel"]["outputs"]["accessModel"]
        .as_str()
        .unwrap_or_default();
    found.holds(
        "a vault of the other model is not refused",
        model.contains("fail('keyVaultAccessModel: "),
    );
}
