//! Which roles are given, to whom and on what.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::vault::VAULTS;
use super::{Findings, GROUP, Rule, deploy, deploy_beside, each, once, refused, scenarios};
use crate::deploy::{Deployed, Deployment};
use crate::expr::{Expr, Kind, Piece};
use crate::project::{Project, RESOURCES};

const ASSIGNMENTS: &str = "Microsoft.Authorization/roleAssignments";
const METRICS_PUBLISHER: &str = "3913510d-42f4-4e42-8a64-420c390055eb";
const BLOB_OWNER: &str = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b";
const SECRETS_USER: &str = "4633458b-17de-408a-b874-0445c86b69e6";
const SECRETS_OFFICER: &str = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7";

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "known roles",
        why: "Any other id is a role that nobody thought about: Owner and Contributor have ids like these.",
        check: known,
    },
    Rule {
        name: "principal type",
        why: "Without it Azure looks the identity up in Entra, where it is not yet known seconds after it was made.",
        check: principal,
    },
    Rule {
        name: "assignment names",
        why: "A name that misses the scope, the principal or the role collides with, or replaces, another assignment.",
        check: names,
    },
    Rule {
        name: "narrow roles",
        why: "A role on more than the one thing that it is for lets the app's identity into what it has no business in.",
        check: scopes,
    },
];

fn role(assignment: &Deployed) -> &str {
    let id = assignment.body["properties"]["roleDefinitionId"]
        .as_str()
        .unwrap_or_default();
    id.strip_prefix("/subscription/Microsoft.Authorization/roleDefinitions/")
        .unwrap_or_default()
}

fn known(project: &Project) -> Findings {
    let table = [METRICS_PUBLISHER, BLOB_OWNER, SECRETS_USER, SECRETS_OFFICER];
    let mut findings = each(project, ASSIGNMENTS, "a role that is not in the table", |it| {
        table.contains(&role(it))
    })?;
    for (path, file) in &project.files {
        let texts = file.expressions().into_iter().flat_map(Expr::walk);
        let pieces = texts.flat_map(|expr| match &expr.kind {
            Kind::Text(pieces) => pieces.iter().map(|piece| (piece, expr.line)).collect::<Vec<_>>(),
            _ => Vec::new(),
        });
        for (piece, line) in pieces {
            if let Piece::Plain(text) = piece
                && is_guid(text)
                && !table.contains(&text.as_str())
            {
                findings.push(format!("{path}:{line}: {text} is not in the table"));
            }
        }
    }
    Ok(findings)
}

fn is_guid(text: &str) -> bool {
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.bytes().all(|it| it == b'-' || it.is_ascii_hexdigit())
}

fn principal(project: &Project) -> Findings {
    each(
        project,
        ASSIGNMENTS,
        "principalType does not go with principalId",
        |it| {
            let properties = &it.body["properties"];
            if role(it) == SECRETS_OFFICER {
                properties["principalId"] == "officer" && properties["principalType"] == "User"
            } else {
                properties["principalId"] == "principal of id-abc123abc123a"
                    && properties["principalType"] == "ServicePrincipal"
            }
        },
    )
}

fn names(project: &Project) -> Findings {
    let mut findings = each(
        project,
        ASSIGNMENTS,
        "its name is no guid() of scope, principal and role",
        |it| {
            // A secret's id is its vault's and its own name.
            let scope = it.scope.rsplit('/').next().unwrap_or_default();
            let principal = it.body["properties"]["principalId"].as_str().unwrap_or_default();
            let has_principal =
                it.name.contains(principal) || it.name.contains("userAssignedIdentities/id-abc123abc123a");
            it.name.starts_with("guid(") && it.name.contains(scope) && has_principal && it.name.contains(role(it))
        },
    )?;
    for deployment in scenarios(project)? {
        let mut seen = BTreeSet::new();
        let again = deployment.all(ASSIGNMENTS).filter(|it| !seen.insert(&it.name));
        findings.extend(again.map(|it| format!("{}: the same name as another", it.at)));
    }
    Ok(once(findings))
}

/// Each assignment as role and scope.
fn given(deployment: &Deployment) -> BTreeSet<(String, String)> {
    deployment
        .all(ASSIGNMENTS)
        .map(|it| (role(it).to_owned(), it.scope.clone()))
        .collect()
}

fn scopes(project: &Project) -> Findings {
    let ours = format!("/{GROUP}/{VAULTS}/kv-abc123abc123a");
    let theirs = format!("/rg-theirs/{VAULTS}/theirs");
    let existing = json!({"existingKeyVaultName": "theirs", "existingKeyVaultResourceGroup": "rg-theirs"});
    let mut findings = Vec::new();
    for (officer, model, scope, is_existing, expected) in [
        ("officer", "accessPolicy", "vault", false, vec![]),
        ("", "rbac", "vault", false, vec![(SECRETS_USER, ours.clone())]),
        (
            "officer",
            "rbac",
            "vault",
            false,
            vec![(SECRETS_USER, ours.clone()), (SECRETS_OFFICER, ours.clone())],
        ),
        (
            "",
            "rbac",
            "secrets",
            false,
            vec![
                (SECRETS_USER, format!("{ours}/maps-key")),
                (SECRETS_USER, format!("{ours}/search-key")),
            ],
        ),
        // Whose vault it is decides who manages its secrets.
        ("officer", "rbac", "vault", true, vec![(SECRETS_USER, theirs.clone())]),
        ("officer", "accessPolicy", "vault", true, vec![]),
    ] {
        let mut more = if is_existing { existing.clone() } else { json!({}) };
        more["secretsOfficerId"] = json!(officer);
        more["keyVaultAccessModel"] = json!(model);
        more["rbacScope"] = json!(scope);
        let deployment = deploy_beside(project, &more, &json!({"enableRbacAuthorization": model == "rbac"}))?;
        let id = |kind| deployment.one(kind).map(|it| it.id.clone());
        let mut expected: BTreeSet<_> = expected
            .into_iter()
            .map(|(role, scope)| (role.to_owned(), scope))
            .collect();
        expected.insert((METRICS_PUBLISHER.to_owned(), id("Microsoft.Insights/components")?));
        expected.insert((BLOB_OWNER.to_owned(), id("Microsoft.Storage/storageAccounts")?));
        let actual = given(&deployment);
        let different = actual.symmetric_difference(&expected);
        findings.extend(different.map(|(role, scope)| format!("{RESOURCES}: {model}, role {role} on {scope}")));
    }
    findings.extend(pattern(project)?);
    Ok(once(findings))
}

/// There is no role on a pattern, and with access policies none at all.
fn pattern(project: &Project) -> Findings {
    let mut more = json!({"keyVaultAccessModel": "rbac", "rbacScope": "secrets", "allowedSecrets": "maps-*"});
    let mut findings = refused(project, &more, "a pattern of secrets is taken with rbacScope secrets")?;
    more["rbacScope"] = Value::from("vault");
    deploy(project, &more)?;
    let policies = json!({"keyVaultAccessModel": "accessPolicy", "rbacScope": "secrets"});
    findings.extend(refused(project, &policies, "rbacScope is taken with access policies")?);
    Ok(findings)
}
