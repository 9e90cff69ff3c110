//! The private way to the vault.

use serde_json::{Value, json};

use super::vault::VAULTS;
use super::{Findings, GROUP, Rule, deploy, deploy_beside, equal, unless};
use crate::deploy::Deployment;
use crate::project::Project;

const NETWORKS: &str = "Microsoft.Network/virtualNetworks";

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "no network unasked",
        why: "A private endpoint and a zone are paid for by the hour.",
        check: unasked,
    },
    Rule {
        name: "private endpoint",
        why: "The endpoint has to be the vault's own, in its subnet; `vault` is the only group that a vault has.",
        check: endpoint,
    },
    Rule {
        name: "private name",
        why: "Without zone, link and records the vault's name resolves to its public address, which is closed.",
        check: zone,
    },
    Rule {
        name: "subnets",
        why: "Each plan wants its subnet delegated to its own service; the app still reaches storage and Entra from it.",
        check: subnets,
    },
];

fn private(project: &Project) -> Result<Deployment, String> {
    deploy(project, &json!({"vnetEnabled": true}))
}

fn unasked(project: &Project) -> Findings {
    let deployment = deploy(project, &json!({}))?;
    let network = deployment
        .resources
        .iter()
        .filter(|it| it.kind.starts_with("Microsoft.Network/"));
    Ok(network.map(|it| format!("{}: without vnetEnabled", it.at)).collect())
}

fn endpoint(project: &Project) -> Findings {
    let mut findings = Vec::new();
    let theirs = json!({
        "vnetEnabled": true,
        "existingKeyVaultName": "theirs",
        "existingKeyVaultResourceGroup": "rg-theirs",
    });
    for (deployment, vault) in [
        (private(project)?, format!("/{GROUP}/{VAULTS}/kv-abc123abc123a")),
        (
            deploy_beside(project, &theirs, &json!({}))?,
            format!("/rg-theirs/{VAULTS}/theirs"),
        ),
    ] {
        let endpoint = deployment.one("Microsoft.Network/privateEndpoints")?;
        let network = deployment.one(NETWORKS)?;
        let properties = &endpoint.body["properties"];
        let connection = &properties["privateLinkServiceConnections"][0]["properties"];
        findings.extend(equal(
            &endpoint.at,
            [
                (
                    "subnet",
                    &properties["subnet"]["id"],
                    json!(format!("{}/subnets/endpoint", network.id)),
                ),
                (
                    "privateLinkServiceId",
                    &connection["privateLinkServiceId"],
                    json!(vault),
                ),
                ("groupIds", &connection["groupIds"], json!(["vault"])),
            ],
        ));
    }
    Ok(findings)
}

fn zone(project: &Project) -> Findings {
    let deployment = private(project)?;
    let zone = deployment.one("Microsoft.Network/privateDnsZones")?;
    let link = deployment.one("Microsoft.Network/privateDnsZones/virtualNetworkLinks")?;
    let records = deployment.one("Microsoft.Network/privateEndpoints/privateDnsZoneGroups")?;
    let endpoint = deployment.one("Microsoft.Network/privateEndpoints")?;
    let network = deployment.one(NETWORKS)?;
    let configs = &records.body["properties"]["privateDnsZoneConfigs"];
    let mut findings = equal(
        &zone.at,
        [
            ("the zone", &json!(zone.name), json!("privatelink.vaultcore.azure.net")),
            ("its location", &zone.body["location"], json!("global")),
            ("the link's location", &link.body["location"], json!("global")),
            (
                "registrationEnabled",
                &link.body["properties"]["registrationEnabled"],
                json!(false),
            ),
            (
                "the linked network",
                &link.body["properties"]["virtualNetwork"]["id"],
                json!(network.id),
            ),
            (
                "the records' zone",
                &configs[0]["properties"]["privateDnsZoneId"],
                json!(zone.id),
            ),
        ],
    );
    findings.extend(unless(
        link.id.starts_with(&zone.id),
        &format!("{}: it is not the zone's", link.at),
    ));
    findings.extend(unless(
        records.id.starts_with(&endpoint.id),
        &format!("{}: they are not the endpoint's", records.at),
    ));
    Ok(findings)
}

fn subnets(project: &Project) -> Findings {
    let mut findings = Vec::new();
    for (plan, service) in [
        ("flex", "Microsoft.App/environments"),
        ("premium", "Microsoft.Web/serverFarms"),
    ] {
        let deployment = deploy(project, &json!({"vnetEnabled": true, "hostingPlan": plan}))?;
        let network = deployment.one(NETWORKS)?;
        let properties = &network.body["properties"];
        let (app, endpoint) = (&properties["subnets"][0], &properties["subnets"][1]);
        let delegation = &app["properties"]["delegations"][0]["properties"]["serviceName"];
        findings.extend(equal(
            &network.at,
            [
                ("the app's subnet", &app["name"], json!("app")),
                ("its delegation", delegation, json!(service)),
                ("its way out", &app["properties"]["defaultOutboundAccess"], json!(true)),
                ("the endpoint's subnet", &endpoint["name"], json!("endpoint")),
                ("its delegation", &endpoint["properties"]["delegations"], Value::Null),
            ],
        ));
        findings.extend(ranges(&network.at, properties));
    }
    Ok(findings)
}

/// The subnets lie in the network's range, side by side, and are large enough.
fn ranges(at: &str, properties: &Value) -> Vec<String> {
    let range = |value: &Value| {
        let (address, bits) = value.as_str()?.split_once('/')?;
        let address = u32::from(address.parse::<std::net::Ipv4Addr>().ok()?);
        let size = 1_u64 << 32_u32.checked_sub(bits.parse().ok()?)?;
        Some((u64::from(address), u64::from(address) + size))
    };
    let subnet = |index: usize| range(&properties["subnets"][index]["properties"]["addressPrefix"]);
    let (Some(whole), Some(app), Some(endpoint)) = (
        range(&properties["addressSpace"]["addressPrefixes"][0]),
        subnet(0),
        subnet(1),
    ) else {
        return vec![format!("{at}: an address range is none")];
    };
    let inside = app.0 >= whole.0 && endpoint.1 <= whole.1 && app.1 <= endpoint.0;
    let mut findings = unless(
        inside,
        &format!("{at}: the subnets overlap, or do not lie in the network"),
    );
    findings.extend(unless(
        app.1 - app.0 >= 32,
        &format!("{at}: the app's subnet is smaller than a /27"),
    ));
    findings.extend(unless(
        endpoint.1 - endpoint.0 >= 8,
        &format!("{at}: the endpoint's subnet is smaller than a /29"),
    ));
    findings
}
