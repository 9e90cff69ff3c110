//! `handler smoke`: what is right passes; what is set or deployed wrongly fails, with what to change; nothing private is
//! said.

use std::path::Path;

use testkit::functions_host::{self, App, PlatformCors};

use crate::support::handler::{Environment, ROOT, ReservedPort};
use crate::support::host::{FunctionsHost, KEY, Mode};
use crate::support::smoke::{
    ALLOWED, ANSWERS, APP, CREDENTIALS, HTTP, NO_TOKEN, NULL, Proxy, REFUSED, STRANGER, STRANGER_ORIGIN, Server, Smoke,
    UNKNOWN, WITHOUT_HTTPS, WITHOUT_KEY, WITHOUT_TOKEN, error, replace, set, vault,
};
use crate::support::{ORIGIN, Rig, SECRET, entra};

#[tokio::test]
async fn a_handler_alone_passes() {
    let rig = Rig::with(&[("REQUIRE_ORIGIN", "false"), ("ALLOW_CREDENTIALS", "true")]).await;
    let port = rig.handler.port();
    let ca_file = rig.emulator.ca_file();

    let smoke = |end| Smoke::of(ca_file, &format!("http://localhost:{port}{end}"));
    let report = smoke("/api").option("--secret", "MAPS-Key").run().await;
    report.must_pass("with a secret", &[WITHOUT_KEY, WITHOUT_TOKEN, WITHOUT_HTTPS]);
    for words in ["answered by the handler", "REQUIRE_ORIGIN is false"] {
        assert!(report.stdout.contains(words), "{words}: {}", report.stdout);
    }
    let report = smoke("/")
        .option("--refused-origin", "https://other.contoso.com")
        .run()
        .await;
    let not_run = ["a secret is served", WITHOUT_KEY, WITHOUT_TOKEN, WITHOUT_HTTPS];
    report.must_pass("without a secret", &not_run);
    assert!(
        report
            .stdout
            .contains("ok       a GET from https://other.contoso.com is refused")
    );
    // The origin that is asked about is the fault, and its consequences are no others.
    let url = format!("http://localhost:{port}");
    let report = Smoke::with(ca_file, &[&url, "--origin", "https://other.contoso.com"])
        .run()
        .await;
    let judged = "a navigation to a secret is refused: the origin is not allowed, see above";
    assert!(report.stdout.contains(judged), "{}", report.stdout);
}

#[tokio::test]
async fn a_deployment_passes_with_key_and_token_whoever_answers_the_preflight() {
    for (mode, list, who) in [
        (Mode::Forwarding, None, "answered by the handler"),
        (Mode::Proxying, Some(&[ORIGIN][..]), "answered by the platform"),
    ] {
        let emulator = vault().await;
        let host = FunctionsHost::start(mode, entra::environment(&emulator), list).await;
        let tls = emulator.tls_front(host.port()).await.unwrap();
        let token = emulator.mint(&emulator.user_claims(entra::AUDIENCE, entra::SCOPE));
        let redirect = Server::alone(|request, response| {
            // A credential must not travel in the open: then there is no redirect, and the check fails.
            let is_sent = |name: &str| request.headers.contains_key(name);
            let has_credential = is_sent("x-functions-key") || is_sent("authorization");
            replace(response, if has_credential { 200 } else { 301 }, "");
            set(response, "location", "https://contoso-keys.azurewebsites.net/");
        })
        .await;
        let proxy = Proxy::start(tls.port(), redirect.port()).await;
        let smoke = proxy.smoke(emulator.ca_file()).option("--secret", SECRET);

        let report = smoke.clone().key(KEY).token(&token).run().await;
        report.must_pass(who, &[]);
        assert!(report.stdout.contains(who), "{}", report.stdout);

        // A key on the command line is as good as one in the environment, and wins.
        let smoke = smoke.token(&token);
        let report = smoke.clone().key("no-such-key").option("--key", KEY).run().await;
        report.must_pass(who, &[]);

        let command = format!("export SMOKE_KEY=\"$(az functionapp function keys list {APP} --function-name GetSecret");
        for (smoke, why) in [
            (smoke.clone(), "the host requires a function key"),
            (smoke.key("no-such-key"), "the key is none of GetSecret's"),
        ] {
            let report = smoke.run().await;
            report.must_fail(who, UNKNOWN, &["came:     401", why, &command]);
        }
    }
}

#[tokio::test]
async fn http_that_is_served_fails() {
    let emulator = vault().await;
    let host = FunctionsHost::start(Mode::Proxying, Environment::of(&emulator), None).await;
    let tls = emulator.tls_front(host.port()).await.unwrap();
    let away = Server::alone(|_, response| {
        replace(response, 302, "");
        set(response, "location", "http://contoso-keys.azurewebsites.net/");
    })
    .await;
    for http in [host.port(), away.port()] {
        let proxy = Proxy::start(tls.port(), http).await;
        let report = proxy.smoke(emulator.ca_file()).key(KEY).run().await;
        let command = format!("az functionapp update {APP} --set httpsOnly=true");
        report.must_fail_only("http", &[HTTP], &[&command]);
    }
    let nothing = ReservedPort::new();
    let proxy = Proxy::start(tls.port(), nothing.number()).await;
    let report = proxy.smoke(emulator.ca_file()).key(KEY).run().await;
    report.must_pass("no http at all", &["a secret is served", WITHOUT_TOKEN]);
}

