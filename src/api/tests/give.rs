//! What is given in place of a key, and that the key itself is nowhere: not in an answer, a header or the log.

use std::io;

use proptest::prelude::*;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::access::Rule;
use crate::deliver::Give;

/// 64 bytes in base64, which is also long enough for the kinds that sign with text.
const KEY: &str = "Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5LWNhbmFyeS1jYW5hcnktYw==";
/// What of a key must be nowhere, in whatever form the rest is.
const TRACES: [&str; 3] = ["Y2FuYXJ5", "canary", "Q2FuYXJ5"];
const KINDS: [&str; 3] = [
    "blob-sas account=abc path=photos allow=rl",
    "pubsub-token host=h.example hub=chat user=none",
    "pubsub-token host=h.example hub=chat",
];

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// A vault that has the key, until it is told to fail.
#[derive(Clone)]
struct KeyVault {
    value: String,
    attributes: Attributes,
    error: Arc<Mutex<Option<VaultError>>>,
    panics: bool,
}

#[async_trait::async_trait]
impl Vault for KeyVault {
    async fn fetch(&self, _: &SecretKey, _: Read) -> Result<Bundle, VaultError> {
        assert!(!self.panics, "a defect");
        match *self.error.lock().unwrap() {
            Some(error) => Err(error),
            None => Ok(Bundle {
                value: SecretValue::new(Zeroizing::new(self.value.clone())),
                version: None,
                content_type: Some("text/plain".to_owned()),
                attributes: self.attributes,
            }),
        }
    }
}

fn giving(give: &str, vault: KeyVault, ttl: Duration, current_version_only: bool) -> Service {
    let name = SecretName::parse("storage-key").unwrap();
    let renderer = Renderer::new(deliver::Options {
        public_host: "h".to_owned(),
        gives: HashMap::from([(name.clone(), Give::parse(give).unwrap())]),
        timeout: Duration::from_secs(5),
    });
    let options = cache::Options {
        stale: Duration::from_hours(1),
        timeout: Duration::from_secs(5),
    };
    let secrets = AllowList::new([name], []);
    let rule = Rule {
        name: "STORAGE".to_owned(),
        secrets: secrets.clone(),
        current_version_only,
        ..Rule::default()
    };
    Service::new(Api {
        access: Access::new(access::Options {
            secrets,
            ttl,
            rules: vec![rule],
            ..access::Options::default()
        }),
        secrets: Cache::new(Arc::new(vault), renderer, options),
        ..api(Scripted::default())
    })
}

fn key_vault(value: &str) -> KeyVault {
    KeyVault {
        value: value.to_owned(),
        attributes: Attributes::default(),
        error: Arc::default(),
        panics: false,
    }
}

#[tokio::test]
async fn a_version_is_outside_and_the_current_one_gives_a_credential() {
    let service = giving(KINDS[0], key_vault(KEY), Duration::from_mins(5), true);
    let (status, text) = answer(&service, &Method::GET, "/api/secrets/storage-key", &allowed_origin()).await;
    assert_eq!(status, 200, "{text}");
    assert!(
        text.contains(r#""contentType":"application/vnd.ms-sastoken-storage""#),
        "{text}"
    );
    let version = format!("/api/secrets/storage-key/{}", "0".repeat(32));
    assert_eq!(answer(&service, &Method::GET, &version, &allowed_origin()).await.0, 404);
}

#[tokio::test]
async fn what_goes_wrong_has_a_status_and_a_code() {
    for (give, value, status, code) in [
        (KINDS[0], "no key", 502, r#""code":"ExchangeRefused""#),
        (KINDS[1], "no key", 502, r#""code":"ExchangeRefused""#),
        (KINDS[2], KEY, 403, r#""code":"CallerNotAllowed""#),
    ] {
        let service = giving(give, key_vault(value), Duration::from_mins(5), true);
        let (answered, text) = answer(&service, &Method::GET, "/api/secrets/storage-key", &allowed_origin()).await;
        assert_eq!((answered, text.contains(code)), (status, true), "{give}: {text}");
    }
}

#[tokio::test]
async fn the_keys_own_attributes_are_asked_first() {
    let expired = Attributes {
        expires: Some(1000),
        ..Attributes::default()
    };
    let vault = KeyVault {
        attributes: expired,
        ..key_vault("no key")
    };
    let service = giving(KINDS[0], vault, Duration::from_mins(5), true);
    let (status, text) = answer(&service, &Method::GET, "/api/secrets/storage-key", &allowed_origin()).await;
    assert_eq!((status, text.contains("SecretExpired")), (403, true), "{text}");
}

#[tokio::test]
async fn the_log_says_kind_and_end() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let _default = tracing::subscriber::set_default(subscriber);
    let service = giving(KINDS[0], key_vault(KEY), Duration::from_mins(5), true);
    answer(&service, &Method::GET, "/api/secrets/storage-key", &allowed_origin()).await;
    let text = log.text();
    assert!(text.contains(r#"give="blob-sas" ends=1800"#), "{text}");
    assert!(!text.contains("sig="), "{text}");
}

fn errors() -> impl Strategy<Value = Option<VaultError>> {
    prop_oneof![
        Just(None),
        Just(Some(VaultError::Unavailable { retry_after: None })),
        Just(Some(VaultError::Throttled { retry_after: None })),
        Just(Some(VaultError::AccessDenied)),
        Just(Some(VaultError::Disabled)),
        Just(Some(VaultError::NotFound(Absence::Absent))),
    ]
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let time = || proptest::option::of(998_i64..1003);
    (proptest::option::of(any::<bool>()), time(), time()).prop_map(|(enabled, not_before, expires)| Attributes {
        enabled,
        not_before,
        expires,
        ..Attributes::default()
    })
}

/// A key of the right form, or nearly.
fn values() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(KEY.to_owned()),
        Just(format!("{KEY}\n")),
        Just(format!("AccountKey={KEY};")),
        Just(KEY.chars().take(40).collect::<String>()),
        Just("canary".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Over every state of the vault, of the cache and of the key: fresh, stale, failing, disabled, of no form.
    #[test]
    fn a_key_leaves_in_no_answer_and_no_line(
        give in proptest::sample::select(&KINDS[..]),
        value in values(),
        attributes in attributes(),
        errors in proptest::collection::vec(errors(), 1..4),
        seconds in proptest::sample::select(vec![0, 1, 300, 7200]),
        ttl in proptest::sample::select(vec![0, 300]),
        panics in proptest::bool::weighted(0.1),
        current_version_only in any::<bool>(),
    ) {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
        let _default = tracing::subscriber::set_default(subscriber);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let mut texts = Vec::new();
        runtime.block_on(async {
            let vault = KeyVault { attributes, panics, ..key_vault(&value) };
            let service = giving(give, vault.clone(), Duration::from_secs(ttl), current_version_only);
            for error in errors {
                *vault.error.lock().unwrap() = error;
                for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::POST] {
                    for path in ["/api/secrets/storage-key", "/api/secrets/storage-key/00000000000000000000000000000000"] {
                        texts.push(answer(&service, &method, path, &allowed_origin()).await.1);
                    }
                }
                tokio::time::advance(Duration::from_secs(seconds)).await;
            }
            texts.push(format!("{:?}", service.api));
        });
        texts.push(log.text());
        for text in texts {
            for trace in TRACES {
                prop_assert!(!text.contains(trace), "{trace} in {text}");
            }
        }
    }
}
