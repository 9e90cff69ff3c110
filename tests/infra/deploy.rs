//! Walks from main.bicep through the modules with given parameters, and lists what Azure would be asked for.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value, json};

use crate::bicep::{File, Module, Param, Resource};
use crate::eval::{self, CLIENT_ID, eval, truth};
use crate::expr::{Expr, Kind};
use crate::project::{MAIN, Project};

/// A resource that Azure is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Deployed {
    /// The file that declares it, with the line.
    pub(crate) at: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) id: String,
    /// The id of the resource that it is about, for a role or a diagnostic setting.
    pub(crate) scope: String,
    pub(crate) body: Value,
}

/// What one deployment asks for.
#[derive(Clone, Debug)]
pub(crate) struct Deployment {
    pub(crate) resources: Vec<Deployed>,
    pub(crate) outputs: Map<String, Value>,
}

impl Deployment {
    /// Deploys main.bicep, or says what Azure would refuse.
    pub(crate) fn of(project: &Project, given: &Value, existing_vault: &Value) -> Result<Self, String> {
        let scope = Scope::new(project, MAIN, "", given, existing_vault)?;
        let mut resources = Vec::new();
        scope.deploy(&mut resources)?;
        let outputs = scope.outputs()?;
        Ok(Self { resources, outputs })
    }

    pub(crate) fn all<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Deployed> {
        self.resources.iter().filter(move |it| it.kind == kind)
    }

    pub(crate) fn one<'a>(&'a self, kind: &'a str) -> Result<&'a Deployed, String> {
        match self.all(kind).collect::<Vec<_>>().as_slice() {
            [one] => Ok(one),
            some => Err(format!("{} of {kind}, not one", some.len())),
        }
    }
}

/// A file with the values of its parameters.
#[derive(Clone)]
pub(crate) struct Scope<'a> {
    project: &'a Project,
    path: &'a str,
    file: &'a File,
    group: String,
    values: Rc<BTreeMap<String, Value>>,
    /// What was evaluated already; no symbol depends on a loop's variables.
    known: Rc<RefCell<BTreeMap<String, Value>>>,
    existing_vault: &'a Value,
}

impl<'a> Scope<'a> {
    fn new(
        project: &'a Project,
        path: &str,
        group: &str,
        given: &Value,
        existing_vault: &'a Value,
    ) -> Result<Self, String> {
        let found = project.files.get_key_value(path);
        let (path, file) = found.ok_or_else(|| format!("there is no {path}"))?;
        let mut scope = Self {
            project,
            path,
            file,
            group: group.to_owned(),
            values: Rc::default(),
            known: Rc::default(),
            existing_vault,
        };
        let given = given.as_object().ok_or("params is no object")?;
        for name in given.keys() {
            if !file.params.iter().any(|param| param.name == *name) {
                return Err(format!("{path} has no parameter {name}"));
            }
        }
        for param in &file.params {
            let value = match (given.get(&param.name), &param.default) {
                (Some(value), _) => value.clone(),
                (None, Some(default)) => scope.at(eval(default, &scope))?,
                (None, None) => return Err(format!("{path} needs parameter {}", param.name)),
            };
            scope.accepts(param, &value)?;
            Rc::make_mut(&mut scope.values).insert(param.name.clone(), value);
        }
        Ok(scope)
    }

    fn accepts(&self, param: &Param, value: &Value) -> Result<(), String> {
        let fits = match param.ty.as_str() {
            "string" => value.is_string(),
            "int" => value.is_i64(),
            "bool" => value.is_boolean(),
            "array" => value.is_array(),
            _ => value.is_object(),
        };
        let allowed = match param.decorator("allowed") {
            Some(list) => eval(list, self)?.as_array().is_some_and(|list| list.contains(value)),
            None => true,
        };
        let long_enough = match (param.decorator("minLength"), value) {
            (Some(least), Value::String(text)) => eval(least, self)?.as_u64() <= Some(text.len() as u64),
            _ => true,
        };
        if fits && allowed && long_enough {
            return Ok(());
        }
        Err(format!("{}: parameter {} is not valid: {value}", self.path, param.name))
    }

    pub(crate) fn group(&self) -> &str {
        &self.group
    }

    pub(crate) fn with_locals(&self, locals: impl Iterator<Item = (String, Value)>) -> Self {
        let mut inner = self.clone();
        Rc::make_mut(&mut inner.values).extend(locals);
        inner
    }

    pub(crate) fn symbol(&self, name: &str) -> Result<Value, String> {
        if let Some(value) = self.values.get(name) {
            return Ok(value.clone());
        }
        let known = self.known.borrow().get(name).cloned();
        if let Some(value) = known {
            return Ok(value);
        }
        let value = self.declared(name)?;
        self.known.borrow_mut().insert(name.to_owned(), value.clone());
        Ok(value)
    }

