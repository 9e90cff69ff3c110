//! A copy of the app's functions that a test may damage.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::handler::ROOT;

/// An app root with both functions as they are published.
#[derive(Debug)]
pub(crate) struct App(TempDir);

impl App {
    pub(crate) fn new() -> Self {
        let app = Self(TempDir::new().unwrap());
        for function in ["GetSecret", "Preflight"] {
            fs::create_dir(app.root().join(function)).unwrap();
            fs::copy(
                Path::new(ROOT).join(function).join("function.json"),
                app.function(function),
            )
            .unwrap();
        }
        app
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    fn function(&self, name: &str) -> PathBuf {
        self.root().join(name).join("function.json")
    }

    /// Sets, or with null removes, `authLevel` of a function's trigger.
    pub(crate) fn auth_level(self, function: &str, level: &Value) -> Self {
        let mut file: Value = serde_json::from_slice(&fs::read(self.function(function)).unwrap()).unwrap();
        let trigger = file["bindings"][0].as_object_mut().unwrap();
        trigger.remove("authLevel");
        if !level.is_null() {
            trigger.insert("authLevel".to_owned(), level.clone());
        }
        self.replace(function, file.to_string())
    }

    pub(crate) fn replace(self, function: &str, text: impl AsRef<[u8]>) -> Self {
        fs::write(self.function(function), text).unwrap();
        self
    }

    pub(crate) fn remove(self, function: &str) -> Self {
        fs::remove_file(self.function(function)).unwrap();
        self
    }
}