#[tokio::test]
async fn each_list_of_the_platform_that_differs_fails_with_the_command() {
    let settings = [("ALLOW_CREDENTIALS", "true")];
    let rig = Rig::with(&settings).await;
    let add = format!("az functionapp cors add {APP} --allowed-origins {ORIGIN}");
    let remove = |origin| format!("az functionapp cors remove {APP} --allowed-origins {origin}");
    let enable = format!("az functionapp cors credentials {APP} --enable true");
    for (list, credentials, check, words) in [
        (&[][..], true, ALLOWED, add.clone()),
        (&["https://other.contoso.com"], true, ALLOWED, add),
        (&[ORIGIN, STRANGER_ORIGIN], true, REFUSED, remove(STRANGER_ORIGIN)),
        (&[ORIGIN, STRANGER_ORIGIN], true, STRANGER, remove(STRANGER_ORIGIN)),
        (&["*"], false, REFUSED, remove("'*'")),
        (&["*"], false, NULL, remove("'*'")),
        (&["*"], true, ANSWERS, format!("az functionapp cors show {APP}")),
        (&[ORIGIN], false, CREDENTIALS, enable),
    ] {
        let cors = PlatformCors {
            origins: list.iter().map(|&origin| origin.to_owned()).collect(),
            credentials,
        };
        let app = App::read(Path::new(ROOT)).unwrap();
        let host = functions_host::FunctionsHost::start(app, Mode::Proxying, rig.handler.port(), Some(cors));
        let host = host.await.unwrap();
        let tls = rig.emulator.tls_front(host.port()).await.unwrap();
        let nothing = ReservedPort::new();
        let proxy = Proxy::start(tls.port(), nothing.number()).await;

        let report = proxy.smoke(rig.emulator.ca_file()).key(KEY).run().await;

        report.must_fail(&format!("{list:?}"), check, &[&words]);
    }
}

#[tokio::test]
async fn each_setting_that_lets_too_much_or_too_little_through_is_named() {
    for (settings, check, words) in [
        (
            &[("ALLOWED_ORIGINS", "https://other.contoso.com")][..],
            UNKNOWN,
            &[
                "403 Forbidden/OriginNotAllowed",
                "'ALLOWED_ORIGINS=WHAT-IS-THERE,https://app.contoso.com'",
            ][..],
        ),
        (
            &[("ALLOWED_ORIGINS", "*"), ("DANGEROUSLY_ALLOW_ANY_ORIGIN", "true")],
            REFUSED,
            &["came:     204", "--setting-names DANGEROUSLY_ALLOW_ANY_ORIGIN"],
        ),
        (
            &[("ALLOWED_ORIGINS", "https://app.contoso.com,https://not-allowed.invalid")],
            STRANGER,
            &[
                "came:     404 SecretNotFound",
                "ALLOWED_ORIGINS allows https://not-allowed.invalid",
            ],
        ),
        (
            &[("ALLOWED_HEADERS", "authorization")],
            ALLOWED,
            &[
                "expected: access-control-allow-headers: x-functions-key",
                "--setting-names ALLOWED_HEADERS",
            ],
        ),
    ] {
        let rig = Rig::with(settings).await;
        let app = App::read(Path::new(ROOT)).unwrap();
        let host = functions_host::FunctionsHost::start(app, Mode::Proxying, rig.handler.port(), None);
        let host = host.await.unwrap();
        let url = format!("http://127.0.0.1:{}", host.port());

        let report = Smoke::of(rig.emulator.ca_file(), &url).key(KEY).run().await;

        report.must_fail(&format!("{settings:?}"), check, words);
    }
}

