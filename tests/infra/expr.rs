//! Bicep's expressions, as far as `infra/` uses them.

use tree_sitter::Node;

/// An expression with the line and the text it was read from.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) kind: Kind,
    in_parentheses: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Text(Vec<Piece>),
    Number(i64),
    Bool(bool),
    Null,
    Name(String),
    Member(Box<Expr>, String),
    Index(Box<Expr>, Box<Expr>),
    Call(String, Vec<Expr>),
    Array(Vec<Expr>),
    Object(Vec<(Expr, Expr)>),
    Choice(Box<Expr>, Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Binary(String, Box<Expr>, Box<Expr>),
    For {
        names: Vec<String>,
        items: Box<Expr>,
        body: Box<Expr>,
    },
}

/// A part of a string.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Plain(String),
    Hole(Expr),
}

impl Expr {
    pub(crate) fn read(node: Node<'_>, source: &str) -> Result<Self, String> {
        let expr = |node| Self::read(node, source);
        let boxed = |node| Self::read(node, source).map(Box::new);
        let text = slice(node, source);
        let shown = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let kind = match node.kind() {
            "string" => Kind::Text(pieces(node, source)?),
            "number" => Kind::Number(text.parse().map_err(|_| format!("not a number: {text}"))?),
            "boolean" => Kind::Bool(text == "true"),
            "null" => Kind::Null,
            "identifier" | "compatible_identifier" | "primitive_type" => Kind::Name(text.to_owned()),
            "parenthesized_expression" => {
                let inner = Self::read(child(node, 0)?, source)?;
                return Ok(Self {
                    in_parentheses: true,
                    ..inner
                });
            }
            "member_expression" => {
                let property = slice(field(node, "property")?, source);
                let member = |of| Kind::Member(of, property.to_owned());
                let expr = Self::read(field(node, "object")?, source)?.last_operand(&member);
                return Ok(Self { text: shown, ..expr });
            }
            "subscript_expression" => {
                let index = Self::read(field(node, "index")?, source)?;
                let element = |of| Kind::Index(of, Box::new(index.clone()));
                let expr = Self::read(field(node, "object")?, source)?.last_operand(&element);
                return Ok(Self { text: shown, ..expr });
            }
            "call_expression" => {
                let arguments = children(field(node, "arguments")?).into_iter().map(expr);
                let function = slice(field(node, "function")?, source).to_owned();
                Kind::Call(function, arguments.collect::<Result<_, _>>()?)
            }
            "array" => Kind::Array(children(node).into_iter().map(expr).collect::<Result<_, _>>()?),
            "object" => {
                let property = |node| Ok::<_, String>((expr(child(node, 0)?)?, expr(child(node, 1)?)?));
                Kind::Object(children(node).into_iter().map(property).collect::<Result<_, _>>()?)
            }
            "ternary_expression" => Kind::Choice(
                boxed(field(node, "condition")?)?,
                boxed(field(node, "consequence")?)?,
                boxed(field(node, "alternative")?)?,
            ),
            "unary_expression" => Kind::Not(boxed(field(node, "argument")?)?),
            "binary_expression" => {
                let operator = slice(field(node, "operator")?, source);
                let right = Self::read(field(node, "right")?, source)?;
                let expr = Self::read(field(node, "left")?, source)?.joined(operator, right);
                return Ok(Self { text: shown, ..expr });
            }
            "for_statement" => loop_kind(node, source)?,
            other => return Err(format!("line {}: {other} is not known to this test", line(node))),
        };
        Ok(Self {
            line: line(node),
            text: shown,
            kind,
            in_parentheses: false,
        })
    }

    /// Puts `.name` or `[index]` where it belongs. The grammar binds them more loosely than any operator, so that
    /// `a == b.c` is the member `c` of a comparison; Bicep binds them most tightly, to the last operand.
    fn last_operand(self, wrap: &dyn Fn(Box<Self>) -> Kind) -> Self {
        let into = |last: Box<Self>| Box::new(last.last_operand(wrap));
        let Self { line, text, .. } = self.clone();
        let kind = match self.kind {
            Kind::Choice(condition, yes, no) if !self.in_parentheses => Kind::Choice(condition, yes, into(no)),
            Kind::Binary(operator, left, right) if !self.in_parentheses => Kind::Binary(operator, left, into(right)),
            Kind::Not(of) if !self.in_parentheses => Kind::Not(into(of)),
            _ => wrap(Box::new(self)),
        };
        Self {
            line,
            text,
            kind,
            in_parentheses: false,
        }
    }

    /// `self operator right`, where the grammar has taken what binds more loosely than `operator` into the left side, as
    /// it does behind a member.
    fn joined(self, operator: &str, right: Self) -> Self {
        let Self { line, text, .. } = self.clone();
        let looser = |other: &str| binding(other) < binding(operator);
        let kind = match self.kind {
            Kind::Binary(other, first, second) if !self.in_parentheses && looser(&other) => {
                Kind::Binary(other, first, Box::new(second.joined(operator, right)))
            }
            Kind::Choice(condition, yes, no) if !self.in_parentheses => {
                Kind::Choice(condition, yes, Box::new(no.joined(operator, right)))
            }
            _ => Kind::Binary(operator.to_owned(), Box::new(self), Box::new(right)),
        };
        Self {
            line,
            text,
            kind,
            in_parentheses: false,
        }
    }

