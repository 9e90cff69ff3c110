//! Entra's documents, and tokens that those who hold the documents accept or refuse.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use testkit::client::{Answer, Request};
use testkit::{EMULATED_DAEMON, EMULATED_SPA, Emulator, Fault, Target, Times};

use crate::support::identity_port;

const AUDIENCE: &str = "api://an-audience";

async fn get(emulator: &Emulator, path: &str) -> Answer {
    Request::get(path).send(identity_port(emulator)).await
}

async fn metadata(emulator: &Emulator, version: &str) -> Value {
    let path = format!("/{}{version}/.well-known/openid-configuration", emulator.tenant());
    get(emulator, &path).await.json()
}

/// The published keys, found as a resource finds them.
async fn keys(emulator: &Emulator, version: &str) -> Vec<Value> {
    let metadata = metadata(emulator, version).await;
    let path = metadata["jwks_uri"]
        .as_str()
        .unwrap()
        .strip_prefix(&emulator.authority());
    let set = get(emulator, path.unwrap()).await.json();
    set["keys"].as_array().unwrap().clone()
}

fn decoded(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).unwrap()
}

fn header(token: &str) -> Value {
    serde_json::from_slice(&decoded(token.split('.').next().unwrap())).unwrap()
}

/// Whether one of these keys, the one that the token names, vouches for it.
fn is_vouched_for(token: &str, keys: &[Value]) -> bool {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let kid = &header(token)["kid"];
    let Some(key) = keys.iter().find(|key| key["kid"] == *kid) else {
        return false;
    };
    let [n, e] = ["n", "e"].map(|name| decoded(key[name].as_str().unwrap()));
    RsaPublicKeyComponents { n, e }
        .verify(&RSA_PKCS1_2048_8192_SHA256, message.as_bytes(), &decoded(signature))
        .is_ok()
}

#[tokio::test]
async fn metadata_names_entras_issuers_and_local_keys() {
    let emulator = Emulator::start().await.unwrap();
    let (authority, tenant) = (emulator.authority(), emulator.tenant());

    let v1 = metadata(&emulator, "").await;
    assert_eq!(v1["issuer"], format!("https://sts.windows.net/{tenant}/"));
    assert_eq!(v1["jwks_uri"], format!("{authority}/{tenant}/discovery/keys"));
    let v2 = metadata(&emulator, "/v2.0").await;
    assert_eq!(v2["issuer"], format!("https://login.microsoftonline.com/{tenant}/v2.0"));
    assert_eq!(v2["jwks_uri"], format!("{authority}/{tenant}/discovery/v2.0/keys"));
    assert_eq!(v2["id_token_signing_alg_values_supported"], json!(["RS256"]));
    assert_eq!(v1["issuer"], emulator.issuer_v1());
    assert_eq!(v2["issuer"], emulator.issuer_v2());
    assert_eq!(emulator.counters().metadata, 2);
    assert_eq!(emulator.counters().keys, 0);
}

#[tokio::test]
async fn a_minted_token_is_vouched_for_by_the_published_key() {
    let emulator = Emulator::start().await.unwrap();
    let token = emulator.mint(&emulator.user_claims(AUDIENCE, "a.read"));

    for version in ["", "/v2.0"] {
        let keys = keys(&emulator, version).await;
        assert_eq!(keys.len(), 1);
        let key = &keys[0];
        assert_eq!(
            (&key["kty"], &key["use"], &key["e"]),
            (&json!("RSA"), &json!("sig"), &json!("AQAB"))
        );
        assert_eq!(key["kid"], key["x5t"]);
        assert_eq!(key["n"], emulator.public_key().n);
        assert_eq!(key.get("issuer").is_some(), version == "/v2.0");
        assert!(is_vouched_for(&token, &keys));
    }
    assert_eq!(
        header(&token),
        json!({"typ": "JWT", "alg": "RS256", "kid": emulator.kid()})
    );
}

#[tokio::test]
async fn old_keys_are_published_until_they_are_retired() {
    let emulator = Emulator::start().await.unwrap();
    let old = emulator.mint(&json!({}));

    emulator.rotate_keys();
    let new = emulator.mint(&json!({}));
    let both = keys(&emulator, "/v2.0").await;
    assert_ne!(header(&old)["kid"], header(&new)["kid"]);
    assert!(is_vouched_for(&old, &both) && is_vouched_for(&new, &both));

    emulator.retire_old_keys();
    let one = keys(&emulator, "/v2.0").await;
    assert!(!is_vouched_for(&old, &one) && is_vouched_for(&new, &one));
}

#[tokio::test]
async fn a_foreign_token_names_a_key_that_does_not_vouch_for_it() {
    let emulator = Emulator::start().await.unwrap();
    let token = emulator.foreign_token(&emulator.user_claims(AUDIENCE, "a.read"));

    assert_eq!(header(&token)["kid"], emulator.kid());
    assert!(!is_vouched_for(&token, &keys(&emulator, "").await));
}

