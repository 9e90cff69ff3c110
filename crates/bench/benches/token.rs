//! What verifying an Entra access token adds to a request, with the issuer's
//! keys in memory: `cargo bench -p bench --bench token`.
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use keyvault_cors::token::{Authenticator, Options};
use testkit::Emulator;

const AUDIENCE: &str = "api://keyvault-cors";
const SCOPE: &str = "secrets.read";

fn verification(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let issuer = runtime.block_on(Emulator::start()).unwrap();
    let authenticator = Authenticator::new(Options {
        authority: issuer.authority().parse().unwrap(),
        tenant: issuer.tenant().to_owned(),
        audiences: vec![AUDIENCE.to_owned()],
        timeout: Duration::from_secs(5),
    });
    let token = issuer.mint(&issuer.user_claims(AUDIENCE, SCOPE));
    let bearer = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
    runtime.block_on(authenticator.authenticate(&headers)).unwrap();
    criterion.bench_function("token, keys in memory", |bencher| {
        bencher.iter(|| {
            runtime
                .block_on(authenticator.authenticate(black_box(&headers)))
                .unwrap()
        });
    });
}

criterion_group!(benches, verification);
criterion_main!(benches);
