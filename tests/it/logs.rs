//! What the process says: one line an event, what a line must have, and what must be in none.

use std::time::Duration;

use serde_json::Value;
use testkit::{Emulator, Fault, Secret, Target, Times};
use tokio::time::{Instant, sleep};

use crate::cache::RECOVERY;
use crate::support::client::{Answer, Request};
use crate::support::handler::Output;
use crate::support::{ORIGIN, PATH, Rig, SECRET, VALUE, raw, until};

const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const INVOCATION: &str = "5f0f2f0e-2f6c-4d2e-9a53-1f1c6c0c2f0e";

/// What a caller or the vault puts in, and no line may have.
const CANARY: &str = "canary-9d41c7";

/// Asks until the vault is read again.
async fn recover(rig: &Rig, path: &str) {
    let begun = Instant::now();
    while rig.get(path).await.status != 200 {
        assert!(begun.elapsed() < RECOVERY, "the vault is not read again");
        sleep(Duration::from_millis(20)).await;
    }
}

/// The lines, on either stream, that belong to this answer.
fn lines_of<'a>(output: &'a Output, answer: &Answer) -> Vec<&'a str> {
    let id = answer.header("x-ms-request-id").unwrap();
    output
        .stdout
        .lines()
        .chain(output.stderr.lines())
        .filter(|line| line.contains(id))
        .collect()
}

/// A request with everything that may be secret about it.
fn telling(request: Request) -> Request {
    request
        .header("authorization", format!("Bearer {CANARY}"))
        .header("x-functions-key", CANARY)
        .header("cookie", format!("session={CANARY}"))
        .header("user-agent", CANARY)
        .header("referer", format!("https://app.contoso.com/?token={CANARY}"))
        .header("x-ms-useragent", CANARY)
        .header("x-custom", CANARY)
}

/// About 200 requests of every kind, with the vault and the identity endpoint failing in every way in between.
async fn exercise(rig: &Rig) {
    let secret = format!("/api/secrets/maps-key?code={CANARY}&api-version={CANARY}");
    rig.emulator
        .put("maps-key", Secret::new(CANARY).content_type(CANARY).tag(CANARY, CANARY));
    rig.emulator.put("geo-expired", Secret::new(CANARY).expires(1));
    rig.emulator.put("geo-disabled", Secret::new(CANARY).disabled());
    rig.emulator.put(
        "geo-certificate",
        Secret::new(CANARY).certificate(format!("https://x/keys/{CANARY}")),
    );

    rig.emulator.script(
        Target::Token,
        Fault::Status {
            status: 400,
            code: "x",
            inner: None,
            retry_after: None,
        },
        Times::Once,
    );
    rig.emulator.script(
        Target::Token,
        Fault::Body {
            status: 200,
            body: format!("{{\"x\":\"{CANARY}\"}}"),
        },
        Times::Once,
    );
    for _ in 0..3 {
        rig.send(telling(Request::get(&secret).origin(ORIGIN))).await;
    }
    rig.emulator.clear_faults();
    for path in [
        "geo-expired",
        "geo-disabled",
        "geo-certificate",
        "geo-absent",
        "other",
        "a_b",
        "a/b/c",
        "maps-key/0123",
    ] {
        for query in ["", "?code=canary-9d41c7"] {
            let path = format!("/api/secrets/{path}{query}");
            rig.send(telling(Request::get(&path).origin(ORIGIN))).await;
            rig.send(telling(Request::head(&path).origin("https://evil.example")))
                .await;
            rig.send(telling(Request::preflight(&path, ORIGIN, "GET"))).await;
            rig.send(telling(Request::preflight(&path, "null", "GET"))).await;
            rig.send(telling(Request::new("POST", &path)).body(CANARY)).await;
        }
    }
    for fault in [
        Fault::throttled(),
        Fault::unavailable(),
        Fault::forbidden("ForbiddenByRbac"),
        Fault::forbidden("AccessDenied"),
        Fault::unauthorized(),
        Fault::Garbage,
        Fault::Truncated,
        Fault::Reset,
        Fault::Hang,
        Fault::Latency(Duration::from_secs(2)),
        Fault::Body {
            status: 200,
            body: format!("{{\"value\":\"{CANARY}\",\"id\":7}}"),
        },
        Fault::Body {
            status: 200,
            body: format!("{{\"value\":\"{CANARY}"),
        },
        Fault::Body {
            status: 500,
            body: CANARY.to_owned(),
        },
    ] {
        rig.emulator.script(Target::Vault, fault, Times::Always);
        rig.send(telling(Request::get(&secret).origin(ORIGIN))).await;
        rig.emulator.clear_faults();
        // So that the next fault meets a vault that is asked.
        recover(rig, &secret).await;
    }
    for _ in 0..50 {
        let answer = rig.send(telling(Request::get(&secret).origin(ORIGIN))).await;
        assert_eq!(answer.json()["value"], CANARY, "{}", answer.text());
        rig.send(telling(Request::get("/"))).await;
    }
    let broken = format!("GET /api/secrets/maps-key?{CANARY} HTTP/1.1\r\nHost: x\r\nBad Header: {CANARY}\r\n\r\n");
    raw::exchange(rig.handler.port(), broken.as_bytes()).await;
}

