//! `scripts/smoke` on deployments that are wrong: each is named, with what to do about it.

use http::{HeaderMap, HeaderValue, StatusCode};
use testkit::{Fault, Target, Times};

use crate::support::handler::{Environment, ReservedPort};
use crate::support::host::{FunctionsHost, KEY, Mode};
use crate::support::smoke::{
    ALLOWED, ANSWERS, Curl, HANDLER, NAVIGATION, NO_ORIGIN, NO_TOKEN, NULL, PLATFORM, REFUSED, SERVED, STAR, STRANGER,
    Server, Smoke, UNKNOWN, deploy, deployed, set, vault,
};
use crate::support::{ORIGIN, Rig, SECRET, entra};

#[tokio::test]
async fn a_platform_list_that_differs_is_named_with_the_command() {
    let nothing = ReservedPort::new();
    for (list, about, command) in [
        (
            &[][..],
            ALLOWED,
            "cors add --name contoso-keys --resource-group GROUP --allowed-origins 'https://app.contoso.com'",
        ),
        (
            &["https://other.contoso.com"],
            ALLOWED,
            "cors add --name contoso-keys --resource-group GROUP --allowed-origins 'https://app.contoso.com'",
        ),
        (
            &[ORIGIN, "https://not-allowed.invalid"],
            REFUSED,
            "cors remove --name contoso-keys --resource-group GROUP --allowed-origins '*'",
        ),
        (
            &["*"],
            REFUSED,
            "cors remove --name contoso-keys --resource-group GROUP --allowed-origins '*'",
        ),
    ] {
        let (_emulator, host) = deploy(Some(list)).await;
        let (_curl, smoke) = deployed(host.port(), nothing.number());

        let report = smoke.secret(SECRET).key(KEY).run().await;

        report.must_fail(&format!("{list:?}"), about, &["access-control", command]);
        assert_eq!(report.preflight(), PLATFORM, "{list:?}");
    }
}

#[tokio::test]
async fn a_platform_that_does_not_allow_the_headers_fails() {
    let (_emulator, host) = deploy(Some(&[ORIGIN])).await;
    for left in ["x-functions-key", "authorization"] {
        let server = Server::before(host.port(), move |_, _, response| {
            if response.headers().contains_key("access-control-allow-headers") {
                set(response, "access-control-allow-headers", left);
            }
        })
        .await;
        let report = Smoke::of(server.port).secret(SECRET).key(KEY).run().await;
        report.must_fail(
            left,
            ALLOWED,
            &[
                "something changes the answers",
                &format!("came:     access-control-allow-headers: {left}"),
            ],
        );
        assert_eq!(report.failures().len(), 1, "{}", report.stdout);
    }
}

#[tokio::test]
async fn an_origin_that_the_handler_does_not_allow_is_named_with_the_setting() {
    for (list, preflight) in [(None, HANDLER), (Some(&[ORIGIN][..]), PLATFORM)] {
        let emulator = vault().await;
        let environment = Environment::of(&emulator).with("ALLOWED_ORIGINS", "https://other.contoso.com");
        let host = FunctionsHost::start(Mode::Proxying, environment, list).await;

        let report = Smoke::of(host.port()).key(KEY).run().await;

        let command = "--settings 'ALLOWED_ORIGINS=WHAT-IS-THERE,https://app.contoso.com'";
        report.must_fail(preflight, UNKNOWN, &["403 Forbidden/OriginNotAllowed", command]);
        assert_eq!(report.preflight(), preflight);
    }
}

#[tokio::test]
async fn settings_that_let_too_much_or_too_little_through_are_named() {
    let any = [("ALLOWED_ORIGINS", "*"), ("DANGEROUSLY_ALLOW_ANY_ORIGIN", "true")];
    let report = Smoke::of(Rig::with(&any).await.handler.port()).run().await;
    report.must_fail("any", STAR, &["DANGEROUSLY_ALLOW_ANY_ORIGIN is on"]);
    report.must_fail("any", REFUSED, &["came:     204", "ALLOWED_ORIGINS"]);
    report.must_fail("any", STRANGER, &["404 SecretNotFound"]);

    let report = Smoke::of(Rig::with(&[("ALLOWED_HEADERS", "authorization")]).await.handler.port())
        .run()
        .await;
    report.must_fail(
        "headers",
        ALLOWED,
        &[
            "access-control-allow-headers with x-functions-key",
            "--setting-names ALLOWED_HEADERS",
        ],
    );
}

#[tokio::test]
async fn a_handler_that_is_gone_is_told_from_everything_else() {
    for list in [None, Some(&[ORIGIN][..])] {
        let (_emulator, mut host) = deploy(list).await;
        host.kill_handler().await;

        let report = Smoke::of(host.port()).secret(SECRET).key(KEY).run().await;

        report.must_fail(
            "dead",
            ANSWERS,
            &[
                "500 with an empty body",
                "the handler does not run",
                "glibc",
                "executable",
            ],
        );
        assert_eq!(report.summary(), "0 ok, 1 failed, 1 skipped");
    }
}

