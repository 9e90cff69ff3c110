//! A local.settings.json, given to `handler` and to `handler check`.

use std::fmt::Write as _;
use std::fs;

use tempfile::TempDir;
use testkit::{Emulator, Secret};

use crate::support::check::{check, least};
use crate::support::client::Request;
use crate::support::handler::{Environment, Launch, ReservedPort};
use crate::support::{ORIGIN, PATH, SECRET, VALUE};

fn file(directory: &TempDir, text: &str) -> String {
    let path = directory.path().join("local.settings.json");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_handler_serves_with_a_files_values_and_the_environment_wins() {
    let emulator = Emulator::start().await.unwrap();
    emulator.put(SECRET, Secret::new(VALUE));
    let directory = TempDir::new().unwrap();
    let mut values = format!(
        "\"ALLOWED_ORIGINS\": \"{ORIGIN}\", \"ALLOWED_SECRETS\": \"from-the-file\", \"REQUIRE_ORIGIN\": true, \
         \"CACHE_TTL_SECONDS\": 60"
    );
    // What the SDK and the TLS library read for themselves works from the file, too.
    let port = ReservedPort::new();
    let mut environment = Environment::of(&emulator).with("FUNCTIONS_CUSTOMHANDLER_PORT", port.number().to_string());
    for (name, value) in emulator.environment() {
        write!(values, ",\n    {name:?}: {value:?}").unwrap();
        environment = environment.without(name);
    }
    let environment = environment.without("ALLOWED_ORIGINS").without("REQUIRE_ORIGIN");
    let text = format!("{{\n  // as Core Tools reads it\n  \"values\": {{\n    {values},\n  }},\n}}\n");
    let file = file(&directory, &text);
    let environment = environment.with("ALLOWED_SECRETS", SECRET);

    let handler = Launch::new(environment)
        .argument("--settings")
        .argument(&file)
        .serve(port.number())
        .await;

    let answer = Request::get(PATH).origin(ORIGIN).send(handler.port()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = Request::get("/api/secrets/from-the-file")
        .origin(ORIGIN)
        .send(handler.port())
        .await;
    assert_eq!(answer.status, 404, "the environment's list wins: {}", answer.text());
    handler.stop().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_used_serves_nothing() {
    let directory = TempDir::new().unwrap();
    let encrypted = file(&directory, "{\"IsEncrypted\":true,\"Values\":{}}");
    for (file, told) in [
        (encrypted.as_str(), "func settings decrypt"),
        ("/nonexistent.json", "/nonexistent.json"),
    ] {
        let output = Launch::new(least()).argument("--settings").argument(file).run().await;
        assert_eq!((output.code, &*output.stdout), (Some(78), ""), "{}", output.stderr);
        assert!(output.stderr.contains(told), "{}", output.stderr);
    }
}

#[tokio::test]
async fn check_tells_every_value_and_where_it_is_from() {
    let directory = TempDir::new().unwrap();
    let file = file(
        &directory,
        "{\"Values\":{\"CACHE_TTL_SECONDS\":60,\"UPSTREAM_TIMEOUT_SECONDS\":7}}",
    );
    let environment = least().with("UPSTREAM_TIMEOUT_SECONDS", "9");

    let output = check(environment, &["--settings", &file]).await;

    assert_eq!(output.code, Some(0), "{}", output.all());
    let settings = output.section("Settings");
    for (name, source, value) in [
        ("CACHE_TTL_SECONDS", "file", "60"),
        ("UPSTREAM_TIMEOUT_SECONDS", "environment", "9"),
        ("CACHE_STALE_SECONDS", "default", "3600"),
        ("PREFETCH", "default", "true"),
        ("REQUIRED_TAG", "default", "none"),
    ] {
        let line = settings
            .iter()
            .find(|line| line.trim_start().starts_with(name))
            .unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words, [name, source, value]);
    }
}

#[tokio::test]
async fn faults_of_the_files_values_are_told_with_all_others() {
    let directory = TempDir::new().unwrap();
    let text =
        "{\"Values\":{\"ALLOWED_SECRETS\":[\"a\"],\"CACHE_TTL_SECONDS\":null,\"ALLOWED_ORIGINS\":{},\"LOG_FORMAT\":1}}";
    let file = file(&directory, text);
    let environment = least().without("ALLOWED_SECRETS");

    let output = check(environment, &["--settings", &file]).await;

    assert_eq!(output.code, Some(78), "{}", output.all());
    assert_eq!(
        output.faults(),
        [&*file, &*file, &*file, "LOG_FORMAT"],
        "{}",
        output.stderr
    );
    for name in ["ALLOWED_SECRETS", "CACHE_TTL_SECONDS", "ALLOWED_ORIGINS"] {
        assert!(
            output.stderr.contains(&format!("Values.{name} is")),
            "{}",
            output.stderr
        );
    }
}

#[tokio::test]
async fn warnings_are_told_beside_the_faults() {
    let environment = least()
        .with("ALLOWED_ORIGINS", "https://*.contoso.com")
        .with("LOG_FORMAT", "xml");

    let output = check(environment, &[]).await;

    assert_eq!(
        (output.code, output.faults()),
        (Some(78), vec!["LOG_FORMAT"]),
        "{}",
        output.stderr
    );
    assert!(
        output.stderr.contains("warning: ALLOWED_ORIGINS: "),
        "{}",
        output.stderr
    );
}
