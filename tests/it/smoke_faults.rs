//! `handler smoke` on right answers with one fault in them: each fails its check, with what to change.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response};
use http_body_util::Full;

use crate::support::handler::Environment;
use crate::support::host::{FunctionsHost, KEY, Mode};
use crate::support::smoke::{
    ALLOWED, COMMON, NAVIGATION, NO_KEY, NO_ORIGIN, NO_TOKEN, NULL, ORACLE, REFUSED, SERVED, STRANGER, STRANGER_ORIGIN,
    Server, Smoke, UNKNOWN, WHO, error, replace, set, vault,
};
use crate::support::{SECRET, entra};

/// The right answers of a handler that wants a token, with one fault in them: exactly the checks named fail.
#[tokio::test]
async fn an_answer_that_lacks_or_changes_a_header_of_the_contract_fails() {
    let rig = entra::rig_with(vault().await, &[("ALLOW_CREDENTIALS", "true")]).await;
    let token = rig.good_token();
    let readable = [UNKNOWN, NAVIGATION, SERVED, NO_TOKEN];
    let granted = [ALLOWED, UNKNOWN, NAVIGATION, SERVED, NO_TOKEN];
    let (fresh, other) = ("x-ms-request-id", "00000000-0000-4000-8000-000000000000");
    for (name, value, checks) in [
        ("access-control-allow-credentials", Some("false"), &granted[..]),
        ("access-control-allow-headers", None, &[ALLOWED]),
        ("access-control-allow-headers", Some("x-functions-key"), &[ALLOWED]),
        (
            "access-control-allow-headers",
            Some("x-functions-key,authorization"),
            &[ALLOWED],
        ),
        ("access-control-allow-headers", Some("Authorization"), &[ALLOWED]),
        ("access-control-allow-methods", None, &[ALLOWED]),
        ("access-control-allow-methods", Some("GET,HEAD,POST"), &[ALLOWED]),
        ("access-control-allow-origin", None, &granted),
        (
            "access-control-allow-origin",
            Some("https://other.contoso.com"),
            &granted,
        ),
        ("access-control-allow-origin", Some("*"), &granted),
        ("access-control-expose-headers", None, &readable),
        ("access-control-expose-headers", Some("two words"), &readable),
        ("access-control-max-age", None, &[ALLOWED]),
        ("access-control-max-age", Some("86401"), &[ALLOWED]),
        ("cache-control", None, &[COMMON]),
        ("cache-control", Some("public, max-age=60"), &[COMMON]),
        ("content-type", None, &[COMMON]),
        ("content-type", Some("text/html"), &[COMMON]),
        ("cross-origin-resource-policy", None, &[COMMON]),
        ("cross-origin-resource-policy", Some("cross-origin"), &[COMMON]),
        ("vary", None, &[ALLOWED, REFUSED, COMMON]),
        ("vary", Some("origin"), &[ALLOWED, REFUSED]),
        ("www-authenticate", None, &[NO_TOKEN]),
        ("www-authenticate", Some("Bearer"), &[NO_TOKEN]),
        ("x-content-type-options", None, &[COMMON]),
        ("x-content-type-options", Some("sniff"), &[COMMON]),
        ("x-ms-client-request-id", None, &[COMMON]),
        ("x-ms-client-request-id", Some("another"), &[COMMON]),
        (fresh, None, &[COMMON]),
        (fresh, Some("1"), &[COMMON]),
        (fresh, Some(other), &[COMMON]),
    ] {
        let edit = move |_: &Parts, response: &mut Response<Full<Bytes>>| match (
            value,
            response.headers_mut().get_mut(name),
        ) {
            (None, _) => drop(response.headers_mut().remove(name)),
            (Some(value), Some(own)) => *own = HeaderValue::from_static(value),
            (Some(_), None) => {}
        };
        let server = Server::before(rig.handler.port(), edit).await;
        let smoke = Smoke::of(rig.emulator.ca_file(), &server.url())
            .option("--secret", SECRET)
            .token(&token);

        let report = smoke.run().await;

        let label = format!("{name}: {value:?}");
        let came = match value {
            None => format!("no {name}"),
            Some(value) if value == other => format!("{name}: one twice"),
            Some(value) => format!("{name}: {value}"),
        };
        // The refusals that no origin may read have no such header to lose.
        report.must_fail_only(&label, checks, &[&came]);
    }
}

