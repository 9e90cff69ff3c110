//! The bytes: the challenge, bundles, errors and the identity endpoint, as a plain client sees them.

use serde_json::json;
use testkit::client::Request;
use testkit::{EMULATED_CLIENT_ID, Emulator, Secret};

use crate::support::{Caller, RESOURCE, error, identity_port, token, token_response};

const API_VERSION: &str = "api-version=2025-07-01";

#[tokio::test]
async fn a_request_without_a_good_token_gets_the_challenge() {
    let emulator = Emulator::start().await.unwrap();
    emulator.put("a", Secret::new("1"));
    let path = format!("/secrets/a?{API_VERSION}");
    let other_audience = token(&emulator, "https://graph.microsoft.com").await;
    let cases = [
        (None, "AKV10000"),
        (Some("Basic abc".to_owned()), "AKV10000"),
        (Some("Bearer made-up".to_owned()), "AKV10046"),
        (Some(format!("Bearer {other_audience}")), "AKV10022"),
    ];
    for (authorization, message) in cases {
        let mut request = Request::get(&path);
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let response = request.try_send_to_vault(&emulator).await.unwrap();
        assert_eq!(response.status, 401);
        assert_eq!(
            response.headers["www-authenticate"].to_str().unwrap(),
            format!(
                "Bearer authorization=\"https://login.microsoftonline.com/{}\", resource=\"{RESOURCE}\"",
                emulator.tenant()
            )
        );
        let body = response.json();
        assert_eq!(body["error"]["code"], "Unauthorized");
        assert!(
            body["error"]["message"].as_str().unwrap().starts_with(message),
            "{body}"
        );
    }
    let counters = emulator.counters();
    assert_eq!((counters.challenges, counters.gets), (4, 0));
}

