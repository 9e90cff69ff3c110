//! `scripts/smoke` on what is right, and how it is called: what is right passes, and nothing private is said.

use http::StatusCode;
use http::header::HeaderValue;

use crate::support::handler::{Environment, ReservedPort};
use crate::support::host::{FunctionsHost, KEY, Mode};
use crate::support::smoke::{
    HANDLER, NO_HTTP, NO_KEY, NO_TOKEN, PLATFORM, Server, Smoke, UNKNOWN, deploy, deployed, set, vault,
};
use crate::support::{ORIGIN, Rig, SECRET, VALUE, entra};

const MODES: [Mode; 2] = [Mode::Forwarding, Mode::Proxying];
const LISTS: [(Option<&[&str]>, &str); 2] = [(None, HANDLER), (Some(&[ORIGIN]), PLATFORM)];

#[tokio::test]
async fn a_handler_alone_passes() {
    let rig = Rig::start().await;
    let port = rig.handler.port();

    let report = Smoke::of(port).secret(SECRET).run().await;
    report.must_pass("alone", HANDLER, &[NO_KEY, NO_TOKEN, NO_HTTP]);
    let report = Smoke::of(port).run().await;
    report.must_pass("no secret", HANDLER, &["reading a secret", NO_KEY, NO_TOKEN, NO_HTTP]);
    for url in ["/", "/api", "/api/"].map(|end| format!("http://localhost:{port}{end}")) {
        let report = Smoke::with(&[&url, ORIGIN, "MAPS-Key"]).run().await;
        report.must_pass(&url, HANDLER, &[NO_KEY, NO_TOKEN, "http://localhost serves nothing"]);
    }
}

#[tokio::test]
async fn without_the_need_for_an_origin_it_says_so() {
    let rig = Rig::with(&[("REQUIRE_ORIGIN", "false")]).await;

    let report = Smoke::of(rig.handler.port()).secret(SECRET).run().await;

    report.must_pass("REQUIRE_ORIGIN", HANDLER, &[NO_KEY, NO_TOKEN, NO_HTTP]);
    assert!(report.stdout.contains("REQUIRE_ORIGIN is off"), "{}", report.stdout);
}

#[tokio::test]
async fn a_deployment_passes_whoever_answers_the_preflight() {
    for mode in MODES {
        for (list, preflight) in LISTS {
            let emulator = vault().await;
            let host = FunctionsHost::start(mode, Environment::of(&emulator), list).await;

            let smoke = Smoke::of(host.port()).secret(SECRET);

            let label = format!("{mode:?} {list:?}");
            let report = smoke.clone().key(KEY).run().await;
            report.must_pass(&label, preflight, &[NO_TOKEN, NO_HTTP]);
            for (smoke, says) in [
                (smoke.clone(), "the host wants a key"),
                (smoke.key("wrong"), "is no key of this function"),
            ] {
                let report = smoke.run().await;
                let command =
                    "az functionapp function keys list --name APP --resource-group GROUP --function-name GetSecret";
                report.must_fail(
                    &label,
                    UNKNOWN,
                    &["came:     401", says, "export FUNCTION_KEY=", command],
                );
                assert_eq!(
                    (report.failures().len(), report.preflight()),
                    (1, preflight),
                    "{}",
                    report.stdout
                );
            }
        }
    }
}

#[tokio::test]
async fn a_deployment_behind_https_is_held_to_redirect_and_to_keep_the_key_off_command_lines() {
    let (_emulator, host) = deploy(None).await;
    let redirect = Server::alone(|_, headers, response| {
        assert!(!headers.contains_key("x-functions-key"), "a key travels in the open");
        *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
        set(response, "location", "https://contoso-keys.azurewebsites.net/");
    })
    .await;
    let nothing = ReservedPort::new();

    for http in [redirect.port, nothing.number()] {
        let (curl, smoke) = deployed(host.port(), http);
        let report = smoke.secret(SECRET).key(KEY).run().await;
        report.must_pass("https", HANDLER, &[NO_TOKEN]);
        let seen = curl.seen();
        assert!(seen.contains("--config") && !seen.contains(KEY), "{seen}");
    }
    let open =
        Server::alone(|_, _, response| set(response, "location", "https://contoso-keys.azurewebsites.net/")).await;
    let away = Server::alone(|_, _, response| {
        *response.status_mut() = StatusCode::FOUND;
        set(response, "location", "http://contoso-keys.azurewebsites.net/");
    })
    .await;
    for http in [open.port, away.port, host.port()] {
        let (_curl, smoke) = deployed(host.port(), http);
        let command = "az functionapp update --name contoso-keys --resource-group GROUP --set httpsOnly=true";
        let report = smoke.key(KEY).run().await;
        report.must_fail("http", "http://contoso-keys.azurewebsites.net", &[command]);
    }
}