/// Faults in one answer of a handler behind its host: each fails one check, and says what to do.
#[tokio::test]
async fn each_answer_that_is_wrong_fails_its_own_check() {
    let emulator = vault().await;
    let host = FunctionsHost::start(Mode::Proxying, Environment::of(&emulator), None).await;
    for (is_wrong, edit, check, words) in WRONG_ANSWERS {
        let edit = move |request: &Parts, answer: &mut Response<Full<Bytes>>| {
            if is_wrong(request) {
                edit(answer);
            }
        };
        let server = Server::before(host.port(), edit).await;
        let smoke = Smoke::of(emulator.ca_file(), &server.url()).option("--secret", SECRET);
        let report = smoke.key(KEY).run().await;
        report.must_fail_only(check, &[check], words);
    }
    for (status, body, words) in not_served() {
        let edit = move |request: &Parts, answer: &mut Response<Full<Bytes>>| {
            if request.uri.path().ends_with(SECRET) {
                replace(answer, status, &body);
            }
        };
        let server = Server::before(host.port(), edit).await;
        let smoke = Smoke::of(emulator.ca_file(), &server.url()).option("--secret", SECRET);
        let report = smoke.key(KEY).run().await;
        report.must_fail_only(&format!("{status} {words:?}"), &[SERVED], words);
    }
}

/// The request whose answer is wrong, the fault, the check that fails, and its words.
type Row = (
    fn(&Parts) -> bool,
    fn(&mut Response<Full<Bytes>>),
    &'static str,
    &'static [&'static str],
);

const CHANGED: &[&str] = &["something on the way changes requests or answers"];
const WRONG_ANSWERS: [Row; 14] = [
    (
        |request| is_get(request) && has(request, "origin", STRANGER_ORIGIN),
        |answer| {
            replace(answer, 404, &error("SecretNotFound"));
            set(answer, "access-control-allow-origin", STRANGER_ORIGIN);
        },
        STRANGER,
        &[
            "came:     404 SecretNotFound",
            "ALLOWED_ORIGINS allows https://not-allowed.invalid",
        ],
    ),
    (
        |request| is_get(request) && has(request, "origin", STRANGER_ORIGIN),
        |answer| set(answer, "access-control-allow-origin", STRANGER_ORIGIN),
        STRANGER,
        &[
            "no Access-Control header",
            "came:     access-control-allow-origin: https://not-allowed.invalid",
        ],
    ),
    (
        |request| !is_get(request) && has(request, "origin", STRANGER_ORIGIN),
        |answer| replace(answer, 204, ""),
        REFUSED,
        &[
            "403 Forbidden/OriginNotAllowed",
            "ALLOWED_ORIGINS allows https://not-allowed.invalid",
        ],
    ),
    (
        |request| has(request, "origin", "null"),
        |answer| replace(answer, 404, &error("SecretNotFound")),
        NULL,
        CHANGED,
    ),
    (
        |request| !request.headers.contains_key("origin"),
        |answer| replace(answer, 503, "<html>"),
        NO_ORIGIN,
        &[
            "503 with a body that is not the handler's",
            "run this again in a minute",
        ],
    ),
    (
        |request| has(request, "sec-fetch-mode", "navigate"),
        |answer| replace(answer, 404, &error("SecretNotFound")),
        NAVIGATION,
        CHANGED,
    ),
    (
        |request| !is_get(request),
        |answer| bare(answer, 401),
        WHO,
        &[
            "came:     401",
            "\"authLevel\": \"anonymous\" in Preflight/function.json",
        ],
    ),
    (
        |request| !is_get(request),
        |answer| bare(answer, 404),
        WHO,
        &["the Preflight function is not deployed", "az functionapp function list"],
    ),
    (
        |request| is_get(request) && request.headers.get("x-functions-key").is_some_and(|key| key != KEY),
        |answer| replace(answer, 404, &error("SecretNotFound")),
        NO_KEY,
        &[
            "came:     wrong: 404 SecretNotFound",
            "\"authLevel\": \"function\" in GetSecret/function.json",
        ],
    ),
    (
        |request| is_get(request) && !request.headers.contains_key("x-functions-key"),
        |answer| replace(answer, 404, &error("SecretNotFound")),
        NO_KEY,
        &["came:     without: 404 SecretNotFound", "run this without the key"],
    ),
    (
        is_of_a_version,
        |answer| replace(answer, 404, &error("NotFound")),
        ORACLE,
        CHANGED,
    ),
    (
        is_of_a_version,
        |answer| replace(answer, 403, &error("Forbidden")),
        ORACLE,
        CHANGED,
    ),
    (
        is_of_a_version,
        |answer| set(answer, "retry-after", "1"),
        ORACLE,
        CHANGED,
    ),
    (
        is_of_a_version,
        |answer| set(answer, "cache-control", "no-store, private"),
        ORACLE,
        CHANGED,
    ),
];

