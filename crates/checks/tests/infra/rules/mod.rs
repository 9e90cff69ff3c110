//! What no compiler knows: each rule says what would go wrong on Azure, or with the handler, without it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::project::Project;
use crate::snapshot::Snapshot;

mod alerts;
mod app;
mod handler;
mod order;
mod roles;
mod surface;
mod vault;

/// What the rules found, one line each.
#[derive(Debug)]
struct Findings<'a> {
    of: &'a str,
    lines: Vec<String>,
}

impl<'a> Findings<'a> {
    fn of(of: &'a str) -> Self {
        Self { of, lines: Vec::new() }
    }

    fn equal(&mut self, what: &str, actual: &Value, expected: &Value) {
        if actual != expected {
            self.lines
                .push(format!("{}: {what} is {actual}, not {expected}", self.of));
        }
    }

    fn holds(&mut self, what: &str, holds: bool) {
        if !holds {
            self.lines.push(format!("{}: {what}", self.of));
        }
    }
}

/// Everything that is wrong with the committed files.
pub(crate) fn check(project: &Project) -> Vec<String> {
    let mut lines: Vec<String> = project.snapshots.iter().flat_map(of_snapshot).collect();
    lines.extend(of_project(project));
    lines
}

/// What the rules for one snapshot find.
pub(crate) fn of_snapshot(it: &Snapshot) -> Vec<String> {
    let mut found = Findings::of(&it.name);
    if it.name.starts_with("refused-") {
        refusal(it, &mut found);
        return found.lines;
    }
    app::site(it, &mut found);
    app::settings(it, &mut found);
    vault::ours(it, &mut found);
    vault::theirs(it, &mut found);
    vault::network(it, &mut found);
    roles::assignments(it, &mut found);
    alerts::alerts(it, &mut found);
    // The probe has values that no handler would start with.
    if it.name != "probe" {
        handler::verdict(it, &mut found);
    }
    keys_and_clouds(it, &mut found);
    tags(it, &mut found);
    found.lines
}

/// What the rules for everything but the snapshots find.
pub(crate) fn of_project(project: &Project) -> Vec<String> {
    let mut found = Findings::of("template.json");
    order::order(&project.template, &mut found);
    surface::parameters(project, &mut found);
    surface::azd(project, &mut found);
    surface::probe(project, &mut found);
    handler::defaults(project, &mut found);
    found.lines
}

/// Whoever is refused reads only this sentence: it names the parameter and what to do.
fn refusal(it: &Snapshot, found: &mut Findings<'_>) {
    let sentence = it.json["refused"].as_str().unwrap_or_default();
    let parameter = sentence.split(':').next().unwrap_or_default();
    let known = it.given.keys().any(|name| name == parameter) || parameter == "budgetStart";
    found.holds("it is not refused", it.is_refused());
    found.holds(&format!("the refusal names no parameter: {sentence}"), known);
    let remedy = ["Set ", "List ", "Write ", "Give ", "Rename "];
    let has_remedy = remedy.iter().any(|verb| sentence.contains(verb));
    found.holds(&format!("the refusal names no remedy: {sentence}"), has_remedy);
}

/// What a template reads a key or a password with, or holds one in.
const KEYS: [&str; 6] = [
    "listKeys(",
    "listAccountSas(",
    "AccountKey=",
    "SharedAccessKey=",
    "SharedAccessSignature=",
    "sig=",
];

/// Nothing here needs a key, so none may show; and what names a cloud works in no other.
fn keys_and_clouds(it: &Snapshot, found: &mut Findings<'_>) {
    let keys: Vec<&str> = KEYS.into_iter().filter(|key| it.text.contains(key)).collect();
    found.equal("keys", &json!(keys), &json!([]));
    let storage = &it.one("Microsoft.Storage/storageAccounts")["properties"];
    let closed = json!([
        storage["allowSharedKeyAccess"],
        storage["allowBlobPublicAccess"],
        storage["minimumTlsVersion"],
        storage["supportsHttpsTrafficOnly"]
    ]);
    found.equal("storage", &closed, &json!([false, false, "TLS1_2", true]));
    let insights = &it.one("Microsoft.Insights/components")["properties"];
    found.equal(
        "local authentication of the log",
        &insights["DisableLocalAuth"],
        &json!(true),
    );
    found.holds("a cloud's storage name", !it.text.contains("core.windows.net"));
}

/// azd finds what it made by this tag, and deletes by it.
fn tags(it: &Snapshot, found: &mut Findings<'_>) {
    for top in it.resources().iter().filter(|it| it.get("location").is_some()) {
        found.equal(
            &format!("azd's tag of {}", top["name"]),
            &top["tags"]["azd-env-name"],
            &json!("dev"),
        );
    }
    let sites = it
        .resources()
        .iter()
        .filter(|it| it["tags"]["azd-service-name"] == "handler");
    let kinds: BTreeSet<&str> = sites.filter_map(|it| it["type"].as_str()).collect();
    found.equal("azd's service", &json!(kinds), &json!(["Microsoft.Web/sites"]));
}