#[tokio::test]
async fn entra_wants_a_token_and_says_which() {
    let rig = entra::rig().await;
    let smoke = Smoke::of(rig.handler.port()).secret(SECRET);
    let issuer = &rig.emulator;

    let report = smoke.clone().token(&rig.good_token()).run().await;
    report.must_pass("entra", HANDLER, &[NO_KEY, NO_HTTP]);

    let forged = issuer.foreign_token(&issuer.user_claims(entra::AUDIENCE, entra::SCOPE));
    let other = issuer.mint(&issuer.user_claims(entra::AUDIENCE, "another.scope"));
    let command = "az account get-access-token --resource api://keyvault-cors-tests --query accessToken";
    for (smoke, parts) in [
        (smoke.clone(), ["401 Unauthorized", "Entra is on", command]),
        (
            smoke.clone().token(&forged),
            ["401 Unauthorized", "ACCESS_TOKEN is expired", command],
        ),
        (
            smoke.token(&other),
            [
                "403 Forbidden/CallerNotAllowed",
                "the token has none of ENTRA_REQUIRED_SCOPES",
                "ENTRA_ALLOWED_CLIENTS",
            ],
        ),
    ] {
        let report = smoke.run().await;
        report.must_fail("entra", UNKNOWN, &parts);
        assert_eq!(report.failures().len(), 1, "{}", report.stdout);
        assert!(
            report.stdout.contains("skip  reading the secret maps-key: "),
            "{}",
            report.stdout
        );
    }
}

#[tokio::test]
async fn entra_behind_the_host_passes_with_key_and_token() {
    for (list, preflight) in LISTS {
        let emulator = vault().await;
        let host = FunctionsHost::start(Mode::Proxying, entra::environment(&emulator), list).await;
        let token = emulator.mint(&emulator.user_claims(entra::AUDIENCE, entra::SCOPE));
        let nothing = ReservedPort::new();
        let (curl, smoke) = deployed(host.port(), nothing.number());

        let report = smoke.secret(SECRET).key(KEY).token(&token).run().await;

        report.must_pass("entra", preflight, &[]);
        assert!(
            !curl.seen().contains(&token),
            "the token is on a command line or in an environment"
        );
    }
}

#[tokio::test]
async fn a_lock_that_does_not_close_is_a_failure() {
    let rig = Rig::start().await;
    let nothing = ReservedPort::new();

    let report = Smoke::of(rig.handler.port()).key(KEY).run().await;
    report.must_fail("key", NO_KEY, &["came:     404", "\"authLevel\": \"function\""]);
    let report = Smoke::of(rig.handler.port()).token("made.up.token").run().await;
    report.must_fail("token", NO_TOKEN, &["came:     404", "ENTRA_TENANT_ID"]);
    let (_curl, smoke) = deployed(rig.handler.port(), nothing.number());
    let report = smoke.run().await;
    report.must_fail(
        "neither",
        "GET without a key and a token",
        &["401", "DANGEROUSLY_ALLOW_ANONYMOUS"],
    );
}

#[tokio::test]
async fn a_server_that_sends_the_key_back_does_not_get_it_printed() {
    let server = Server::alone(|_, headers, response| {
        *response.status_mut() = StatusCode::NOT_FOUND;
        *response.body_mut() = r#"{"error":{"code":"SecretNotFound","message":"x"}}"#.into();
        let header = |name| {
            headers
                .get(name)
                .map_or("", |value: &HeaderValue| value.to_str().unwrap())
        };
        set(response, "vary", header("x-functions-key"));
        set(response, "x-ms-request-id", header("authorization"));
    })
    .await;
    let report = Smoke::of(server.port)
        .key("a\"quoted\\key")
        .token("a.made-up.token")
        .run()
        .await;
    report.must_fail(
        "reflected",
        UNKNOWN,
        &["vary: (the key)", "x-ms-request-id: Bearer (the token)"],
    );
}

