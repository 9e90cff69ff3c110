//! Actual requests: which origins are served, which are refused, and what each sees.

use crate::support::client::Request;
use crate::support::expect::Headers;
use crate::support::{ORIGIN, PATH, Rig};

/// Fails unless each of these origins is served, and told so by its own bytes.
async fn assert_served(rig: &Rig, origins: &[&str]) {
    for origin in origins {
        let answer = rig.send(Request::get(PATH).origin(origin)).await;
        answer.must_be(origin, 200, &Headers::json().readable_by(origin));
        let answer = rig.send(Request::preflight(PATH, origin, "GET")).await;
        answer.must_be(origin, 204, &Headers::granting(origin));
    }
}

/// Fails unless each of these values of `Origin` is refused, in an actual request and in a preflight, and the vault
/// hears of none of them.
async fn assert_refused<T: AsRef<[u8]>>(rig: &Rig, origins: &[T]) {
    rig.emulator.reset_counters();
    for origin in origins {
        let label = String::from_utf8_lossy(origin.as_ref()).into_owned();
        let error = ("Forbidden", Some("OriginNotAllowed"));
        let answer = rig.send(Request::get(PATH).header("origin", origin)).await;
        answer.must_refuse(&label, 403, error, &Headers::json());
        let answer = rig.send(Request::head(PATH).header("origin", origin)).await;
        answer.must_be(&label, 403, &Headers::json());
        let preflight = Request::options(PATH)
            .header("origin", origin)
            .header("access-control-request-method", "GET");
        let answer = rig.send(preflight).await;
        answer.must_refuse(&label, 403, error, &Headers::json().for_preflight());
    }
    rig.assert_untouched("refused origins");
}

#[tokio::test]
async fn an_exact_origin_is_compared_whole() {
    let rig = Rig::with(&[(
        "ALLOWED_ORIGINS",
        "https://app.contoso.com,https://dev.contoso.com:8443",
    )])
    .await;

    assert_served(&rig, &[ORIGIN, "https://dev.contoso.com:8443"]).await;
    assert_refused(
        &rig,
        &[
            "http://app.contoso.com",
            "https://app.contoso.com:8443",
            "https://dev.contoso.com",
            "https://dev.contoso.com:8444",
            "https://contoso.com",
            "https://x.app.contoso.com",
            "https://xapp.contoso.com",
            "https://app.contoso.com.evil.example",
            "https://app.contoso.comevil.example",
            "https://evil.example",
            "https://app-contoso.com",
            "https://app.contoso.co",
        ],
    )
    .await;
}

#[tokio::test]
async fn an_origin_that_is_not_canonical_is_refused() {
    let rig = Rig::start().await;

    assert_refused(
        &rig,
        &[
            "https://APP.contoso.com",
            "HTTPS://app.contoso.com",
            "https://app.contoso.com:443",
            "https://app.contoso.com:",
            "https://app.contoso.com.",
            "https://app.contoso.com/",
            "https://app.contoso.com/api",
            "https://app.contoso.com?x",
            "https://app.contoso.com#x",
            "https://user@app.contoso.com",
            "https://user:password@app.contoso.com",
            "https://@app.contoso.com",
            "https:app.contoso.com",
            "https:/app.contoso.com",
            "https:///app.contoso.com",
            "https:\\\\app.contoso.com",
            "//app.contoso.com",
            "app.contoso.com",
            "https://app%2Econtoso.com",
            "https://app.contoso.com https://app.contoso.com",
            "https://app.contoso.com, https://app.contoso.com",
            "https://app.contoso.com,https://evil.example",
            "\"https://app.contoso.com\"",
        ],
    )
    .await;
}