#[tokio::test]
async fn what_the_vault_says_is_explained() {
    let status = |status, code| Fault::Status {
        status,
        code,
        inner: None,
        retry_after: None,
    };
    for (fault, parts) in [
        (
            Fault::forbidden("ForbiddenByRbac"),
            [
                "502 VaultAccessDenied",
                "takes some minutes",
                "az role assignment create",
            ],
        ),
        (
            Fault::forbidden("AccessDenied"),
            ["502 VaultAccessDenied", "az keyvault set-policy", "network-rule"],
        ),
        (
            Fault::unavailable(),
            ["503 VaultUnavailable", "cannot reach the vault", "KEY_VAULT_URL"],
        ),
        (
            Fault::throttled(),
            ["429 Throttled", "the vault throttles", "again in a minute"],
        ),
        (
            status(404, "SecretNotFound"),
            [
                "404 SecretNotFound",
                "ALLOWED_SECRETS lacks this name",
                "az keyvault secret list",
            ],
        ),
        (
            Fault::forbidden("SecretDisabled"),
            ["403 Forbidden/SecretDisabled", "the vault says so", "--name maps-key"],
        ),
    ] {
        let (emulator, host) = deploy(None).await;
        emulator.script(Target::Vault, fault.clone(), Times::Always);

        let report = Smoke::of(host.port()).secret(SECRET).key(KEY).run().await;

        report.must_fail(&format!("{fault:?}"), SERVED, &parts);
        assert_eq!(report.failures().len(), 1, "{}", report.stdout);
    }
}

#[tokio::test]
async fn an_app_that_cannot_be_reached_is_explained() {
    let nothing = ReservedPort::new();
    let report = Smoke::of(nothing.number()).run().await;
    report.must_fail(
        "nothing",
        ANSWERS,
        &["the connection was refused", "az functionapp show"],
    );
    assert_eq!(report.summary(), "0 ok, 1 failed, 1 skipped");

    for (code, words) in [
        (6, "no such name in DNS"),
        (28, "took too long"),
        (35, "TLS could not be agreed on"),
        (60, "the certificate is not for this name"),
        (52, "the connection was closed"),
        (99, "(curl 99)"),
    ] {
        let curl = Curl::failing(code);
        let smoke = Smoke::with(&["https://contoso-keys.azurewebsites.net", ORIGIN]);
        let report = smoke.programs(curl.folder()).run().await;
        report.must_fail(words, ANSWERS, &[words, "az functionapp show --name contoso-keys"]);
    }
}

#[tokio::test]
async fn something_else_at_the_address_is_told_by_what_it_says() {
    for (status, header, parts) in [
        (
            200,
            ("access-control-allow-origin", "*"),
            &["200", "something else than keyvault-cors answers"][..],
        ),
        (
            302,
            ("location", "https://login.microsoftonline.com/"),
            &["302", "built-in authentication", "az webapp auth"],
        ),
        (
            403,
            ("content-type", "text/html"),
            &["403", "the app is stopped", "access-restriction"],
        ),
        (
            404,
            ("content-type", "text/html"),
            &["404", "not deployed", "func azure functionapp publish"],
        ),
        (429, ("retry-after", "1"), &["429", "too many requests"]),
        (
            503,
            ("content-type", "text/html"),
            &["503", "the host starts", "again in a minute"],
        ),
    ] {
        let server = Server::alone(move |_, _, response| {
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            set(response, header.0, header.1);
        })
        .await;
        let report = Smoke::of(server.port).secret(SECRET).key(KEY).run().await;
        report.must_fail(&status.to_string(), ANSWERS, parts);
        assert_eq!(report.stdout.contains(&format!("FAIL  {STAR}")), status == 200);
    }

    let server = Server::alone(|_, _, response| {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        set(response, "www-authenticate", "Bearer realm=\"contoso\"");
    })
    .await;
    let report = Smoke::of(server.port).run().await;
    report.must_fail("401", UNKNOWN, &["built-in authentication"]);
    report.must_fail("401", REFUSED, &["Preflight/function.json"]);
}

/// Every check of an answer of the handler, in the order in which they are made.
const OF_THE_HANDLER: [&str; 9] = [
    UNKNOWN, REFUSED, ALLOWED, STRANGER, NULL, NO_ORIGIN, NAVIGATION, SERVED, NO_TOKEN,
];

/// Fails unless exactly the checks named fail when this edit is made to the answers of a handler that is right, each with
/// these words.
async fn must_be_missed(
    label: &str,
    edit: impl Fn(&mut HeaderMap) + Send + Sync + 'static,
    checks: &[&str],
    words: &str,
) {
    let rig = entra::rig().await;
    let server = Server::before(rig.handler.port(), move |_, _, response| edit(response.headers_mut())).await;

    let report = Smoke::of(server.port)
        .secret(SECRET)
        .token(&rig.good_token())
        .run()
        .await;

    let failures = report.failures();
    assert_eq!(failures.len(), checks.len(), "{label}: {}", report.stdout);
    for (failure, check) in failures.iter().zip(checks) {
        assert!(failure.starts_with(check), "{label}: {failure}");
        report.must_fail(label, check, &[words]);
    }
}

