//! What a CORS decision costs by the number of allowed origins: `cargo bench --bench cors`.
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use keyvault_cors::cors::{AllowedOrigins, Pattern, Policy, RequestHeaders};

fn policy(origins: usize, wildcards: bool) -> Policy {
    let label = if wildcards { "*." } else { "" };
    let patterns = (0..origins).map(|n| Pattern::parse(&format!("https://{label}app-{n}.contoso.com")).unwrap());
    let names = [
        "authorization",
        "x-functions-key",
        "x-ms-client-request-id",
        "traceparent",
    ];
    Policy::new(
        AllowedOrigins::Listed {
            patterns: patterns.collect(),
            credentials: true,
        },
        RequestHeaders::new(names.map(HeaderName::from_static)),
        &[HeaderName::from_static("retry-after")],
        Some(600),
    )
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect()
}

fn decisions(criterion: &mut Criterion) {
    for (kind, wildcards) in [("exact", false), ("wildcard", true)] {
        let mut group = criterion.benchmark_group(format!("decision, {kind} origins"));
        for count in [1, 100, 10_000] {
            let policy = policy(count, wildcards);
            let below = if wildcards { "a.b." } else { "" };
            let origin = format!("https://{below}app-{}.contoso.com", count - 1);
            let preflight = headers(&[
                ("origin", &origin),
                ("access-control-request-method", "GET"),
                ("access-control-request-headers", "authorization,x-functions-key"),
            ]);
            let actual = headers(&[("origin", &origin)]);
            let refused = headers(&[("origin", "https://a.b.app-0.contoso.com.evil.example")]);
            for (name, method, request) in [
                ("actual, allowed", Method::GET, &actual),
                ("actual, refused", Method::GET, &refused),
                ("preflight, allowed", Method::OPTIONS, &preflight),
            ] {
                group.bench_with_input(BenchmarkId::new(name, count), request, |bencher, request| {
                    bencher.iter(|| black_box(&policy).decide(black_box(&method), black_box(request)));
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, decisions);
criterion_main!(benches);