#[tokio::test]
async fn a_bundle_has_every_field_that_is_set_and_no_other() {
    let caller = Caller::start().await;
    let emulator = &caller.emulator;
    let bare = emulator.put("bare", Secret::new("1"));
    let mut body = caller.get(&format!("/secrets/bare?{API_VERSION}")).await.json();
    let attributes = body["attributes"].as_object_mut().unwrap();
    let created = attributes.remove("created").unwrap();
    assert_eq!(attributes.remove("updated"), Some(created));
    let id = format!("{}/secrets/bare/{bare}", emulator.vault_url());
    let expected_attributes = json!({"enabled": true, "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90});
    assert_eq!(body, json!({"value": "1", "id": id, "attributes": expected_attributes}));

    let full = Secret::new("2")
        .content_type("text/plain")
        .not_before(5)
        .expires(7)
        .tag("k", "v")
        .certificate("kid");
    let version = emulator.put("full", full);
    // An expired secret is served, the trailing slash accepted and the parameter's name decoded.
    let body = caller
        .get(&format!("/secrets/FULL/{version}/?api%2Dversion=7.4"))
        .await
        .json();
    assert_eq!(body["contentType"], "text/plain");
    assert_eq!(
        (&body["attributes"]["nbf"], &body["attributes"]["exp"]),
        (&json!(5), &json!(7))
    );
    assert_eq!(
        (&body["tags"], &body["kid"], &body["managed"]),
        (&json!({"k": "v"}), &json!("kid"), &json!(true))
    );
}

#[tokio::test]
async fn every_answer_has_the_headers_of_a_vault() {
    let emulator = Emulator::start().await.unwrap();
    let request = Request::get("/secrets/a").header("x-ms-client-request-id", "mine");
    let headers = request.try_send_to_vault(&emulator).await.unwrap().headers;
    assert_eq!(headers["content-type"], "application/json; charset=utf-8");
    assert_eq!(headers["x-ms-client-request-id"], "mine");
    for name in [
        "x-ms-request-id",
        "x-ms-keyvault-region",
        "x-ms-keyvault-service-version",
        "date",
    ] {
        assert!(headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn errors_have_key_vaults_codes() {
    let caller = Caller::start().await;
    let emulator = &caller.emulator;
    emulator.put("off", Secret::new("1").disabled());
    emulator.put("gone", Secret::new("1"));
    emulator.remove("gone");
    let long = format!("/secrets/{}?V", "n".repeat(128));
    let cases = [
        ("GET", "/secrets/none?V", (404, "SecretNotFound", None)),
        (
            "GET",
            "/secrets/off/00000000000000000000000000000000?V",
            (404, "SecretNotFound", None),
        ),
        ("GET", "/secrets/gone?V", (404, "SecretNotFound", None)),
        ("GET", "/secrets/off?V", (403, "Forbidden", Some("SecretDisabled"))),
        ("GET", "/secrets/off", (400, "BadParameter", None)),
        ("GET", "/secrets/under_score?V", (400, "BadParameter", None)),
        ("GET", &long, (400, "BadParameter", None)),
        ("PUT", "/secrets/a?V", (405, "MethodNotAllowed", None)),
        ("GET", "/keys/a?V", (404, "NotFound", None)),
    ];
    for (method, path, (status, code, inner)) in cases {
        let answer = caller.try_send(method, &path.replace('V', API_VERSION)).await.unwrap();
        let expected = (status, code.to_owned(), inner.map(str::to_owned));
        assert_eq!(error(&answer), expected, "{method} {path}");
    }
}

#[tokio::test]
async fn a_version_called_versions_is_a_list_without_a_value() {
    let caller = Caller::start().await;
    let emulator = &caller.emulator;
    emulator.put("a", Secret::new("1"));
    let body = caller.get(&format!("/secrets/a/versions?{API_VERSION}")).await.json();
    assert_eq!(body["value"], json!([]));
    let counters = emulator.counters();
    assert_eq!((counters.gets, counters.others), (0, 1));
}

#[tokio::test]
async fn the_identity_endpoint_answers_as_app_service_does() {
    let emulator = Emulator::start().await.unwrap();
    let query = format!("api-version=2019-08-01&resource={RESOURCE}");
    let other = format!("{query}&client_id=11111111-2222-3333-4444-555555555555");
    let own = format!("{query}&client_id={EMULATED_CLIENT_ID}");
    let header = emulator.identity_header().to_owned();
    let cases = [
        (query.as_str(), "wrong", 401),
        ("api-version=2019-08-01", &header, 400),
        ("resource=https://vault.azure.net", &header, 400),
        (&other, &header, 400),
    ];
    for (query, header, status) in cases {
        let response = token_response(&emulator, query, header).await;
        assert_eq!(response.status, status, "{query}");
        assert_eq!(response.json()["statusCode"], status, "{query}");
    }
    assert!(emulator.issued_tokens().is_empty());

    for query in [&query, &own] {
        let body = token_response(&emulator, query, &header).await.json();
        assert!(body["expires_on"].as_str().unwrap().parse::<i64>().is_ok(), "{body}");
        assert_eq!(
            (&body["token_type"], &body["resource"]),
            (&json!("Bearer"), &json!(RESOURCE))
        );
        let token = body["access_token"].as_str().unwrap();
        assert_eq!(token.split('.').count(), 3);
        assert_eq!(emulator.issued_tokens().last().map(String::as_str), Some(token));
    }
    let last = emulator.last_token_request().unwrap();
    assert_eq!(last.header("x-identity-header"), Some(header.as_str()));
    assert_eq!(emulator.counters().tokens, 6);
}

#[tokio::test]
async fn requests_are_recorded_as_they_arrived() {
    let caller = Caller::start().await;
    let emulator = &caller.emulator;
    caller.get("/secrets/none/?api%2Dversion=7.4").await;
    let last = emulator.last_vault_request().unwrap();
    assert_eq!(
        (last.method.as_str(), last.path_and_query.as_str()),
        ("GET", "/secrets/none/?api%2Dversion=7.4")
    );
    assert_eq!(
        last.header("authorization"),
        Some(format!("Bearer {}", emulator.issued_tokens()[0]).as_str())
    );
}

#[tokio::test]
async fn a_version_is_updated_in_place() {
    let caller = Caller::start().await;
    let emulator = &caller.emulator;
    let version = emulator.put("a", Secret::new("1"));
    assert!(emulator.update("A", &version, |secret| secret.enabled = false));
    assert!(!emulator.update("a", "none", |_| ()));
    let path = format!("/secrets/a/{version}?{API_VERSION}");
    assert_eq!(caller.get(&path).await.status, 403);
    assert!(emulator.update("a", &version, |secret| secret.enabled = true));
    assert_eq!(caller.get(&path).await.json()["value"], "1");
}

#[tokio::test]
async fn the_debug_form_hides_values_and_the_identity_header() {
    let emulator = Emulator::start().await.unwrap();
    assert!(!format!("{emulator:?}").contains(emulator.identity_header()));
    assert!(!format!("{:?}", Secret::new("hush")).contains("hush"));
}

#[tokio::test]
async fn dropping_it_closes_the_ports_and_removes_the_ca_file() {
    let emulator = Emulator::start().await.unwrap();
    let (port, ca_file) = (identity_port(&emulator), emulator.ca_file().to_owned());
    Request::get("/").send(port).await;
    drop(emulator);
    assert!(!ca_file.exists());
    // The runtime has to get round to the aborted tasks before their sockets close.
    tokio::task::yield_now().await;
    assert!(Request::get("/").try_send(port).await.is_err());
}
