//! What a request costs in the whole `api` filter, audit line included, without sockets: `cargo bench --bench api`.
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::hint::black_box;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderName, Method, Request, StatusCode};
use http_body_util::Empty;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use keyvault_cors::api::{Api, Served};
use keyvault_cors::cache::{Cache, Settings};
use keyvault_cors::cors::{AllowedOrigins, Pattern, Policy, RequestHeaders};
use keyvault_cors::secret::{AllowList, Attributes, Bundle, SecretKey, SecretName, SecretValue};
use keyvault_cors::vault::{Vault, VaultError};
use tokio::time::Instant;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use zeroize::Zeroizing;

const ORIGIN: &str = "https://app.contoso.com";

/// A vault whose secret is always the same one.
struct Constant;

impl Vault for Constant {
    async fn fetch(&self, _: &SecretKey, _: Instant) -> Result<Bundle, VaultError> {
        Ok(Bundle {
            value: SecretValue::new(Zeroizing::new("value".to_owned())),
            version: None,
            content_type: Some("text/plain".to_owned()),
            attributes: Attributes::default(),
        })
    }
}

/// The handler's own settings at their defaults.
fn api() -> Api<Constant> {
    let settings = Settings {
        ttl: Duration::from_hours(24),
        stale: Duration::from_hours(1),
        timeout: Duration::from_secs(5),
    };
    let allowed = [
        "authorization",
        "x-functions-key",
        "x-ms-client-request-id",
        "x-ms-useragent",
        "traceparent",
        "tracestate",
    ];
    let exposed = [
        "retry-after",
        "www-authenticate",
        "x-ms-client-request-id",
        "x-ms-request-id",
    ];
    Api {
        cors: Policy::new(
            AllowedOrigins::Listed {
                patterns: vec![Pattern::parse(ORIGIN).unwrap()],
                credentials: false,
            },
            RequestHeaders::new(allowed.map(HeaderName::from_static)),
            &exposed.map(HeaderName::from_static),
            Some(600),
        ),
        require_origin: true,
        require_loopback_host: false,
        callers: None,
        allowed_secrets: AllowList::new([SecretName::parse("maps-key").unwrap()], []),
        secrets: Cache::new(Constant, settings, |key, bundle| {
            Served::new(&bundle, key, "localhost:7071")
        }),
        now: || 1_800_000_000,
    }
}

/// The log as `main` sets it up, with its lines written to nowhere.
fn log_to_nowhere() {
    let capped =
        filter_fn(|event| *event.level() <= tracing::Level::WARN || event.target().starts_with("keyvault_cors"));
    tracing_subscriber::registry()
        .with(EnvFilter::new("warn,keyvault_cors=info"))
        .with(capped)
        .with(fmt::layer().with_writer(io::sink).with_ansi(false).with_target(false))
        .init();
}

fn request(method: &Method, headers: &[(&'static str, &'static str)]) -> Request<Empty<Bytes>> {
    let mut request = Request::builder().method(method).uri("/api/secrets/maps-key");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Empty::new()).unwrap()
}

fn requests(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let service = runtime.block_on(async { TowerToHyperService::new(warp::service(api().into_filter())) });
    let preflight = [
        ("origin", ORIGIN),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "x-functions-key"),
    ];
    let scenarios = [
        ("cached hit", Method::GET, &[("origin", ORIGIN)][..], StatusCode::OK),
        ("preflight", Method::OPTIONS, &preflight, StatusCode::NO_CONTENT),
        (
            "refused origin",
            Method::GET,
            &[("origin", "https://app.contoso.com.evil.example")],
            StatusCode::FORBIDDEN,
        ),
    ];
    for log in ["not logged", "logged"] {
        if log == "logged" {
            log_to_nowhere();
        }
        let mut group = criterion.benchmark_group(format!("api filter, {log}"));
        for (name, method, headers, status) in &scenarios {
            let call = || runtime.block_on(service.call(request(method, headers))).unwrap();
            // The first one fills the cache.
            assert_eq!(call().status(), *status, "{name}");
            group.bench_function(*name, |bencher| {
                bencher.iter_batched(
                    || request(method, headers),
                    |request| runtime.block_on(service.call(black_box(request))).unwrap(),
                    criterion::BatchSize::SmallInput,
                );
            });
        }
        group.finish();
    }
}

criterion_group!(benches, requests);
criterion_main!(benches);
