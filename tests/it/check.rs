//! `handler check`: the configuration in words, without serving and without any network.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::Emulator;

use crate::support::ORIGIN;
use crate::support::app::App;
use crate::support::check::{check, least, report};
use crate::support::handler::{Environment, Launch, Output};

const PATTERNS: &str =
    "https://app.contoso.com,https://*.contoso.com,https://shop.fabrikam.com:8443,http://localhost:*";

/// Writes a local.settings.json and returns its path; it lives as long as the directory.
fn settings_file(directory: &TempDir, text: impl AsRef<[u8]>) -> String {
    let file = directory.path().join("local.settings.json");
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

fn values(values: &Value) -> String {
    json!({"IsEncrypted": false, "Values": values, "Host": {"LocalHttpPort": 7071}}).to_string()
}

async fn check_file(environment: Environment, text: impl AsRef<[u8]>) -> Output {
    let directory = TempDir::new().unwrap();
    let file = settings_file(&directory, text);
    check(environment, &["--settings", &file]).await
}

#[tokio::test]
async fn the_policy_in_effect_is_printed() {
    let environment = least()
        .with("ALLOWED_SECRETS", "Maps-Key,geo-*")
        .with("ALLOWED_ORIGINS", PATTERNS)
        .with("ALLOW_CREDENTIALS", "true")
        .with("ALLOWED_HEADERS", "X-Api-Key")
        .with("EXPOSED_HEADERS", "ETag")
        .with("PREFLIGHT_MAX_AGE_SECONDS", "1234")
        .with("AZURE_TOKEN_CREDENTIALS", "prod")
        .with("AZURE_CLIENT_ID", "0f0f0f0f-1111-2222-3333-444444444444")
        .with("UPSTREAM_TIMEOUT_SECONDS", "17")
        .with("FUNCTIONS_CUSTOMHANDLER_PORT", "40123");

    let report = report(environment, &[]).await;

    let parts = [
        "https://contoso.vault.azure.net",
        "maps-key",
        "geo-*",
        "x-api-key",
        "etag",
        "1234",
        "0f0f0f0f-1111-2222-3333-444444444444",
        "17 s",
        "127.0.0.1:40123",
    ];
    for part in parts.into_iter().chain(PATTERNS.split(',')) {
        assert!(report.contains(part), "{part}: {report}");
    }
    assert!(!report.contains("Verdicts"), "nobody asked: {report}");
}

#[tokio::test]
async fn warnings_are_part_of_the_report_and_no_failure() {
    let output = check(least(), &[]).await;
    assert!(output.warnings().is_empty(), "{}", output.stdout);

    let output = check(
        least()
            .with("ALLOWED_ORIGINS", "https://*.contoso.com,https://app.contoso.com")
            .with("PREFLIGHT_MAX_AGE_SECONDS", "0"),
        &[],
    )
    .await;
    assert_eq!(output.code, Some(0), "{}", output.all());
    let expected = ["ALLOWED_ORIGINS", "ALLOWED_ORIGINS", "PREFLIGHT_MAX_AGE_SECONDS"];
    assert_eq!(output.warnings(), expected, "{}", output.stdout);
}

#[tokio::test]
async fn values_of_a_settings_file_are_read_and_the_environment_wins() {
    let file = values(&json!({
        "FUNCTIONS_WORKER_RUNTIME": "custom",
        "KEY_VAULT_URL": "https://fabrikam.vault.azure.net",
        "ALLOWED_SECRETS": "from-file",
        "ALLOWED_ORIGINS": "http://localhost:5173",
    }));
    let root = || Environment::default().with("FUNCTIONS_APP_ROOT_PATH", crate::support::handler::ROOT);

    let output = check_file(root(), &file).await;
    assert_eq!(output.code, Some(0), "{}", output.all());
    for part in ["https://fabrikam.vault.azure.net", "from-file", "http://localhost:5173"] {
        assert!(output.stdout.contains(part), "{part}: {}", output.stdout);
    }
    let output = check_file(root().with("ALLOWED_SECRETS", "from-environment"), &file).await;
    assert!(output.stdout.contains("from-environment"), "{}", output.stdout);
    assert!(!output.stdout.contains("from-file"), "{}", output.stdout);
    // Winning with a fault is winning too.
    let output = check_file(root().with("ALLOWED_SECRETS", ""), &file).await;
    assert_eq!((output.code, output.faults()), (Some(78), vec!["ALLOWED_SECRETS"]));

    let output = check_file(root(), format!("\u{feff}{file}")).await;
    assert_eq!(output.code, Some(0), "a byte order mark: {}", output.all());
    // What the environment sets right may be wrong in the file, and what nobody reads may be anything.
    let output = check_file(least(), values(&json!({"ALLOWED_ORIGINS": "*", "OTHER": "@"}))).await;
    assert_eq!(output.code, Some(0), "{}", output.all());
}

#[tokio::test]
async fn faults_in_the_values_of_a_settings_file_are_found_like_any_other() {
    let app = App::new().auth_level("GetSecret", &json!("anonymous"));
    let environment = least().without("FUNCTIONS_APP_ROOT_PATH").without("ALLOWED_ORIGINS");
    let file = values(&json!({
        "FUNCTIONS_APP_ROOT_PATH": app.root().to_str().unwrap(),
        "ALLOWED_ORIGIN": "https://app.contoso.com",
        "LOG_FORMAT": "xml",
    }));

    let output = check_file(environment, file).await;

    assert_eq!(output.code, Some(78), "{}", output.all());
    let mut faults = output.faults();
    faults.sort_unstable();
    assert_eq!(
        faults,
        [
            "ALLOWED_ORIGIN",
            "ALLOWED_ORIGINS",
            "GetSecret/function.json",
            "LOG_FORMAT"
        ]
    );
}

#[tokio::test]
async fn a_settings_file_that_cannot_be_used_is_a_fault_that_names_it() {
    for text in [
        "",
        "{",
        "not JSON",
        "[]",
        "{}",
        "{\"Values\":[]}",
        "{\"Values\":null}",
        "{\"IsEncrypted\":true,\"Values\":{\"KEY_VAULT_URL\":\"CfDJ8canary-51e7\"}}",
        "{\"Values\":{\"REQUIRE_ORIGIN\":{\"a\":true}}}",
        "{\"Values\":{\"ALLOWED_ORIGINS\":[\"canary-51e7\"]}}",
        "{\"Values\":{\"ALLOWED_ORIGINS\":null}}",
        "{\"Values\":{\"A\":\"canary-51e7\"",
    ] {
        let output = check_file(least(), text).await;
        assert_eq!(output.code, Some(78), "{text}: {}", output.all());
        assert_eq!(output.stdout, "", "{text}");
        assert!(
            output.stderr.contains("local.settings.json"),
            "{text}: {}",
            output.stderr
        );
        assert!(!output.stderr.contains("canary-51e7"), "{text}: {}", output.stderr);
    }
    let output = check_file(least(), "{\"IsEncrypted\":true,\"Values\":{}}").await;
    assert!(output.stderr.contains("encrypted"), "{}", output.stderr);
    let directory = TempDir::new().unwrap();
    for path in [directory.path(), &directory.path().join("missing.json")] {
        let output = check(least(), &["--settings", path.to_str().unwrap()]).await;
        assert_eq!(output.code, Some(78), "{}", output.all());
        assert!(output.stderr.contains(path.to_str().unwrap()), "{}", output.stderr);
    }
}

#[tokio::test]
async fn every_fault_is_reported_at_once_on_stderr_alone() {
    let environment = Environment::default()
        .with("KEY_VAULT_URL", "http://contoso.vault.azure.net")
        .with("ALLOWED_ORIGINS", "null,https://app.contoso.com/,http://contoso.com")
        .with("ALLOWED_ORIGIN", "x")
        .with("ALLOWED_HEADERS", "*,cookie")
        .with("PREFLIGHT_MAX_AGE_SECONDS", "1h")
        .with("RUST_LOG", "[")
        .with("FUNCTIONS_CUSTOMHANDLER_PORT", "0")
        .with("FUNCTIONS_APP_ROOT_PATH", "/nonexistent");

    let output = check(environment, &["--origin", ORIGIN]).await;

    assert_eq!(
        (output.code, output.stdout.as_str()),
        (Some(78), ""),
        "{}",
        output.stderr
    );
    let mut faults = output.faults();
    faults.sort_unstable();
    assert_eq!(
        faults,
        [
            "ALLOWED_HEADERS",
            "ALLOWED_HEADERS",
            "ALLOWED_ORIGIN",
            "ALLOWED_ORIGINS",
            "ALLOWED_ORIGINS",
            "ALLOWED_ORIGINS",
            "ALLOWED_SECRETS",
            "FUNCTIONS_CUSTOMHANDLER_PORT",
            "GetSecret/function.json",
            "KEY_VAULT_URL",
            "PREFLIGHT_MAX_AGE_SECONDS",
            "Preflight/function.json",
            "RUST_LOG",
        ]
    );
}

#[tokio::test]
async fn a_command_line_of_another_form_exits_1_with_the_usage() {
    for arguments in [
        &["--origin"][..],
        &["--secret"],
        &["--settings"],
        &["--port", "1"],
        &["local.settings.json"],
        &["--origin", ORIGIN, "--origin", ORIGIN],
        &["--origins", ORIGIN],
        &["--verbose"],
    ] {
        let output = check(least(), arguments).await;
        assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(output.stderr.contains("Usage"), "{arguments:?}: {}", output.stderr);
    }
}

#[tokio::test]
async fn it_asks_nobody_and_binds_nothing() {
    let emulator = Emulator::start().await.unwrap();
    // Somebody else's: to bind it would fail.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();

    for arguments in [&[][..], &["--origin", ORIGIN, "--secret", "maps-key"]] {
        let environment = Environment::of(&emulator)
            .with("FUNCTIONS_CUSTOMHANDLER_PORT", &port)
            .with("CACHE_TTL_SECONDS", "300")
            .with("PREFETCH", "true");
        report(environment, arguments).await;
    }

    let counters = emulator.counters();
    assert_eq!((counters.connections, counters.tokens), (0, 0), "{counters:?}");
}

#[tokio::test]
async fn what_could_be_a_secret_is_in_no_output() {
    const CANARY: &str = "canary-51e7";
    for (name, value) in [
        ("IDENTITY_HEADER", CANARY),
        ("AZURE_CLIENT_SECRET", CANARY),
        (
            "AzureWebJobsStorage",
            "DefaultEndpointsProtocol=https;AccountKey=canary-51e7",
        ),
        ("KEY_VAULT_URL", "https://user:canary-51e7@contoso.vault.azure.net"),
    ] {
        let output = check(least().with(name, value), &[]).await;
        assert!(matches!(output.code, Some(0 | 78)), "{name}: {}", output.all());
        assert!(!output.all().contains(CANARY), "{name}={value}: {}", output.all());
    }
}

#[tokio::test]
async fn the_apps_own_files_are_found_at_its_root_or_in_the_working_directory() {
    let app = App::new().auth_level("GetSecret", &json!("anonymous"));

    let output = check(least().with("FUNCTIONS_APP_ROOT_PATH", app.root()), &[]).await;
    assert_eq!(
        (output.code, output.faults()),
        (Some(78), vec!["GetSecret/function.json"])
    );

    let launch = Launch::new(least().without("FUNCTIONS_APP_ROOT_PATH")).argument("check");
    let output = launch.directory(app.root()).run().await;
    assert_eq!(
        (output.code, output.faults()),
        (Some(78), vec!["GetSecret/function.json"])
    );

    let environment = least()
        .with("FUNCTIONS_APP_ROOT_PATH", app.root())
        .with("DANGEROUSLY_ALLOW_ANONYMOUS", "true");
    let output = check(environment, &[]).await;
    assert_eq!(
        (output.code, output.warnings()),
        (Some(0), vec!["DANGEROUSLY_ALLOW_ANONYMOUS"])
    );
}

#[tokio::test]
async fn the_example_settings_are_valid_once_the_vault_is_named() {
    let example = Path::new(crate::support::handler::ROOT).join("local.settings.json.example");
    let root = Environment::default()
        .with("FUNCTIONS_APP_ROOT_PATH", crate::support::handler::ROOT)
        .with("KEY_VAULT_URL", "https://contoso.vault.azure.net");

    let output = check(root, &["--settings", example.to_str().unwrap()]).await;

    assert_eq!((output.code, output.warnings()), (Some(0), vec![]), "{}", output.all());
}

#[tokio::test]
async fn the_report_is_pleasant_to_read() {
    let names: Vec<_> = (0..20).map(|number| format!("secret-{number}")).collect();
    let environment = || {
        least()
            .with("ALLOWED_SECRETS", names.join(","))
            .with("ALLOWED_ORIGINS", "https://*.contoso.com,https://app.contoso.com")
            .with("ALLOW_CREDENTIALS", "true")
            .with("REQUIRE_ORIGIN", "false")
            .with("WEBSITE_INSTANCE_ID", "0123456789abcdef")
    };
    let arguments = ["--origin", "https://\u{1b}[31mx\r\n\u{202e}", "--secret", "\u{7}\t"];

    let output = check(environment(), &arguments).await;
    assert_eq!((output.code, &*output.stderr), (Some(77), ""), "{}", output.stdout);
    let report = output.stdout;

    assert!(report.ends_with('\n') && !report.contains("\n\n\n"), "{report}");
    for line in report.lines() {
        assert!(line.chars().count() <= 200, "{line}");
        assert_eq!(line, line.trim_end(), "{report}");
        assert!(
            !line.contains(char::is_control) && !line.contains('\u{202e}'),
            "{line:?}"
        );
    }
    let again = check(environment(), &arguments).await;
    assert_eq!(report, again.stdout, "the same configuration reads the same");
}
