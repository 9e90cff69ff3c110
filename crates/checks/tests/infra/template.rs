//! What a snapshot does not show, out of the compiled template: order, conditions, outputs of modules, parameters.

use serde_json::{Map, Value, json};

/// Everything of a compiled template that is committed.
pub(crate) fn digest(template: &Value) -> Value {
    let mut all = Map::new();
    walk(template, "main", &mut all);
    Value::Object(all)
}

fn walk(template: &Value, path: &str, all: &mut Map<String, Value>) {
    let mut entry = Map::new();
    let parameters = template["parameters"].as_object().into_iter().flatten();
    let parameters: Map<String, Value> = parameters.map(|(name, it)| (name.clone(), parameter(it))).collect();
    entry.insert("parameters".to_owned(), Value::Object(parameters));
    let outputs = template["outputs"].as_object().into_iter().flatten();
    let outputs: Map<String, Value> = outputs.map(|(name, it)| (name.clone(), it["value"].clone())).collect();
    entry.insert("outputs".to_owned(), Value::Object(outputs));
    let mut resources = Map::new();
    for (symbol, it) in template["resources"].as_object().into_iter().flatten() {
        let mut one = Map::new();
        one.insert("after".to_owned(), it.get("dependsOn").cloned().unwrap_or(json!([])));
        for key in ["condition", "existing"] {
            if let Some(value) = it.get(key) {
                one.insert(key.to_owned(), value.clone());
            }
        }
        if it["type"] == "Microsoft.Resources/deployments" {
            one.insert("given".to_owned(), it["properties"]["parameters"].clone());
            walk(&it["properties"]["template"], &format!("{path}/{symbol}"), all);
        }
        resources.insert(symbol.clone(), Value::Object(one));
    }
    entry.insert("resources".to_owned(), Value::Object(resources));
    all.insert(path.to_owned(), Value::Object(entry));
}

/// Type, default and bounds; not the description.
fn parameter(parameter: &Value) -> Value {
    let all = parameter.as_object().into_iter().flatten();
    all.filter(|(key, _)| *key != "metadata")
        .map(|(key, value)| {
            // A definition of another file has that file's number in front.
            let value = match value.as_str().and_then(|it| it.strip_prefix("#/definitions/")) {
                Some(name) => Value::from(name.rsplit('.').next()),
                None => value.clone(),
            };
            (key.clone(), value)
        })
        .collect()
}
