//! A 200: Key Vault's own bundle, without what must not leave.

use serde_json::{Value, json};
use testkit::{Emulator, Secret};

use crate::support::client::{Answer, Request};
use crate::support::expect::Headers;
use crate::support::handler::{Environment, Handler};
use crate::support::{ORIGIN, PATH, Rig, SECRET, VALUE, now};

/// Takes the two times that the vault chose out of a bundle, once they are plausible, and returns what is left.
fn without_times(mut bundle: Value) -> Value {
    let attributes = bundle["attributes"].as_object_mut().unwrap();
    for name in ["created", "updated"] {
        let time = attributes.remove(name).unwrap_or_else(|| panic!("no {name}"));
        let time = time
            .as_i64()
            .unwrap_or_else(|| panic!("{name} is not a whole number: {time}"));
        assert!((now() - time).abs() < 600, "{name} is not in Unix seconds: {time}");
    }
    bundle
}

#[tokio::test]
async fn a_200_is_the_bundle_and_nothing_else() {
    let rig = Rig::with(&[("WEBSITE_HOSTNAME", "app.azurewebsites.net")]).await;
    let secret = Secret::new("v\u{e4}lue \"quoted\" \\ \u{1f511}\n")
        .content_type("text/plain")
        .not_before(now() - 3600)
        .expires(now() + 3600)
        .tag("owner", "a-tag-that-stays")
        .tag("team", "maps");
    let (nbf, exp) = (secret.not_before, secret.expires);
    let version = rig.emulator.put(SECRET, secret);

    let answer = rig.get(PATH).await;

    answer.must_be("200", 200, &Headers::json().readable_by(ORIGIN));
    assert_eq!(
        without_times(answer.json()),
        json!({
            "value": "v\u{e4}lue \"quoted\" \\ \u{1f511}\n",
            "id": format!("https://app.azurewebsites.net/secrets/maps-key/{version}"),
            "contentType": "text/plain",
            "attributes": {"enabled": true, "nbf": nbf, "exp": exp},
        })
    );
}

#[tokio::test]
async fn a_field_that_the_vault_did_not_send_is_absent() {
    let rig = Rig::start().await;

    let answer = rig.get(PATH).await;

    let bundle = without_times(answer.json());
    assert_eq!(bundle["value"], VALUE);
    assert_eq!(bundle["attributes"], json!({"enabled": true}));
    let mut names: Vec<_> = bundle.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["attributes", "id", "value"]);
}

#[tokio::test]
async fn nothing_that_names_the_vault_or_its_policy_leaves() {
    let rig = Rig::start().await;
    rig.emulator
        .put(SECRET, Secret::new(VALUE).tag("owner", "a-tag-that-stays"));

    let answer = rig.get(PATH).await;

    let port = rig
        .emulator
        .vault_url()
        .rsplit(':')
        .next()
        .unwrap()
        .trim_end_matches('/')
        .to_owned();
    for hidden in [
        "tags",
        "a-tag-that-stays",
        "kid",
        "managed",
        "recoveryLevel",
        "recoverableDays",
        &port,
    ] {
        assert!(!answer.text().contains(hidden), "{hidden}: {}", answer.text());
        assert!(
            !format!("{:?}", answer.headers).contains(hidden),
            "{hidden}: {:?}",
            answer.headers
        );
    }
}

#[tokio::test]
async fn the_id_names_localhost_and_the_port_when_there_is_no_public_name() {
    let rig = Rig::start().await;
    let version = rig.emulator.put(SECRET, Secret::new(VALUE));

    let bundle = rig.get(PATH).await.json();

    assert_eq!(
        bundle["id"],
        format!("https://localhost:{}/secrets/maps-key/{version}", rig.handler.port())
    );
}

#[tokio::test]
async fn a_name_is_folded_and_a_version_is_served_as_it_was_asked_for() {
    let rig = Rig::with(&[
        ("WEBSITE_HOSTNAME", "app.azurewebsites.net"),
        ("ALLOWED_SECRETS", "Maps-KEY"),
    ])
    .await;
    let old = rig.emulator.put(SECRET, Secret::new("old"));
    let new = rig.emulator.put(SECRET, Secret::new("new"));
    let id = |version: &str| format!("https://app.azurewebsites.net/secrets/maps-key/{version}");

    for (path, value, version) in [
        ("/api/secrets/maps-key".to_owned(), "new", &new),
        ("/api/secrets/MAPS-Key".to_owned(), "new", &new),
        ("/API/Secrets/maps-KEY".to_owned(), "new", &new),
        ("/api/secrets/maps-key/".to_owned(), "new", &new),
        (format!("/api/secrets/maps-key/{old}"), "old", &old),
        (format!("/api/secrets/maps-key/{old}/"), "old", &old),
        (format!("/aPi/sEcReTs/MAPS-key/{new}"), "new", &new),
    ] {
        let answer = rig.get(&path).await;
        answer.must_be(&path, 200, &Headers::json().readable_by(ORIGIN));
        assert_eq!(answer.json()["value"], value, "{path}");
        assert_eq!(answer.json()["id"], id(version), "{path}");
    }
}

