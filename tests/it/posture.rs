//! Who may call at all: the handler's reading of its own function.json, and life without the Functions host.

use serde_json::json;
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