#[tokio::test]
async fn null_empty_and_what_is_no_origin_are_refused() {
    let rig = Rig::start().await;

    assert_refused(
        &rig,
        &[
            &b"null"[..],
            b"NULL",
            b"",
            b"undefined",
            b"*",
            b"https://",
            b"https://*",
            b"https://app.contoso.com\xc2\xad",
            b"https://app.contoso.c\xc3\xb6m",
            b"\xff\xfe",
            b"file://",
            b"file:///etc/passwd",
            b"data:text/html,x",
            b"chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            b"ws://app.contoso.com",
            b"ftp://app.contoso.com",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_repeated_origin_is_refused_even_when_both_are_allowed() {
    for require in ["true", "false"] {
        let rig = Rig::with(&[("REQUIRE_ORIGIN", require)]).await;
        for second in [ORIGIN, "https://evil.example", "", "null"] {
            for lines in [
                [("origin", ORIGIN), ("origin", second)],
                [("origin", second), ("origin", ORIGIN)],
            ] {
                let label = format!("{require} {lines:?}");
                let error = ("Forbidden", Some("OriginNotAllowed"));
                let answer = rig.send(Request::get(PATH).headers(&lines)).await;
                answer.must_refuse(&label, 403, error, &Headers::json());
                let preflight = Request::options(PATH)
                    .headers(&lines)
                    .header("access-control-request-method", "GET");
                let answer = rig.send(preflight).await;
                answer.must_refuse(&label, 403, error, &Headers::json().for_preflight());
            }
        }
        rig.assert_untouched("repeated origins");
    }
}

#[tokio::test]
async fn a_missing_origin_is_refused_unless_it_was_said_otherwise() {
    let strict = Rig::start().await;
    let answer = strict.send(Request::get(PATH)).await;
    answer.must_refuse(
        "required",
        403,
        ("Forbidden", Some("OriginNotAllowed")),
        &Headers::json(),
    );
    let answer = strict
        .send(Request::get(PATH).header("referer", "https://app.contoso.com/"))
        .await;
    answer.must_refuse(
        "a referrer",
        403,
        ("Forbidden", Some("OriginNotAllowed")),
        &Headers::json(),
    );
    strict.assert_untouched("no origin");

    let lenient = Rig::with(&[("REQUIRE_ORIGIN", "false")]).await;
    let answer = lenient.send(Request::get(PATH)).await;
    answer.must_be("not required", 200, &Headers::json());
    assert_served(&lenient, &[ORIGIN]).await;
    assert_refused(
        &lenient,
        &["https://evil.example", "null", "", "https://app.contoso.com/"],
    )
    .await;
}

#[tokio::test]
async fn a_subdomain_pattern_takes_any_depth_and_not_the_apex() {
    let rig = Rig::with(&[("ALLOWED_ORIGINS", "https://*.contoso.com")]).await;
    let label = "a".repeat(63);
    let host_253 = format!("https://{label}.{label}.{label}.{}.contoso.com", "b".repeat(49));
    let host_254 = format!("https://{label}.{label}.{label}.{}.contoso.com", "b".repeat(50));
    assert_eq!(host_253.len(), "https://".len() + 253);

    assert_served(
        &rig,
        &[
            "https://app.contoso.com",
            "https://a.b.c.contoso.com",
            "https://xn--mnchen-3ya.contoso.com",
            "https://contoso.com.contoso.com",
            "https://0.contoso.com",
            &host_253,
        ],
    )
    .await;
    assert_refused(
        &rig,
        &[
            "https://contoso.com",
            "http://app.contoso.com",
            "https://app.contoso.com:8443",
            "https://app.contoso.com:443",
            "https://evilcontoso.com",
            "https://evil-contoso.com",
            "https://app.contoso.com.evil.example",
            "https://contoso.com.evil.example",
            "https://evil.example/.contoso.com",
            "https://evil.example#.contoso.com",
            "https://evil.example?.contoso.com",
            "https://evil.example\\.contoso.com",
            "https://evil.example@app.contoso.com",
            "https://app.contoso.com@evil.example",
            "https://evil.example%2F.contoso.com",
            "https://evil.example%00.contoso.com",
            "https://evil.example:8443.contoso.com",
            "https://.contoso.com",
            "https://..contoso.com",
            "https://a..contoso.com",
            "https://app.contoso.com.",
            "https://app.contoso.com..",
            "https://App.contoso.com",
            "https://app.CONTOSO.com",
            "https://m\u{fc}nchen.contoso.com",
            "https:// .contoso.com",
            "https://a b.contoso.com",
            "null",
            "",
            &host_254,
        ],
    )
    .await;
}

#[tokio::test]
async fn a_port_pattern_takes_every_port_and_nothing_else() {
    let rig = Rig::with(&[("ALLOWED_ORIGINS", "http://localhost:*")]).await;

    assert_served(
        &rig,
        &[
            "http://localhost",
            "http://localhost:1",
            "http://localhost:5173",
            "http://localhost:443",
            "http://localhost:65535",
        ],
    )
    .await;
    assert_refused(
        &rig,
        &[
            "http://localhost:80",
            "http://localhost:0",
            "http://localhost:65536",
            "http://localhost:99999999999999999999",
            "http://localhost:05173",
            "http://localhost:",
            "http://localhost:*",
            "http://localhost:-1",
            "http://localhost:+80",
            "http://localhost:5173x",
            "http://localhost:5173:5173",
            "http://localhost:5173/",
            "http://localhost:5173@evil.example",
            "https://localhost:5173",
            "https://localhost",
            "http://localhost.evil.example:5173",
            "http://evil.localhost:5173",
            "http://localhost.:5173",
            "http://LOCALHOST:5173",
            "http://127.0.0.1:5173",
            "http://[::1]:5173",
            "null",
            "",
        ],
    )
    .await;
}

#[tokio::test]
async fn any_origin_means_a_literal_star_and_still_no_malformed_one() {
    let rig = Rig::with(&[("ALLOWED_ORIGINS", "*"), ("DANGEROUSLY_ALLOW_ANY_ORIGIN", "true")]).await;

    for origin in [
        "https://app.contoso.com",
        "http://app.contoso.com",
        "https://evil.example:8443",
        "http://localhost",
        "http://127.0.0.1:8080",
        "https://[::1]:8080",
        "https://xn--mnchen-3ya.de",
    ] {
        let answer = rig.send(Request::get(PATH).origin(origin)).await;
        answer.must_be(origin, 200, &Headers::json().readable_by("*"));
        let answer = rig.send(Request::preflight(PATH, origin, "HEAD")).await;
        answer.must_be(origin, 204, &Headers::granting("*"));
    }
    assert_refused(
        &rig,
        &[
            "null",
            "",
            "*",
            "https://",
            "https://evil.example/",
            "https://evil.example:443",
            "http://evil.example:80",
            "https://evil.example:08443",
            "https://evil.example:0",
            "https://evil.example:65536",
            "https://EVIL.example",
            "Https://evil.example",
            "https://evil.example.",
            "https://user@evil.example",
            "https://evil.example?",
            "https://evil.example#",
            "https://127.1",
            "https://0x7f.0.0.1",
            "https://2130706433",
            "https://127.0.0.01",
            "https://256.0.0.1",
            "https://[0:0:0:0:0:0:0:1]",
            "https://[::1",
            "https://[::FFFF]",
            "https://m\u{fc}nchen.de",
            "https://a, https://b",
            "https://a https://b",
            "ftp://evil.example",
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            "about:blank",
        ],
    )
    .await;
}

#[tokio::test]
async fn several_patterns_are_all_in_force() {
    let rig = Rig::with(&[(
        "ALLOWED_ORIGINS",
        "https://app.contoso.com,https://*.fabrikam.com,http://localhost:*",
    )])
    .await;

    assert_served(&rig, &[ORIGIN, "https://a.b.fabrikam.com", "http://localhost:5173"]).await;
    assert_refused(
        &rig,
        &[
            "https://x.contoso.com",
            "https://fabrikam.com",
            "https://localhost:5173",
        ],
    )
    .await;
}

#[tokio::test]
async fn credentials_are_allowed_only_when_they_are_on() {
    let rig = Rig::with(&[("ALLOW_CREDENTIALS", "true")]).await;
    let credentials = |headers: Headers| headers.with("access-control-allow-credentials", "true");

    let answer = rig.get(PATH).await;
    answer.must_be("actual", 200, &credentials(Headers::json().readable_by(ORIGIN)));
    let answer = rig.get("/api/secrets/other").await;
    answer.must_be("an error", 404, &credentials(Headers::json().readable_by(ORIGIN)));
    let answer = rig.send(Request::preflight(PATH, ORIGIN, "GET")).await;
    answer.must_be("preflight", 204, &credentials(Headers::granting(ORIGIN)));
    assert_refused(&rig, &["https://evil.example", "null"]).await;
}

#[tokio::test]
async fn exposed_headers_are_those_of_the_setting() {
    let headers = |exposed| {
        Headers::json()
            .with("access-control-allow-origin", ORIGIN)
            .with("access-control-expose-headers", exposed)
    };

    let rig = Rig::with(&[("EXPOSED_HEADERS", " x-ms-request-id , Retry-After")]).await;
    rig.get(PATH)
        .await
        .must_be("two", 200, &headers("retry-after,x-ms-request-id"));

    let rig = Rig::with(&[("EXPOSED_HEADERS", "")]).await;
    rig.get(PATH)
        .await
        .must_be("none", 200, &headers("").without("access-control-expose-headers"));
}
