//! A Bicep file as a small model: what it declares, with the expressions in it.

use tree_sitter::{Node, Parser};

use crate::expr::{Expr, Kind, child, children, line, slice};

/// What a Bicep file declares.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    pub(crate) params: Vec<Param>,
    pub(crate) vars: Vec<Var>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) modules: Vec<Module>,
    pub(crate) outputs: Vec<Output>,
}

#[derive(Clone, Debug)]
pub(crate) struct Param {
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) ty: String,
    pub(crate) default: Option<Expr>,
    pub(crate) decorators: Vec<Expr>,
}

#[derive(Clone, Debug)]
pub(crate) struct Var {
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) value: Expr,
}

#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) version: String,
    pub(crate) existing: bool,
    pub(crate) condition: Option<Expr>,
    /// An object, or a loop around one.
    pub(crate) body: Expr,
}

#[derive(Clone, Debug)]
pub(crate) struct Module {
    pub(crate) line: usize,
    pub(crate) name: String,
    /// Relative to the file that has it.
    pub(crate) path: String,
    pub(crate) condition: Option<Expr>,
    pub(crate) body: Expr,
}

#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) value: Expr,
}

impl Resource {
    /// The object that describes it, out of its loop.
    pub(crate) fn object(&self) -> &Expr {
        match &self.body.kind {
            Kind::For { body, .. } => body,
            _ => &self.body,
        }
    }
}

impl Param {
    /// The argument of decorator `name`.
    pub(crate) fn decorator(&self, name: &str) -> Option<&Expr> {
        self.decorators.iter().find_map(|decorator| match &decorator.kind {
            Kind::Call(function, arguments) if function == name => arguments.first(),
            _ => None,
        })
    }
}

impl File {
    /// Reads a file, or says which lines are no Bicep.
    pub(crate) fn parse(source: &str) -> Result<Self, String> {
        let mut parser = Parser::new();
        let language = tree_sitter_bicep::LANGUAGE.into();
        parser.set_language(&language).map_err(|error| error.to_string())?;
        let tree = parser.parse(source, None).ok_or("the parser gave up")?;
        let broken = errors(tree.root_node());
        if let Some(node) = broken.first() {
            let text = slice(*node, source).lines().next().unwrap_or_default();
            return Err(format!("line {}: no Bicep near `{text}`", line(*node)));
        }
        let mut file = Self::default();
        let mut decorators = Vec::new();
        for node in children(tree.root_node()) {
            if node.kind() == "decorators" {
                for decorator in children(node) {
                    decorators.push(Expr::read(child(decorator, 0)?, source)?);
                }
            } else {
                file.declare(node, source, std::mem::take(&mut decorators))?;
            }
        }
        Ok(file)
    }

    fn declare(&mut self, node: Node<'_>, source: &str, decorators: Vec<Expr>) -> Result<(), String> {
        let parts = children(node);
        let text = |index| child(node, index).map(|part| slice(part, source).to_owned());
        let expr = |index| child(node, index).and_then(|part| Expr::read(part, source));
        let line = line(node);
        match node.kind() {
            "target_scope_assignment" => {}
            "parameter_declaration" => self.params.push(Param {
                line,
                name: text(0)?,
                ty: text(1)?,
                default: parts.get(2).map(|part| Expr::read(*part, source)).transpose()?,
                decorators,
            }),
            "variable_declaration" => self.vars.push(Var {
                line,
                name: text(0)?,
                value: expr(1)?,
            }),
            "output_declaration" => self.outputs.push(Output {
                line,
                name: text(0)?,
                value: expr(2)?,
            }),
            "resource_declaration" => {
                let (condition, body) = conditional(child(node, 2)?, source)?;
                let full = expr(1)?;
                let (kind, version) = full.key().split_once('@').ok_or("a resource without version")?;
                let mut cursor = node.walk();
                self.resources.push(Resource {
                    line,
                    name: text(0)?,
                    kind: kind.to_owned(),
                    version: version.to_owned(),
                    existing: node.children(&mut cursor).any(|part| part.kind() == "existing"),
                    condition,
                    body,
                });
            }
            "module_declaration" => {
                let (condition, body) = conditional(child(node, 2)?, source)?;
                self.modules.push(Module {
                    line,
                    name: text(0)?,
                    path: expr(1)?.key().to_owned(),
                    condition,
                    body,
                });
            }
            other => return Err(format!("line {line}: {other} is not known to this test")),
        }
        Ok(())
    }

    /// Every declared symbol with its line; outputs are no symbols.
    pub(crate) fn symbols(&self) -> Vec<(&str, usize)> {
        let params = self.params.iter().map(|it| (it.name.as_str(), it.line));
        let vars = self.vars.iter().map(|it| (it.name.as_str(), it.line));
        let resources = self.resources.iter().map(|it| (it.name.as_str(), it.line));
        let modules = self.modules.iter().map(|it| (it.name.as_str(), it.line));
        params.chain(vars).chain(resources).chain(modules).collect()
    }

    /// Every expression of the file, each as a whole.
    pub(crate) fn expressions(&self) -> Vec<&Expr> {
        let params = self
            .params
            .iter()
            .flat_map(|it| it.default.iter().chain(&it.decorators));
        let vars = self.vars.iter().map(|it| &it.value);
        let resources = self
            .resources
            .iter()
            .flat_map(|it| it.condition.iter().chain([&it.body]));
        let modules = self.modules.iter().flat_map(|it| it.condition.iter().chain([&it.body]));
        let outputs = self.outputs.iter().map(|it| &it.value);
        params
            .chain(vars)
            .chain(resources)
            .chain(modules)
            .chain(outputs)
            .collect()
    }
}

fn conditional(node: Node<'_>, source: &str) -> Result<(Option<Expr>, Expr), String> {
    if node.kind() == "if_statement" {
        let condition = Expr::read(child(node, 0)?, source)?;
        return Ok((Some(condition), Expr::read(child(node, 1)?, source)?));
    }
    Ok((None, Expr::read(node, source)?))
}

fn errors(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    let mut found: Vec<_> = node.children(&mut cursor).flat_map(errors).collect();
    if node.is_error() || node.is_missing() {
        found.push(node);
    }
    found
}
