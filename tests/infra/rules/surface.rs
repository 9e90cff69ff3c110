//! What azd and people touch: parameters, outputs, tags, and the names in main.parameters.json and azure.yaml.

use std::collections::{BTreeMap, BTreeSet};

use keyvault_cors::config::SETTINGS;
use serde_json::{Value, json};

use super::app::SITES;
use super::{Findings, GROUP, Rule, deploy, equal, once, scenarios, unless};
use crate::bicep::Param;
use crate::expr::{Expr, Kind};
use crate::project::{AZURE, MAIN, PARAMETERS, Project, RESOURCES};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "main's parameters",
        why: "A deployment with main.bicep and one with resources.bicep alone have to mean the same.",
        check: same_parameters,
    },
    Rule {
        name: "handed through",
        why: "A parameter of main.bicep that is not handed through does nothing, silently.",
        check: handed_through,
    },
    Rule {
        name: "outputs",
        why: "azd makes environment values of them, which the hooks and the documents name.",
        check: outputs,
    },
    Rule {
        name: "azd's parameters",
        why: "azd asks at the terminal for a required parameter that it is not given, and refuses one that is unknown.",
        check: azd_parameters,
    },
    Rule {
        name: "azd's defaults",
        why: "azd puts its default in place of Bicep's, so the two have to be the same.",
        check: azd_defaults,
    },
    Rule {
        name: "azd's variables",
        why: "Whoever knows a setting's name uses it in `azd env set`: another one would be ignored.",
        check: azd_variables,
    },
    Rule {
        name: "tags",
        why: "azd finds what it made by azd-env-name, and removes by it.",
        check: tags,
    },
    Rule {
        name: "service",
        why: "azd deploys the package to the one site whose azd-service-name is the service's in azure.yaml.",
        check: service,
    },
    Rule {
        name: "azure.yaml",
        why: "azd publishes `dist` as it is, and only the hook makes it; azd has no Rust of its own.",
        check: azure_yaml,
    },
];

