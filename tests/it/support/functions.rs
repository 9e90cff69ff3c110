//! What the Functions host reads from an app: host.json, the functions, their routes and methods.
//!
//! Reading fails the test wherever the real host would turn to another protocol, or to no function at all, without a
//! word.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// An app as the host sees it.
#[derive(Debug)]
pub(crate) struct App {
    /// `customHandler.description.defaultExecutablePath`.
    pub(crate) executable: String,
    route_prefix: String,
    functions: Vec<Function>,
}

/// One folder with a function.json.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Whether it may be called without a key.
    pub(crate) anonymous: bool,
    methods: Vec<String>,
    route: Vec<Segment>,
}

/// A segment of an ASP.NET route template.
#[derive(Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Parameter,
    Optional,
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl App {
    /// Reads the app in this folder.
    pub(crate) fn read(root: &Path) -> Self {
        let host = read(&root.join("host.json"));
        assert_eq!(host["version"], "2.0");
        let custom = &host["customHandler"];
        // An old host knows only the first key and a new one prefers the second; without either, requests come as the
        // host's own JSON, which the handler does not speak.
        assert_eq!(custom["enableForwardingHttpRequest"], true, "{custom}");
        assert_eq!(custom["enableProxyingHttpRequest"], true, "{custom}");

        let mut functions = Vec::new();
        for entry in fs::read_dir(root).unwrap() {
            let folder = entry.unwrap().path();
            if folder.join("function.json").is_file() {
                functions.push(Function::read(&folder));
            }
        }
        assert!(
            !functions.is_empty(),
            "no folder of {} has a function.json",
            root.display()
        );
        Self {
            executable: custom["description"]["defaultExecutablePath"]
                .as_str()
                .unwrap()
                .to_owned(),
            route_prefix: host["extensions"]["http"]["routePrefix"]
                .as_str()
                .unwrap_or("api")
                .to_owned(),
            functions,
        }
    }

    /// The function that answers this method on this decoded path.
    pub(crate) fn find(&self, method: &str, path: &str) -> Option<&Function> {
        let path = path.strip_prefix('/')?;
        let (prefix, rest) = path.split_once('/')?;
        if !prefix.eq_ignore_ascii_case(&self.route_prefix) {
            return None;
        }
        let rest: Vec<_> = rest.strip_suffix('/').unwrap_or(rest).split('/').collect();
        let mut found = self.functions.iter().filter(|function| function.answers(method, &rest));
        let first = found.next();
        assert!(found.next().is_none(), "two functions answer {method} {path}");
        first
    }
}

impl Function {
    fn read(folder: &Path) -> Self {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let file = read(&folder.join("function.json"));
        let bindings = file["bindings"].as_array().unwrap();
        let kinds: Vec<_> = bindings
            .iter()
            .map(|binding| (&binding["type"], &binding["direction"]))
            .collect();
        // With anything more, or less, the host turns to its JSON protocol although host.json says otherwise.
        assert_eq!(kinds.len(), 2, "{name}: {kinds:?}");
        assert!(
            kinds.iter().any(|kind| *kind == (&"http".into(), &"out".into())),
            "{name}: {kinds:?}"
        );
        let is_trigger = |binding: &&Value| binding["type"] == "httpTrigger" && binding["direction"] == "in";
        let trigger = bindings
            .iter()
            .find(is_trigger)
            .unwrap_or_else(|| panic!("{name}: {kinds:?}"));

        let methods: Vec<_> = trigger["methods"]
            .as_array()
            .unwrap()
            .iter()
            .map(|method| method.as_str().unwrap().to_owned())
            .collect();
        assert!(
            methods.iter().all(|method| *method == method.to_lowercase()),
            "{name}: {methods:?}"
        );
        let route = trigger["route"].as_str().unwrap();
        assert!(
            !route.starts_with("admin") && !route.starts_with("runtime"),
            "{name}: {route}"
        );
        let level = trigger
            .get("authLevel")
            .map_or("function", |level| level.as_str().unwrap());
        assert!(matches!(level, "anonymous" | "function" | "admin"), "{name}: {level}");
        Self {
            name,
            anonymous: level == "anonymous",
            methods,
            route: route.split('/').map(Segment::read).collect(),
        }
    }

    fn answers(&self, method: &str, path: &[&str]) -> bool {
        let required = self
            .route
            .iter()
            .filter(|segment| **segment != Segment::Optional)
            .count();
        self.methods.iter().any(|own| own.eq_ignore_ascii_case(method))
            && (required..=self.route.len()).contains(&path.len())
            && path.iter().zip(&self.route).all(|(text, segment)| match segment {
                Segment::Literal(literal) => literal.eq_ignore_ascii_case(text),
                Segment::Parameter | Segment::Optional => !text.is_empty(),
            })
    }
}

impl Segment {
    fn read(text: &str) -> Self {
        match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(name) if name.ends_with('?') => Self::Optional,
            Some(_) => Self::Parameter,
            None => Self::Literal(text.to_owned()),
        }
    }
}