#[test]
fn a_signature_is_what_its_header_says() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let emulator = runtime.block_on(Emulator::start()).unwrap();
    let signature = |algorithm: &str| {
        let token = emulator.sign(&json!({"alg": algorithm}), &json!({}));
        let (message, signature) = token.rsplit_once('.').unwrap();
        (message.to_owned(), decoded(signature))
    };

    for none in ["none", "None", "nOnE"] {
        assert_eq!(signature(none).1, b"");
    }
    assert_eq!(signature("HS256").1.len(), 32);
    let header = json!({"alg": "HS256"});
    let pem = emulator.public_key().pem;
    assert_eq!(
        emulator.sign_hmac(&header, &json!({}), pem.as_bytes()),
        emulator.sign(&header, &json!({}))
    );
    let (message, rs384) = signature("RS384");
    let key = emulator.public_key();
    let components = RsaPublicKeyComponents {
        n: key.modulus,
        e: vec![1, 0, 1],
    };
    components
        .verify(&RSA_PKCS1_2048_8192_SHA384, message.as_bytes(), &rs384)
        .unwrap();
}

#[tokio::test]
async fn claims_are_those_of_entras_four_kinds_of_access_token() {
    let emulator = Emulator::start().await.unwrap();
    let (v1, v2) = (emulator.issuer_v1(), emulator.issuer_v2());

    for (claims, issuer, version, client, id, grant) in [
        (
            emulator.user_claims(AUDIENCE, "a b"),
            &v2,
            "2.0",
            ("azp", EMULATED_SPA),
            emulator.user(),
            ("scp", json!("a b")),
        ),
        (
            emulator.app_claims(AUDIENCE, "a"),
            &v2,
            "2.0",
            ("azp", EMULATED_DAEMON),
            emulator.daemon(),
            ("roles", json!(["a"])),
        ),
        (
            emulator.v1_user_claims(AUDIENCE, "a b"),
            &v1,
            "1.0",
            ("appid", EMULATED_SPA),
            emulator.user(),
            ("scp", json!("a b")),
        ),
        (
            emulator.v1_app_claims(AUDIENCE, "a"),
            &v1,
            "1.0",
            ("appid", EMULATED_DAEMON),
            emulator.daemon(),
            ("roles", json!(["a"])),
        ),
    ] {
        assert_eq!(claims["aud"], AUDIENCE);
        assert_eq!(claims["iss"], **issuer);
        assert_eq!(claims["ver"], version);
        assert_eq!(claims[client.0], client.1);
        assert_eq!(claims["oid"], id);
        assert_eq!(claims["tid"], emulator.tenant());
        assert_eq!(claims[grant.0], grant.1);
        assert_eq!(claims["nbf"], claims["iat"]);
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
        for (one, other) in [("azp", "appid"), ("scp", "roles")] {
            assert!(claims.get(one).is_some() != claims.get(other).is_some(), "{claims}");
        }
    }
}

#[tokio::test]
async fn another_tenant_or_method_is_refused_as_entra_does() {
    let emulator = Emulator::start().await.unwrap();

    for tenant in ["common", "organizations", "00000000-0000-0000-0000-000000000000"] {
        let response = get(&emulator, &format!("/{tenant}/v2.0/.well-known/openid-configuration")).await;
        assert_eq!(response.status, 400);
        let error = response.json();
        assert_eq!(error["error"], "invalid_tenant");
        assert_eq!(error["error_codes"], json!([90002]));
    }
    let post = Request::new("POST", &format!("/{}/discovery/keys", emulator.tenant()));
    assert_eq!(post.send(identity_port(&emulator)).await.status, 405);
    let unknown = get(&emulator, &format!("/{}/elsewhere", emulator.tenant())).await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn what_is_scripted_for_the_authority_hits_it_alone() {
    let emulator = Emulator::start().await.unwrap();
    let path = format!("/{}/discovery/v2.0/keys", emulator.tenant());
    emulator.script(Target::Authority, Fault::unavailable(), Times::Always);

    assert_eq!(get(&emulator, &path).await.status, 503);
    assert_eq!(get(&emulator, "/msi/token").await.status, 401);
    emulator.clear_faults();
    assert_eq!(get(&emulator, &path).await.status, 200);
    let counters = emulator.counters();
    assert_eq!((counters.metadata, counters.keys, counters.tokens), (0, 2, 1));
    assert_eq!(emulator.last_authority_request().unwrap().path_and_query, path);
}

#[tokio::test]
async fn the_v1_document_and_the_keys_can_be_missing_and_keys_announced_elsewhere() {
    let emulator = Emulator::start().await.unwrap();
    let path = format!("/{}/.well-known/openid-configuration", emulator.tenant());

    emulator.without_v1();
    assert_eq!(get(&emulator, &path).await.status, 404);
    emulator.announce_keys_at(Some("https://evil.example/keys"));
    assert_eq!(
        metadata(&emulator, "/v2.0").await["jwks_uri"],
        "https://evil.example/keys"
    );
    emulator.announce_keys_at(None);
    assert_eq!(keys(&emulator, "/v2.0").await.len(), 1);
    emulator.withhold_keys(true);
    assert!(keys(&emulator, "/v2.0").await.is_empty());
    emulator.withhold_keys(false);
    assert_eq!(keys(&emulator, "/v2.0").await.len(), 1);
}
