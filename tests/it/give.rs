//! What is given in place of a key: its shape, its end, what goes wrong, and that the key itself is nowhere.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Emulator, Fault, Secret, SpeechAnswer, SpeechDouble, SpeechRequest, Target, Times};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::client::{Answer, Request};
use crate::support::expect::Headers;
use crate::support::handler::{Environment, Handler};
use crate::support::row::{NOT_FOUND, Row, assert_is};
use crate::support::{ORIGIN, now, until};

/// The account key that every Azurite has.
const ACCOUNT_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const SPEECH_KEY: &str = "0123456789abcdef0123456789abcdef";
const BLOB: &str = "blob-sas account=devstoreaccount1 path=photos/cat.jpg allow=r";
const PUBSUB: &str = "pubsub-token host=contoso.webpubsub.azure.com hub=chat user=none";
const SPEECH: &str = "speech-token region=westeurope";
const PATH: &str = "/api/secrets/app-key";
const REFUSED: Row = (502, "ExchangeRefused", None);
const UNAVAILABLE: Row = (503, "ExchangeUnavailable", None);

/// Between two questions of a test that asks until something changes.
const PACE: Duration = Duration::from_millis(50);

/// A handler that gives this in place of the secret `app-key`, and a double of Speech.
struct Rig {
    emulator: Emulator,
    speech: SpeechDouble,
    handler: Handler,
}

impl Rig {
    async fn giving(give: &str, key: &str) -> Self {
        Self::with(give, Secret::new(key), &[]).await
    }

    async fn with(give: &str, secret: Secret, settings: &[(&str, &str)]) -> Self {
        let emulator = Emulator::start().await.unwrap();
        emulator.put("app-key", secret);
        let speech = emulator.speech_double().await.unwrap();
        speech.know(&[SPEECH_KEY]);
        let environment = Environment::of(&emulator)
            .with("ALLOWED_SECRETS", "maps-key,app-key")
            .with("CACHE_TTL_SECONDS", "300")
            .with("PREFETCH", "false")
            .with("HTTPS_PROXY", speech.proxy())
            .with("RULES__APP__SECRETS", "app-key")
            .with("RULES__APP__GIVE", give)
            .with_all(settings.iter().copied());
        let handler = Handler::start(environment).await;
        Self {
            emulator,
            speech,
            handler,
        }
    }

    async fn get(&self) -> Answer {
        Request::get(PATH).origin(ORIGIN).send(self.handler.port()).await
    }

    /// Ends the handler, and fails when what it wrote has one of these words in it.
    async fn assert_silent(self, words: &[&str]) -> String {
        let output = self.handler.stop().await;
        let text = output.stdout + &output.stderr;
        for word in words {
            assert!(!text.contains(word), "{word} in {text}");
        }
        text
    }
}

/// Fails unless this is a credential for `app-key`; returns its value and its end.
fn credential(answer: &Answer, content_type: &str) -> (String, i64) {
    answer.must_be("a credential", 200, &Headers::json().readable_by(ORIGIN));
    let body = answer.json();
    let (value, ends) = (
        body["value"].as_str().unwrap(),
        body["attributes"]["exp"].as_i64().unwrap(),
    );
    let id = body["id"].as_str().unwrap();
    assert!(id.contains("/secrets/app-key/") && !id.contains("vault"), "{id}");
    let expected = json!({
        "value": value, "id": id, "contentType": content_type, "attributes": {"enabled": true, "exp": ends},
    });
    assert_eq!(body, expected);
    (value.to_owned(), ends)
}

fn speech_token(answer: &Answer) -> (String, i64) {
    credential(answer, "application/jwt")
}

fn keys(asked: &[SpeechRequest]) -> Vec<&str> {
    asked.iter().map(|request| request.key.as_deref().unwrap()).collect()
}

#[tokio::test]
async fn a_sas_is_for_https_and_ends_on_its_grid() {
    let rig = Rig::giving(BLOB, ACCOUNT_KEY).await;
    let before = now();
    let (value, ends) = credential(&rig.get().await, "application/vnd.ms-sastoken-storage");
    assert_eq!(ends % 450, 0);
    assert!((before + 450..=now() + 900).contains(&ends), "{ends}");
    let parameters: Vec<_> = url::form_urlencoded::parse(value.as_bytes()).into_owned().collect();
    let names: Vec<_> = parameters.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["sv", "spr", "se", "sr", "sp", "sig"]);
    let text = rig.assert_silent(&[ACCOUNT_KEY, &value, &parameters[5].1]).await;
    assert!(text.contains(&format!("give=\"blob-sas\" ends={ends}")), "{text}");
}