    fn declared(&self, name: &str) -> Result<Value, String> {
        if let Some(var) = self.file.vars.iter().find(|it| it.name == name) {
            return eval(&var.value, self);
        }
        if let Some(resource) = self.file.resources.iter().find(|it| it.name == name) {
            let handles = eval::unrolled(&resource.body, self)?;
            let handles = handles
                .iter()
                .map(|scope| scope.handle(resource))
                .collect::<Result<Vec<_>, _>>()?;
            return match &resource.body.kind {
                Kind::For { .. } => Ok(Value::Array(handles)),
                _ => Ok(handles.into_iter().next().unwrap_or_default()),
            };
        }
        let module = self.file.modules.iter().find(|it| it.name == name);
        let module = module.ok_or_else(|| format!("{name} is not declared"))?;
        let inner = self.module(module)?;
        let inner = inner.ok_or_else(|| format!("module {name} is not deployed, and its outputs are used"))?;
        Ok(json!({"outputs": inner.outputs()?}))
    }

    fn outputs(&self) -> Result<Map<String, Value>, String> {
        let value = |expr: &Expr| self.at(eval(expr, self));
        let outputs = self.file.outputs.iter();
        outputs.map(|it| Ok((it.name.clone(), value(&it.value)?))).collect()
    }

    fn deploy(&self, resources: &mut Vec<Deployed>) -> Result<(), String> {
        for resource in self.file.resources.iter().filter(|it| !it.existing) {
            if self.at(self.applies(resource.condition.as_ref()))? {
                for scope in eval::unrolled(&resource.body, self)? {
                    resources.push(self.at(scope.deployed(resource))?);
                }
            }
        }
        for module in &self.file.modules {
            if let Some(inner) = self.at(self.module(module))? {
                inner.deploy(resources)?;
            }
        }
        Ok(())
    }

    fn applies(&self, condition: Option<&Expr>) -> Result<bool, String> {
        condition.map_or(Ok(true), |condition| truth(condition, self))
    }

    fn module(&self, module: &Module) -> Result<Option<Self>, String> {
        if !self.applies(module.condition.as_ref())? {
            return Ok(None);
        }
        let group = match module.body.get("scope") {
            Some(scope) => eval(scope, self)?["name"].as_str().unwrap_or_default().to_owned(),
            None => self.group.clone(),
        };
        let params = module.body.get("params").map_or(Ok(json!({})), |it| eval(it, self))?;
        let path = Project::module_path(self.path, &module.path);
        Self::new(self.project, &path, &group, &params, self.existing_vault).map(Some)
    }

    fn deployed(&self, resource: &Resource) -> Result<Deployed, String> {
        let handle = self.handle(resource)?;
        let text = |key: &str| handle[key].as_str().unwrap_or_default().to_owned();
        let scope = resource
            .object()
            .get("scope")
            .map_or(Ok(Value::Null), |it| eval(it, self))?;
        let body = resource.object().entries().iter();
        let body = body.filter(|(key, _)| !["name", "parent", "scope", "dependsOn"].contains(&key.key()));
        let body = body.map(|(key, value)| Ok((key.key().to_owned(), eval(value, self)?)));
        Ok(Deployed {
            at: format!("{}:{}", self.path, resource.line),
            kind: resource.kind.clone(),
            name: text("name"),
            id: text("id"),
            scope: scope["id"].as_str().unwrap_or_default().to_owned(),
            body: Value::Object(body.collect::<Result<_, String>>()?),
        })
    }

    /// A resource as other expressions see it: what Azure tells of it at run time.
    fn handle(&self, resource: &Resource) -> Result<Value, String> {
        let object = resource.object();
        let name = object.get("name").map_or(Ok(Value::Null), |it| eval(it, self))?;
        let name = name.as_str().unwrap_or_default();
        let above = match (object.get("parent"), object.get("scope")) {
            (Some(parent), _) => eval(parent, self)?["id"].as_str().unwrap_or_default().to_owned(),
            (None, Some(scope)) => eval(scope, self)?["id"].as_str().unwrap_or_default().to_owned(),
            (None, None) => format!("/{}", self.group),
        };
        let properties = match resource.kind.rsplit('/').next().unwrap_or_default() {
            "userAssignedIdentities" => json!({"clientId": CLIENT_ID, "principalId": format!("principal of {name}")}),
            "components" => json!({"ConnectionString": format!("InstrumentationKey=key-of-{name}")}),
            "sites" => json!({"defaultHostName": format!("{name}.azurewebsites.net")}),
            "storageAccounts" => {
                json!({"primaryEndpoints": {"blob": format!("https://{name}.blob.core.windows.net/")}})
            }
            "vaults" if resource.existing => self.existing_vault.clone(),
            _ => json!({}),
        };
        let last = if object.get("parent").is_some() {
            name.to_owned()
        } else {
            format!("{}/{name}", resource.kind)
        };
        Ok(json!({"id": format!("{above}/{last}"), "name": name, "properties": properties}))
    }

    /// Names the file in an error.
    fn at<T>(&self, outcome: Result<T, String>) -> Result<T, String> {
        outcome.map_err(|error| {
            if error.starts_with("infra/") {
                return error;
            }
            format!("{}: {error}", self.path)
        })
    }
}
