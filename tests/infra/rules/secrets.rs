//! No key and no password anywhere: identities do everything.

use serde_json::json;

use super::{Findings, Rule, each};
use crate::project::Project;

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "no secrets",
        why: "What goes in or comes out of a deployment stays readable in its history.",
        check: no_secrets,
    },
    Rule {
        name: "storage without keys",
        why: "A storage key opens everything for ever: whoever has it replaces the package by one that prints secrets.",
        check: |project| {
            each(
                project,
                "Microsoft.Storage/storageAccounts",
                "keys, an old TLS, HTTP or public blobs",
                |it| {
                    let properties = &it.body["properties"];
                    properties["allowSharedKeyAccess"] == false
                        && properties["allowBlobPublicAccess"] == false
                        && properties["minimumTlsVersion"] == "TLS1_2"
                        && properties["supportsHttpsTrafficOnly"] == true
                },
            )
        },
    },
    Rule {
        name: "private package",
        why: "A public container shows the package to everybody.",
        check: |project| {
            let kind = "Microsoft.Storage/storageAccounts/blobServices/containers";
            each(project, kind, "publicAccess", |it| {
                it.body["properties"]["publicAccess"] == "None"
            })
        },
    },
    Rule {
        name: "logs without keys",
        why: "With the connection string alone anybody could write to the log, and hide what was done.",
        check: |project| {
            each(project, "Microsoft.Insights/components", "DisableLocalAuth", |it| {
                it.body["properties"]["DisableLocalAuth"] == true
            })
        },
    },
    Rule {
        name: "bounded logs",
        why: "Whoever can call the app can make it write lines: without a quota that costs without bound.",
        check: |project| {
            each(
                project,
                "Microsoft.OperationalInsights/workspaces",
                "quota 5, but for the audit's; 30 days, no keys",
                |it| {
                    let properties = &it.body["properties"];
                    let quota = properties.get("workspaceCapping").map(|it| &it["dailyQuotaGb"]);
                    let expected = json!(5);
                    quota == (!it.name.contains("audit")).then_some(&expected)
                        && properties["retentionInDays"] == 30
                        && properties["features"]["disableLocalAuth"] == true
                },
            )
        },
    },
];

/// Words that are part of the name of what should not go through a deployment.
const WORDS: &[&str] = &[
    "password",
    "secretvalue",
    "connectionstring",
    "accesskey",
    "accountkey",
    "apikey",
    "sastoken",
];
const TEXTS: &[&str] = &["AccountKey=", "SharedAccessSignature=", "SharedAccessKey=", "sig="];

fn no_secrets(project: &Project) -> Findings {
    let mut findings = Vec::new();
    for (path, file) in &project.files {
        let secure = file
            .params
            .iter()
            .filter(|it| it.decorators.iter().any(|it| it.text.contains("secure")));
        findings.extend(secure.map(|it| format!("{path}:{}: {} is secure()", it.line, it.name)));
        let params = file.params.iter().map(|it| (&it.name, it.line));
        let names = params.chain(file.outputs.iter().map(|it| (&it.name, it.line)));
        let telling = names.filter(|(name, _)| {
            let folded = name.to_lowercase().replace('_', "");
            WORDS.iter().any(|word| folded.contains(word))
        });
        findings.extend(telling.map(|(name, line)| format!("{path}:{line}: {name}")));
        let outputs = file
            .outputs
            .iter()
            .filter(|it| it.value.text.contains("ConnectionString"));
        findings.extend(outputs.map(|it| format!("{path}:{}: {}", it.line, it.name)));
        let texts = file
            .expressions()
            .into_iter()
            .filter(|it| TEXTS.iter().any(|text| it.text.contains(text)));
        findings.extend(texts.map(|it| format!("{path}:{}: a key", it.line)));
    }
    Ok(findings)
}