#[tokio::test]
async fn a_credential_ends_with_its_key() {
    let ends = now() + 100;
    let secret = Secret {
        expires: Some(ends),
        ..Secret::new(ACCOUNT_KEY)
    };
    for give in [BLOB, PUBSUB] {
        let rig = Rig::with(give, secret.clone(), &[]).await;
        let body = rig.get().await.json();
        assert_eq!(body["attributes"], json!({"enabled": true, "exp": ends}), "{give}");
    }
}

#[tokio::test]
async fn a_head_says_as_much_as_a_get_and_a_version_is_unknown() {
    let rig = Rig::giving(BLOB, ACCOUNT_KEY).await;
    let version = rig.get().await.json()["id"]
        .as_str()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    let head = Request::head(PATH).origin(ORIGIN).send(rig.handler.port()).await;
    head.must_be("HEAD", 200, &Headers::json().readable_by(ORIGIN));
    assert!(head.body.is_empty());
    for version in [version.as_str(), "0123456789abcdef0123456789abcdef"] {
        let request = Request::get(&format!("{PATH}/{version}")).origin(ORIGIN);
        assert_is(version, &request.send(rig.handler.port()).await, NOT_FOUND);
    }
}

#[tokio::test]
async fn a_stale_key_still_gives_and_never_leaves() {
    let stale = [
        ("RULES__APP__CACHE_TTL_SECONDS", "1"),
        ("UPSTREAM_TIMEOUT_SECONDS", "1"),
    ];
    let rig = Rig::with(BLOB, Secret::new(ACCOUNT_KEY), &stale).await;
    credential(&rig.get().await, "application/vnd.ms-sastoken-storage");
    rig.emulator.script(Target::Vault, Fault::unavailable(), Times::Always);
    let begun = Instant::now();
    while !rig.handler.stdout().contains("cache=\"stale\"") {
        assert!(begun.elapsed() < Duration::from_secs(10), "there was no stale answer");
        credential(&rig.get().await, "application/vnd.ms-sastoken-storage");
        sleep(PACE).await;
    }
    rig.assert_silent(&[ACCOUNT_KEY]).await;
}

#[tokio::test]
async fn what_is_no_key_of_the_kind_is_refused() {
    for give in [BLOB, PUBSUB, SPEECH] {
        let rig = Rig::giving(give, "a canary in a mine").await;
        let answer = rig.get().await;
        assert_is(give, &answer, REFUSED);
        assert!(rig.speech.asked().is_empty());
        assert!(!String::from_utf8_lossy(&answer.body).contains("canary"));
        rig.assert_silent(&["canary"]).await;
    }
}

#[tokio::test]
async fn the_keys_own_attributes_come_first() {
    let disabled = Secret {
        expires: Some(now() - 10),
        ..Secret::new("no key at all")
    };
    let rig = Rig::with(SPEECH, disabled, &[]).await;
    assert_is("expired", &rig.get().await, (403, "Forbidden", Some("SecretExpired")));
    assert!(rig.speech.asked().is_empty());
}

#[tokio::test]
async fn the_callers_oid_is_the_user() {
    let emulator = Emulator::start().await.unwrap();
    emulator.put("app-key", Secret::new(ACCOUNT_KEY));
    let environment = Environment::of(&emulator)
        .with("ALLOWED_SECRETS", "app-key")
        .with("RULES__APP__SECRETS", "app-key")
        .with("RULES__APP__GIVE", PUBSUB.replace(" user=none", ""))
        .with("ENTRA_TENANT_ID", emulator.tenant())
        .with("ENTRA_AUDIENCE", "api://keyvault-cors")
        .with("ENTRA_REQUIRED_SCOPES", "Secrets.Read")
        .with("ENTRA_AUTHORITY_HOST", emulator.authority());
    let handler = Handler::start(environment).await;
    let mut claims = emulator.user_claims("api://keyvault-cors", "Secrets.Read");
    let oid = claims["oid"].as_str().unwrap().to_owned();
    let ask = async |claims: &Value| {
        let token = emulator.mint(claims);
        let request = Request::get(PATH).origin(ORIGIN).bearer(&token);
        request.send(handler.port()).await
    };
    let (token, ends) = credential(&ask(&claims).await, "application/jwt");
    let payload = base64_url(token.split('.').nth(1).unwrap());
    let expected = json!({
        "aud": "https://contoso.webpubsub.azure.com/client/hubs/chat",
        "sub": oid, "iat": ends - 600, "exp": ends,
    });
    assert_eq!(payload, expected);
    claims.as_object_mut().unwrap().remove("oid");
    assert_is(
        "no oid",
        &ask(&claims).await,
        (403, "Forbidden", Some("CallerNotAllowed")),
    );
}

