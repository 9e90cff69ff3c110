//! The bytes: the challenge, bundles, errors and the identity endpoint, as a plain client sees them.

use reqwest::Method;
use serde_json::json;
use testkit::{EMULATED_CLIENT_ID, Emulator, Secret};

use crate::support::{Caller, RESOURCE, client, error, json, token, token_response};

const API_VERSION: &str = "api-version=2025-07-01";

#[tokio::test]
async fn a_request_without_a_good_token_gets_the_challenge() {
    let emulator = Emulator::start().await.unwrap();
    emulator.put("a", Secret::new("1"));
    let url = format!("{}/secrets/a?{API_VERSION}", emulator.vault_url());
    let other_audience = token(&emulator, "https://graph.microsoft.com").await;
    let cases = [
        (None, "AKV10000"),
        (Some("Basic abc".to_owned()), "AKV10000"),
        (Some("Bearer made-up".to_owned()), "AKV10046"),
        (Some(format!("Bearer {other_audience}")), "AKV10022"),
    ];
    for (authorization, message) in cases {
        let mut request = client(&emulator).get(&url);
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(
            response.headers()["www-authenticate"].to_str().unwrap(),
            format!(
                "Bearer authorization=\"https://login.microsoftonline.com/{}\", resource=\"{RESOURCE}\"",
                emulator.tenant()
            )
        );
        let body = json(response).await;
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
    let emulator = Emulator::start().await.unwrap();
    let caller = Caller::new(&emulator).await;
    let bare = emulator.put("bare", Secret::new("1"));
    let mut body = json(caller.get(&format!("/secrets/bare?{API_VERSION}")).await).await;
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
    let body = json(caller.get(&format!("/secrets/FULL/{version}/?api%2Dversion=7.4")).await).await;
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
    let url = format!("{}/secrets/a", emulator.vault_url());
    let response = client(&emulator)
        .get(url)
        .header("x-ms-client-request-id", "mine")
        .send()
        .await
        .unwrap();
    let headers = response.headers();
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
    let emulator = Emulator::start().await.unwrap();
    let caller = Caller::new(&emulator).await;
    emulator.put("off", Secret::new("1").disabled());
    emulator.put("gone", Secret::new("1"));
    emulator.remove("gone");
    let (get, put, long) = (Method::GET, Method::PUT, "n".repeat(128));
    let value = |value: &str| Some(json!({"value": value}));
    let cases = [
        (&get, "/secrets/none?V", None, (404, "SecretNotFound", None)),
        (
            &get,
            "/secrets/off/00000000000000000000000000000000?V",
            None,
            (404, "SecretNotFound", None),
        ),
        (&get, "/secrets/gone?V", None, (404, "SecretNotFound", None)),
        (&get, "/secrets/off?V", None, (403, "Forbidden", Some("SecretDisabled"))),
        (&get, "/secrets/off", None, (400, "BadParameter", None)),
        (&get, "/secrets/under_score?V", None, (400, "BadParameter", None)),
        (&get, &format!("/secrets/{long}?V"), None, (400, "BadParameter", None)),
        (&get, "/secrets?V&maxresults=26", None, (400, "BadParameter", None)),
        (&put, "/secrets/a?V", Some(json!({})), (400, "BadParameter", None)),
        (
            &put,
            "/secrets/a?V",
            Some(json!("no object")),
            (400, "BadParameter", None),
        ),
        (
            &put,
            "/secrets/a?V",
            value(&"v".repeat(25 * 1024 + 1)),
            (400, "BadParameter", None),
        ),
        (
            &put,
            "/secrets/gone?V",
            value("v"),
            (409, "Conflict", Some("ObjectIsDeletedButRecoverable")),
        ),
        (&Method::POST, "/secrets/a?V", None, (405, "MethodNotAllowed", None)),
        (&get, "/keys/a?V", None, (404, "NotFound", None)),
    ];
    for (method, path, body, (status, code, inner)) in cases {
        let response = caller
            .send(method.clone(), &path.replace('V', API_VERSION), body)
            .await
            .unwrap();
        let expected = (status, code.to_owned(), inner.map(str::to_owned));
        assert_eq!(error(response).await, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn the_last_page_has_no_next_link_and_items_have_no_value() {
    let emulator = Emulator::start().await.unwrap();
    let caller = Caller::new(&emulator).await;
    for name in ["a", "b", "c"] {
        emulator.put(name, Secret::new("1"));
    }
    let first = json(caller.get(&format!("/secrets?{API_VERSION}&maxresults=2")).await).await;
    assert_eq!(first["value"].as_array().unwrap().len(), 2);
    assert_eq!(first["value"][0].get("value"), None);
    let second = json(caller.get(first["nextLink"].as_str().unwrap()).await).await;
    assert_eq!(second["value"][0]["id"], format!("{}/secrets/c", emulator.vault_url()));
    assert!(second["nextLink"].is_null());
    assert_eq!(emulator.counters().others, 2);
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
        assert_eq!(response.status(), status, "{query}");
        assert_eq!(json(response).await["statusCode"], status, "{query}");
    }
    assert!(emulator.issued_tokens().is_empty());

    for query in [&query, &own] {
        let body = json(token_response(&emulator, query, &header).await).await;
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
    let emulator = Emulator::start().await.unwrap();
    let caller = Caller::new(&emulator).await;
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
    let emulator = Emulator::start().await.unwrap();
    let caller = Caller::new(&emulator).await;
    let version = emulator.put("a", Secret::new("1"));
    assert!(emulator.update("A", &version, |secret| secret.enabled = false));
    assert!(!emulator.update("a", "none", |_| ()));
    assert_eq!(
        caller
            .get(&format!("/secrets/a/{version}?{API_VERSION}"))
            .await
            .status(),
        403
    );
    let change = Some(json!({"attributes": {"enabled": true, "exp": 9}}));
    let path = format!("/secrets/a/{version}?{API_VERSION}");
    let body = json(caller.send(Method::PATCH, &path, change).await.unwrap()).await;
    assert_eq!((body.get("value"), &body["attributes"]["exp"]), (None, &json!(9)));
    assert_eq!(json(caller.get(&path).await).await["value"], "1");
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
    let (client, url, ca_file) = (
        client(&emulator),
        emulator.identity_endpoint(),
        emulator.ca_file().to_owned(),
    );
    client.get(&url).send().await.unwrap();
    drop(emulator);
    assert!(!ca_file.exists());
    // The runtime has to get round to the aborted tasks before their sockets close.
    tokio::task::yield_now().await;
    assert!(client.get(&url).send().await.is_err());
}
