//! What a request costs in the whole `api` filter, audit line included, without sockets: `cargo bench -p bench --bench api`.
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
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
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use zeroize::Zeroizing;

const ORIGIN: &str = "https://app.contoso.com";
const SECRET: &str = "/api/secrets/maps-key";
/// The account key that every Azurite has, which is long enough for Web PubSub too.
const VALUE: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A vault whose secret is always the same one.
struct Constant;

#[async_trait::async_trait]
impl Vault for Constant {
    async fn fetch(&self, _: &SecretKey, _: Read) -> Result<Bundle, VaultError> {
        Ok(Bundle {
            value: SecretValue::new(Zeroizing::new(VALUE.to_owned())),
            version: None,
            content_type: Some("text/plain".to_owned()),
            attributes: Attributes::default(),
        })
    }
}

/// The handler's own settings at their defaults, as under the Functions host.
fn api(rules: usize) -> Api {
    let settings = [
        ("KEY_VAULT_URL", "https://my-vault.vault.azure.net"),
        ("ALLOWED_SECRETS", "maps-key,storage-key,pubsub-key,other-*"),
        ("ALLOWED_ORIGINS", ORIGIN),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "7071"),
        ("RULES__STORAGE__SECRETS", "storage-key"),
        ("RULES__STORAGE__GIVE", "blob-sas account=contoso path=photos allow=r"),
        ("RULES__PUBSUB__SECRETS", "pubsub-key"),
        (
            "RULES__PUBSUB__GIVE",
            "pubsub-token host=contoso.webpubsub.azure.com hub=chat user=none",
        ),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    // The first of them is the secret's own, the others stand beside it.
    let rules = (0..rules).flat_map(|index| {
        let secrets = if index == 0 {
            "maps-key".to_owned()
        } else {
            format!("other-{index}")
        };
        [
            (format!("RULES__R{index}__SECRETS"), secrets),
            (format!("RULES__R{index}__ORIGINS"), ORIGIN.to_owned()),
        ]
    });
    let settings: BTreeMap<_, _> = settings.into_iter().chain(rules).collect();
    let files = ["GetSecret/function.json", "Preflight/function.json"].map(|path| {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        (path.to_owned(), std::fs::read(root.join(path)))
    });
    let config = Config::read(&settings, &files.into()).unwrap();
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
    let filter: Targets = "warn,keyvault_cors=info".parse().unwrap();
    tracing_subscriber::registry()
        .with(filter)
        .with(capped)
        .with(Text::new(io::sink))
        .init();
}

fn request(method: &Method, path: &str, headers: &[(&'static str, &'static str)]) -> Request<Empty<Bytes>> {
    let mut request = Request::builder().method(method).uri(path);
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
    let service = runtime.block_on(async { TowerToHyperService::new(warp::service(api(0).into_filter())) });
    let preflight = [
        ("origin", ORIGIN),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "x-functions-key"),
    ];
    let page = &[("origin", ORIGIN)][..];
    let scenarios = [
        ("cached hit", Method::GET, SECRET, page, StatusCode::OK),
        (
            "blob SAS",
            Method::GET,
            "/api/secrets/storage-key",
            page,
            StatusCode::OK,
        ),
        (
            "Web PubSub token",
            Method::GET,
            "/api/secrets/pubsub-key",
            page,
            StatusCode::OK,
        ),
        ("preflight", Method::OPTIONS, SECRET, &preflight, StatusCode::NO_CONTENT),
        (
            "refused origin",
            Method::GET,
            SECRET,
            &[("origin", "https://app.contoso.com.evil.example")],
            StatusCode::FORBIDDEN,
        ),
    ];
    for log in ["not logged", "logged"] {
        if log == "logged" {
            log_to_nowhere();
        }
        let mut group = criterion.benchmark_group(format!("api filter, {log}"));
        for (name, method, path, headers, status) in &scenarios {
            let call = || runtime.block_on(service.call(request(method, path, headers))).unwrap();
            // The first one fills the cache.
            assert_eq!(call().status(), *status, "{name}");
            group.bench_function(*name, |bencher| {
                bencher.iter_batched(
                    || request(method, path, headers),
                    |request| runtime.block_on(service.call(black_box(request))).unwrap(),
                    criterion::BatchSize::SmallInput,
                );
            });
        }
        group.finish();
    }
}

/// A hit where rules decide: 32 are as many as there can be, two of them the credentials' own.
fn rules(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut group = criterion.benchmark_group("cached hit by rules");
    for rules in [0, 1, 30] {
        let service = runtime.block_on(async { TowerToHyperService::new(warp::service(api(rules).into_filter())) });
        let request = || request(&Method::GET, SECRET, &[("origin", ORIGIN)]);
        assert_eq!(
            runtime.block_on(service.call(request())).unwrap().status(),
            StatusCode::OK
        );
        group.bench_function(BenchmarkId::from_parameter(rules + 2), |bencher| {
            bencher.iter_batched(
                request,
                |request| runtime.block_on(service.call(black_box(request))).unwrap(),
                criterion::BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, rules, requests);
criterion_main!(benches);
