//! The settings that the app is given, read by the handler itself.

use std::collections::BTreeMap;

use keyvault_cors::config::Config;
use serde_json::{Value, json};

use super::Findings;
use crate::files::root;
use crate::project::Project;
use crate::snapshot::Snapshot;

const LOGIN_ENDPOINT: &str = "[environment().authentication.loginEndpoint]";

/// Reads settings as the handler does: its warnings and everything that it holds, or the faults. The only use of the
/// handler's library here.
fn read(variables: &BTreeMap<String, String>) -> Result<(Vec<String>, String), Vec<String>> {
    let files = ["GetSecret/function.json", "Preflight/function.json", "host.json"];
    let files = files.map(|path| (path.to_owned(), std::fs::read(root().join(path))));
    match Config::read(variables, &files.into()) {
        Ok(config) => {
            let warnings = config.warnings.iter().map(ToString::to_string).collect();
            Ok((warnings, format!("{config:#?}")))
        }
        Err(findings) => Err(findings.faults.iter().map(ToString::to_string).collect()),
    }
}

/// App settings as the handler's environment.
fn variables(it: &Snapshot) -> BTreeMap<String, String> {
    let settings = it.settings().as_object().into_iter().flatten();
    settings
        .filter_map(|(name, value)| Some((name.clone(), resolved(it, value.as_str()?))))
        .chain(platform(it))
        .collect()
}

/// What Azure makes of an expression that a snapshot leaves alone: the cloud's names, and what is known only when it is
/// there.
fn resolved(it: &Snapshot, value: &str) -> String {
    if value.contains("environment().suffixes.keyvaultDns") {
        let vault = it.vault_id();
        format!(
            "https://{}.vault.azure.net",
            vault.rsplit('/').next().unwrap_or_default()
        )
    } else if value == LOGIN_ENDPOINT {
        "https://login.microsoftonline.com/".to_owned()
    } else if it.identity("clientId") == value {
        "44444444-8888-7777-6666-555555555555".to_owned()
    } else {
        value.to_owned()
    }
}

/// What the platform adds to the environment of a deployed app.
fn platform(it: &Snapshot) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::from([
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "40001".to_owned()),
        ("WEBSITE_INSTANCE_ID", "instance".to_owned()),
        ("WEBSITE_HOSTNAME", "func.azurewebsites.net".to_owned()),
        ("IDENTITY_ENDPOINT", "http://127.0.0.1:4141/token".to_owned()),
        ("IDENTITY_HEADER", "header".to_owned()),
    ]);
    let cors = &it.one("Microsoft.Web/sites")["properties"]["siteConfig"]["cors"];
    if it.is_flex() {
        variables.insert("WEBSITE_SKU", "FlexConsumption".to_owned());
        variables.insert("CORS_ALLOWED_ORIGINS", cors["allowedOrigins"].to_string());
        variables.insert("CORS_SUPPORT_CREDENTIALS", cors["supportCredentials"].to_string());
    }
    let variables = variables.into_iter();
    variables.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A handler that finds a fault does not start; a warning on a fresh deployment teaches people to ignore warnings.
pub(super) fn verdict(it: &Snapshot, found: &mut Findings<'_>) {
    // A wildcard, `*` or a subdomain, is warned of, rightly.
    let wanted = it.settings()["ALLOWED_ORIGINS"]
        .as_str()
        .is_some_and(|it| it.contains('*'));
    match read(&variables(it)) {
        Ok((warnings, _)) if !wanted => {
            found.equal("what the handler warns of", &json!(warnings), &json!([]));
        }
        Ok(_) => {}
        Err(faults) => found.equal("what the handler refuses", &json!(faults), &json!([])),
    }
}

/// A default that differs between Bicep and the handler makes one of the two documents wrong.
pub(super) fn defaults(project: &Project, found: &mut Findings<'_>) {
    let Some(it) = project.snapshots.iter().find(|it| it.name == "flex-default") else {
        found.holds("there is no flex-default", false);
        return;
    };
    let given = variables(it);
    let mut bare = platform(it);
    for name in ["KEY_VAULT_URL", "ALLOWED_SECRETS", "ALLOWED_ORIGINS", "AZURE_CLIENT_ID"] {
        bare.insert(name.to_owned(), given.get(name).cloned().unwrap_or_default());
    }
    // The order of sets differs from run to run.
    let lines = |variables| match read(variables) {
        Ok((_, held)) => {
            let mut lines: Vec<String> = held.lines().map(|line| line.trim().to_owned()).collect();
            lines.sort_unstable();
            lines
        }
        Err(faults) => faults,
    };
    let (given, bare) = (lines(&given), lines(&bare));
    let only =
        |of: &[String], not: &[String]| -> Value { of.iter().filter(|line| !not.contains(line)).cloned().collect() };
    found.equal("deployed", &only(&given, &bare), &only(&bare, &given));
    // Without Entra a configuration does not hold it.
    found.equal(
        "ENTRA_AUTHORITY_HOST",
        &it.settings()["ENTRA_AUTHORITY_HOST"],
        &json!(LOGIN_ENDPOINT),
    );
}
