//! The function app on Flex Consumption, which takes and refuses what other plans do not.

use serde_json::{Value, json};

use super::app::{CONFIG, PLANS, SITES, premium_app, settings};
use super::{Findings, ORIGINS, Rule, deploy, equal, is_refused, unless};
use crate::expr::Expr;
use crate::project::{FLEX, Project, RESOURCES};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "flex plan",
        why: "This is how a Flex Consumption plan is asked for; without `reserved` it would be Windows, and is refused.",
        check: plan,
    },
    Rule {
        name: "flex runtime",
        why: "A custom handler is runtime `custom` 1.0, and Azure fetches its package with an identity: there are no keys.",
        check: runtime,
    },
    Rule {
        name: "flex refuses properties",
        why: "Flex Consumption rejects these properties of siteConfig with error 51021.",
        check: refused_properties,
    },
    Rule {
        name: "flex refuses settings",
        why: "Flex Consumption rejects these app settings: functionAppConfig says the same there.",
        check: refused_settings,
    },
    Rule {
        name: "flex concurrency",
        why: "The platform's own value of 16 or so makes many cold processes of one fast one, each reading the vault.",
        check: concurrency,
    },
    Rule {
        name: "flex scale",
        why: "What a parameter says about memory and instances has to reach the app; always-ready ones are for `http`.",
        check: scale,
    },
    Rule {
        name: "flex origins",
        why: "The platform answers every preflight from its own list: where that differs from the handler's, pages fail.",
        check: origins,
    },
    Rule {
        name: "flex knows no patterns",
        why: "The platform would take a pattern, and refuse every preflight from the origins that it stands for.",
        check: patterns,
    },
];

/// Error 51021 names them.
const REFUSED_PROPERTIES: &[&str] = &[
    "alwaysOn",
    "ftpsState",
    "functionAppScaleLimit",
    "linuxFxVersion",
    "netFrameworkVersion",
    "preWarmedInstanceCount",
    "use32BitWorkerProcess",
];
const REFUSED_SETTINGS: &[&str] = &[
    "ENABLE_ORYX_BUILD",
    "FUNCTIONS_EXTENSION_VERSION",
    "FUNCTIONS_WORKER_RUNTIME",
    "WEBSITE_CONTENTSHARE",
    "WEBSITE_RUN_FROM_PACKAGE",
];

fn plan(project: &Project) -> Findings {
    let deployment = deploy(project, &json!({}))?;
    let plan = deployment.one(PLANS)?;
    Ok(equal(
        &plan.at,
        [
            ("kind", &plan.body["kind"], json!("functionapp")),
            (
                "sku",
                &plan.body["sku"],
                json!({"name": "FC1", "tier": "FlexConsumption"}),
            ),
            ("reserved", &plan.body["properties"]["reserved"], json!(true)),
        ],
    ))
}

fn runtime(project: &Project) -> Findings {
    let deployment = deploy(project, &json!({}))?;
    let site = deployment.one(SITES)?;
    let account = deployment.one("Microsoft.Storage/storageAccounts")?;
    let container = deployment.one("Microsoft.Storage/storageAccounts/blobServices/containers")?;
    let identity = deployment.one("Microsoft.ManagedIdentity/userAssignedIdentities")?;
    let config = &site.body["properties"]["functionAppConfig"];
    let storage = json!({
        "type": "blobContainer",
        "value": format!("https://{}.blob.core.windows.net/{}", account.name, container.name),
        "authentication": {"type": "UserAssignedIdentity", "userAssignedIdentityResourceId": identity.id},
    });
    Ok(equal(
        &site.at,
        [
            ("kind", &site.body["kind"], json!("functionapp,linux")),
            (
                "runtime",
                &config["runtime"],
                json!({"name": "custom", "version": "1.0"}),
            ),
            ("deployment.storage", &config["deployment"]["storage"], storage),
        ],
    ))
}

fn refused_properties(project: &Project) -> Findings {
    let file = project.file(FLEX);
    let all = file.expressions().into_iter().flat_map(Expr::walk);
    let keys = all.flat_map(Expr::entries).map(|(key, _)| key);
    let refused = keys.filter(|key| REFUSED_PROPERTIES.contains(&key.key()));
    Ok(refused
        .map(|key| format!("{FLEX}:{}: {}", key.line, key.key()))
        .collect())
}

