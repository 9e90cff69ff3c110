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
