//! Who may call at all: the handler's reading of its own function.json, and life without the Functions host.

use serde_json::{Value, json};
use testkit::{Emulator, Secret};

use crate::support::app::App;
use crate::support::client::Request;
use crate::support::expect::Headers;
use crate::support::handler::{Environment, Handler, Launch, ROOT, ReservedPort};
use crate::support::{ORIGIN, PATH, SECRET, VALUE};

async fn emulator() -> Emulator {
    let emulator = Emulator::start().await.unwrap();
    emulator.put(SECRET, Secret::new(VALUE));
    emulator
}

#[tokio::test]
async fn under_the_host_an_app_that_anyone_may_call_is_a_fault() {
    let emulator = emulator().await;
    let port = ReservedPort::new();

    let mut accepted = Vec::new();
    for (label, app) in [
        (
            "GetSecret is anonymous",
            App::new().auth_level("GetSecret", &json!("anonymous")),
        ),
        (
            "GetSecret is Anonymous",
            App::new().auth_level("GetSecret", &json!("Anonymous")),
        ),
        (
            "Preflight wants a key",
            App::new().auth_level("Preflight", &json!("function")),
        ),
        (
            "Preflight says nothing and so wants a key",
            App::new().auth_level("Preflight", &Value::Null),
        ),
        ("GetSecret is missing", App::new().remove("GetSecret")),
        ("Preflight is missing", App::new().remove("Preflight")),
        ("GetSecret is not JSON", App::new().replace("GetSecret", "{")),
        (
            "GetSecret has no trigger",
            App::new().replace("GetSecret", "{\"bindings\":[]}"),
        ),
        ("Preflight is not JSON", App::new().replace("Preflight", "")),
    ] {
        let environment = Environment::of(&emulator)
            .with("FUNCTIONS_APP_ROOT_PATH", app.root())
            .with("FUNCTIONS_CUSTOMHANDLER_PORT", port.number().to_string());
        let output = Launch::new(environment).run().await;
        if output.code != Some(78) || !output.stderr.contains("function.json") {
            accepted.push(format!("{label}: {output:?}"));
        }
    }
    assert!(accepted.is_empty(), "{accepted:#?}");
}

#[tokio::test]
async fn anonymous_access_is_served_once_it_was_called_dangerous() {
    let emulator = emulator().await;

    for (level, settings) in [
        (json!("anonymous"), &[("DANGEROUSLY_ALLOW_ANONYMOUS", "true")][..]),
        (json!("function"), &[]),
        (json!("admin"), &[]),
        // An absent `authLevel` means function.
        (Value::Null, &[]),
    ] {
        let app = App::new().auth_level("GetSecret", &level);
        let environment = Environment::of(&emulator).with("FUNCTIONS_APP_ROOT_PATH", app.root());
        let environment = settings
            .iter()
            .fold(environment, |environment, (name, value)| environment.with(name, value));
        let handler = Handler::start(environment).await;
        let answer = Request::get(PATH).origin(ORIGIN).send(handler.port()).await;
        assert_eq!(answer.status, 200, "{level}: {}", answer.text());
    }
}

#[tokio::test]
async fn the_working_directory_is_the_app_root_when_none_is_given() {
    let emulator = emulator().await;
    let port = ReservedPort::new();
    let environment = || {
        Environment::of(&emulator)
            .without("FUNCTIONS_APP_ROOT_PATH")
            .with("FUNCTIONS_CUSTOMHANDLER_PORT", port.number().to_string())
    };

    let app = App::new().auth_level("GetSecret", &json!("anonymous"));
    let output = Launch::new(environment()).directory(app.root()).run().await;
    assert_eq!(output.code, Some(78), "{}", output.all());

    let handler = Launch::new(environment()).directory(ROOT).serve(port.number()).await;
    let answer = Request::get(PATH).origin(ORIGIN).send(handler.port()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn under_the_host_any_host_name_is_served() {
    let emulator = emulator().await;
    let handler = Handler::start(Environment::of(&emulator)).await;

    for host in ["app.azurewebsites.net", "127.0.0.1:1", "secrets.contoso.com"] {
        let answer = Request::get(PATH)
            .origin(ORIGIN)
            .header("host", host)
            .send(handler.port())
            .await;
        answer.must_be(host, 200, &Headers::json().readable_by(ORIGIN));
    }
}

/// The one test on a fixed port: 7071 is the contract's, and there is no other way to see it.
#[tokio::test]
async fn without_the_host_it_serves_loopback_on_7071_and_refuses_a_rebound_name() {
    const PORT: u16 = 7071;
    let taken = std::net::TcpStream::connect(("127.0.0.1", PORT)).is_ok();
    assert!(
        !taken,
        "something listens on 127.0.0.1:7071 (`func start`?): this test needs that port"
    );
    let emulator = emulator().await;
    let handler = Launch::new(Environment::of(&emulator)).serve(PORT).await;

    for host in [
        "localhost:7071",
        "127.0.0.1:7071",
        "[::1]:7071",
        "localhost",
        "LOCALHOST:7071",
        "localhost:5173",
    ] {
        let answer = Request::get(PATH).origin(ORIGIN).header("host", host).send(PORT).await;
        answer.must_be(host, 200, &Headers::json().readable_by(ORIGIN));
    }
    let answer = Request::get(PATH)
        .origin(ORIGIN)
        .header("host", "localhost:7071")
        .send(PORT)
        .await;
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("https://localhost:7071/secrets/maps-key/"), "{id}");

    emulator.reset_counters();
    for host in [
        "evil.example:7071",
        "evil.example",
        "localhost.evil.example:7071",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "192.168.0.1:7071",
        "0.0.0.0:7071",
        "",
    ] {
        let answer = Request::get(PATH).origin(ORIGIN).header("host", host).send(PORT).await;
        assert_eq!(answer.status, 403, "{host}: {}", answer.text());
        assert_eq!(answer.json()["error"]["code"], "Forbidden", "{host}");
        assert_eq!(answer.json()["error"]["innererror"]["code"], "HostNotAllowed", "{host}");
    }
    let counters = emulator.counters();
    assert_eq!((counters.gets, counters.challenges), (0, 0), "{counters:?}");

    // Readiness comes before everything else.
    assert_eq!(
        Request::get("/").header("host", "evil.example").send(PORT).await.status,
        200
    );
    let output = handler.stop().await;
    assert!(!output.all().is_empty(), "it says that it runs without the host");
}
