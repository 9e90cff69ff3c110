//! What `handler check` says to one origin and one secret, and the commands that mirror the policy to the platform.

use std::collections::HashSet;
use std::fs;

use tempfile::TempDir;
use tokio::process::Command;

use crate::support::ORIGIN;
use crate::support::check::{check, least, report};
use crate::support::handler::Environment;

const PATTERNS: &str =
    "https://app.contoso.com,https://*.contoso.com,https://shop.fabrikam.com:8443,http://localhost:*";

/// What the parser of origins says to each text: the verdict, a tab, the text.
const SEEDS: &str = include_str!("../../crates/fuzz/seeds/origins.txt");

/// The only line below `Verdicts`, without the text that it is about.
async fn verdict(environment: Environment, option: &str, text: &str) -> String {
    let output = check(environment, &[option, text]).await;
    let lines = output.section("Verdicts");
    let shown = text.escape_debug().to_string();
    let line = lines[0].strip_prefix("  ").unwrap();
    let verdict = line.strip_prefix(&shown).unwrap().trim().to_owned();
    let code = if verdict.starts_with("refused") { 77 } else { 0 };
    assert_eq!(
        (output.code, lines.len()),
        (Some(code), 1),
        "{text:?}: {}",
        output.all()
    );
    verdict
}

#[tokio::test]
async fn an_origin_is_told_what_allows_it_or_why_nothing_does() {
    let listed = || least().with("ALLOWED_ORIGINS", PATTERNS);
    for (origin, pattern) in [
        ("https://app.contoso.com", "https://app.contoso.com"),
        ("https://a.b.contoso.com", "https://*.contoso.com"),
        ("https://shop.fabrikam.com:8443", "https://shop.fabrikam.com:8443"),
        ("http://localhost", "http://localhost:*"),
        ("http://localhost:5173", "http://localhost:*"),
    ] {
        assert_eq!(
            verdict(listed(), "--origin", origin).await,
            format!("allowed by {pattern}")
        );
    }
    for (origin, reason) in [
        ("https://contoso.com", "ALLOWED_ORIGINS"),
        ("https://evilcontoso.com", "ALLOWED_ORIGINS"),
        ("https://app.contoso.com.evil.example", "ALLOWED_ORIGINS"),
        ("http://app.contoso.com", "ALLOWED_ORIGINS"),
        ("https://app.contoso.com:8443", "ALLOWED_ORIGINS"),
        ("https://shop.fabrikam.com", "ALLOWED_ORIGINS"),
        ("https://app.contoso.com/", "path"),
        ("https://app.contoso.com:443", "port"),
        ("https://APP.contoso.com", "upper-case"),
        ("https://app.contoso.com.", "dot"),
        ("https://user:password@app.contoso.com", "userinfo"),
        ("https://b\u{fc}cher.contoso.com", "ASCII"),
        ("https://*.contoso.com", "host"),
        ("app.contoso.com", "scheme"),
        ("chrome-extension://abcdef", "scheme"),
        ("null", "null"),
        ("", "empty"),
        (" https://app.contoso.com", "ASCII"),
        ("https://127.1", "IPv4"),
        ("https://[::0001]", "IPv6"),
        ("https://app.contoso.com\nx", "character"),
    ] {
        let verdict = verdict(listed(), "--origin", origin).await;
        assert!(verdict.starts_with("refused"), "{origin:?}: {verdict}");
        assert!(verdict.contains(reason), "{origin:?}: {verdict}");
    }
}

#[tokio::test]
async fn the_verdict_is_the_one_that_requests_get() {
    let any = || {
        least()
            .with("ALLOWED_ORIGINS", "*")
            .with("DANGEROUSLY_ALLOW_ANY_ORIGIN", "true")
    };
    // One of each kind: how each is told from the others is the engine's test.
    let mut kinds = HashSet::new();
    let seeds = SEEDS.lines().filter_map(|line| line.split_once('\t'));
    for (expected, text) in seeds.filter(|(expected, _)| kinds.insert(*expected)) {
        let verdict = verdict(any(), "--origin", text).await;
        let is_allowed = verdict == "allowed by *";
        assert_eq!(is_allowed, expected == "Ok", "{text}: {verdict}");
        assert!(is_allowed || verdict.starts_with("refused: "), "{text}: {verdict}");
    }
    assert!(kinds.len() > 10, "{kinds:?}");
}