#[tokio::test]
async fn wrong_usage_is_refused_before_anything_is_asked() {
    let url = "https://contoso-keys.azurewebsites.net";
    for (arguments, words) in [
        (&[][..], "an address and an origin are needed"),
        (&[url], "an address and an origin are needed"),
        (&[url, ORIGIN, SECRET, "more"], "at most one secret's name"),
        (
            &["contoso-keys.azurewebsites.net", ORIGIN],
            "such as https://my-app.azurewebsites.net",
        ),
        (
            &["ftp://contoso-keys.azurewebsites.net", ORIGIN],
            "such as https://my-app.azurewebsites.net",
        ),
        (
            &["https://user@contoso-keys.azurewebsites.net", ORIGIN],
            "such as https://my-app.azurewebsites.net",
        ),
        (
            &["https://contoso-keys.azurewebsites.net/api/secrets", ORIGIN],
            "without a path: https://contoso-keys.azurewebsites.net\n",
        ),
        (
            &["http://contoso-keys.azurewebsites.net", ORIGIN],
            "in the open: https://contoso-keys.azurewebsites.net\n",
        ),
        (&["http://127.0.0.1.evil.example", ORIGIN], "in the open: "),
        (&[url, "https://app.contoso.com/"], "this is: https://app.contoso.com\n"),
        (
            &[url, "https://App.contoso.com:443/path?query"],
            "this is: https://app.contoso.com\n",
        ),
        (&[url, "http://localhost:80"], "this is: http://localhost\n"),
        (&[url, "https://app.contoso.com."], "this is: https://app.contoso.com\n"),
        (&[url, "app.contoso.com"], "such as https://app.contoso.com"),
        (&[url, "null"], "such as https://app.contoso.com"),
        (&[url, "https://*.contoso.com"], "not a pattern"),
        (&[url, ORIGIN, VALUE], "SECRET is a name"),
        (&[url, ORIGIN, ""], "SECRET is a name"),
    ] {
        let report = Smoke::with(arguments).run().await;
        assert_eq!(
            (report.code, report.stdout.as_str()),
            (Some(2), ""),
            "{arguments:?}: {}",
            report.stderr
        );
        assert!(report.stderr.contains(words), "{arguments:?}: {}", report.stderr);
    }
    for (smoke, words) in [
        (Smoke::of(1).key("two words"), "FUNCTION_KEY has a character"),
        (Smoke::of(1).key("line\nend"), "FUNCTION_KEY has a character"),
        (Smoke::of(1).token("Bearer a.b.c"), "no 'Bearer '"),
    ] {
        let report = smoke.run().await;
        assert_eq!(
            (report.code, report.stdout.as_str()),
            (Some(2), ""),
            "{words}: {}",
            report.stderr
        );
        assert!(report.stderr.contains(words), "{}", report.stderr);
    }
    let report = Smoke::with(&["--help"]).run().await;
    assert_eq!((report.code, report.stderr.as_str()), (Some(0), ""));
    assert!(
        report.stdout.starts_with("Usage: scripts/smoke URL ORIGIN [SECRET]\n"),
        "{}",
        report.stdout
    );
}

#[tokio::test]
async fn without_curl_it_says_so() {
    let programs = tempfile::TempDir::new().unwrap();
    for name in ["dirname", "sed", "tr"] {
        let program = ["/usr/bin", "/bin"].map(|folder| std::path::Path::new(folder).join(name));
        let program = program.iter().find(|program| program.exists()).unwrap();
        std::os::unix::fs::symlink(program, programs.path().join(name)).unwrap();
    }

    let report = Smoke::of(1)
        .only_programs(programs.path().to_str().unwrap())
        .run()
        .await;

    assert_eq!(
        (report.code, report.stdout.as_str()),
        (Some(2), ""),
        "{}",
        report.stderr
    );
    assert!(report.stderr.contains("curl is not installed"), "{}", report.stderr);
}
