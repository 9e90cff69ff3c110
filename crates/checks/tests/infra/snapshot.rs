//! A committed prediction.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::files::folder;

pub(crate) const GROUP: &str = "/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/rg-dev";

#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) name: String,
    /// One-line parameters of the parameter file, as text without quotes.
    pub(crate) given: BTreeMap<String, String>,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Snapshot {
    pub(crate) fn all() -> Vec<Self> {
        let mut all: Vec<Self> = names().iter().map(|name| Self::read(name)).collect();
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn read(name: &str) -> Self {
        let parameters = std::fs::read_to_string(folder().join(format!("{name}.bicepparam"))).expect(name);
        let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap_or_else(|_| "{}".to_owned());
        let given = parameters
            .lines()
            .filter_map(|line| line.strip_prefix("param ")?.split_once(" = "));
        let given = given.map(|(key, value)| (key.to_owned(), value.trim_matches('\'').to_owned()));
        Self {
            name: name.to_owned(),
            given: given.collect(),
            json: serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}.json: {error}")),
            text,
        }
    }

    /// A copy with another text, if that is still JSON.
    pub(crate) fn with(&self, text: String) -> Self {
        let json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        Self {
            text,
            json,
            ..self.clone()
        }
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.json.get("refused").is_some()
    }

    pub(crate) fn is(&self, parameter: &str, value: &str) -> bool {
        self.given.get(parameter).is_some_and(|it| it == value)
    }

    pub(crate) fn is_flex(&self) -> bool {
        !self.is("hostingPlan", "premium")
    }

    /// The id of the resource group.
    pub(crate) fn group(&self) -> String {
        let name = self.given.get("resourceGroupName").map_or("rg-dev", String::as_str);
        GROUP.replace("rg-dev", name)
    }

    pub(crate) fn resources(&self) -> &[Value] {
        self.json["predictedResources"].as_array().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn all_of(&self, kind: &'static str) -> impl Iterator<Item = &Value> {
        self.resources().iter().filter(move |it| it["type"] == kind)
    }

    /// The one of its kind; null, which fails every rule, if there are more or none.
    pub(crate) fn one(&self, kind: &'static str) -> &Value {
        let mut all = self.all_of(kind);
        match (all.next(), all.next()) {
            (Some(one), None) => one,
            _ => &Value::Null,
        }
    }

    /// The app settings.
    pub(crate) fn settings(&self) -> &Value {
        &self.one("Microsoft.Web/sites/config")["properties"]
    }

    /// A property of the app's identity, which is known only when it is there.
    pub(crate) fn identity(&self, property: &str) -> Value {
        let id = self.one("Microsoft.ManagedIdentity/userAssignedIdentities")["id"].as_str();
        Value::from(format!(
            "[reference('{}', '2024-11-30').{property}]",
            id.unwrap_or("no identity")
        ))
    }

    /// The id of the vault, ours or theirs.
    pub(crate) fn vault_id(&self) -> String {
        match self.given.get("existingKeyVaultName") {
            Some(name) => {
                let group = self.given.get("existingKeyVaultResourceGroup");
                let group = group.map_or_else(|| self.group(), |it| GROUP.replace("rg-dev", it));
                format!("{group}/providers/Microsoft.KeyVault/vaults/{name}")
            }
            None => self.one("Microsoft.KeyVault/vaults")["id"]
                .as_str()
                .unwrap_or("no vault")
                .to_owned(),
        }
    }
}

/// Names of the parameter files.
pub(crate) fn names() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).expect("snapshots");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let ours = paths.filter(|path| path.extension().is_some_and(|it| it == "bicepparam"));
    let mut names: Vec<String> = ours
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort_unstable();
    names
}
