//! The handler's configuration, read in process: what is wrong with a setting needs no process to be seen.

use std::fs;
use std::path::Path;

use keyvault_cors::config::{AppFiles, Config, Finding};

use super::handler::Environment;

/// What is found in an environment.
#[derive(Debug)]
pub(crate) struct Findings {
    /// Without one it is served, warnings or not.
    pub(crate) faults: Vec<Finding>,
    pub(crate) warnings: Vec<Finding>,
}

impl Findings {
    /// The settings or files that the faults are about, in order.
    pub(crate) fn faults(&self) -> Vec<&str> {
        self.faults.iter().map(|finding| finding.setting.as_str()).collect()
    }

    /// The settings or files that the warnings are about, in order.
    pub(crate) fn warnings(&self) -> Vec<&str> {
        self.warnings.iter().map(|finding| finding.setting.as_str()).collect()
    }

    /// All that is said.
    pub(crate) fn text(&self) -> String {
        let lines = self
            .faults
            .iter()
            .chain(&self.warnings)
            .map(|finding| format!("{finding}\n"));
        lines.collect()
    }
}

/// Reads a configuration as the handler does; all of the tests' in-process reading is here.
pub(crate) fn read(environment: &Environment) -> Findings {
    let settings = environment.as_text();
    let root = settings.get("FUNCTIONS_APP_ROOT_PATH").map_or(".", String::as_str);
    match Config::read(&settings, &app_files(Path::new(root))) {
        Ok(config) => Findings {
            faults: Vec::new(),
            warnings: config.warnings,
        },
        Err(findings) => Findings {
            faults: findings.faults,
            warnings: findings.warnings,
        },
    }
}

/// The app's files below `root` that the configuration asks for.
fn app_files(root: &Path) -> AppFiles {
    let folders = fs::read_dir(root).into_iter().flatten().flatten();
    let functions = folders.filter_map(|folder| Some(format!("{}/function.json", folder.file_name().to_str()?)));
    functions
        .chain(["host.json".to_owned()])
        .filter(|path| root.join(path).is_file())
        .map(|path| (path.clone(), fs::read(root.join(path))))
        .collect()
}
