//! The settings of one run: the environment over a local.settings.json, and the app's own files.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use keyvault_cors::config::{AppFiles, Config, Finding, Findings, SettingsFile, read_settings_file};

/// The settings, and which of them a file gives.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Every variable with its value.
    pub(crate) values: BTreeMap<String, String>,
    from_file: BTreeSet<String>,
    /// What is wrong with values of the file, and their names.
    faults: Vec<Finding>,
    invalid: BTreeSet<String>,
}

impl Settings {
    /// Joins `environment` with the `Values` of `file`; the environment wins.
    ///
    /// # Errors
    /// Why the file has none.
    pub(crate) fn read(environment: BTreeMap<String, String>, file: Option<&OsString>) -> Result<Self, Finding> {
        let SettingsFile {
            mut values,
            invalid,
            faults,
        } = file.map(read_file).transpose()?.unwrap_or_default();
        values.retain(|name, _| !environment.contains_key(name));
        let from_file = values.keys().cloned().collect();
        values.extend(environment);
        Ok(Self {
            values,
            from_file,
            faults,
            invalid,
        })
    }

    /// The configuration that they make.
    ///
    /// # Errors
    /// What is wrong with the file's values, and every other fault with it.
    pub(crate) fn config(&self) -> Result<Config, Findings> {
        let read = Config::read(&self.values, &self.app_files());
        if self.faults.is_empty() {
            return read;
        }
        let others = read.err().unwrap_or_default();
        // A setting whose value in the file is not usable is not reported as missing, too.
        let faults = others.faults.into_iter().filter(|fault| {
            let is_set = self.values.contains_key(&fault.setting);
            is_set || !self.invalid.contains(&fault.setting)
        });
        Err(Findings {
            faults: self.faults.iter().cloned().chain(faults).collect(),
            warnings: others.warnings,
        })
    }

    /// Where a setting that is set is from.
    pub(crate) fn source(&self, name: &str) -> &'static str {
        if self.from_file.contains(name) {
            "file"
        } else {
            "environment"
        }
    }

    /// What the file gives and the environment does not.
    pub(crate) fn of_file(&self) -> impl Iterator<Item = (&String, &String)> {
        self.values.iter().filter(|(name, _)| self.from_file.contains(*name))
    }

    /// The app's host.json and every function.json one folder below its root: `FUNCTIONS_APP_ROOT_PATH`, else the
    /// working directory.
    fn app_files(&self) -> AppFiles {
        let root = self.values.get("FUNCTIONS_APP_ROOT_PATH");
        let root = Path::new(root.map_or(".", String::as_str));
        // A root that cannot be listed has no functions: without its two files nothing starts under the host.
        let folders = fs::read_dir(root).into_iter().flatten().flatten();
        let functions = folders.filter_map(|folder| {
            let name = folder.file_name().into_string().ok()?;
            Some(format!("{name}/function.json"))
        });
        functions
            .chain(["host.json".to_owned()])
            .filter_map(|path| match fs::read(root.join(&path)) {
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
                content => Some((path, content)),
            })
            .collect()
    }
}

fn read_file(file: &OsString) -> Result<SettingsFile, Finding> {
    let name = file.to_string_lossy().escape_debug().to_string();
    let bytes = fs::read(file).map_err(|error| Finding::new(&*name, format!("it cannot be read: {error}")))?;
    read_settings_file(&name, &bytes)
}
