//! The vault of our own, the one that is there already, and who may read them.

use serde_json::{Value, json};

use super::{Findings, Rule, deploy, deploy_beside, each, equal, is_refused, once, refused, scenarios, unless};
use crate::deploy::{Deployed, Deployment};
use crate::expr::Expr;
use crate::project::{Project, RESOURCES, VAULT};

pub(super) const VAULTS: &str = "Microsoft.KeyVault/vaults";
const POLICIES: &str = "Microsoft.KeyVault/vaults/accessPolicies";

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "access model",
        why: "From API version 2026-02-01 on a vault that says nothing is an RBAC vault, where access policies do nothing.",
        check: model,
    },
    Rule {
        name: "purge protection",
        why: "`false` is refused: once on it can never be turned off. It is true or not mentioned.",
        check: purge,
    },
    Rule {
        name: "soft delete",
        why: "A secret that is deleted by mistake has to come back.",
        check: |project| {
            each(project, VAULTS, "soft delete for 90 days", |it| {
                let properties = &it.body["properties"];
                properties["enableSoftDelete"] == true && properties["softDeleteRetentionInDays"] == 90
            })
        },
    },
    Rule {
        name: "own policies",
        why: "The app may `get` secrets and nothing else; a deployment replaces the list, so the list has to be whole.",
        check: own_policies,
    },
    Rule {
        name: "existing policies",
        why: "Somebody else's vault stays as it is but for one policy more; any other way of saying it locks others out.",
        check: existing_policies,
    },
    Rule {
        name: "model of the existing vault",
        why: "A role on a vault of policies, or a policy on one of roles, is taken and does nothing: the app answers 502.",
        check: existing_model,
    },
    Rule {
        name: "vault audit",
        why: "Nobody would know who read which secret.",
        check: audit,
    },
    Rule {
        name: "closed vault",
        why: "With vnetEnabled the vault is to be reached by its endpoint, and by the addresses that are listed, alone.",
        check: closed,
    },
    Rule {
        name: "one vault",
        why: "The app has to be pointed at the vault that it may read, which azd shows.",
        check: same_vault,
    },
];

fn own(project: &Project, model: &str) -> Result<Deployment, String> {
    let more = json!({"keyVaultAccessModel": model, "secretsOfficerId": "officer"});
    deploy(project, &more)
}

fn existing(project: &Project, model: &str, vault: &Value) -> Result<Deployment, String> {
    let more = json!({
        "keyVaultAccessModel": model,
        "existingKeyVaultName": "theirs",
        "existingKeyVaultResourceGroup": "rg-theirs",
    });
    deploy_beside(project, &more, vault)
}

fn model(project: &Project) -> Findings {
    let mut findings = Vec::new();
    for (model, rbac) in [("accessPolicy", false), ("rbac", true)] {
        let deployment = own(project, model)?;
        let vault = deployment.one(VAULTS)?;
        let said = &vault.body["properties"]["enableRbacAuthorization"];
        findings.extend(equal(&vault.at, [("enableRbacAuthorization", said, json!(rbac))]));
    }
    Ok(findings)
}

fn purge(project: &Project) -> Findings {
    let mut findings = Vec::new();
    for (on, expected) in [(true, json!(true)), (false, Value::Null)] {
        let deployment = deploy(project, &json!({"purgeProtection": on}))?;
        let vault = deployment.one(VAULTS)?;
        let said = &vault.body["properties"]["enablePurgeProtection"];
        findings.extend(equal(&vault.at, [("enablePurgeProtection", said, expected)]));
    }
    Ok(findings)
}

/// What the app's identity is to be given, in the model of access policies.
fn reader(deployment: &Deployment) -> Result<Value, String> {
    let identity = deployment.one("Microsoft.ManagedIdentity/userAssignedIdentities")?;
    Ok(json!({
        "tenantId": "the-tenant",
        "objectId": format!("principal of {}", identity.name),
        "permissions": {"secrets": ["get"]},
    }))
}

fn own_policies(project: &Project) -> Findings {
    let deployment = own(project, "accessPolicy")?;
    let with_roles = own(project, "rbac")?;
    let vault = deployment.one(VAULTS)?;
    let officer = json!({
        "tenantId": "the-tenant",
        "objectId": "officer",
        "permissions": {"secrets": ["get", "list", "set", "delete", "recover"]},
    });
    let list = &vault.body["properties"]["accessPolicies"];
    let unneeded = &with_roles.one(VAULTS)?.body["properties"]["accessPolicies"];
    let mut findings = equal(
        &vault.at,
        [
            ("accessPolicies", list, json!([reader(&deployment)?, officer])),
            ("accessPolicies with roles", unneeded, json!([])),
        ],
    );
    let alone = deploy(project, &json!({}))?;
    let list = &alone.one(VAULTS)?.body["properties"]["accessPolicies"];
    findings.extend(equal(
        &vault.at,
        [("without an officer, accessPolicies", list, json!([reader(&alone)?]))],
    ));
    let children = deployment
        .all(POLICIES)
        .map(|it| format!("{}: a policy beside the list", it.at));
    findings.extend(children);
    Ok(findings)
}