/// What nothing may ever say about these services.
fn secrets_of(emulator: &Emulator) -> Vec<String> {
    let mut secrets = emulator.issued_tokens();
    assert!(!secrets.is_empty());
    secrets.push(CANARY.to_owned());
    secrets.push(emulator.identity_header().to_owned());
    // They stand in the messages of the vault's errors and nowhere else.
    secrets.push(emulator.tenant().to_owned());
    secrets.push(emulator.principal().to_owned());
    secrets
}

async fn assert_nothing_leaks(settings: &[(&str, &str)]) -> (Emulator, Output) {
    let rig = Rig::with(&[&[("UPSTREAM_TIMEOUT_SECONDS", "1")], settings].concat()).await;
    exercise(&rig).await;
    let Rig { emulator, handler } = rig;
    let output = handler.stop().await;
    for secret in secrets_of(&emulator) {
        let leak = output
            .stdout
            .lines()
            .chain(output.stderr.lines())
            .find(|line| line.contains(&secret));
        assert_eq!(leak, None, "{settings:?}: {secret}");
    }
    assert!(
        !output.all().contains('\u{1b}'),
        "{settings:?}: the log has terminal escapes"
    );
    (emulator, output)
}

#[tokio::test]
async fn nothing_secret_is_said_by_default() {
    let (text, json) = tokio::join!(
        assert_nothing_leaks(&[("LOG_FORMAT", "text")]),
        assert_nothing_leaks(&[("LOG_FORMAT", "json")])
    );
    for (emulator, output) in [text, json] {
        let address = emulator
            .vault_url()
            .trim_start_matches("https://")
            .trim_end_matches('/')
            .to_owned();
        assert!(
            !output.all().contains(&address),
            "the vault's address is in the log: {}",
            output.all()
        );
    }
}

#[tokio::test]
async fn nothing_secret_is_said_at_trace() {
    tokio::join!(
        assert_nothing_leaks(&[("LOG_FORMAT", "text"), ("RUST_LOG", "trace")]),
        assert_nothing_leaks(&[("LOG_FORMAT", "json"), ("RUST_LOG", "trace")])
    );
}

#[tokio::test]
async fn no_directive_makes_a_dependency_talk() {
    assert_nothing_leaks(&[(
        "RUST_LOG",
        "trace,azure_core=trace,typespec_client_core=trace,hyper=trace,reqwest=trace",
    )])
    .await;
}

/// All values in a JSON document as text.
fn leaves(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| leaves(item, into)),
        Value::Object(members) => members.values().for_each(|member| leaves(member, into)),
        Value::String(text) => into.push(text.clone()),
        other => into.push(other.to_string()),
    }
}

/// A request as the host sends it: with an invocation id, after one that the client made up, and a trace.
fn traced(request: Request) -> Request {
    request
        .header("x-azure-functions-invocationid", "made-up-by-the-client")
        .header("x-azure-functions-invocationid", INVOCATION)
        .header("traceparent", format!("00-{TRACE_ID}-b7ad6b7169203331-01"))
}

