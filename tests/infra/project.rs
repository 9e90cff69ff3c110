//! The files that are checked, as texts: those of the tree, or a copy with one of them changed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;

use crate::bicep::File;
use crate::deploy::Deployment;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
pub(crate) const MAIN: &str = "infra/main.bicep";
pub(crate) const RESOURCES: &str = "infra/resources.bicep";
pub(crate) const FLEX: &str = "infra/modules/app-flex.bicep";
pub(crate) const PREMIUM: &str = "infra/modules/app-premium.bicep";
pub(crate) const VAULT: &str = "infra/modules/vault.bicep";
pub(crate) const ASSERTIONS: &str = "infra/modules/assertions.bicep";
pub(crate) const MONITORING: &str = "infra/modules/monitoring.bicep";
pub(crate) const NETWORK: &str = "infra/modules/network.bicep";
pub(crate) const POLICY: &str = "infra/modules/vault-policy.bicep";
pub(crate) const ROLE: &str = "infra/modules/vault-role.bicep";
pub(crate) const STORAGE: &str = "infra/modules/storage.bicep";
pub(crate) const PARAMETERS: &str = "infra/main.parameters.json";
pub(crate) const AZURE: &str = "azure.yaml";

/// Paths below the root, with their texts.
#[derive(Clone, Debug)]
pub(crate) struct Texts(pub(crate) BTreeMap<String, String>);

impl Texts {
    pub(crate) fn of_the_tree() -> Self {
        let mut texts = Self(BTreeMap::new());
        for path in [PARAMETERS, AZURE] {
            texts.add(path.to_owned());
        }
        for folder in ["infra", "infra/modules"] {
            let entries = std::fs::read_dir(Path::new(ROOT).join(folder)).expect(folder);
            for entry in entries {
                let name = entry.expect(folder).file_name().into_string().expect("a name in UTF-8");
                if is_bicep(&name) {
                    texts.add(format!("{folder}/{name}"));
                }
            }
        }
        texts
    }

    fn add(&mut self, path: String) {
        let text = std::fs::read_to_string(Path::new(ROOT).join(&path)).expect(&path);
        self.0.insert(path, text);
    }

    /// A copy in which `find`, which has to be there exactly once, is `replacement`.
    pub(crate) fn with(&self, path: &str, find: &str, replacement: &str) -> Result<Self, String> {
        let text = self.0.get(path).ok_or_else(|| format!("there is no {path}"))?;
        let count = text.matches(find).count();
        if count != 1 {
            return Err(format!("{path} has {count} times, and should have once: {find}"));
        }
        let mut copy = self.clone();
        copy.0.insert(path.to_owned(), text.replace(find, replacement));
        Ok(copy)
    }
}

fn is_bicep(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|it| it == "bicep")
}

/// The files, parsed.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) files: BTreeMap<String, File>,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) azure: String,
    /// Every deployment that rules look at, made once.
    pub(crate) scenarios: OnceLock<Result<Vec<Deployment>, String>>,
}

impl Project {
    /// Parses every file, or lists what is wrong with them.
    pub(crate) fn parse(texts: &Texts) -> Result<Self, Vec<String>> {
        let mut files = BTreeMap::new();
        let mut errors = Vec::new();
        for (path, text) in texts.0.iter().filter(|(path, _)| is_bicep(path)) {
            match File::parse(text) {
                Ok(file) => {
                    files.insert(path.clone(), file);
                }
                Err(error) => errors.push(format!("{path}: {error}")),
            }
        }
        let parameters = parameters(&texts.0[PARAMETERS]).unwrap_or_else(|error| {
            errors.push(format!("{PARAMETERS}: {error}"));
            BTreeMap::new()
        });
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            files,
            parameters,
            azure: texts.0[AZURE].clone(),
            scenarios: OnceLock::new(),
        })
    }

    pub(crate) fn file(&self, path: &str) -> &File {
        &self.files[path]
    }

    /// The file that a module of `from` is in.
    pub(crate) fn module_path(from: &str, path: &str) -> String {
        let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{path}")
    }
}

/// Each parameter's text: all of them are strings in which azd puts environment values.
fn parameters(text: &str) -> Result<BTreeMap<String, String>, String> {
    let json: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let object = json["parameters"].as_object().ok_or("no parameters")?;
    object
        .iter()
        .map(|(name, it)| {
            let value = it["value"].as_str().ok_or_else(|| format!("{name} is not text"))?;
            Ok((name.clone(), value.to_owned()))
        })
        .collect()
}
