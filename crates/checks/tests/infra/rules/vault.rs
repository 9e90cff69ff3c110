//! The vault, ours or somebody else's, and the way to it.

use serde_json::{Value, json};

use super::Findings;
use crate::snapshot::Snapshot;

const TENANT: &str = "99999999-8888-7777-6666-555555555555";

fn is_theirs(it: &Snapshot) -> bool {
    it.given.contains_key("existingKeyVaultName")
}

fn is_private(it: &Snapshot) -> bool {
    it.is("vnetEnabled", "true")
}

/// The app may `get`, and nothing else.
fn reader(it: &Snapshot) -> Value {
    json!({"tenantId": TENANT, "objectId": it.identity("principalId"), "permissions": {"secrets": ["get"]}})
}

/// A vault of our own says which model it is of, has the whole list of policies inline, outlives a deletion, is closed
/// where there is a private endpoint, and is audited where nobody can fill the log.
pub(super) fn ours(it: &Snapshot, found: &mut Findings<'_>) {
    if is_theirs(it) {
        return;
    }
    let vault = &it.one("Microsoft.KeyVault/vaults")["properties"];
    let rbac = it.is("keyVaultAccessModel", "rbac");
    let mut policies = vec![reader(it)];
    policies.extend(it.given.get("secretsOfficerId").map(|id| {
        let secrets = json!(["get", "list", "set", "delete", "recover"]);
        json!({"tenantId": TENANT, "objectId": id, "permissions": {"secrets": secrets}})
    }));
    found.equal(
        "enableRbacAuthorization",
        &vault["enableRbacAuthorization"],
        &json!(rbac),
    );
    let policies = if rbac { json!([]) } else { json!(policies) };
    found.equal("accessPolicies", &vault["accessPolicies"], &policies);
    found.equal("soft delete", &vault["enableSoftDelete"], &json!(true));
    found.equal("retention", &vault["softDeleteRetentionInDays"], &json!(90));
    // `false` is refused by Azure: it is true or absent.
    let protected = if it.is("purgeProtection", "false") {
        Value::Null
    } else {
        json!(true)
    };
    found.equal("purge protection", &vault["enablePurgeProtection"], &protected);
    let ranges = it
        .given
        .get("vaultAllowedIpRanges")
        .map_or(0, |it| it.split(',').count());
    let access = if is_private(it) && ranges == 0 {
        "Disabled"
    } else {
        "Enabled"
    };
    found.equal("public access", &vault["publicNetworkAccess"], &json!(access));
    let action = if is_private(it) { "Deny" } else { "Allow" };
    let rules = &vault["networkAcls"];
    found.equal("default action", &rules["defaultAction"], &json!(action));
    found.equal(
        "number of address ranges",
        &json!(rules["ipRules"].as_array().map_or(0, Vec::len)),
        &json!(ranges),
    );
    let audit = it.one("Microsoft.Insights/diagnosticSettings");
    let id = format!(
        "{}/providers/Microsoft.Insights/diagnosticSettings/audit",
        it.vault_id()
    );
    found.equal("what is audited", &audit["id"], &json!(id));
    let mut workspaces = it.all_of("Microsoft.OperationalInsights/workspaces");
    let uncapped = workspaces.find(|it| it["properties"].get("workspaceCapping").is_none());
    let uncapped = uncapped.map_or(Value::Null, |it| it["id"].clone());
    found.equal(
        "where the audit log goes",
        &audit["properties"]["workspaceId"],
        &uncapped,
    );
}

/// Of somebody else's vault nothing is changed but one more policy.
pub(super) fn theirs(it: &Snapshot, found: &mut Findings<'_>) {
    if !is_theirs(it) {
        return;
    }
    let written = it.all_of("Microsoft.KeyVault/vaults").count();
    found.equal("vaults written", &json!(written), &json!(0));
    let added = it.all_of("Microsoft.KeyVault/vaults/accessPolicies");
    let added: Vec<Value> = added
        .map(|it| json!([it["id"], it["properties"]["accessPolicies"]]))
        .collect();
    let expected = if it.is("keyVaultAccessModel", "rbac") {
        json!([])
    } else {
        json!([[format!("{}/accessPolicies/add", it.vault_id()), [reader(it)]]])
    };
    found.equal("policies added", &json!(added), &expected);
}

/// A network only where it is asked for, with the vault's endpoint in it and the subnet that the plan wants.
pub(super) fn network(it: &Snapshot, found: &mut Findings<'_>) {
    let kinds = it.resources().iter().filter_map(|it| it["type"].as_str());
    let count = kinds.filter(|kind| kind.starts_with("Microsoft.Network/")).count();
    let expected = if is_private(it) { 5 } else { 0 };
    found.equal("number of network resources", &json!(count), &json!(expected));
    if !is_private(it) {
        return;
    }
    let endpoint = &it.one("Microsoft.Network/privateEndpoints")["properties"];
    let connection = &endpoint["privateLinkServiceConnections"][0]["properties"];
    let expected = json!({"privateLinkServiceId": it.vault_id(), "groupIds": ["vault"]});
    found.equal("private endpoint", connection, &expected);
    let zone = &it.one("Microsoft.Network/privateDnsZones")["name"];
    // privatelink.vaultcore.azure.net in the public cloud, without that cloud's name.
    let name = "[format('privatelink.{0}', replace(substring(environment().suffixes.keyvaultDns, 1), 'vault.', 'vaultcore.'))]";
    found.equal("zone", zone, &json!(name));
    let subnet = &it.one("Microsoft.Network/virtualNetworks")["properties"]["subnets"][0]["properties"];
    let delegation = if it.is_flex() {
        "Microsoft.App/environments"
    } else {
        "Microsoft.Web/serverFarms"
    };
    found.equal(
        "delegation",
        &subnet["delegations"][0]["properties"]["serviceName"],
        &json!(delegation),
    );
}
