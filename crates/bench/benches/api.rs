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
use keyvault_cors::api::{self, Api};
use keyvault_cors::cache::{self, Cache};
use keyvault_cors::config::{Config, Sources};
use keyvault_cors::deliver::{self, Renderer};
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
    let lookup = |name: &str| {
        let value = match name {
            "KEY_VAULT_URL" => "https://my-vault.vault.azure.net",
            "ALLOWED_SECRETS" => "maps-key",
            "ALLOWED_ORIGINS" => ORIGIN,
            "FUNCTIONS_CUSTOMHANDLER_PORT" => "7071",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let config = Config::from_lookup(&Sources {
        lookup: &lookup,
        names: &[],
        read_file: &|path| std::fs::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path)),
    });
    let config = config.unwrap();
    let options = cache::Options {
        stale: config.cache_stale,
        timeout: config.upstream_timeout,
    };
    let renderer = Renderer::new(deliver::Options {
        public_host: config.public_host.clone(),
    });
    Api {
        options: api::Options {
            require_origin: config.require_origin,
            require_loopback_host: !config.under_functions_host,
        },
        cors: config.cors_policy(),
        authenticator: None,
        access: Access::new(access::Options {
            // No refresh is to fall into a measurement.
            ttl: Duration::from_hours(24),
            ..config.access
        }),
        secrets: Cache::new(Arc::new(Constant), renderer, options),
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