fn is_get(request: &Parts) -> bool {
    request.method == Method::GET
}

fn has(request: &Parts, name: &str, value: &str) -> bool {
    request.headers.get(name).is_some_and(|sent| sent == value)
}

fn is_of_a_version(request: &Parts) -> bool {
    request.uri.path().ends_with("/00000000000000000000000000000000")
}

/// The host's own answer.
fn bare(answer: &mut Response<Full<Bytes>>, status: u16) {
    answer.headers_mut().clear();
    replace(answer, status, "");
}

/// Statuses and bodies in place of the secret, and what is said of them.
fn not_served() -> Vec<(u16, String, &'static [&'static str])> {
    let errors = [
        (
            403,
            "Forbidden/CallerNotAllowed",
            &["ENTRA_REQUIRED_SCOPES", "ENTRA_ALLOWED_CLIENTS"][..],
        ),
        (
            403,
            "Forbidden/SecretDisabled",
            &["in the vault say so", "--name maps-key --query attributes"],
        ),
        (403, "Forbidden/SecretExpired", &["in the vault say so"]),
        (403, "Forbidden/HostNotAllowed", &["without the Functions host"]),
        (
            404,
            "SecretNotFound",
            &[
                "ALLOWED_SECRETS does not allow",
                "REQUIRED_TAG",
                "az keyvault secret list",
            ],
        ),
        (429, "Throttled", &["the vault throttles"]),
        (
            502,
            "VaultAccessDenied",
            &["az role assignment create", "network-rule", "AZURE_CLIENT_ID"],
        ),
        (502, "ExchangeRefused", &["RULES__NAME__GIVE"]),
        (
            503,
            "VaultUnavailable",
            &["[?name=='KEY_VAULT_URL'].value", "az functionapp identity show"],
        ),
        (503, "AuthorityUnavailable", &["ENTRA_AUTHORITY_HOST"]),
    ];
    let bundle = &["a secret bundle with value and id"][..];
    let bodies = [
        "<html>",
        r#"{"value":"x"}"#,
        r#"{"id":"https://x/secrets/maps-key/1"}"#,
        r#"{"value":"x","id":"https://x/secrets/other/1"}"#,
        r#"{"value":"x","id":"https://x/secrets/maps-key/1","tags":{}}"#,
    ];
    let errors = errors
        .into_iter()
        .map(|(status, code, words)| (status, error(code), words));
    let bodies = bodies.into_iter().map(|body| (200, body.to_owned(), bundle));
    errors.chain(bodies).collect()
}
