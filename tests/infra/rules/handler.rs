//! The settings that the app is given, held to the handler itself.

use std::collections::{BTreeMap, BTreeSet};

use keyvault_cors::config::{Config, SETTINGS};
use serde_json::{Value, json};

use super::app::{CONFIG, settings};
use super::{Findings, ORIGINS, Rule, deploy, equal, unless};
use crate::expr::{Expr, Kind};
use crate::project::{Project, RESOURCES};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "every setting",
        why: "A setting that Bicep lacks is lost at the next deployment; one that the handler lacks does nothing.",
        check: names,
    },
    Rule {
        name: "one parameter a setting",
        why: "Whoever changes a parameter expects that setting to change, and no other.",
        check: one_parameter,
    },
    Rule {
        name: "texts of bools",
        why: "`string(true)` is `True`, and the documents say `true`.",
        check: bools,
    },
    Rule {
        name: "the handler's defaults",
        why: "A default that differs between Bicep and the handler makes one of the two documents wrong.",
        check: defaults,
    },
    Rule {
        name: "the handler's verdict",
        why: "A handler that finds a fault does not start; a warning on a fresh deployment teaches people to ignore them.",
        check: verdict,
    },
];

/// Settings that no parameter feeds: they follow from what is deployed.
const DERIVED: &[&str] = &["KEY_VAULT_URL", "AZURE_CLIENT_ID", "AZURE_TOKEN_CREDENTIALS"];

fn table(project: &Project) -> Result<&Expr, String> {
    let var = project.file(RESOURCES).vars.iter().find(|it| it.name == "settings");
    var.map(|it| &it.value)
        .ok_or_else(|| format!("{RESOURCES}: no variable settings"))
}

fn names(project: &Project) -> Findings {
    let given: BTreeSet<&str> = table(project)?.entries().iter().map(|(key, _)| key.key()).collect();
    let known = BTreeSet::from(SETTINGS.map(|setting| setting.name));
    let missing = known
        .difference(&given)
        .map(|it| format!("{RESOURCES}: {it} is not set"));
    let unknown = given
        .difference(&known)
        .map(|it| format!("{RESOURCES}: {it} is no setting"));
    Ok(missing.chain(unknown).collect())
}

fn one_parameter(project: &Project) -> Findings {
    let params: BTreeSet<&str> = project
        .file(RESOURCES)
        .params
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    let mut findings = Vec::new();
    for (key, value) in table(project)?.entries() {
        if DERIVED.contains(&key.key()) {
            continue;
        }
        let at = format!("{RESOURCES}:{}: {}", key.line, key.key());
        let used: BTreeSet<&str> = value.symbols().into_iter().map(|it| it.0).collect();
        let used: Vec<&str> = used.into_iter().collect();
        match used.as_slice() {
            [one] if params.contains(one) && one.to_uppercase() == key.key().replace('_', "") => {
                if let Some(other) = taken.insert(one, key.key()) {
                    findings.push(format!("{at} has the parameter of {other}"));
                }
            }
            other => findings.push(format!("{at} comes from {other:?}")),
        }
    }
    Ok(findings)
}

fn bools(project: &Project) -> Findings {
    let bools = project.file(RESOURCES).params.iter().filter(|it| it.ty == "bool");
    let bools: BTreeSet<&str> = bools.map(|it| it.name.as_str()).collect();
    let mut findings = Vec::new();
    for (key, value) in table(project)?.entries() {
        let bare = match &value.kind {
            Kind::Call(function, _) if function == "toLower" => false,
            _ => value.symbols().iter().any(|(name, _)| bools.contains(name)),
        };
        if bare {
            findings.push(format!("{RESOURCES}:{}: {}", key.line, key.key()));
        }
    }
    Ok(findings)
}

/// Reads a configuration as the handler does, from these variables alone.
fn read(variables: &BTreeMap<String, String>) -> Result<Config, Vec<String>> {
    let root = env!("CARGO_MANIFEST_DIR");
    let files = ["GetSecret/function.json", "Preflight/function.json", "host.json"];
    let files = files.map(|path| (path.to_owned(), std::fs::read(format!("{root}/{path}"))));
    Config::read(variables, &files.into()).map_err(|findings| findings.faults.iter().map(ToString::to_string).collect())
}

