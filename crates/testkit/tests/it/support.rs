//! The few requests that most tests make.

use testkit::Emulator;
use testkit::client::{Answer, Error, Request};

pub(crate) const RESOURCE: &str = "https://vault.azure.net";

/// The port of the identity endpoint, which is the authority's too.
pub(crate) fn identity_port(emulator: &Emulator) -> u16 {
    emulator.authority().rsplit(':').next().unwrap().parse().unwrap()
}

/// Asks the identity endpoint for a token, as App Service documents it.
pub(crate) async fn token_response(emulator: &Emulator, query: &str, header: &str) -> Answer {
    Request::get(&format!("/msi/token?{query}"))
        .header("x-identity-header", header)
        .send(identity_port(emulator))
        .await
}

/// A token for a resource.
pub(crate) async fn token(emulator: &Emulator, resource: &str) -> String {
    let query = format!("api-version=2019-08-01&resource={resource}");
    let body = token_response(emulator, &query, emulator.identity_header())
        .await
        .json();
    body["access_token"].as_str().unwrap().to_owned()
}

/// An emulator, and an authorised client of its vault.
pub(crate) struct Caller {
    pub(crate) emulator: Emulator,
    token: String,
}

impl Caller {
    pub(crate) async fn start() -> Self {
        let emulator = Emulator::start().await.unwrap();
        let token = token(&emulator, RESOURCE).await;
        Self { emulator, token }
    }

    /// Sends a request for a path with its query.
    pub(crate) async fn try_send(&self, method: &str, path: &str) -> Result<Answer, Error> {
        let request = Request::new(method, path).bearer(&self.token);
        request.try_send_to_vault(&self.emulator).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.try_send("GET", path).await.unwrap()
    }
}

/// Status, code and innererror of an error.
pub(crate) fn error(answer: &Answer) -> (u16, String, Option<String>) {
    let body = answer.json();
    let error = &body["error"];
    assert!(error["message"].is_string(), "{body}");
    let inner = error["innererror"]["code"].as_str().map(str::to_owned);
    (answer.status, error["code"].as_str().unwrap().to_owned(), inner)
}
