//! What a request costs in the whole `api` filter, audit line included, without sockets: `cargo bench -p bench --bench api`.
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::hint::black_box;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{Method, Request, StatusCode};
use http_body_util::Empty;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use keyvault_cors::access::{self, Access};
use keyvault_cors::api::Api;
use keyvault_cors::cache::Cache;
use keyvault_cors::config::Config;
use keyvault_cors::cors::Policy;
use keyvault_cors::deliver::Renderer;
use keyvault_cors::log::Text;
use keyvault_cors::secret::{Attributes, Bundle, SecretKey, SecretValue};
use keyvault_cors::vault::{Read, Vault, VaultError};
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use zeroize::Zeroizing;

const ORIGIN: &str = "https://app.contoso.com";

/// A vault whose secret is always the same one.
struct Constant;

#[async_trait::async_trait]
impl Vault for Constant {
    async fn fetch(&self, _: &SecretKey, _: Read) -> Result<Bundle, VaultError> {
        Ok(Bundle {
            value: SecretValue::new(Zeroizing::new("value".to_owned())),
            version: None,
            content_type: Some("text/plain".to_owned()),
            attributes: Attributes::default(),
        })
    }
}

/// The handler's own settings at their defaults, as under the Functions host.
fn api() -> Api {
    let settings = [
        ("KEY_VAULT_URL", "https://my-vault.vault.azure.net"),
        ("ALLOWED_SECRETS", "maps-key"),
        ("ALLOWED_ORIGINS", ORIGIN),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "7071"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let files = ["GetSecret/function.json", "Preflight/function.json"].map(|path| {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        (path.to_owned(), std::fs::read(root.join(path)))
    });
    let config = Config::read(&settings.into(), &files.into()).unwrap();
    let renderer = Renderer::new(config.deliver);
    Api {
        options: config.api,
        cors: Policy::new(config.cors),
        authenticator: None,
        access: Access::new(access::Options {
            // No refresh is to fall into a measurement.
            ttl: Duration::from_hours(24),
            ..config.access
        }),
        secrets: Cache::new(Arc::new(Constant), renderer, config.cache),
        now: || 1_800_000_000,
        refusals: Arc::default(),
    }
}

/// The log as `main` sets it up, with its lines written to nowhere.
fn log_to_nowhere() {
    let capped =
        filter_fn(|event| *event.level() <= tracing::Level::WARN || event.target().starts_with("keyvault_cors"));
    tracing_subscriber::registry()
        .with(EnvFilter::new("warn,keyvault_cors=info"))
        .with(capped)
        .with(fmt::layer().with_writer(io::sink).with_ansi(false).event_format(Text))
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