fn as_variables(settings: &Value) -> BTreeMap<String, String> {
    let all = settings.as_object().into_iter().flatten();
    all.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// What the platform adds to the environment of a deployed app.
fn platform(plan: &str, credentials: bool) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::from([
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "40001".to_owned()),
        ("WEBSITE_INSTANCE_ID", "instance".to_owned()),
        ("WEBSITE_HOSTNAME", "func.azurewebsites.net".to_owned()),
        ("IDENTITY_ENDPOINT", "http://127.0.0.1:4141/token".to_owned()),
        ("IDENTITY_HEADER", "header".to_owned()),
    ]);
    if plan == "flex" {
        let list: Vec<&str> = ORIGINS.split(',').collect();
        variables.insert("WEBSITE_SKU", "FlexConsumption".to_owned());
        variables.insert("CORS_ALLOWED_ORIGINS", json!(list).to_string());
        variables.insert("CORS_SUPPORT_CREDENTIALS", credentials.to_string());
    }
    variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn defaults(project: &Project) -> Findings {
    let deployment = deploy(project, &json!({}))?;
    let mut given = as_variables(settings(&deployment)?);
    let mut bare = platform("flex", false);
    for name in ["KEY_VAULT_URL", "ALLOWED_SECRETS", "ALLOWED_ORIGINS", "AZURE_CLIENT_ID"] {
        bare.insert(name.to_owned(), given.get(name).cloned().unwrap_or_default());
    }
    given.extend(platform("flex", false));
    let at = &deployment.one(CONFIG)?.at;
    let (given, bare) = match (read(&given), read(&bare)) {
        (Ok(given), Ok(bare)) => (given, bare),
        (given, bare) => {
            let faults = [given.err(), bare.err()].into_iter().flatten().flatten();
            return Ok(faults.map(|fault| format!("{at}: {fault}")).collect());
        }
    };
    // Everything that a configuration holds, whatever is added to it; the order of sets differs from run to run.
    let lines = |config: &Config| {
        let shown = format!("{config:#?}");
        let mut lines: Vec<String> = shown.lines().map(|line| line.trim().to_owned()).collect();
        lines.sort_unstable();
        lines
    };
    let (given, bare) = (lines(&given), lines(&bare));
    let deployed = given.iter().filter(|line| !bare.contains(line));
    let mut findings: Vec<String> = deployed.map(|line| format!("{at}: deployed `{line}`")).collect();
    let by_default = bare.iter().filter(|line| !given.contains(line));
    findings.extend(by_default.map(|line| format!("{at}: by default `{line}`")));
    findings.extend(unless(
        given.len() == bare.len(),
        &format!("{at}: more, or less, than by default"),
    ));
    let authority = settings(&deployment)?["ENTRA_AUTHORITY_HOST"]
        .as_str()
        .unwrap_or_default()
        .trim_end_matches('/');
    // Without Entra a configuration does not hold it.
    let handlers = json!("https://login.microsoftonline.com");
    findings.extend(equal(at, [("ENTRA_AUTHORITY_HOST", &json!(authority), handlers)]));
    Ok(findings)
}

fn verdict(project: &Project) -> Findings {
    let entra = json!({
        "entraTenantId": "99999999-8888-7777-6666-555555555555",
        "entraAudience": "api://keyvault-cors",
        "entraRequiredScopes": "secrets.read",
    });
    let mut findings = Vec::new();
    for plan in ["flex", "premium"] {
        for (credentials, more) in [(false, json!({})), (true, json!({})), (false, entra.clone())] {
            let mut more = more;
            more["hostingPlan"] = json!(plan);
            more["allowCredentials"] = json!(credentials);
            let deployment = deploy(project, &more)?;
            let at = &deployment.one(CONFIG)?.at;
            let mut variables = as_variables(settings(&deployment)?);
            variables.extend(platform(plan, credentials));
            match read(&variables) {
                Ok(config) => findings.extend(config.warnings.iter().map(|it| format!("{at}: warning: {it}"))),
                Err(faults) => findings.extend(faults.iter().map(|it| format!("{at}: fault: {it}"))),
            }
        }
    }
    Ok(super::once(findings))
}
