//! What `handler check` says of rules.

use crate::support::check::{check, least};
use crate::support::handler::Environment;

const A: &str = "https://a.contoso.com";
const B: &str = "https://b.contoso.com";

fn environment() -> Environment {
    least()
        .with("ALLOWED_SECRETS", "maps-key,telemetry-key")
        .with("ALLOWED_ORIGINS", format!("{A},{B}"))
        .with("RULES__MAPS__SECRETS", "maps-key")
        .with("RULES__MAPS__ORIGINS", A)
        .with("RULES__MAPS__CACHE_TTL_SECONDS", "7")
}

#[tokio::test]
async fn the_rule_that_decides_is_named_and_what_it_needs() {
    for (arguments, code, told) in [
        (&["--secret", "maps-key"][..], 0, &["served", "rule MAPS", A][..]),
        (&["--secret", "maps-key", "--origin", A], 0, &["served", "rule MAPS"]),
        (
            &["--secret", "MAPS-KEY", "--origin", B],
            77,
            &["refused", "SecretNotFound", "rule MAPS"],
        ),
        (&["--secret", "telemetry-key", "--origin", B], 0, &["served"]),
        (&["--secret", "other"], 77, &["refused", "ALLOWED_SECRETS"]),
        (
            &["--origin", "https://c.contoso.com"],
            77,
            &["refused", "ALLOWED_ORIGINS"],
        ),
    ] {
        let output = check(environment(), arguments).await;
        assert_eq!(output.code, Some(code), "{arguments:?}: {}", output.all());
        let verdicts = output.section("Verdicts").join("\n");
        for part in told {
            assert!(verdicts.contains(part), "{arguments:?}: {part}: {verdicts}");
        }
    }
}

#[tokio::test]
async fn a_callers_needs_are_told_and_no_refusal() {
    let environment = environment()
        .with("ENTRA_TENANT_ID", "0f0f0f0f-1111-2222-3333-444444444444")
        .with("ENTRA_AUDIENCE", "api://contoso")
        .with("ENTRA_REQUIRED_SCOPES", "secrets.read")
        .with("RULES__MAPS__ROLES", "Maps.Admin");

    let output = check(environment, &["--secret", "maps-key", "--origin", A]).await;

    assert_eq!(output.code, Some(0), "{}", output.all());
    let verdicts = output.section("Verdicts").join("\n");
    assert!(verdicts.contains("Maps.Admin"), "{verdicts}");
}

#[tokio::test]
async fn the_rules_are_a_table() {
    let output = check(environment(), &[]).await;

    assert_eq!(output.code, Some(0), "{}", output.all());
    let rules = output.section("Rules").join("\n");
    for part in ["MAPS", "maps-key", A, "7 s"] {
        assert!(rules.contains(part), "{part}: {rules}");
    }
    // The platform's list is the global one: a preflight knows no rules.
    assert!(
        output.stdout.contains(&format!("--allowed-origins {A} {B}")),
        "{}",
        output.stdout
    );
}
