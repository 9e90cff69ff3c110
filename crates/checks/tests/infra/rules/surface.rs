//! What azd and people touch: parameters, outputs, and the names in main.parameters.json and azure.yaml.

use std::collections::{BTreeMap, BTreeSet};

use keyvault_cors::config::SETTINGS;
use serde_json::{Value, json};

use super::Findings;
use crate::project::Project;

/// Parameters that main.parameters.json leaves alone, each with its reason.
const NOT_AZDS: &[(&str, &str)] = &[
    ("resourceGroupName", "made of environmentName"),
    ("secretsOfficerPermissions", "an array"),
    ("rules", "an array"),
    (
        "vnetAddressPrefix",
        "a slash and dots: whoever changes it edits the file",
    ),
    ("appSubnetPrefix", "goes with vnetAddressPrefix"),
    ("endpointSubnetPrefix", "goes with vnetAddressPrefix"),
    (
        "allowedHeaders",
        "empty has a meaning of its own, and azd takes empty for unset",
    ),
    ("exposedHeaders", "as allowedHeaders"),
    ("entraAuthorityHost", "the cloud's own"),
    ("rustLog", "its default has a comma and an equals sign"),
];
/// Parameters whose default differs between the two files: a subscription has no group to take it from.
const BY_SCOPE: &[&str] = &["environmentName", "location"];
/// What azd fills in itself.
const AZDS: &[(&str, &str)] = &[("environmentName", "AZURE_ENV_NAME"), ("location", "AZURE_LOCATION")];

fn of<'a>(project: &'a Project, template: &str, what: &str) -> BTreeMap<&'a str, &'a Value> {
    let all = project.template[template][what].as_object().into_iter().flatten();
    all.map(|(name, value)| (name.as_str(), value)).collect()
}

/// A deployment with main.bicep and one with resources.bicep alone mean the same; one that is not handed through does
/// nothing, silently.
pub(super) fn parameters(project: &Project, found: &mut Findings<'_>) {
    let main = of(project, "main", "parameters");
    let resources = of(project, "main/resources", "parameters");
    let given = &project.template["main"]["resources"]["resources"]["given"];
    for (name, inner) in &resources {
        found.equal(
            &format!("what {name} is given by main.bicep"),
            &given[name],
            &json!({"value": format!("[parameters('{name}')]")}),
        );
        let outer = main.get(name).copied().unwrap_or(&Value::Null);
        if !BY_SCOPE.contains(name) {
            found.equal(&format!("main.bicep's {name}"), outer, inner);
        }
    }
    let extra: Vec<&&str> = main.keys().filter(|name| !resources.contains_key(*name)).collect();
    found.equal(
        "main.bicep's own parameters",
        &json!(extra),
        &json!(["resourceGroupName"]),
    );
    let outputs: Vec<&str> = of(project, "main", "outputs").into_keys().collect();
    let expected = [
        "AZURE_FUNCTION_APP_NAME",
        "AZURE_FUNCTION_APP_URL",
        "AZURE_KEY_VAULT_NAME",
        "AZURE_KEY_VAULT_RESOURCE_GROUP",
        "AZURE_LOCATION",
        "AZURE_RESOURCE_GROUP",
    ];
    found.equal("outputs", &json!(outputs), &json!(expected));
    // azd's variables are outputs, or its own.
    let words = project
        .azure_yaml
        .split(|it: char| !(it.is_ascii_alphanumeric() || it == '_'));
    let unknown: BTreeSet<&str> = words
        .filter(|it| it.starts_with("AZURE_") && !expected.contains(it))
        .collect();
    found.equal("variables of azure.yaml that nothing sets", &json!(unknown), &json!([]));
}

/// A value of main.parameters.json as the variable's name and the default, `${NAME=default}`.
fn variable(text: &str) -> (&str, Option<&str>) {
    let inner = text
        .strip_prefix("${")
        .and_then(|it| it.strip_suffix('}'))
        .unwrap_or(text);
    match inner.split_once('=') {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    }
}

/// azd asks at the terminal for a parameter that it is not given, refuses an unknown one, and puts its default in place
/// of Bicep's. Whoever knows the name of a setting uses it in `azd env set`.
pub(super) fn azd(project: &Project, found: &mut Findings<'_>) {
    let main = of(project, "main", "parameters");
    let given: BTreeSet<&str> = project.parameters.keys().map(String::as_str).collect();
    let left = NOT_AZDS.iter().map(|(name, _)| *name);
    let all: BTreeSet<&str> = given.iter().copied().chain(left).collect();
    let known: BTreeSet<&str> = main.keys().copied().collect();
    found.equal("azd's parameters", &json!(all), &json!(known));
    found.holds(
        "a parameter is azd's and is left alone",
        given.len() + NOT_AZDS.len() == all.len(),
    );
    for (name, text) in &project.parameters {
        let (variable, default) = variable(text);
        let azds = AZDS.iter().find(|(parameter, _)| parameter == name);
        let by_name = variable.replace('_', "") == name.to_uppercase();
        let holds = azds.map_or(by_name, |(_, expected)| variable == *expected);
        found.holds(&format!("azd reads {name} from {variable}"), holds);
        let mut settings = SETTINGS.iter().map(|setting| setting.name);
        let of_setting = settings.find(|it| it.replace('_', "") == name.to_uppercase());
        let of_setting = of_setting.is_none_or(|it| it == variable);
        found.holds(
            &format!("azd reads {name} from {variable}, not from the setting's name"),
            of_setting,
        );
        let expected = main.get(name.as_str()).and_then(|it| it.get("defaultValue"));
        let expected = expected.filter(|it| azds.is_none() && **it != json!(""));
        let expected = expected.map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned));
        found.equal(&format!("azd's default of {name}"), &json!(default), &json!(expected));
    }
    let lines: Vec<&str> = project.azure_yaml.lines().collect();
    for line in [
        "    language: custom",
        "    host: function",
        "    dist: dist",
        "  module: main",
        "  azd: \">= 1.20.0\"",
    ] {
        found.holds(&format!("azure.yaml has no line `{line}`"), lines.contains(&line));
    }
    let packaging = lines
        .iter()
        .filter(|line| line.trim() == "run: scripts/package")
        .count();
    found.equal("hooks that package", &json!(packaging), &json!(2));
}

/// The probe gives every parameter another value than its default: what does not show in its snapshot has no effect.
pub(super) fn probe(project: &Project, found: &mut Findings<'_>) {
    let Some(probe) = project.snapshots.iter().find(|it| it.name == "probe") else {
        found.holds("there is no probe", false);
        return;
    };
    // Another vault, another plan, another shape of the resources: other snapshots have them.
    let elsewhere = [
        "existingKeyVaultName",
        "existingKeyVaultResourceGroup",
        "hostingPlan",
        "keyVaultAccessModel",
        "premiumSku",
        "premiumInstanceCount",
        "secretsOfficerPermissions",
    ];
    for name in of(project, "main", "parameters").into_keys() {
        if elsewhere.contains(&name) {
            continue;
        }
        let Some(given) = probe.given.get(name) else {
            found.holds(&format!("the probe does not give {name}"), false);
            continue;
        };
        let shows = name == "rules" || probe.text.contains(given.as_str());
        found.holds(&format!("{name} does not show in the probe"), shows);
    }
}
