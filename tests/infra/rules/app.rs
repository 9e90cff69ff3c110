//! The function app on either plan.

use serde_json::{Value, json};

use super::{Findings, Rule, deploy, each, equal, once, scenarios, unless};
use crate::deploy::Deployment;
use crate::eval::CLIENT_ID;
use crate::project::Project;

pub(super) const SITES: &str = "Microsoft.Web/sites";
pub(super) const CONFIG: &str = "Microsoft.Web/sites/config";
pub(super) const PLANS: &str = "Microsoft.Web/serverfarms";
const PASSWORDS: &str = "Microsoft.Web/sites/basicPublishingCredentialsPolicies";

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "one app a plan",
        why: "Flex Consumption refuses a second app, and an app is either on this plan or on that.",
        check: one_app,
    },
    Rule {
        name: "identity",
        why: "The identity that may read is the one that the app has and that AZURE_CLIENT_ID names.",
        check: identity,
    },
    Rule {
        name: "https",
        why: "A secret over HTTP, or an old TLS, can be read on the way.",
        check: |project| {
            each(project, SITES, "httpsOnly, and TLS 1.2 at least", |it| {
                let config = &it.body["properties"]["siteConfig"];
                it.body["properties"]["httpsOnly"] == true
                    && config["minTlsVersion"] == "1.2"
                    && config["scmMinTlsVersion"] == "1.2"
            })
        },
    },
    Rule {
        name: "no passwords",
        why: "Whoever has a publishing password replaces the app by one that prints every secret.",
        check: passwords,
    },
    Rule {
        name: "app settings",
        why: "The settings stand in one resource, which replaces the whole set: in two places one would undo the other.",
        check: app_settings,
    },
    Rule {
        name: "storage by identity",
        why: "With AzureWebJobsStorage itself the host wants a key, and the account has none; all three of these are needed.",
        check: storage,
    },
    Rule {
        name: "logs by identity",
        why: "Application Insights refuses lines without Entra, so the app has to say which identity it writes with.",
        check: logs,
    },
    Rule {
        name: "no diagnostics on the app",
        why: "Flex Consumption does not support diagnostic settings on the site: the deployment fails.",
        check: |project| {
            each(
                project,
                "Microsoft.Insights/diagnosticSettings",
                "it is not on the vault",
                |it| it.scope.contains("/Microsoft.KeyVault/vaults/"),
            )
        },
    },
    Rule {
        name: "premium plan",
        why: "The Functions host runs on an App Service plan only with these; Linux needs `reserved`.",
        check: premium,
    },
    Rule {
        name: "no cors on premium",
        why: "With any list of its own the platform answers preflights, and patterns, ages and header names do nothing.",
        check: no_cors_on_premium,
    },
    Rule {
        name: "in the network",
        why: "Outside it the vault's name resolves to the public address, which is closed.",
        check: in_the_network,
    },
];

/// The settings that an app is given.
pub(super) fn settings(deployment: &Deployment) -> Result<&Value, String> {
    Ok(&deployment.one(CONFIG)?.body["properties"])
}

pub(super) fn premium_app(project: &Project) -> Result<Deployment, String> {
    deploy(project, &json!({"hostingPlan": "premium"}))
}

fn one_app(project: &Project) -> Findings {
    let mut findings = Vec::new();
    for deployment in scenarios(project)? {
        let (site, plan) = (deployment.one(SITES), deployment.one(PLANS));
        match (site, plan) {
            (Ok(site), Ok(plan)) => {
                let farm = &site.body["properties"]["serverFarmId"];
                findings.extend(equal(&site.at, [("serverFarmId", farm, json!(plan.id))]));
            }
            (site, plan) => findings.extend(site.err().into_iter().chain(plan.err())),
        }
    }
    Ok(once(findings))
}

fn identity(project: &Project) -> Findings {
    let mut findings = Vec::new();
    for deployment in scenarios(project)? {
        let site = deployment.one(SITES)?;
        let own = deployment.one("Microsoft.ManagedIdentity/userAssignedIdentities")?;
        let assigned = json!({"type": "UserAssigned", "userAssignedIdentities": {own.id.as_str(): {}}});
        let client = &settings(deployment)?["AZURE_CLIENT_ID"];
        findings.extend(equal(
            &site.at,
            [
                ("identity", &site.body["identity"], assigned),
                ("AZURE_CLIENT_ID", client, json!(CLIENT_ID)),
            ],
        ));
    }
    Ok(once(findings))
}

fn passwords(project: &Project) -> Findings {
    let mut findings = Vec::new();
    for deployment in scenarios(project)? {
        let site = deployment.one(SITES)?;
        let flex = site.body["properties"].get("functionAppConfig").is_some();
        // There is no FTP on Flex Consumption.
        for name in if flex { &["scm"][..] } else { &["scm", "ftp"] } {
            let off = deployment
                .all(PASSWORDS)
                .any(|it| it.id == format!("{}/{name}", site.id) && it.body["properties"]["allow"] == false);
            findings.extend(unless(
                off,
                &format!("{}: passwords for {name} are not turned off", site.at),
            ));
        }
    }
    Ok(once(findings))
}