/// Parameters that main.parameters.json leaves alone, each with its reason.
const NOT_AZDS: &[(&str, &str)] = &[
    ("resourceGroupName", "made of environmentName"),
    ("secretsOfficerPermissions", "an array"),
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
/// Parameters whose default differs between the two files, because a subscription has no group to take it from.
const BY_SCOPE: &[&str] = &["environmentName", "location"];
/// Kinds that have no tags.
const UNTAGGED: &[&str] = &[
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Insights/diagnosticSettings",
];

fn by_name(params: &[Param]) -> BTreeMap<&str, &Param> {
    params.iter().map(|it| (it.name.as_str(), it)).collect()
}

fn same_parameters(project: &Project) -> Findings {
    let (main, resources) = (
        by_name(&project.file(MAIN).params),
        by_name(&project.file(RESOURCES).params),
    );
    let mut findings = Vec::new();
    for (name, inner) in &resources {
        let Some(outer) = main.get(name) else {
            findings.push(format!("{MAIN}: {name} is missing"));
            continue;
        };
        let decorators = |param: &Param| -> Vec<String> {
            // The two descriptions may point at different groups.
            let all = param.decorators.iter().map(|it| it.text.clone());
            all.filter(|it| !it.starts_with("description(")).collect()
        };
        let default = |param: &Param| param.default.as_ref().map(|it| it.text.clone());
        let by_scope = BY_SCOPE.contains(name);
        let same = outer.ty == inner.ty
            && (by_scope || default(outer) == default(inner))
            && (by_scope || decorators(outer) == decorators(inner));
        findings.extend(unless(
            same,
            &format!("{MAIN}:{}: {name} is not as in {RESOURCES}", outer.line),
        ));
    }
    let extra = main
        .keys()
        .filter(|name| !resources.contains_key(*name) && **name != "resourceGroupName");
    findings.extend(extra.map(|name| format!("{MAIN}: {RESOURCES} has no {name}")));
    Ok(findings)
}

fn handed_through(project: &Project) -> Findings {
    let main = project.file(MAIN);
    let [module] = main.modules.as_slice() else {
        return Ok(vec![format!("{MAIN}: more or less than one module")]);
    };
    let given = module.body.get("params").map_or(&[][..], Expr::entries);
    let other = given
        .iter()
        .filter(|(key, value)| !matches!(&value.kind, Kind::Name(name) if name == key.key()));
    let mut findings: Vec<String> = other
        .map(|(key, value)| format!("{MAIN}:{}: {} is given {}", key.line, key.key(), value.text))
        .collect();
    let given: BTreeSet<&str> = given.iter().map(|(key, _)| key.key()).collect();
    let missing = project
        .file(RESOURCES)
        .params
        .iter()
        .filter(|it| !given.contains(it.name.as_str()));
    findings.extend(missing.map(|it| format!("{MAIN}: {} is not handed through", it.name)));
    Ok(findings)
}

fn outputs(project: &Project) -> Findings {
    let deployment = deploy(project, &json!({}))?;
    let site = deployment.one(SITES)?;
    let vault = deployment.one("Microsoft.KeyVault/vaults")?;
    let expected = json!({
        "AZURE_LOCATION": "westeurope",
        "AZURE_RESOURCE_GROUP": GROUP,
        "AZURE_FUNCTION_APP_NAME": site.name,
        "AZURE_FUNCTION_APP_URL": format!("https://{}.azurewebsites.net", site.name),
        "AZURE_KEY_VAULT_NAME": vault.name,
        "AZURE_KEY_VAULT_RESOURCE_GROUP": GROUP,
    });
    let mut findings = equal(
        MAIN,
        [("what it puts out", &Value::Object(deployment.outputs.clone()), expected)],
    );
    let named = deploy(project, &json!({"functionAppName": "mine", "hostingPlan": "premium"}))?;
    let url = &named.outputs["AZURE_FUNCTION_APP_URL"];
    findings.extend(equal(
        MAIN,
        [("the named app's URL", url, json!("https://mine.azurewebsites.net"))],
    ));
    let main: BTreeSet<&str> = project.file(MAIN).outputs.iter().map(|it| it.name.as_str()).collect();
    let inner = project
        .file(RESOURCES)
        .outputs
        .iter()
        .filter(|it| !main.contains(it.name.as_str()));
    findings.extend(inner.map(|it| format!("{RESOURCES}:{}: {MAIN} does not put out {}", it.line, it.name)));
    Ok(findings)
}

/// A value of main.parameters.json as the variable's name and the default, `${NAME=default}`.
fn variable(text: &str) -> Option<(&str, Option<&str>)> {
    let inner = text.strip_prefix("${")?.strip_suffix('}')?;
    Some(match inner.split_once('=') {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    })
}

fn azd_parameters(project: &Project) -> Findings {
    let known: BTreeSet<&str> = project.file(MAIN).params.iter().map(|it| it.name.as_str()).collect();
    let given: BTreeSet<&str> = project.parameters.keys().map(String::as_str).collect();
    let left: BTreeSet<&str> = NOT_AZDS.iter().map(|(name, _)| *name).collect();
    let unknown = given
        .difference(&known)
        .map(|it| format!("{PARAMETERS}: {MAIN} has no {it}"));
    let missing = known.iter().filter(|it| !given.contains(*it) && !left.contains(*it));
    let missing = missing.map(|it| format!("{PARAMETERS}: {it} is neither here nor among those left alone"));
    let stale = left.iter().filter(|it| given.contains(*it) || !known.contains(*it));
    let stale = stale.map(|it| format!("{PARAMETERS}: {it} is not left alone any more"));
    Ok(unknown.chain(missing).chain(stale).collect())
}

fn azd_defaults(project: &Project) -> Findings {
    let params = by_name(&project.file(MAIN).params);
    let mut findings = Vec::new();
    for (name, text) in &project.parameters {
        let (Some((_, given)), Some(param)) = (variable(text), params.get(name.as_str())) else {
            findings.push(format!("{PARAMETERS}: {name} is {text}"));
            continue;
        };
        let default = param.default.as_ref();
        let expected = match default.map(|it| (&it.kind, it.key())) {
            // azd knows its own environment and region, and an empty text needs no default.
            None | Some((_, "")) => None,
            Some(_) if BY_SCOPE.contains(&name.as_str()) => None,
            Some((_, text)) => Some(text),
        };
        findings.extend(unless(
            given == expected,
            &format!("{PARAMETERS}: {name} is {given:?} by default, and in {MAIN} {expected:?}"),
        ));
        // What azd's substitution could misread.
        let plain = given.is_none_or(|it| it.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        findings.extend(unless(
            plain,
            &format!("{PARAMETERS}: the default of {name} has more than letters and digits"),
        ));
    }
    Ok(findings)
}

fn azd_variables(project: &Project) -> Findings {
    let azds = BTreeMap::from([
        ("environmentName", "AZURE_ENV_NAME"),
        ("location", "AZURE_LOCATION"),
        ("secretsOfficerId", "AZURE_PRINCIPAL_ID"),
        ("secretsOfficerType", "AZURE_PRINCIPAL_TYPE"),
    ]);
    let mut findings = Vec::new();
    for (name, text) in &project.parameters {
        let found = variable(text).map_or(text.as_str(), |it| it.0);
        let holds = match azds.get(name.as_str()) {
            Some(expected) => found == *expected,
            None => found.replace('_', "") == name.to_uppercase(),
        };
        findings.extend(unless(holds, &format!("{PARAMETERS}: {name} is read from {found}")));
        let settings = SETTINGS
            .iter()
            .map(|setting| setting.name)
            .filter(|it| it.replace('_', "") == name.to_uppercase() && *it != found);
        findings.extend(settings.map(|it| format!("{PARAMETERS}: the setting is {it}, and the variable {found}")));
    }
    Ok(findings)
}

fn tags(project: &Project) -> Findings {
    let mut findings = Vec::new();
    for deployment in scenarios(project)? {
        for it in &deployment.resources {
            // A child has its parent's tags, but for a zone's link, which is a resource of its own.
            let top = it.kind.matches('/').count() == 1 || it.kind.ends_with("/virtualNetworkLinks");
            let tagged = it.body["tags"]["azd-env-name"] == "dev";
            let needless = !top || UNTAGGED.contains(&it.kind.as_str());
            findings.extend(unless(tagged || needless, &format!("{}: no azd-env-name", it.at)));
        }
    }
    Ok(once(findings))
}

/// The name of the one service in azure.yaml: the first key below `services`.
fn service_name(azure: &str) -> Option<&str> {
    let mut lines = azure.lines().skip_while(|line| *line != "services:").skip(1);
    lines.next()?.trim().strip_suffix(':')
}

fn service(project: &Project) -> Findings {
    let mut findings = Vec::new();
    let name = service_name(&project.azure).ok_or_else(|| format!("{AZURE}: no service"))?;
    for deployment in scenarios(project)? {
        for it in &deployment.resources {
            let tag = &it.body["tags"]["azd-service-name"];
            let expected = if it.kind == SITES { json!(name) } else { Value::Null };
            findings.extend(equal(&it.at, [("azd-service-name", tag, expected)]));
        }
    }
    Ok(once(findings))
}

fn azure_yaml(project: &Project) -> Findings {
    let lines: Vec<&str> = project.azure.lines().collect();
    let expected = [
        "infra:",
        "  provider: bicep",
        "  path: infra",
        "  module: main",
        "    host: function",
        "    language: custom",
        "    project: .",
        "    dist: dist",
        "    hooks:",
        "      prebuild:",
        "      prepackage:",
    ];
    let missing = expected.iter().filter(|line| !lines.contains(line));
    let mut findings: Vec<String> = missing.map(|line| format!("{AZURE}: no line `{line}`")).collect();
    // Whichever hook azd runs.
    let packaging = lines.iter().filter(|line| **line == "          run: scripts/package");
    findings.extend(unless(
        packaging.count() == 2,
        &format!("{AZURE}: a hook does not package"),
    ));
    let outputs: BTreeSet<&str> = project.file(MAIN).outputs.iter().map(|it| it.name.as_str()).collect();
    let words = project
        .azure
        .split(|it: char| !(it.is_ascii_alphanumeric() || it == '_'));
    let variables = words.filter(|it| it.starts_with("AZURE_") && !outputs.contains(it));
    findings.extend(variables.map(|it| format!("{AZURE}: {it} is no output of {MAIN}")));
    Ok(findings)
}
