//! Everything that the rules look at.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::files::read;
use crate::snapshot::Snapshot;

/// The committed files, each as text: a mutant changes a text.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    pub(crate) snapshots: Vec<Snapshot>,
    /// Order, conditions, parameters and outputs of modules.
    pub(crate) template: Value,
    /// infra/main.parameters.json, by parameter: text in which azd puts environment values.
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) azure_yaml: String,
}

impl Project {
    pub(crate) fn read() -> Self {
        let parameters: Value = serde_json::from_str(&read("infra/main.parameters.json")).expect("JSON");
        let parameters = parameters["parameters"].as_object().expect("an object");
        Self {
            snapshots: Snapshot::all(),
            template: serde_json::from_str(&read("crates/checks/tests/infra/template.json")).expect("JSON"),
            parameters: parameters
                .iter()
                .map(|(name, it)| (name.clone(), it["value"].as_str().expect("text").to_owned()))
                .collect(),
            azure_yaml: read("azure.yaml"),
        }
    }
}