fn app_settings(project: &Project) -> Findings {
    let mut findings = Vec::new();
    for deployment in scenarios(project)? {
        let (site, config) = (deployment.one(SITES)?, deployment.one(CONFIG)?);
        let inline = site.body["properties"]["siteConfig"].get("appSettings").is_some();
        findings.extend(unless(!inline, &format!("{}: siteConfig.appSettings as well", site.at)));
        findings.extend(equal(
            &config.at,
            [("its id", &json!(config.id), json!(format!("{}/appsettings", site.id)))],
        ));
        let values = config.body["properties"].as_object().into_iter().flatten();
        let other = values.filter(|(_, value)| !value.is_string());
        findings.extend(other.map(|(name, value)| format!("{}: {name} is {value}, no text", config.at)));
    }
    Ok(once(findings))
}

fn storage(project: &Project) -> Findings {
    let mut findings = Vec::new();
    for deployment in scenarios(project)? {
        let account = deployment.one("Microsoft.Storage/storageAccounts")?;
        let all = settings(deployment)?.as_object().into_iter().flatten();
        let of_storage = all.filter(|(name, _)| name.to_lowercase().starts_with("azurewebjobsstorage"));
        let of_storage: Value = of_storage.map(|(name, value)| (name.clone(), value.clone())).collect();
        let expected = json!({
            "AzureWebJobsStorage__accountName": account.name,
            "AzureWebJobsStorage__credential": "managedidentity",
            "AzureWebJobsStorage__clientId": CLIENT_ID,
        });
        findings.extend(equal(&deployment.one(CONFIG)?.at, [("storage", &of_storage, expected)]));
    }
    Ok(once(findings))
}

fn logs(project: &Project) -> Findings {
    let mut findings = Vec::new();
    for deployment in scenarios(project)? {
        let insights = deployment.one("Microsoft.Insights/components")?;
        let settings = settings(deployment)?;
        let connection = json!(format!("InstrumentationKey=key-of-{}", insights.name));
        let identity = json!(format!("ClientId={CLIENT_ID};Authorization=AAD"));
        findings.extend(equal(
            &deployment.one(CONFIG)?.at,
            [
                (
                    "connection",
                    &settings["APPLICATIONINSIGHTS_CONNECTION_STRING"],
                    connection,
                ),
                (
                    "identity",
                    &settings["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"],
                    identity,
                ),
            ],
        ));
    }
    Ok(once(findings))
}

fn premium(project: &Project) -> Findings {
    let deployment = premium_app(project)?;
    let (plan, site) = (deployment.one(PLANS)?, deployment.one(SITES)?);
    let settings = settings(&deployment)?;
    Ok(equal(
        &site.at,
        [
            ("the plan's kind", &plan.body["kind"], json!("linux")),
            ("the plan's reserved", &plan.body["properties"]["reserved"], json!(true)),
            (
                "the plan's size",
                &plan.body["sku"],
                json!({"name": "P0v3", "capacity": 1}),
            ),
            ("kind", &site.body["kind"], json!("functionapp,linux")),
            (
                "alwaysOn",
                &site.body["properties"]["siteConfig"]["alwaysOn"],
                json!(true),
            ),
            (
                "ftpsState",
                &site.body["properties"]["siteConfig"]["ftpsState"],
                json!("Disabled"),
            ),
            (
                "FUNCTIONS_EXTENSION_VERSION",
                &settings["FUNCTIONS_EXTENSION_VERSION"],
                json!("~4"),
            ),
            (
                "FUNCTIONS_WORKER_RUNTIME",
                &settings["FUNCTIONS_WORKER_RUNTIME"],
                json!("custom"),
            ),
            (
                "WEBSITE_RUN_FROM_PACKAGE",
                &settings["WEBSITE_RUN_FROM_PACKAGE"],
                json!("1"),
            ),
        ],
    ))
}

fn no_cors_on_premium(project: &Project) -> Findings {
    let deployment = premium_app(project)?;
    let site = deployment.one(SITES)?;
    let has_cors = site.body["properties"]["siteConfig"].get("cors").is_some();
    Ok(unless(!has_cors, &format!("{}: siteConfig.cors", site.at)))
}

fn in_the_network(project: &Project) -> Findings {
    let mut findings = Vec::new();
    for plan in ["flex", "premium"] {
        let open = deploy(project, &json!({"hostingPlan": plan}))?;
        let private = deploy(project, &json!({"hostingPlan": plan, "vnetEnabled": true}))?;
        let network = private.one("Microsoft.Network/virtualNetworks")?;
        let (without, with) = (open.one(SITES)?, private.one(SITES)?);
        let subnet = json!(format!("{}/subnets/app", network.id));
        findings.extend(equal(
            &with.at,
            [
                (
                    "without a network, its subnet",
                    &without.body["properties"]["virtualNetworkSubnetId"],
                    Value::Null,
                ),
                ("its subnet", &with.body["properties"]["virtualNetworkSubnetId"], subnet),
            ],
        ));
    }
    Ok(findings)
}