    /// The value of property `key` of this object.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let found = self.entries().iter().find(|(name, _)| name.key() == key);
        found.map(|(_, value)| value)
    }

    /// The properties of this object; none of anything else.
    pub(crate) fn entries(&self) -> &[(Self, Self)] {
        match &self.kind {
            Kind::Object(entries) => entries,
            _ => &[],
        }
    }

    /// The text of a string without holes, or the name of a key.
    pub(crate) fn key(&self) -> &str {
        match &self.kind {
            Kind::Text(pieces) => match pieces.as_slice() {
                [Piece::Plain(text)] => text,
                _ => &self.text,
            },
            _ => &self.text,
        }
    }

    /// This expression and every one in it.
    pub(crate) fn walk(&self) -> Vec<&Self> {
        self.walk_into(&|expr| expr.parts())
    }

    /// The same, but for what is evaluated in one case and not in the other.
    pub(crate) fn outside_choices(&self) -> Vec<&Self> {
        self.walk_into(&|expr| match &expr.kind {
            Kind::Choice(condition, ..) => vec![condition.as_ref()],
            _ => expr.parts(),
        })
    }

    fn walk_into<'a>(&'a self, parts: &dyn Fn(&'a Self) -> Vec<&'a Self>) -> Vec<&'a Self> {
        let mut all = vec![self];
        all.extend(parts(self).into_iter().flat_map(|part| part.walk_into(parts)));
        all
    }

    fn parts(&self) -> Vec<&Self> {
        match &self.kind {
            Kind::Text(pieces) => pieces
                .iter()
                .filter_map(|piece| match piece {
                    Piece::Hole(expr) => Some(expr),
                    Piece::Plain(_) => None,
                })
                .collect(),
            Kind::Number(_) | Kind::Bool(_) | Kind::Null | Kind::Name(_) => Vec::new(),
            Kind::Member(of, _) | Kind::Not(of) => vec![of.as_ref()],
            Kind::Index(a, b) | Kind::Binary(_, a, b) => vec![a.as_ref(), b.as_ref()],
            Kind::Call(_, list) | Kind::Array(list) => list.iter().collect(),
            // A key is a name that refers to nothing, but for the holes of a string.
            Kind::Object(entries) => entries
                .iter()
                .flat_map(|(key, value)| match key.kind {
                    Kind::Text(_) => vec![key, value],
                    _ => vec![value],
                })
                .collect(),
            Kind::Choice(a, b, c) => vec![a.as_ref(), b.as_ref(), c.as_ref()],
            Kind::For { items, body, .. } => vec![items.as_ref(), body.as_ref()],
        }
    }

    /// The symbols that this expression refers to, loop variables left out.
    pub(crate) fn symbols(&self) -> Vec<(&str, usize)> {
        let all = self.walk();
        let locals: Vec<&String> = all
            .iter()
            .filter_map(|expr| match &expr.kind {
                Kind::For { names, .. } => Some(names),
                _ => None,
            })
            .flatten()
            .collect();
        all.iter()
            .filter_map(|expr| match &expr.kind {
                Kind::Name(name) if !locals.contains(&name) => Some((name.as_str(), expr.line)),
                _ => None,
            })
            .collect()
    }
}

/// How tightly an operator binds.
fn binding(operator: &str) -> u8 {
    match operator {
        "||" => 0,
        "&&" => 1,
        "==" | "!=" => 2,
        _ => 3,
    }
}

fn loop_kind(node: Node<'_>, source: &str) -> Result<Kind, String> {
    let body = field(node, "body")?;
    let parts = children(node);
    let [variables, items, ..] = parts.as_slice() else {
        return Err(format!("line {}: a loop without variable or items", line(node)));
    };
    let names = if variables.kind() == "for_loop_parameters" {
        children(*variables)
    } else {
        vec![*variables]
    };
    Ok(Kind::For {
        names: names.into_iter().map(|name| slice(name, source).to_owned()).collect(),
        items: Box::new(Expr::read(*items, source)?),
        body: Box::new(Expr::read(body, source)?),
    })
}

/// The grammar drops white space at the edges of a string's parts, so the text is cut from the source.
fn pieces(node: Node<'_>, source: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut at = node.start_byte() + 1;
    let holes = children(node).into_iter().filter(|part| part.kind() == "interpolation");
    let plain = |from, to| Piece::Plain(unescaped(source.get(from..to).unwrap_or_default()));
    for hole in holes {
        if at < hole.start_byte() {
            pieces.push(plain(at, hole.start_byte()));
        }
        pieces.push(Piece::Hole(Expr::read(child(hole, 0)?, source)?));
        at = hole.end_byte();
    }
    if at + 1 < node.end_byte() || pieces.is_empty() {
        pieces.push(plain(at, node.end_byte() - 1));
    }
    Ok(pieces)
}

fn unescaped(text: &str) -> String {
    text.replace("\\'", "'").replace("\\$", "$").replace("\\\\", "\\")
}

pub(crate) fn children(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    let all = node.named_children(&mut cursor);
    all.filter(|node| !node.kind().ends_with("comment")).collect()
}

pub(crate) fn child(node: Node<'_>, index: usize) -> Result<Node<'_>, String> {
    let found = children(node).get(index).copied();
    found.ok_or_else(|| format!("line {}: a part is missing", line(node)))
}

fn field<'a>(node: Node<'a>, name: &str) -> Result<Node<'a>, String> {
    let found = node.child_by_field_name(name);
    found.ok_or_else(|| format!("line {}: no {name}", line(node)))
}

pub(crate) fn slice<'a>(node: Node<'_>, source: &'a str) -> &'a str {
    source.get(node.byte_range()).unwrap_or_default()
}

pub(crate) fn line(node: Node<'_>) -> usize {
    node.start_position().row + 1
}