#[tokio::test]
async fn an_answer_that_lacks_one_header_fails() {
    let readable = [UNKNOWN, NAVIGATION, SERVED, NO_TOKEN];
    let with_a_body = [
        UNKNOWN, REFUSED, STRANGER, NULL, NO_ORIGIN, NAVIGATION, SERVED, NO_TOKEN,
    ];
    for (name, checks) in [
        ("access-control-allow-headers", &[ALLOWED][..]),
        ("access-control-allow-methods", &[ALLOWED]),
        (
            "access-control-allow-origin",
            &[UNKNOWN, ALLOWED, NAVIGATION, SERVED, NO_TOKEN],
        ),
        ("access-control-expose-headers", &readable),
        ("access-control-max-age", &[ALLOWED]),
        ("cache-control", &OF_THE_HANDLER),
        ("content-type", &with_a_body),
        ("cross-origin-resource-policy", &OF_THE_HANDLER),
        ("vary", &OF_THE_HANDLER),
        ("www-authenticate", &[NO_TOKEN]),
        ("x-content-type-options", &OF_THE_HANDLER),
        ("x-ms-request-id", &OF_THE_HANDLER),
    ] {
        let remove = move |headers: &mut HeaderMap| drop(headers.remove(name));
        must_be_missed(name, remove, checks, &format!("no {name}")).await;
    }
}

#[tokio::test]
async fn an_answer_with_another_value_of_a_header_fails() {
    let with_the_origin = [UNKNOWN, ALLOWED, NAVIGATION, SERVED, NO_TOKEN];
    for (name, value, checks) in [
        (
            "access-control-allow-origin",
            "https://other.contoso.com",
            &with_the_origin[..],
        ),
        ("access-control-allow-headers", "authorization", &[ALLOWED]),
        ("access-control-allow-methods", "POST", &[ALLOWED]),
        ("cache-control", "public, max-age=60", &OF_THE_HANDLER),
        ("cross-origin-resource-policy", "cross-origin", &OF_THE_HANDLER),
        ("vary", "origin", &[REFUSED, ALLOWED]),
        ("x-ms-request-id", "1", &OF_THE_HANDLER),
    ] {
        let replace = move |headers: &mut HeaderMap| {
            if let Some(own) = headers.get_mut(name) {
                *own = HeaderValue::from_static(value);
            }
        };
        must_be_missed(name, replace, checks, &format!("{name}: {value}")).await;
    }
}

#[tokio::test]
async fn each_gate_that_is_open_fails_by_itself() {
    let rig = Rig::start().await;
    for (about, name, value) in [
        (STRANGER, "origin", "https://not-allowed.invalid"),
        (NULL, "origin", "null"),
        (NAVIGATION, "sec-fetch-mode", "navigate"),
    ] {
        // As a handler would answer that does not look.
        let server = Server::before(rig.handler.port(), move |method, headers, response| {
            if method == "GET" && headers.get(name).is_some_and(|sent| sent == value) {
                *response.status_mut() = StatusCode::NOT_FOUND;
            }
        })
        .await;
        let report = Smoke::of(server.port).secret(SECRET).run().await;
        report.must_fail(about, about, &["came:     404 Forbidden/"]);
        assert_eq!(report.failures().len(), 1, "{}", report.stdout);
    }
}

#[tokio::test]
async fn an_answer_that_a_stranger_may_read_fails() {
    let rig = Rig::start().await;
    let server = Server::before(rig.handler.port(), |_, headers, response| {
        if headers
            .get("origin")
            .is_some_and(|sent| sent == "https://not-allowed.invalid")
        {
            set(response, "access-control-allow-origin", "https://not-allowed.invalid");
        }
    })
    .await;

    let report = Smoke::of(server.port).secret(SECRET).run().await;

    for about in [REFUSED, STRANGER] {
        let came = "came:     access-control-allow-origin: https://not-allowed.invalid";
        report.must_fail(about, about, &["no Access-Control header", came]);
    }
    assert_eq!(report.failures().len(), 2, "{}", report.stdout);
}

#[tokio::test]
async fn a_200_that_is_no_bundle_of_this_secret_fails() {
    let rig = Rig::start().await;
    for body in [
        "",
        "<html>",
        r#"{"value":"x"}"#,
        r#"{"id":"https://x/secrets/maps-key/1"}"#,
        r#"{"value":"x","id":"https://x/secrets/other/1"}"#,
    ] {
        let server = Server::before(rig.handler.port(), move |_, _, response| {
            if response.status() == StatusCode::OK {
                response.headers_mut().remove("content-length");
                *response.body_mut() = body.into();
            }
        })
        .await;
        let report = Smoke::of(server.port).secret(SECRET).run().await;
        report.must_fail(body, SERVED, &["a secret bundle with value and id"]);
        assert_eq!(report.failures().len(), 1, "{}", report.stdout);
    }
}
