//! What the Functions host reads from an app: host.json, the functions, their routes and methods.
//!
//! Reading fails wherever the real host would turn to another protocol, or to no function at all, without a word.

use std::path::Path;
use std::{fs, io};

use serde_json::Value;

/// An app as the host sees it.
#[derive(Debug)]
pub struct App {
    executable: String,
    route_prefix: String,
    functions: Vec<Function>,
}

/// One folder with a function.json.
#[derive(Debug)]
pub struct Function {
    name: String,
    is_anonymous: bool,
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

impl App {
    /// Reads the app in this folder.
    ///
    /// # Errors
    /// When a file cannot be read, or says something with which the real host would not call the handler.
    pub fn read(root: &Path) -> io::Result<Self> {
        let host = json(&root.join("host.json"))?;
        must(host.pointer("/version") == Some(&"2.0".into()), || {
            "host.json: the version is not 2.0".to_owned()
        })?;
        // An old host knows only the first key and a new one prefers the second; without either, requests come as the
        // host's own JSON, which the handler does not speak.
        for key in ["enableForwardingHttpRequest", "enableProxyingHttpRequest"] {
            must(
                host.pointer(&format!("/customHandler/{key}")) == Some(&true.into()),
                || format!("host.json: customHandler.{key} is not true"),
            )?;
        }

        let mut functions = Vec::<Function>::new();
        for entry in fs::read_dir(root)? {
            let folder = entry?.path();
            if !folder.join("function.json").is_file() {
                continue;
            }
            let function = Function::read(&folder)?;
            for other in &functions {
                must(!function.overlaps(other), || {
                    format!("{} and {} answer the same requests", other.name, function.name)
                })?;
            }
            functions.push(function);
        }
        must(!functions.is_empty(), || {
            format!("no folder of {} has a function.json", root.display())
        })?;
        Ok(Self {
            executable: text(&host, "/customHandler/description/defaultExecutablePath")?.to_owned(),
            route_prefix: text(&host, "/extensions/http/routePrefix").unwrap_or("api").to_owned(),
            functions,
        })
    }

    /// `customHandler.description.defaultExecutablePath`.
    pub fn executable(&self) -> &str {
        &self.executable
    }

    /// The function that answers this method on this decoded path.
    pub fn find(&self, method: &str, path: &str) -> Option<&Function> {
        let (prefix, rest) = path.strip_prefix('/')?.split_once('/')?;
        if !prefix.eq_ignore_ascii_case(&self.route_prefix) {
            return None;
        }
        let rest: Vec<_> = rest.strip_suffix('/').unwrap_or(rest).split('/').collect();
        self.functions.iter().find(|function| function.answers(method, &rest))
    }
}

impl Function {
    fn read(folder: &Path) -> io::Result<Self> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = json(&folder.join("function.json"))?;
        let bindings = list(&file, "/bindings")?;
        let is = |binding: &&Value, kind: &str, direction: &str| {
            binding.get("type").is_some_and(|value| value == kind)
                && binding.get("direction").is_some_and(|value| value == direction)
        };
        // With anything more, or less, the host turns to its JSON protocol although host.json says otherwise.
        must(
            bindings.len() == 2 && bindings.iter().any(|binding| is(&binding, "http", "out")),
            || format!("{name}: the bindings are not one httpTrigger and one http"),
        )?;
        let trigger = bindings.iter().find(|binding| is(binding, "httpTrigger", "in"));
        let trigger = trigger.ok_or_else(|| invalid(format!("{name}: no httpTrigger")))?;

        let methods = list(trigger, "/methods")?;
        let methods: Vec<_> = methods
            .iter()
            .filter_map(Value::as_str)
            .map(ToOwned::to_owned)
            .collect();
        must(methods.iter().all(|method| *method == method.to_lowercase()), || {
            format!("{name}: a method is not in lower case")
        })?;
        let route = text(trigger, "/route")?;
        must(!route.starts_with("admin") && !route.starts_with("runtime"), || {
            format!("{name}: the host keeps the route {route} for itself")
        })?;
        let level = text(trigger, "/authLevel").unwrap_or("function");
        must(matches!(level, "anonymous" | "function" | "admin"), || {
            format!("{name}: no such authLevel: {level}")
        })?;
        Ok(Self {
            is_anonymous: level == "anonymous",
            methods,
            route: route.split('/').map(Segment::read).collect(),
            name,
        })
    }

    /// The folder's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it may be called without a key.
    pub fn is_anonymous(&self) -> bool {
        self.is_anonymous
    }

    fn required(&self) -> usize {
        let required = |segment: &&Segment| **segment != Segment::Optional;
        self.route.iter().filter(required).count()
    }

    fn answers(&self, method: &str, path: &[&str]) -> bool {
        self.methods.iter().any(|own| own.eq_ignore_ascii_case(method))
            && (self.required()..=self.route.len()).contains(&path.len())
            && path.iter().zip(&self.route).all(|(text, segment)| match segment {
                Segment::Literal(literal) => literal.eq_ignore_ascii_case(text),
                Segment::Parameter | Segment::Optional => !text.is_empty(),
            })
    }

    /// Whether some request would be answered by either.
    fn overlaps(&self, other: &Self) -> bool {
        self.methods.iter().any(|method| other.methods.contains(method))
            && self.required().max(other.required()) <= self.route.len().min(other.route.len())
            && self.route.iter().zip(&other.route).all(|pair| match pair {
                (Segment::Literal(one), Segment::Literal(two)) => one.eq_ignore_ascii_case(two),
                _ => true,
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

fn invalid(fault: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, fault)
}

fn must(holds: bool, fault: impl FnOnce() -> String) -> io::Result<()> {
    if holds { Ok(()) } else { Err(invalid(fault())) }
}

fn json(path: &Path) -> io::Result<Value> {
    let fault = |error: String| invalid(format!("{}: {error}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| fault(error.to_string()))
}

fn text<'a>(value: &'a Value, pointer: &str) -> io::Result<&'a str> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.ok_or_else(|| invalid(format!("{pointer} is not there, or no text")))
}

fn list<'a>(value: &'a Value, pointer: &str) -> io::Result<&'a Vec<Value>> {
    let found = value.pointer(pointer).and_then(Value::as_array);
    found.ok_or_else(|| invalid(format!("{pointer} is not there, or no list")))
}
