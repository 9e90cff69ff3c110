//! What a request comes to, without a socket. The wire contract row by row is
//! held by the black-box tests; here is what they cannot see.

mod give;

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use zeroize::Zeroizing;

use super::*;
use crate::access::{self, AllowList};
use crate::cache;
use crate::cors::{self, AllowedOrigins, Pattern};
use crate::deliver::{self, Renderer};
use crate::secret::{Attributes, Bundle, SecretName, SecretValue};
use crate::vault::{Absence, Read, Vault, VaultError};

/// Answers from a script and remembers what it was asked.
#[derive(Clone, Default)]
struct Scripted {
    asked: Arc<Mutex<Vec<SecretKey>>>,
    attributes: Attributes,
    error: Option<VaultError>,
}

#[async_trait::async_trait]
impl Vault for Scripted {
    async fn fetch(&self, key: &SecretKey, _: Read) -> Result<Bundle, VaultError> {
        self.asked.lock().unwrap().push(key.clone());
        match self.error {
            Some(error) => Err(error),
            None => Ok(Bundle {
                value: SecretValue::new(Zeroizing::new("value".into())),
                version: None,
                content_type: None,
                attributes: self.attributes,
            }),
        }
    }
}

fn service(vault: Scripted) -> Service {
    Service::new(api(vault))
}

fn api(vault: Scripted) -> Api {
    let renderer = Renderer::new(deliver::Options {
        public_host: "h".to_owned(),
        gives: HashMap::new(),
        timeout: Duration::from_secs(5),
    });
    let options = cache::Options {
        stale: Duration::ZERO,
        timeout: Duration::from_secs(5),
    };
    Api {
        cors: Policy::new(cors::Options {
            origins: AllowedOrigins::Listed {
                patterns: vec![Pattern::parse("https://contoso.com").unwrap()],
                credentials: false,
            },
            request_headers: Vec::new(),
            exposed_headers: Vec::new(),
            max_age: None,
        }),
        options: Options {
            require_origin: true,
            require_loopback_host: false,
        },
        authenticator: None,
        access: Access::new(access::Options {
            secrets: AllowList::new([SecretName::parse("maps-key").unwrap()], []),
            ..access::Options::default()
        }),
        secrets: Cache::new(Arc::new(vault), renderer, options),
        now: || 1000,
        refusals: Arc::default(),
    }
}

fn allowed_origin() -> HeaderMap {
    HeaderMap::from_iter([(http::header::ORIGIN, HeaderValue::from_static("https://contoso.com"))])
}

#[tokio::test]
async fn the_allow_list_is_asked_before_the_vault() {
    let vault = Scripted::default();
    let service = service(vault.clone());
    for path in ["/api/secrets/other", "/api/secrets/maps-key2", "/api/secrets/maps_key"] {
        let response = service.respond(&Method::GET, path, &allowed_origin()).await;
        assert!(response.status().is_client_error(), "{path}");
    }
    assert!(vault.asked.lock().unwrap().is_empty());
    let response = service
        .respond(
            &Method::GET,
            "/api/secrets/MAPS-key/0123456789ABCDEF0123456789abcdef",
            &allowed_origin(),
        )
        .await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        *vault.asked.lock().unwrap(),
        [SecretKey::parse("maps-key", Some("0123456789abcdef0123456789abcdef")).unwrap()]
    );
}

/// Without the Functions host; the names that pass are `gates`' own test, and that this is on then, `config`'s.
#[tokio::test]
async fn a_rebound_host_name_is_refused_before_the_vault_but_for_readiness() {
    let vault = Scripted::default();
    let mut service = service(vault.clone());
    service.api.options.require_loopback_host = true;
    let mut headers = allowed_origin();
    for (host, status) in [("localhost:7071", 200), ("evil.example:7071", 403)] {
        headers.insert(http::header::HOST, HeaderValue::from_static(host));
        let asked = vault.asked.lock().unwrap().len();
        let (answered, text) = answer(&service, &Method::GET, "/api/secrets/maps-key", &headers).await;
        assert_eq!(answered, status, "{host}");
        if status == 403 {
            assert_eq!(vault.asked.lock().unwrap().len(), asked, "{host}");
            assert!(text.contains("\"HostNotAllowed\""), "{text}");
        }
    }
    assert_eq!(
        service.respond(&Method::GET, "/", &headers).await.status(),
        StatusCode::OK
    );
}

/// Status, headers and body as one text.
async fn answer(service: &Service, method: &Method, path: &str, headers: &HeaderMap) -> (u16, String) {
    let (head, body) = service.respond(method, path, headers).await.into_parts();
    let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
    let body = std::str::from_utf8(&body).unwrap();
    (head.status.as_u16(), format!("{:?}\n{body}", head.headers))
}

#[tokio::test]
async fn attributes_are_enforced_at_the_time_of_the_answer() {
    for (attributes, status) in [
        (Attributes::default(), 200),
        (
            Attributes {
                expires: Some(1000),
                ..Attributes::default()
            },
            403,
        ),
        (
            Attributes {
                expires: Some(1001),
                ..Attributes::default()
            },
            200,
        ),
        (
            Attributes {
                not_before: Some(1001),
                ..Attributes::default()
            },
            403,
        ),
        (
            Attributes {
                enabled: Some(false),
                ..Attributes::default()
            },
            403,
        ),
    ] {
        let service = service(Scripted {
            attributes,
            ..Scripted::default()
        });
        let response = service
            .respond(&Method::GET, "/api/secrets/maps-key", &allowed_origin())
            .await;
        assert_eq!(response.status().as_u16(), status, "{attributes:?}");
    }
}

#[tokio::test]
async fn an_error_of_the_vault_keeps_its_time_to_wait() {
    let wait = |seconds| Some(Duration::from_secs(seconds));
    let a_moment_more = Some(Duration::from_millis(7001));
    for (error, status, retry_after) in [
        (VaultError::Throttled { retry_after: wait(7) }, 429, Some("7")),
        (
            VaultError::Throttled {
                retry_after: a_moment_more,
            },
            429,
            Some("8"),
        ),
        (VaultError::Throttled { retry_after: None }, 429, Some("10")),
        (VaultError::Throttled { retry_after: wait(0) }, 429, Some("1")),
        (VaultError::Unavailable { retry_after: None }, 503, Some("5")),
        (VaultError::AccessDenied, 502, None),
        (VaultError::Disabled, 403, None),
        (VaultError::NotFound(Absence::Absent), 404, None),
    ] {
        let service = service(Scripted {
            error: Some(error),
            ..Scripted::default()
        });
        let response = service
            .respond(&Method::GET, "/api/secrets/maps-key", &allowed_origin())
            .await;
        let header = response.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap());
        assert_eq!((response.status().as_u16(), header), (status, retry_after), "{error:?}");
    }
}

#[tokio::test]
async fn readiness_is_answered_before_everything_else() {
    let service = service(Scripted::default());
    for method in [Method::GET, Method::HEAD] {
        let response = service.respond(&method, "/", &HeaderMap::new()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.headers().is_empty(), "{:?}", response.headers());
    }
}
