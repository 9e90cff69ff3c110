//! A client that trusts the emulator, and the few requests that most tests make.

use reqwest::{Certificate, Client, Method, Response};
use serde_json::Value;
use testkit::Emulator;

pub(crate) const RESOURCE: &str = "https://vault.azure.net";

/// A client that trusts this emulator's authority and nothing else.
pub(crate) fn client(emulator: &Emulator) -> Client {
    let pem = std::fs::read(emulator.ca_file()).unwrap();
    let ca = Certificate::from_pem(&pem).unwrap();
    Client::builder().tls_certs_only([ca]).no_proxy().build().unwrap()
}

/// Asks the identity endpoint for a token, as App Service documents it.
pub(crate) async fn token_response(emulator: &Emulator, query: &str, header: &str) -> Response {
    let url = format!("{}?{query}", emulator.identity_endpoint());
    client(emulator)
        .get(url)
        .header("X-IDENTITY-HEADER", header)
        .send()
        .await
        .unwrap()
}

/// A token for a resource.
pub(crate) async fn token(emulator: &Emulator, resource: &str) -> String {
    let query = format!("api-version=2019-08-01&resource={resource}");
    let body = json(token_response(emulator, &query, emulator.identity_header()).await).await;
    body["access_token"].as_str().unwrap().to_owned()
}

/// An authorised client of one emulator.
pub(crate) struct Caller {
    client: Client,
    vault_url: String,
    token: String,
}

impl Caller {
    pub(crate) async fn new(emulator: &Emulator) -> Self {
        let token = token(emulator, RESOURCE).await;
        Self {
            client: client(emulator),
            vault_url: emulator.vault_url(),
            token,
        }
    }

    /// Sends a request for a path with its query.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> reqwest::Result<Response> {
        let url = if path.starts_with("https://") {
            path.to_owned()
        } else {
            format!("{}{path}", self.vault_url)
        };
        let mut request = self.client.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        request.send().await
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, None).await.unwrap()
    }
}

pub(crate) async fn json(response: Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

/// Status, code and innererror of an error.
pub(crate) async fn error(response: Response) -> (u16, String, Option<String>) {
    let status = response.status().as_u16();
    let body = json(response).await;
    let error = &body["error"];
    assert!(error["message"].is_string(), "{body}");
    let inner = error["innererror"]["code"].as_str().map(str::to_owned);
    (status, error["code"].as_str().unwrap().to_owned(), inner)
}
