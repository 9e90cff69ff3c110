//! What holds of `RULES__…` whatever somebody writes: no panic, no rule that widens, and no value in a fault.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Stands for what must not be repeated: a secret in the wrong place. It has a name's form, which is folded.
const CANARY: &str = "canary0123456789abcdef0123456789";

/// The name of a variable, right or nearly so.
fn name() -> impl Strategy<Value = String> {
    let rule = select(vec![
        "A",
        "B",
        "MAPS",
        "a",
        "",
        "A_B",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456",
    ]);
    let part = select(vec![
        "SECRETS",
        "SECRETS",
        "SECRETS",
        "ORIGINS",
        "SCOPES",
        "ROLES",
        "CLIENTS",
        "CACHE_TTL_SECONDS",
        "GIVE",
        "ORIGIN",
        "secrets",
        "",
    ]);
    (select(vec!["RULES__", "rules__", "RULES_"]), rule, part)
        .prop_map(|(prefix, rule, part)| format!("{prefix}{rule}__{part}"))
}

/// A value made of the pieces that values and mistakes are made of.
fn value() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "maps-key",
        "geo-",
        "*",
        ",",
        " ",
        "https://a.com",
        "https://*.b.com",
        "https://app.b.com:*",
        "300",
        "-1",
        "blob-sas account=abc path=photos allow=r",
        "speech-token region=westeurope",
        "pubsub-token host=h.webpubsub.azure.com hub=h user=none",
        " ttl=",
        "=",
        CANARY,
        "é",
        "\n",
    ]);
    vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn rules_are_inside_the_settings_or_a_fault_says_why(rules in vec((name(), value()), 0..8)) {
        let rules: Vec<_> = rules.iter().map(|(name, value)| (name.as_str(), Some(value.as_str()))).collect();
        let settings = [
            ("ALLOWED_SECRETS", Some("maps-key,geo-*")),
            ("ALLOWED_ORIGINS", Some("https://a.com,https://*.b.com")),
        ];
        match config(&[&settings[..], &rules].concat()) {
            Ok(config) => {
                let access = &config.access;
                prop_assert!(access::faults(&access.rules, &access.secrets, &config.cors.origins).is_empty());
                prop_assert!(access.rules.iter().all(|rule| rule.secrets.describe() != Vec::<String>::new()));
            }
            Err(findings) => {
                prop_assert!(!findings.faults.is_empty());
                for finding in findings.faults.iter().chain(&findings.warnings) {
                    // An origin is no secret.
                    let words = finding.message.split(' ').filter(|word| !word.contains("://"));
                    prop_assert!(words.into_iter().all(|word| !word.contains(CANARY)), "{finding}");
                }
            }
        }
    }
}
