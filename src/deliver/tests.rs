use zeroize::Zeroizing;

use super::*;
use crate::secret::SecretVersion;

fn renderer(public_host: &str) -> Renderer {
    Renderer::new(Options {
        public_host: public_host.to_owned(),
        gives: HashMap::new(),
        timeout: Duration::from_secs(5),
    })
}

fn body(bundle: Bundle, key: &SecretKey, public_host: &str) -> Bytes {
    renderer(public_host).render(key, bundle).body().unwrap()
}

fn bundle(value: &str, version: Option<SecretVersion>) -> Bundle {
    Bundle {
        value: SecretValue::new(Zeroizing::new(value.to_owned())),
        version,
        content_type: None,
        attributes: Attributes::default(),
    }
}

/// A version that ends in this digit.
fn version(digit: char) -> SecretVersion {
    SecretVersion::parse(&format!("{digit:0>32}")).unwrap()
}

fn key(version: Option<SecretVersion>) -> SecretKey {
    SecretKey {
        name: SecretName::parse("Maps-Key").unwrap(),
        version,
    }
}

#[test]
fn the_id_names_this_app_the_folded_name_and_the_vaults_version() {
    let id = |bundle_version, key_version| {
        let body = body(bundle("x", bundle_version), &key(key_version), "app.example");
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        json["id"].as_str().unwrap().to_owned()
    };
    let [one, two] = ['1', '2'].map(|digit| Some(version(digit)));
    let url = |digit| format!("https://app.example/secrets/maps-key/{digit:0>32}");
    assert_eq!(id(two.clone(), None), url('2'));
    assert_eq!(id(two, one.clone()), url('2'));
    assert_eq!(id(None, one), url('1'));
    assert_eq!(id(None, None), "https://app.example/secrets/maps-key");
}

#[test]
fn fields_that_the_vault_did_not_send_are_absent() {
    let body = body(bundle("x", None), &key(None), "h");
    assert_eq!(body, r#"{"value":"x","id":"https://h/secrets/maps-key"}"#);
}

#[test]
fn any_value_fits_the_buffer_that_it_is_written_to() {
    for value in ["\0".repeat(25_000), "\"".repeat(25_000), "é".repeat(12_500)] {
        let body = body(bundle(&value, None), &key(None), "h");
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["value"], value);
    }
}

const ACCOUNT_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const NOW: i64 = 1_800_000_000;

/// What is given in place of the secret `value`, by this rule.
async fn given(give: &str, value: &str, attributes: Attributes, oid: Option<&str>) -> Result<Given, GiveError> {
    let key = key(None);
    let renderer = Renderer::new(Options {
        public_host: "h".to_owned(),
        gives: HashMap::from([(key.name.clone(), Give::parse(give).unwrap())]),
        timeout: Duration::from_secs(5),
    });
    let bundle = Bundle {
        attributes,
        content_type: Some("text/plain".to_owned()),
        ..bundle(value, Some(version('1')))
    };
    let delivery = Arc::new(renderer.render(&key, bundle));
    assert_eq!(delivery.body(), None);
    assert!(!format!("{delivery:?} {renderer:?}").contains(value));
    delivery.give(Recipient { oid, now: NOW }, || async { None }).await
}

#[tokio::test]
async fn a_credential_has_the_shape_of_a_secret_and_its_own_end() {
    let attributes = Attributes {
        enabled: Some(true),
        not_before: Some(1),
        expires: Some(NOW + 600),
        created: Some(3),
        updated: Some(4),
    };
    let sas = "blob-sas account=abc path=photos allow=r";
    let given = given(sas, ACCOUNT_KEY, attributes, None).await.unwrap();
    assert_eq!((given.kind, given.ends), ("blob-sas", NOW + 600));
    let body: serde_json::Value = serde_json::from_slice(&given.body).unwrap();
    let value = body["value"].as_str().unwrap();
    assert!(!format!("{given:?}").contains("sig="));
    assert!(
        value.starts_with("sv=2022-11-02&spr=https&se=2027-01-15T08%3A10%3A00Z&sr=c&sp=r&sig="),
        "{value}"
    );
    assert_eq!(
        body,
        serde_json::json!({
            "value": value,
            "id": "https://h/secrets/maps-key/00000000000000000000000000000001",
            "contentType": "application/vnd.ms-sastoken-storage",
            "attributes": {"enabled": true, "exp": NOW + 600},
        })
    );
}

#[tokio::test]
async fn a_token_that_names_the_caller_needs_one() {
    let token = "pubsub-token host=h.example hub=chat";
    let none = Attributes::default();
    let given = async |give: &str, oid| given(give, ACCOUNT_KEY, none, oid).await;
    assert_eq!(given(token, None).await.unwrap_err(), GiveError::NoUser);
    let body = given(token, Some("oid-1")).await.unwrap().body;
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["contentType"], "application/jwt");
    assert!(given(&format!("{token} user=none"), None).await.is_ok());
}

#[tokio::test]
async fn what_is_no_key_is_refused_without_being_named() {
    for give in [
        "blob-sas account=abc path=photos allow=r",
        "pubsub-token host=h.example hub=chat user=none",
        "speech-token region=westeurope",
    ] {
        let error = given(give, "a canary", Attributes::default(), None).await.unwrap_err();
        assert!(matches!(error, GiveError::Refused(_)), "{give}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{give}");
    }
}