#[tokio::test]
async fn a_secret_is_told_whether_it_may_be_served() {
    let environment = || least().with("ALLOWED_SECRETS", "maps-key,geo-*");
    for name in ["maps-key", "MAPS-KEY", "geo-", "geo-eu", "Geo-1"] {
        let verdict = verdict(environment(), "--secret", name).await;
        assert!(verdict.starts_with("served"), "{name}: {verdict}");
    }
    for (name, code) in [
        ("maps-key2", "404 SecretNotFound"),
        ("maps", "404 SecretNotFound"),
        ("geo", "404 SecretNotFound"),
        ("database-password", "404 SecretNotFound"),
        ("maps_key", "400 BadParameter"),
        ("maps%2Dkey", "400 BadParameter"),
        ("geo-*", "400 BadParameter"),
        ("*", "400 BadParameter"),
        ("maps-key/0123", "400 BadParameter"),
        ("", "400 BadParameter"),
        (&"a".repeat(128), "400 BadParameter"),
        ("maps-key\n", "400 BadParameter"),
    ] {
        let verdict = verdict(environment(), "--secret", name).await;
        assert!(verdict.starts_with("refused"), "{name:?}: {verdict}");
        assert!(verdict.contains(code), "{name:?}: {verdict}");
    }
}

#[tokio::test]
async fn both_questions_are_answered_in_either_form_of_the_options() {
    for arguments in [
        &["--origin", ORIGIN, "--secret", "other"][..],
        &["--secret=other", "--origin=https://app.contoso.com"],
    ] {
        let output = check(least(), arguments).await;
        assert_eq!(output.code, Some(77), "one is refused: {}", output.all());
        let lines = output.section("Verdicts");
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("allowed by")), "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("SecretNotFound")), "{lines:?}");
    }
}

/// The words of the commands in a report, as a shell reads them in a directory where a bracket matches a file.
async fn commands(environment: Environment) -> Vec<Vec<String>> {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("https:")).unwrap();
    fs::write(directory.path().join("https:/2"), "").unwrap();
    let report = report(environment, &[]).await;
    let mut commands = Vec::new();
    for line in report.lines().map(str::trim).filter(|line| line.starts_with("az ")) {
        let script = format!("az() {{ printf '%s\\n' \"$@\"; }}; {line}");
        let output = Command::new("sh")
            .arg("-c")
            .arg(script)
            .current_dir(directory.path())
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        let words = String::from_utf8(output.stdout).unwrap();
        commands.push(words.lines().map(str::to_owned).collect());
    }
    commands
}

#[tokio::test]
async fn the_mirror_commands_give_the_platform_the_exact_origins_and_credentials() {
    let app = || {
        least()
            .with("WEBSITE_SITE_NAME", "web")
            .with("WEBSITE_RESOURCE_GROUP", "rg")
    };
    let of = |name: &str, group: &str, command: [&str; 2], rest: &[&str]| {
        let beginning = [
            "functionapp",
            command[0],
            command[1],
            "--name",
            name,
            "--resource-group",
            group,
        ];
        beginning
            .iter()
            .chain(rest)
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let add = |origins: &[&str]| {
        of(
            "web",
            "rg",
            ["cors", "add"],
            &[&["--allowed-origins"], origins].concat(),
        )
    };
    let credentials = of("web", "rg", ["cors", "credentials"], &["--enable", "true"]);

    assert_eq!(commands(app()).await, [add(&[ORIGIN])]);
    // Outside Azure the names are for the reader to fill in.
    let placeholders = of("APP", "GROUP", ["cors", "add"], &["--allowed-origins", ORIGIN]);
    assert_eq!(commands(least()).await, [placeholders]);
    assert_eq!(
        commands(app().with("ALLOWED_ORIGINS", PATTERNS)).await,
        [add(&[ORIGIN, "https://shop.fabrikam.com:8443"])]
    );
    let ipv6 = "https://[2001:db8::1],http://[::1]:3000";
    assert_eq!(
        commands(app().with("ALLOWED_ORIGINS", ipv6)).await,
        [add(&["https://[2001:db8::1]", "http://[::1]:3000"])]
    );
    assert_eq!(
        commands(app().with("ALLOW_CREDENTIALS", "true")).await,
        [add(&[ORIGIN]), credentials]
    );
    let any = app()
        .with("ALLOWED_ORIGINS", "*")
        .with("DANGEROUSLY_ALLOW_ANY_ORIGIN", "true");
    assert_eq!(commands(any).await, [add(&["*"])]);

    // It knows no patterns: no command can carry one.
    let patterns = || least().with("ALLOWED_ORIGINS", "https://*.contoso.com,http://localhost:*");
    assert_eq!(commands(patterns()).await, Vec::<Vec<String>>::new());
    let output = check(patterns(), &[]).await;
    assert!(output.stdout.contains("exact origins only"), "{}", output.stdout);
}
