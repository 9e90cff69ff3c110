//! Roles: each on the one thing that it is for.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Findings;
use crate::snapshot::Snapshot;

const ASSIGNMENT: &str = "Microsoft.Authorization/roleAssignments";
const SECRETS_USER: &str = "4633458b-17de-408a-b874-0445c86b69e6";
const SECRETS_OFFICER: &str = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7";
const METRICS_PUBLISHER: &str = "3913510d-42f4-4e42-8a64-420c390055eb";
const BLOB_OWNER: &str = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b";

pub(super) fn assignments(it: &Snapshot, found: &mut Findings<'_>) {
    let app = it.identity("principalId");
    let of_app = |role: &str, scope: &Value| json!([role, scope, app, "ServicePrincipal"]);
    let mut expected = vec![
        of_app(METRICS_PUBLISHER, &it.one("Microsoft.Insights/components")["id"]),
        of_app(BLOB_OWNER, &it.one("Microsoft.Storage/storageAccounts")["id"]),
    ];
    let vault = it.vault_id();
    if it.is("keyVaultAccessModel", "rbac") {
        let secrets = it.settings()["ALLOWED_SECRETS"].as_str().unwrap_or_default().split(',');
        if it.is("rbacScope", "secrets") {
            expected.extend(secrets.map(|name| of_app(SECRETS_USER, &json!(format!("{vault}/secrets/{name}")))));
        } else {
            expected.push(of_app(SECRETS_USER, &json!(vault)));
        }
        // Whose vault it is decides who manages its secrets.
        let officer = it
            .given
            .get("secretsOfficerId")
            .filter(|_| !it.given.contains_key("existingKeyVaultName"));
        let kind = it.given.get("secretsOfficerType").map_or("User", String::as_str);
        expected.extend(officer.map(|id| json!([SECRETS_OFFICER, vault, id, kind])));
    }
    let given = it.all_of(ASSIGNMENT).map(|it| {
        let properties = &it["properties"];
        let role = properties["roleDefinitionId"]
            .as_str()
            .and_then(|id| id.rsplit('/').next());
        json!([role, scope(it), properties["principalId"], properties["principalType"]])
    });
    found.equal("roles", &sorted(given.collect()), &sorted(expected));
    // The name of an assignment is one for the whole tenant, whatever its scope.
    let names: BTreeSet<String> = it.all_of(ASSIGNMENT).map(|it| it["name"].to_string()).collect();
    found.equal(
        "different names of assignments",
        &json!(names.len()),
        &json!(it.all_of(ASSIGNMENT).count()),
    );
}

/// What an assignment is on: its id is text, or an expression with the scope first.
fn scope(assignment: &Value) -> Option<&str> {
    let id = assignment["id"].as_str()?;
    match id.strip_prefix("[extensionResourceId('") {
        Some(rest) => rest.split('\'').next(),
        None => id.split_once("/providers/Microsoft.Authorization/").map(|it| it.0),
    }
}

fn sorted(mut all: Vec<Value>) -> Value {
    all.sort_unstable_by_key(Value::to_string);
    Value::Array(all)
}
