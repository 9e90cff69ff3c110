//! Evaluates expressions as Azure Resource Manager does, as far as `infra/` needs it. What only Azure can know stands
//! in the result as a name of its own, so that two uses of one thing are equal and those of two things are not.

use serde_json::{Map, Value, json};

use crate::deploy::Scope;
use crate::expr::{Expr, Kind, Piece};

/// The client id that every user-assigned identity has here.
pub(crate) const CLIENT_ID: &str = "11111111-2222-3333-4444-555555555555";

type Outcome = Result<Value, String>;

pub(crate) fn eval(expr: &Expr, scope: &Scope<'_>) -> Outcome {
    let outcome = match &expr.kind {
        Kind::Text(pieces) => text(pieces, scope).map(Value::String),
        Kind::Number(number) => Ok(json!(number)),
        Kind::Bool(value) => Ok(json!(value)),
        Kind::Null => Ok(Value::Null),
        Kind::Name(name) => scope.symbol(name),
        Kind::Member(of, property) => member(&eval(of, scope)?, property),
        Kind::Index(of, index) => index_into(&eval(of, scope)?, &eval(index, scope)?),
        Kind::Call(function, arguments) => call(function, arguments, scope),
        Kind::Array(items) => items.iter().map(|item| eval(item, scope)).collect(),
        Kind::Object(entries) => entries
            .iter()
            .map(|(key, value)| Ok((key_text(key, scope)?, eval(value, scope)?)))
            .collect::<Result<Map<_, _>, String>>()
            .map(Value::Object),
        Kind::Choice(condition, yes, no) => eval(if truth(condition, scope)? { yes } else { no }, scope),
        Kind::Not(of) => truth(of, scope).map(|value| json!(!value)),
        Kind::Binary(operator, left, right) => binary(operator, left, right, scope),
        Kind::For { .. } => unrolled(expr, scope)?
            .iter()
            .map(|inner| eval(body(expr), inner))
            .collect(),
    };
    outcome.map_err(|error| {
        if error.starts_with("line ") {
            return error;
        }
        format!("line {}: {error}", expr.line)
    })
}

pub(crate) fn truth(expr: &Expr, scope: &Scope<'_>) -> Result<bool, String> {
    let value = eval(expr, scope)?;
    value
        .as_bool()
        .ok_or_else(|| format!("line {}: {value} is no bool", expr.line))
}

/// What a loop repeats; any other expression is that itself.
pub(crate) fn body(expr: &Expr) -> &Expr {
    match &expr.kind {
        Kind::For { body, .. } => body,
        _ => expr,
    }
}

/// The scopes in which to evaluate the body of a loop: one an item. Any other expression has one.
pub(crate) fn unrolled<'a>(expr: &Expr, scope: &Scope<'a>) -> Result<Vec<Scope<'a>>, String> {
    let Kind::For { names, items, .. } = &expr.kind else {
        return Ok(vec![scope.clone()]);
    };
    let items = eval(items, scope)?;
    let items = items.as_array().ok_or("a loop over what is no array")?;
    let inner = items.iter().enumerate().map(|(index, item)| {
        let values = [item.clone(), json!(index)];
        scope.with_locals(names.iter().cloned().zip(values))
    });
    Ok(inner.collect())
}

fn key_text(key: &Expr, scope: &Scope<'_>) -> Result<String, String> {
    match &key.kind {
        Kind::Text(pieces) => text(pieces, scope),
        _ => Ok(key.text.clone()),
    }
}

fn text(pieces: &[Piece], scope: &Scope<'_>) -> Result<String, String> {
    let piece = |piece: &Piece| match piece {
        Piece::Plain(text) => Ok(text.clone()),
        Piece::Hole(expr) => eval(expr, scope).map(|value| as_text(&value)),
    };
    pieces.iter().map(piece).collect()
}

/// ARM's own `string`: a bool has a capital letter.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        other => other.to_string(),
    }
}

fn member(of: &Value, property: &str) -> Outcome {
    let found = of.get(property).cloned();
    found.ok_or_else(|| format!("no property {property} in {of}"))
}

fn index_into(of: &Value, index: &Value) -> Outcome {
    let found = match index {
        Value::Number(number) => of.get(usize::try_from(number.as_u64().unwrap_or(u64::MAX)).unwrap_or(usize::MAX)),
        other => of.get(other.as_str().unwrap_or_default()),
    };
    found.cloned().ok_or_else(|| format!("no {index} in {of}"))
}

fn binary(operator: &str, left: &Expr, right: &Expr, scope: &Scope<'_>) -> Outcome {
    // The right side is not evaluated where the left one decides.
    let value = match operator {
        "||" => truth(left, scope)? || truth(right, scope)?,
        "&&" => truth(left, scope)? && truth(right, scope)?,
        "==" => eval(left, scope)? == eval(right, scope)?,
        "!=" => eval(left, scope)? != eval(right, scope)?,
        other => return Err(format!("operator {other} is not known to this test")),
    };
    Ok(json!(value))
}

fn call(function: &str, arguments: &[Expr], scope: &Scope<'_>) -> Outcome {
    let values = arguments
        .iter()
        .map(|it| eval(it, scope))
        .collect::<Result<Vec<_>, _>>()?;
    let text = |index: usize| values.get(index).and_then(Value::as_str).unwrap_or_default().to_owned();
    let joined = || values.iter().map(as_text).collect::<Vec<_>>().join("/");
    let value = match function {
        "string" => json!(as_text(values.first().unwrap_or(&Value::Null))),
        "any" => values.first().cloned().unwrap_or_default(),
        "toLower" => json!(text(0).to_lowercase()),
        "empty" => json!(is_empty(values.first().unwrap_or(&Value::Null))),
        "contains" => json!(contains(&values)),
        "split" => json!(text(0).split(&text(1)).collect::<Vec<_>>()),
        "replace" => json!(text(0).replace(&text(1), &text(2))),
        "substring" => {
            let from = values.get(1).and_then(Value::as_u64).unwrap_or_default();
            json!(
                text(0)
                    .chars()
                    .skip(usize::try_from(from).unwrap_or_default())
                    .collect::<String>()
            )
        }
        "concat" => values.iter().filter_map(Value::as_array).flatten().cloned().collect(),
        "union" => Value::Object(
            values
                .iter()
                .filter_map(Value::as_object)
                .flat_map(Map::clone)
                .collect(),
        ),
        "uniqueString" => json!("abc123abc123a"),
        "guid" => json!(format!("guid({})", joined())),
        "resourceId" => json!(format!("/{}", joined())),
        "subscriptionResourceId" => json!(format!("/subscription/{}", joined())),
        "resourceGroup" => {
            let name = if values.is_empty() {
                scope.group().to_owned()
            } else {
                text(0)
            };
            json!({"name": name, "id": format!("/{name}"), "location": "westeurope"})
        }
        "subscription" => json!({"id": "/subscription", "tenantId": "the-tenant"}),
        "deployment" => json!({"location": "westeurope", "name": "main"}),
        // As in the public cloud.
        "environment" => json!({
            "authentication": {"loginEndpoint": "https://login.microsoftonline.com/"},
            "suffixes": {"keyvaultDns": ".vault.azure.net"},
        }),
        other => return Err(format!("function {other} is not known to this test")),
    };
    Ok(value)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

fn contains(values: &[Value]) -> bool {
    match values {
        [Value::String(text), Value::String(part)] => text.contains(part.as_str()),
        [Value::Object(entries), Value::String(key)] => entries.contains_key(key),
        [Value::Array(items), item] => items.contains(item),
        _ => false,
    }
}
