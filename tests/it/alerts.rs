//! The queries of `infra/modules/alerts.bicep` and of docs/operations.md over the lines that the handler writes.
//!
//! Kusto is not here; what a query looks for in a line is: its `has_cs` terms and its regular expressions, both of RE2.

use regex::Regex;
use serde_json::Value;
use testkit::{Fault, Target, Times};

use crate::support::client::Request;
use crate::support::{ORIGIN, PATH, Rig};

/// As the compiler predicts them; crates/checks holds the file to the source.
const DEPLOYED: &str =
    include_str!("../../crates/checks/tests/infra/snapshots/flex-new-policy-vnet-officer-alerts.json");

/// What one query looks for in a line.
struct Query {
    terms: Vec<String>,
    patterns: Vec<Regex>,
    status: Option<Regex>,
}

impl Query {
    fn of(alert: &str) -> Self {
        let deployed: Value = serde_json::from_str(DEPLOYED).unwrap();
        let all = deployed["predictedResources"].as_array().unwrap();
        let rule = all
            .iter()
            .find(|it| {
                it["type"] == "Microsoft.Insights/scheduledQueryRules"
                    && it["name"].as_str().unwrap().starts_with(alert)
            })
            .unwrap();
        let query = rule["properties"]["criteria"]["allOf"][0]["query"].as_str().unwrap();
        let captures = |pattern: &str| -> Vec<String> {
            let pattern = Regex::new(pattern).unwrap();
            pattern.captures_iter(query).map(|it| it[1].to_owned()).collect()
        };
        let regex = |text: &String| Regex::new(text).unwrap();
        Self {
            terms: captures(r#"has_cs "([^"]*)""#),
            patterns: captures("matches regex @'([^']*)'").iter().map(regex).collect(),
            status: captures("extract\\(@'([^']*)'").first().map(regex),
        }
    }

    fn finds(&self, line: &str) -> bool {
        // `has_cs` matches whole terms of letters and digits.
        let is_term = |term: &String| line.split(|it: char| !it.is_ascii_alphanumeric()).any(|it| it == term);
        self.terms.iter().all(is_term) && self.patterns.iter().all(|it| it.is_match(line))
    }

    /// The statuses of the lines that it finds, as it reads them.
    fn statuses(&self, lines: &str) -> Vec<String> {
        let status = self.status.as_ref().unwrap();
        let found = lines.lines().filter(|line| self.finds(line));
        found
            .filter_map(|line| Some(status.captures(line)?[1].to_owned()))
            .collect()
    }
}

/// A read that works, refusals whose words are a caller's, and a vault that refuses the app.
async fn lines(format: &str) -> String {
    let rig = Rig::with(&[
        ("LOG_FORMAT", format),
        ("ALLOWED_SECRETS", "maps-key,VaultAccessDenied,denied"),
    ])
    .await;
    rig.get(PATH).await;
    rig.get("/api/secrets/VaultAccessDenied").await;
    let forged = r#"https://x.example" verdict="VaultAccessDenied" status=200 "#;
    rig.send(Request::get(PATH).origin(forged)).await;
    let preflight = Request::new("OPTIONS", PATH).origin(ORIGIN);
    rig.send(preflight.header("access-control-request-method", "GET")).await;
    let fault = Fault::Status {
        status: 403,
        code: "Forbidden",
        inner: None,
        retry_after: None,
    };
    rig.emulator.script(Target::Vault, fault, Times::Always);
    rig.get("/api/secrets/denied").await;
    let output = rig.handler.stop().await;
    format!("{}\n{}", output.stdout, output.stderr)
}

#[tokio::test]
async fn every_alert_finds_its_lines_and_no_callers_words() {
    for format in ["text", "json"] {
        let lines = lines(format).await;
        let denied = Query::of("vault-access-denied");
        let found: Vec<&str> = lines.lines().filter(|line| denied.finds(line)).collect();
        assert_eq!(found.len(), 1, "{format}: {found:#?}\n{lines}");
        assert!(found[0].contains("502"), "{format}: {found:#?}");
        for alert in ["server-errors", "no-successful-read"] {
            let statuses = Query::of(alert).statuses(&lines);
            assert_eq!(statuses, ["200", "404", "403", "502"], "{alert}, {format}\n{lines}");
        }
    }
}

/// What the documented queries of the handler's lines take out of a line, by the name that they give it.
fn documented_columns(line: &str) -> Vec<(String, String)> {
    const PAGE: &str = include_str!("../../docs/operations.md");
    let column = Regex::new(r"(\w+) = (?:toint\()?extract\(@'([^']*)', 1, message\)").unwrap();
    let columns = column
        .captures_iter(PAGE)
        .map(|it| (it[1].to_owned(), it[2].to_owned()));
    columns
        .filter_map(|(name, pattern)| {
            let found = Regex::new(&pattern).unwrap().captures(line)?;
            Some((name, found[1].to_owned()))
        })
        .collect()
}

#[tokio::test]
async fn the_documented_queries_read_each_field_of_a_line() {
    for format in ["text", "json"] {
        let lines = lines(format).await;
        let line_of = |word: &str| -> Vec<(String, String)> {
            let is_its_line = |line: &&str| line.contains(word);
            documented_columns(lines.lines().find(is_its_line).unwrap())
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            line_of("maps-key"),
            [
                pair("secret", "maps-key"),
                pair("origin", ORIGIN),
                pair("status", "200"),
                pair("verdict", "Allowed"),
                pair("status", "200")
            ],
            "{format}\n{lines}"
        );
        assert!(
            line_of("OriginNotAllowed").contains(&pair("verdict", "OriginNotAllowed")),
            "{format}\n{lines}"
        );
    }
}