#[tokio::test]
async fn the_query_is_ignored_however_it_is_written() {
    let rig = Rig::start().await;

    for query in [
        "?api-version=2025-07-01",
        "?api%2Dversion=7.5",
        "?",
        "?code=x&code=y",
        "?name=other&version=0",
        "?/../../x",
        "?%zz",
    ] {
        let answer = rig.get(&format!("{PATH}{query}")).await;
        answer.must_be(query, 200, &Headers::json().readable_by(ORIGIN));
        assert_eq!(answer.json()["value"], VALUE, "{query}");
    }
    let vault = rig.emulator.last_vault_request().unwrap();
    assert!(!vault.path_and_query.contains("zz"), "{}", vault.path_and_query);
}

#[tokio::test]
async fn a_head_has_the_headers_of_its_get_and_no_body() {
    let rig = Rig::start().await;

    for path in [PATH, "/api/secrets/geo-absent", "/api/secrets/a_b", "/api/nothing"] {
        let get = rig.get(path).await;
        let head = rig.head(path).await;
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.body.is_empty(), "{path}");
        assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
        let names = |answer: &Answer| answer.lines().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(&head), names(&get), "{path}");
    }
    rig.head(PATH)
        .await
        .must_be("HEAD", 200, &Headers::json().readable_by(ORIGIN));
}

#[tokio::test]
async fn a_value_of_any_size_and_content_arrives_as_it_is() {
    let rig = Rig::start().await;

    for value in [
        String::new(),
        " ".to_owned(),
        "x".repeat(25 * 1024),
        "\u{0}\u{1f}\u{7f}\u{2028}</script>".to_owned(),
        "{\"error\":{\"code\":\"SecretNotFound\"}}".to_owned(),
    ] {
        rig.emulator.put("geo-value", Secret::new(value.clone()));
        let answer = rig.get("/api/secrets/geo-value").await;
        answer.must_be("value", 200, &Headers::json().readable_by(ORIGIN));
        assert_eq!(answer.json()["value"], value);
    }
}

#[tokio::test]
async fn a_name_and_a_version_may_be_as_long_as_key_vault_lets_them_be() {
    let rig = Rig::start().await;
    let name = format!("geo-{}", "n".repeat(123));
    let version = rig.emulator.put(&name, Secret::new("long"));

    let answer = rig.get(&format!("/api/secrets/{name}")).await;
    answer.must_be("127 characters", 200, &Headers::json().readable_by(ORIGIN));
    assert_eq!(answer.json()["value"], "long");
    let answer = rig.get(&format!("/api/secrets/{name}/{version}")).await;
    answer.must_be(
        "127 characters and a version",
        200,
        &Headers::json().readable_by(ORIGIN),
    );
    // Well-formed, so it is the vault that does not know it.
    let answer = rig.get(&format!("{PATH}/{}", "A".repeat(32))).await;
    answer.must_refuse(
        "a version that does not exist",
        404,
        ("SecretNotFound", None),
        &Headers::json().readable_by(ORIGIN),
    );
}

#[tokio::test]
async fn request_cache_directives_change_nothing() {
    let rig = Rig::start().await;

    let request = Request::get(PATH).origin(ORIGIN).headers(&[
        ("cache-control", "no-cache"),
        ("pragma", "no-cache"),
        ("if-none-match", "*"),
        ("if-modified-since", "Sat, 29 Oct 2044 19:43:31 GMT"),
        ("range", "bytes=0-1"),
        ("accept", "image/png"),
        ("accept-encoding", "gzip, br"),
    ]);

    rig.send(request)
        .await
        .must_be("cache directives", 200, &Headers::json().readable_by(ORIGIN));
}

#[tokio::test]
async fn a_list_of_secrets_is_trimmed_and_compared_without_case() {
    let emulator = Emulator::start().await.unwrap();
    for name in ["one", "two", "geo-a", "geo-"] {
        emulator.put(name, Secret::new(name));
    }
    let handler = Handler::start(Environment::of(&emulator).with("ALLOWED_SECRETS", " ONE ,\ttwo,GEO-* ")).await;

    for name in ["one", "two", "geo-a", "geo-", "Geo-A"] {
        let answer = Request::get(&format!("/api/secrets/{name}"))
            .origin(ORIGIN)
            .send(handler.port())
            .await;
        answer.must_be(name, 200, &Headers::json().readable_by(ORIGIN));
        assert_eq!(answer.json()["value"], name.to_ascii_lowercase(), "{name}");
    }
}

#[tokio::test]
async fn any_secret_is_served_only_when_that_was_said_twice() {
    let rig = Rig::with(&[("ALLOWED_SECRETS", "*"), ("DANGEROUSLY_ALLOW_ANY_SECRET", "true")]).await;
    rig.emulator.put("whatever", Secret::new("w"));

    let answer = rig.get("/api/secrets/whatever").await;

    answer.must_be("any", 200, &Headers::json().readable_by(ORIGIN));
}