fn refused_settings(project: &Project) -> Findings {
    let deployment = deploy(project, &json!({}))?;
    let config = deployment.one(CONFIG)?;
    let refused = REFUSED_SETTINGS
        .iter()
        .filter(|name| config.body["properties"].get(name).is_some());
    Ok(refused.map(|name| format!("{}: {name}", config.at)).collect())
}

fn concurrency(project: &Project) -> Findings {
    let per_instance = |more| -> Result<Value, String> {
        let deployment = deploy(project, &more)?;
        let config = &deployment.one(SITES)?.body["properties"]["functionAppConfig"];
        Ok(config["scaleAndConcurrency"]["triggers"]["http"]["perInstanceConcurrency"].clone())
    };
    let by_default = per_instance(json!({}))?;
    let mut findings = equal(
        FLEX,
        [(
            "perInstanceConcurrency",
            &per_instance(json!({"perInstanceConcurrency": 77}))?,
            json!(77),
        )],
    );
    let above = by_default.as_u64().is_some_and(|it| it > 16);
    findings.extend(unless(
        above,
        &format!("{RESOURCES}: perInstanceConcurrency is {by_default} by default"),
    ));
    Ok(findings)
}

fn scale(project: &Project) -> Findings {
    let more = json!({"instanceMemoryMB": 512, "maximumInstanceCount": 99, "alwaysReadyInstanceCount": 3});
    let deployment = deploy(project, &more)?;
    let idle = deploy(project, &json!({}))?;
    let site = deployment.one(SITES)?;
    let scale = &site.body["properties"]["functionAppConfig"]["scaleAndConcurrency"];
    let asleep = &idle.one(SITES)?.body["properties"]["functionAppConfig"]["scaleAndConcurrency"]["alwaysReady"];
    Ok(equal(
        &site.at,
        [
            ("instanceMemoryMB", &scale["instanceMemoryMB"], json!(512)),
            ("maximumInstanceCount", &scale["maximumInstanceCount"], json!(99)),
            (
                "alwaysReady",
                &scale["alwaysReady"],
                json!([{"name": "http", "instanceCount": 3}]),
            ),
            ("alwaysReady by default", asleep, json!([])),
        ],
    ))
}

fn origins(project: &Project) -> Findings {
    let mut findings = Vec::new();
    for credentials in [false, true] {
        let deployment = deploy(project, &json!({"allowCredentials": credentials}))?;
        let site = deployment.one(SITES)?;
        let settings = settings(&deployment)?;
        let list: Vec<&str> = ORIGINS.split(',').collect();
        let cors = json!({"allowedOrigins": list, "supportCredentials": credentials});
        findings.extend(equal(
            &site.at,
            [
                ("cors", &site.body["properties"]["siteConfig"]["cors"], cors),
                ("ALLOWED_ORIGINS", &settings["ALLOWED_ORIGINS"], json!(ORIGINS)),
                (
                    "ALLOW_CREDENTIALS",
                    &settings["ALLOW_CREDENTIALS"],
                    json!(credentials.to_string()),
                ),
            ],
        ));
    }
    Ok(findings)
}

fn patterns(project: &Project) -> Findings {
    premium_app(project)?;
    let mut findings = Vec::new();
    for (plan, origins, any, taken) in [
        ("flex", ORIGINS, false, true),
        ("flex", "https://*.contoso.com", false, false),
        ("flex", "https://app.contoso.com,http://localhost:*", false, false),
        ("flex", "https://*.contoso.com", true, false),
        ("flex", "*", true, true),
        ("premium", "https://*.contoso.com", false, true),
    ] {
        let more = json!({"hostingPlan": plan, "allowedOrigins": origins, "dangerouslyAllowAnyOrigin": any});
        let refused = is_refused(deploy(project, &more))?;
        let what = if taken { "refused" } else { "taken" };
        findings.extend(unless(
            refused != taken,
            &format!("{RESOURCES}: {origins} is {what} on {plan}"),
        ));
    }
    Ok(findings)
}