fn existing_policies(project: &Project) -> Findings {
    let mut findings = Vec::new();
    for (model, vault) in [
        ("accessPolicy", json!({})),
        ("rbac", json!({"enableRbacAuthorization": true})),
    ] {
        let deployment = existing(project, model, &vault)?;
        let written: Vec<_> = deployment.all(VAULTS).collect();
        findings.extend(
            written
                .iter()
                .map(|it| format!("{}: the existing vault is written", it.at)),
        );
        let policies: Vec<_> = deployment.all(POLICIES).collect();
        if model == "rbac" {
            findings.extend(
                policies
                    .iter()
                    .map(|it| format!("{}: a policy in a vault of roles", it.at)),
            );
            continue;
        }
        let [policy] = policies.as_slice() else {
            findings.push(format!(
                "{RESOURCES}: {} policies for the existing vault, not one",
                policies.len()
            ));
            continue;
        };
        let id = format!("/rg-theirs/{VAULTS}/theirs/add");
        findings.extend(equal(
            &policy.at,
            [
                ("its id", &json!(policy.id), json!(id)),
                (
                    "accessPolicies",
                    &policy.body["properties"]["accessPolicies"],
                    json!([reader(&deployment)?]),
                ),
            ],
        ));
    }
    Ok(findings)
}

fn existing_model(project: &Project) -> Findings {
    let mut findings = Vec::new();
    for (model, vault, taken) in [
        ("accessPolicy", json!({}), true),
        ("accessPolicy", json!({"enableRbacAuthorization": false}), true),
        ("accessPolicy", json!({"enableRbacAuthorization": null}), true),
        ("accessPolicy", json!({"enableRbacAuthorization": true}), false),
        ("rbac", json!({"enableRbacAuthorization": true}), true),
        ("rbac", json!({"enableRbacAuthorization": false}), false),
        ("rbac", json!({}), false),
    ] {
        let refused = is_refused(existing(project, model, &vault))?;
        let what = if taken { "refused" } else { "taken" };
        findings.extend(unless(
            refused != taken,
            &format!("{RESOURCES}: {model} for a vault with {vault} is {what}"),
        ));
    }
    Ok(findings)
}

fn audit(project: &Project) -> Findings {
    let deployment = deploy(project, &json!({}))?;
    let vault = deployment.one(VAULTS)?;
    let audit = deployment.one("Microsoft.Insights/diagnosticSettings")?;
    // The one that the app's log cannot fill.
    let workspace = deployment
        .all("Microsoft.OperationalInsights/workspaces")
        .find(|it| it.body["properties"].get("workspaceCapping").is_none())
        .ok_or("no workspace without a quota")?;
    let properties = &audit.body["properties"];
    Ok(equal(
        &audit.at,
        [
            ("its scope", &json!(audit.scope), json!(vault.id)),
            ("workspaceId", &properties["workspaceId"], json!(workspace.id)),
            (
                "logs",
                &properties["logs"],
                json!([{"category": "AuditEvent", "enabled": true}]),
            ),
        ],
    ))
}

fn closed(project: &Project) -> Findings {
    let mut findings = Vec::new();
    let range = "203.0.113.0/24,198.51.100.7";
    let rules = json!([{"value": "203.0.113.0/24"}, {"value": "198.51.100.7"}]);
    for (private, ranges, action, access, rules) in [
        (false, "", "Allow", "Enabled", json!([])),
        (true, "", "Deny", "Disabled", json!([])),
        (true, range, "Deny", "Enabled", rules),
    ] {
        let deployment = deploy(
            project,
            &json!({"vnetEnabled": private, "vaultAllowedIpRanges": ranges}),
        )?;
        let vault = deployment.one(VAULTS)?;
        let properties = &vault.body["properties"];
        let acls = json!({"bypass": "None", "defaultAction": action, "ipRules": rules});
        findings.extend(equal(
            &vault.at,
            [
                ("publicNetworkAccess", &properties["publicNetworkAccess"], json!(access)),
                ("networkAcls", &properties["networkAcls"], acls),
            ],
        ));
    }
    // With ranges alone it would look closed.
    let open = json!({"vnetEnabled": false, "vaultAllowedIpRanges": range});
    findings.extend(refused(project, &open, "address ranges are taken without a network")?);
    Ok(findings)
}

fn same_vault(project: &Project) -> Findings {
    let mut findings = Vec::new();
    let url = |deployment: &Deployment| super::app::settings(deployment).map(|it| it["KEY_VAULT_URL"].clone());
    let new = deploy(project, &json!({}))?;
    let theirs = existing(project, "accessPolicy", &json!({}))?;
    let vault: &Deployed = new.one(VAULTS)?;
    findings.extend(equal(
        RESOURCES,
        [
            (
                "the new vault's URL",
                &url(&new)?,
                json!(format!("https://{}.vault.azure.net", vault.name)),
            ),
            (
                "the existing vault's URL",
                &url(&theirs)?,
                json!("https://theirs.vault.azure.net"),
            ),
            (
                "the new vault's name",
                &new.outputs["AZURE_KEY_VAULT_NAME"],
                json!(vault.name),
            ),
            (
                "the existing vault's group",
                &theirs.outputs["AZURE_KEY_VAULT_RESOURCE_GROUP"],
                json!("rg-theirs"),
            ),
        ],
    ));
    for deployment in scenarios(project)? {
        findings.extend(
            deployment
                .all(VAULTS)
                .filter(|it| it.name != vault.name)
                .map(|it| it.at.clone()),
        );
    }
    // A vault's name has at most 24 characters, and uniqueString gives 13.
    let fits = vault.name.len() <= 24 && vault.name.starts_with(|first: char| first.is_ascii_alphabetic());
    findings.extend(unless(fits, &format!("{VAULT}: {} is no name of a vault", vault.name)));
    let explicit = project
        .file(VAULT)
        .resources
        .iter()
        .filter(|it| it.kind == VAULTS && !it.existing);
    let explicit = explicit
        .filter_map(|it| it.object().get("properties"))
        .filter(|it: &&Expr| it.get("tenantId").is_none());
    findings.extend(explicit.map(|it| format!("{VAULT}:{}: no tenantId", it.line)));
    Ok(once(findings))
}