fn base64_url(text: &str) -> Value {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn a_speech_token_is_fetched_once_for_everybody() {
    let rig = Rig::giving(SPEECH, SPEECH_KEY).await;
    let mut asking = JoinSet::new();
    for _ in 0..20 {
        asking.spawn(Request::get(PATH).origin(ORIGIN).send(rig.handler.port()));
    }
    let tokens: HashSet<_> = asking.join_all().await.iter().map(speech_token).collect();
    assert_eq!(tokens.len(), 1);
    let expected = SpeechRequest {
        target: "westeurope.api.cognitive.microsoft.com:443".to_owned(),
        line: "POST /sts/v1.0/issueToken".to_owned(),
        key: Some(SPEECH_KEY.to_owned()),
        content_length: Some("0".to_owned()),
        body: 0,
    };
    assert_eq!(rig.speech.asked(), [expected]);
    let token = tokens.into_iter().next().unwrap().0;
    rig.assert_silent(&[SPEECH_KEY, &token]).await;
}

#[tokio::test]
async fn a_custom_domain_is_asked_by_its_name() {
    let rig = Rig::giving("speech-token host=contoso.cognitiveservices.azure.com", SPEECH_KEY).await;
    speech_token(&rig.get().await);
    assert_eq!(rig.speech.asked()[0].target, "contoso.cognitiveservices.azure.com:443");
}

#[tokio::test]
async fn a_speech_token_is_renewed_at_half_its_life_and_not_served_past_its_end() {
    let rig = Rig::giving(SPEECH, SPEECH_KEY).await;
    rig.speech.next(SpeechAnswer::Token(4));
    rig.speech.always(SpeechAnswer::Status(500, None));
    let (first, ends) = speech_token(&rig.get().await);
    while now() < ends {
        let answer = rig.get().await;
        // The second may end between the two looks at the clock.
        if answer.status == 200 {
            assert_eq!(speech_token(&answer), (first.clone(), ends));
        }
        sleep(PACE).await;
    }
    assert!(rig.speech.asked().len() >= 2, "it was not renewed");
    assert_is("past its end", &rig.get().await, UNAVAILABLE);
}

#[tokio::test]
async fn a_rotated_key_is_read_again_once() {
    let rig = Rig::giving(SPEECH, SPEECH_KEY).await;
    rig.speech.next(SpeechAnswer::Token(2));
    let (_, ends) = speech_token(&rig.get().await);
    let new_key = SPEECH_KEY.replace('0', "f");
    rig.speech.know(&[&new_key]);
    let version = rig.emulator.put("app-key", Secret::new(&new_key));
    until("the first token has ended", || now() >= ends).await;
    let answer = rig.get().await;
    speech_token(&answer);
    assert!(answer.json()["id"].as_str().unwrap().ends_with(&version));
    assert_eq!(keys(&rig.speech.asked()), [SPEECH_KEY, SPEECH_KEY, &new_key]);
    rig.assert_silent(&[SPEECH_KEY, &new_key]).await;
}

#[tokio::test]
async fn what_the_service_says_has_its_row_and_is_remembered() {
    for (label, answer, row, retry_after) in [
        ("401", SpeechAnswer::Status(401, None), REFUSED, None),
        ("403", SpeechAnswer::Status(403, None), REFUSED, None),
        ("429", SpeechAnswer::Status(429, Some("20")), UNAVAILABLE, Some("20")),
        ("500", SpeechAnswer::Status(500, None), UNAVAILABLE, Some("1")),
        ("400", SpeechAnswer::Status(400, None), UNAVAILABLE, Some("1")),
        ("302", SpeechAnswer::Status(302, None), UNAVAILABLE, Some("1")),
        ("no JWT", SpeechAnswer::Text("<html>"), UNAVAILABLE, Some("1")),
        ("no end", SpeechAnswer::Text("e30.e30.e30"), UNAVAILABLE, Some("1")),
        ("ended", SpeechAnswer::Token(0), UNAVAILABLE, Some("1")),
    ] {
        let rig = Rig::giving(SPEECH, SPEECH_KEY).await;
        rig.speech.always(answer);
        let first = rig.get().await;
        assert_is(label, &first, row);
        assert_eq!(first.header("retry-after"), retry_after, "{label}");
        let asked = rig.speech.asked().len();
        assert_eq!(asked, if label == "401" { 2 } else { 1 }, "{label}");
        assert_is(label, &rig.get().await, row);
        assert_eq!(rig.speech.asked().len(), asked, "{label}: a failure is remembered");
        rig.assert_silent(&[SPEECH_KEY]).await;
    }
}

#[tokio::test]
async fn a_service_that_hangs_has_a_deadline() {
    let rig = Rig::with(SPEECH, Secret::new(SPEECH_KEY), &[("UPSTREAM_TIMEOUT_SECONDS", "1")]).await;
    rig.speech.next(SpeechAnswer::Hang);
    assert_is("hangs", &rig.get().await, UNAVAILABLE);
}
