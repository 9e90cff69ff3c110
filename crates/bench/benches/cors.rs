//! What a CORS decision costs, and what the number of allowed origins adds to it: `cargo bench -p bench --bench cors`.
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use keyvault_cors::cors::{Actual, AllowedOrigins, Decision, Options, Pattern, Policy};

/// Allows `https://app-N.contoso.com` for N below `origins`, or the subdomains of each.
fn policy(origins: usize, wildcards: bool) -> Policy {
    let label = if wildcards { "*." } else { "" };
    let patterns = (0..origins).map(|n| Pattern::parse(&format!("https://{label}app-{n}.contoso.com")).unwrap());
    let names = [
        "authorization",
        "x-functions-key",
        "x-ms-client-request-id",
        "traceparent",
    ];
    Policy::new(Options {
        origins: AllowedOrigins::Listed {
            patterns: patterns.collect(),
            credentials: true,
        },
        request_headers: names.map(HeaderName::from_static).to_vec(),
        exposed_headers: vec![HeaderName::from_static("retry-after")],
        max_age: Some(600),
    })
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect()
}

/// One origin against many patterns: the last of them matches, or none.
fn matching(criterion: &mut Criterion) {
    for (kind, wildcards, matches) in [
        ("exact", false, true),
        ("wildcard", true, true),
        ("miss, exact", false, false),
        ("miss, wildcard", true, false),
    ] {
        let mut group = criterion.benchmark_group(format!("matching, {kind}"));
        for count in [1, 100, 10_000] {
            let policy = policy(count, wildcards);
            let below = if wildcards { "a.b." } else { "" };
            let beyond = if matches { "" } else { ".evil.example" };
            let origin = format!("https://{below}app-{}.contoso.com{beyond}", count - 1);
            let request = headers(&[("origin", &origin)]);
            let allowed = matches!(policy.actual(&request), Actual::Allowed(_));
            assert_eq!(allowed, matches, "{origin}");
            group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
                bencher.iter(|| black_box(&policy).actual(black_box(&request)));
            });
        }
        group.finish();
    }
}

/// The whole decision, against 100 origins.
fn decisions(criterion: &mut Criterion) {
    let policy = policy(100, false);
    let origin = ("origin", "https://app-99.contoso.com");
    let preflight = headers(&[
        origin,
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization,x-functions-key"),
    ]);
    assert!(matches!(
        policy.decide(&Method::OPTIONS, &preflight),
        Decision::Preflight(Ok(_))
    ));
    let mut group = criterion.benchmark_group("decision");
    for (name, method, request) in [
        ("actual", Method::GET, headers(&[origin])),
        ("preflight", Method::OPTIONS, preflight),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(&policy).decide(black_box(&method), black_box(&request)));
        });
    }
    group.finish();
}

criterion_group!(benches, matching, decisions);
criterion_main!(benches);