#[tokio::test]
async fn an_app_that_does_not_answer_ends_the_run_with_what_to_do() {
    let emulator = vault().await;
    let mut host = FunctionsHost::start(Mode::Proxying, Environment::of(&emulator), Some(&[ORIGIN])).await;
    host.kill_handler().await;
    let nothing = ReservedPort::new();
    let local = |port: u16| format!("http://127.0.0.1:{port}");
    let mut rows = vec![
        (
            local(host.port()),
            &["500 with an empty body", "exit code 78", "glibc", "az monitor"][..],
        ),
        (
            local(nothing.number()),
            &["no answer: ", "refused", "az functionapp show"],
        ),
    ];
    let mut servers = Vec::new();
    for (status, words) in [
        (200, &["something other than keyvault-cors answers"][..]),
        (302, &["built-in authentication", "az webapp auth update"]),
        (
            403,
            &["the app is stopped", "az functionapp start", "access-restriction"],
        ),
        (404, &["not deployed", "func azure functionapp publish"]),
        (429, &["too many requests"]),
        (503, &["the app starts, or is stopped"]),
    ] {
        let server = Server::alone(move |_, response| replace(response, status, "<html>")).await;
        rows.push((server.url(), words));
        servers.push(server);
    }
    // A certificate that nobody here trusts, and a server that speaks no TLS.
    let stranger = vault().await;
    let tls = stranger.tls_front(host.port()).await.unwrap();
    rows.push((
        format!("https://127.0.0.1:{}", tls.port()),
        &["no answer: ", "certificate"],
    ));
    rows.push((format!("https://127.0.0.1:{}", host.port()), &["no answer: "]));
    for (url, words) in rows {
        let report = Smoke::of(emulator.ca_file(), &url).key(KEY).run().await;
        report.must_fail_only(&url, &[ANSWERS], words);
        assert!(
            report.stdout.ends_with("\n0 ok, 1 failed, 1 not run\n"),
            "{}",
            report.stdout
        );
    }
}

#[tokio::test]
async fn a_token_that_is_missing_or_wrong_is_explained() {
    let rig = entra::rig().await;
    let issuer = &rig.emulator;
    let foreign = issuer.foreign_token(&issuer.user_claims(entra::AUDIENCE, entra::SCOPE));
    let scope = issuer.mint(&issuer.user_claims(entra::AUDIENCE, "another.scope"));
    let url = format!("http://127.0.0.1:{}", rig.handler.port());
    let smoke = Smoke::of(issuer.ca_file(), &url).option("--secret", SECRET);
    let command = "az account get-access-token --resource api://keyvault-cors-tests --query accessToken";
    for (smoke, words) in [
        (smoke.clone(), ["Entra is on; get a token", command]),
        (
            smoke.clone().token(&foreign),
            ["the token has expired, or is for another app", command],
        ),
        (
            smoke.token(&scope),
            ["403 Forbidden/CallerNotAllowed", "ENTRA_REQUIRED_ROLES"],
        ),
    ] {
        let report = smoke.run().await;
        report.must_fail_only("token", &[UNKNOWN], &words);
        let not_run = "not run  a secret is served: the caller is not let in";
        assert!(report.stdout.contains(not_run), "{}", report.stdout);
    }
}

#[tokio::test]
async fn an_app_that_lets_everybody_in_fails() {
    let rig = Rig::start().await;
    let tls = rig.emulator.tls_front(rig.handler.port()).await.unwrap();
    let nothing = ReservedPort::new();
    let proxy = Proxy::start(tls.port(), nothing.number()).await;
    let smoke = proxy.smoke(rig.emulator.ca_file());

    let report = smoke.clone().run().await;
    let words = ["401", "--setting-names DANGEROUSLY_ALLOW_ANONYMOUS"];
    report.must_fail_only("neither", &["a GET without a key and a token"], &words);
    let report = smoke.token("made.up.token").run().await;
    report.must_fail_only("token", &[NO_TOKEN], &["came:     404", "ENTRA_TENANT_ID"]);
}

#[tokio::test]
async fn a_server_that_sends_credentials_back_does_not_get_them_printed() {
    let emulator = vault().await;
    let server = Server::alone(|request, response| {
        replace(response, 404, &error("SecretNotFound"));
        let sent = |name| request.headers.get(name).map_or("", |value| value.to_str().unwrap());
        set(response, "access-control-allow-origin", sent("x-functions-key"));
        set(response, "access-control-expose-headers", sent("authorization"));
    })
    .await;
    let smoke = Smoke::of(emulator.ca_file(), &server.url());
    let report = smoke.key("a\"quoted\\key").token("a.made-up.token").run().await;
    report.must_fail(
        "reflected",
        UNKNOWN,
        &["origin: (the key)", "headers: Bearer (the token)"],
    );
}

#[tokio::test]
async fn a_command_line_that_is_wrong_is_refused_and_asks_nobody() {
    let emulator = vault().await;
    let url = "https://contoso-keys.azurewebsites.net";
    for (arguments, words) in [
        (&[url][..], "smoke needs --origin\n\n"),
        (
            &["http://contoso-keys.azurewebsites.net", "--origin", ORIGIN],
            "a key must not travel in the open",
        ),
        (
            &[url, "--origin", "https://app.contoso.com/"],
            "this is: https://app.contoso.com\n",
        ),
        (
            &[url, "--origin", ORIGIN, "--secret", "a value, not a name"],
            "--secret is a name",
        ),
        (&[url, "--origin", ORIGIN, "--key", "two words"], "SMOKE_KEY"),
    ] {
        let report = Smoke::with(emulator.ca_file(), arguments).run().await;
        let streams = (report.code, report.stdout.as_str());
        assert_eq!(streams, (Some(1), ""), "{arguments:?}: {}", report.stderr);
        assert!(report.stderr.contains(words), "{arguments:?}: {}", report.stderr);
    }
}