#[tokio::test]
async fn a_request_is_one_line_with_every_documented_field() {
    for format in ["text", "json"] {
        let rig = Rig::with(&[("LOG_FORMAT", format), ("UPSTREAM_TIMEOUT_SECONDS", "1")]).await;
        let evil = "https://evil.example";
        let served = rig.send(traced(Request::get(PATH).origin(ORIGIN))).await;
        let head = rig.send(traced(Request::head(PATH).origin(ORIGIN))).await;
        let refused = rig.send(traced(Request::get(PATH).origin(evil))).await;
        let unknown = rig
            .send(traced(Request::get("/api/secrets/other").origin(ORIGIN)))
            .await;
        let preflight = rig.send(traced(Request::preflight(PATH, ORIGIN, "GET"))).await;
        let no_preflight = rig.send(traced(Request::preflight(PATH, evil, "GET"))).await;
        rig.emulator.script(Target::Vault, Fault::throttled(), Times::Always);
        let throttled = rig.send(traced(Request::get(PATH).origin(ORIGIN))).await;
        let output = rig.handler.stop().await;

        for (answer, fields) in [
            (&served, &["GetSecret", "GET", "maps-key", ORIGIN, "200"][..]),
            (&head, &["GetSecret", "HEAD", "maps-key", ORIGIN, "200"]),
            (
                &refused,
                &["GetSecret", "GET", "maps-key", evil, "403", "OriginNotAllowed"],
            ),
            (
                &unknown,
                &["GetSecret", "GET", "other", ORIGIN, "404", "SecretNotFound"],
            ),
            (&preflight, &["Preflight", "OPTIONS", ORIGIN, "204"]),
            (
                &no_preflight,
                &["Preflight", "OPTIONS", evil, "403", "OriginNotAllowed"],
            ),
            (
                &throttled,
                &["GetSecret", "GET", "maps-key", ORIGIN, "429", "Throttled"],
            ),
        ] {
            let is_request =
                |line: &&&str| line.contains(INVOCATION) && fields.iter().all(|field| line.contains(field));
            let lines = lines_of(&output, answer);
            let requests: Vec<_> = lines.iter().filter(is_request).collect();
            assert_eq!(
                requests.len(),
                1,
                "{format}: {fields:?} in {lines:#?} of\n{}",
                output.all()
            );
            assert!(requests[0].contains(TRACE_ID), "{format}: {}", requests[0]);
            assert!(
                !requests[0].contains("made-up-by-the-client"),
                "{format}: {}",
                requests[0]
            );
        }
        assert_eq!(lines_of(&output, &served).len(), 1, "{format}: {}", output.all());
        let line = lines_of(&output, &served)[0];
        assert!(
            line.contains("miss") || line.contains("none"),
            "{format}: the cache's part is not told: {line}"
        );
        assert!(!output.all().contains(VALUE), "{format}");
    }
}

#[tokio::test]
async fn a_json_line_is_an_object_with_the_fields_as_values() {
    let rig = Rig::with(&[("LOG_FORMAT", "json")]).await;
    let answer = rig.send(traced(Request::get(PATH).origin(ORIGIN))).await;
    rig.emulator
        .script(Target::Vault, Fault::forbidden("ForbiddenByRbac"), Times::Always);
    let failed = rig.send(traced(Request::get(PATH).origin(ORIGIN))).await;
    let output = rig.handler.stop().await;

    for line in output.stdout.lines().chain(output.stderr.lines()) {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(value.is_object(), "{line}");
    }
    let line: Value = serde_json::from_str(lines_of(&output, &answer)[0]).unwrap();
    let mut values = Vec::new();
    leaves(&line, &mut values);
    let id = answer.header("x-ms-request-id").unwrap();
    for field in ["GetSecret", "GET", "maps-key", ORIGIN, "200", id, INVOCATION, TRACE_ID] {
        assert!(
            values.iter().any(|value| value == field),
            "{field} is no value of its own in {line}"
        );
    }
    // Of the vault's error the log has code and innererror, in the request's line or in one of their own.
    assert_eq!(failed.status, 502);
    assert!(output.all().contains("ForbiddenByRbac"), "{}", output.all());
}

#[tokio::test]
async fn info_goes_to_stdout_and_what_is_worse_to_stderr() {
    let rig = Rig::with(&[("LOG_FORMAT", "json"), ("UPSTREAM_TIMEOUT_SECONDS", "1")]).await;
    rig.get(PATH).await;
    rig.emulator
        .script(Target::Vault, Fault::forbidden("ForbiddenByRbac"), Times::Always);
    rig.get(PATH).await;
    let output = rig.handler.stop().await;

    for (stream, levels) in [
        (&output.stdout, &["TRACE", "DEBUG", "INFO"][..]),
        (&output.stderr, &["WARN", "ERROR"]),
    ] {
        assert!(!stream.is_empty(), "{levels:?}: nothing");
        for line in stream.lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            let level = value["level"].as_str().unwrap_or_default();
            assert!(levels.contains(&level), "{level} in {line}");
        }
    }
}

#[tokio::test]
async fn readiness_is_never_logged() {
    let mut lines = Vec::new();
    for probes in [1, 20] {
        let rig = Rig::start().await;
        for _ in 0..probes {
            Request::get("/").send(rig.handler.port()).await;
            Request::head("/").send(rig.handler.port()).await;
        }
        lines.push(rig.handler.stop().await.all().lines().count());
    }
    assert_eq!(lines[0], lines[1]);
}

#[tokio::test]
async fn untrusted_text_is_escaped_and_never_makes_a_second_line() {
    for format in ["text", "json"] {
        let rig = Rig::with(&[("LOG_FORMAT", format)]).await;
        // NEL, LINE SEPARATOR, CSI and RIGHT-TO-LEFT OVERRIDE, which pass as header bytes; then what would forge a
        // field.
        let hostile = "https://x\u{85}y\u{2028}z\u{9b}31m\u{202e}\\n\\r\" status=200 level=\"ERROR\" {\"a\":1}";
        let mut answers = Vec::new();
        for name in [
            "origin",
            "x-azure-functions-invocationid",
            "traceparent",
            "x-ms-client-request-id",
        ] {
            let request = Request::get(PATH).header(name, hostile);
            let request = if name == "origin" {
                request
            } else {
                request.origin(ORIGIN)
            };
            answers.push(rig.send(request).await);
        }
        let not_utf_8 = b"https://\xff\xfe\x85";
        for name in ["origin", "x-azure-functions-invocationid", "traceparent"] {
            answers.push(rig.send(Request::get(PATH).header(name, not_utf_8)).await);
        }
        for path in [
            "/api/secrets/a\"b",
            "/api/secrets/%0a%0dx",
            "/api/secrets/a'b=c",
            "/x\" status=200",
        ] {
            let bytes = format!(
                "GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                path.replace(' ', "%20")
            );
            raw::exchange(rig.handler.port(), bytes.as_bytes()).await;
        }
        let output = rig.handler.stop().await;

        let all = output.all();
        for character in ['\u{85}', '\u{2028}', '\u{9b}', '\u{202e}', '\u{1b}', '\r'] {
            assert!(
                !all.contains(character),
                "{format}: {character:?} is in the log as it came"
            );
        }
        for answer in &answers {
            assert_eq!(lines_of(&output, answer).len(), 1, "{format}: {answer:?} in\n{all}");
        }
        if format == "json" {
            for line in all.lines() {
                serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            }
        }
    }
}

#[tokio::test]
async fn a_request_that_its_client_gave_up_leaves_its_line() {
    let rig = Rig::with(&[]).await;
    rig.emulator.script(Target::Vault, Fault::Hang, Times::Always);
    let mut client = tokio::net::TcpStream::connect(("127.0.0.1", rig.handler.port()))
        .await
        .unwrap();
    let request = format!("GET {PATH} HTTP/1.1\r\nHost: localhost\r\nOrigin: {ORIGIN}\r\n\r\n");
    tokio::io::AsyncWriteExt::write_all(&mut client, request.as_bytes())
        .await
        .unwrap();
    until("the vault is asked", || rig.emulator.counters().challenges > 0).await;
    drop(client);

    let output = rig.handler.stop().await;

    let lines: Vec<_> = output
        .stdout
        .lines()
        .filter(|line| line.contains("Abandoned"))
        .collect();
    assert_eq!(lines.len(), 1, "{}", output.all());
    assert!(lines[0].contains(SECRET) && lines[0].contains(ORIGIN), "{lines:?}");
}
