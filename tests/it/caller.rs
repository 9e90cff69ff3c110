//! Callers who are let in, where their gate stands among the others, and what the log says about them.

use serde_json::{Value, json};
use testkit::{EMULATED_DAEMON, EMULATED_SPA, Emulator, Fault, Target, Times};

use crate::support::app::App;
use crate::support::client::{Answer, Request};
use crate::support::entra::{self, AUDIENCE, ROLE, SCOPE, must_bar, must_serve};
use crate::support::expect::Headers;
use crate::support::handler::Output;
use crate::support::{ORIGIN, PATH, Rig};

const EVIL: &str = "https://evil.example";

#[tokio::test]
async fn users_and_apps_are_let_in_with_tokens_of_both_versions() {
    let rig = entra::rig().await;
    let emulator = &rig.emulator;

    for (label, claims) in [
        ("a v2 user", emulator.user_claims(AUDIENCE, SCOPE)),
        ("a v1 user", emulator.v1_user_claims(AUDIENCE, SCOPE)),
        ("a v2 app", emulator.app_claims(AUDIENCE, ROLE)),
        ("a v1 app", emulator.v1_app_claims(AUDIENCE, ROLE)),
        (
            "a scope among others",
            emulator.user_claims(AUDIENCE, "a secrets.read b"),
        ),
        ("a scope at the end", emulator.user_claims(AUDIENCE, "a b secrets.read")),
        ("a user with a role", {
            let mut claims = emulator.user_claims(AUDIENCE, "other");
            claims["roles"] = json!(["Other", ROLE]);
            claims
        }),
        ("a list of audiences with ours", {
            let mut claims = emulator.user_claims(AUDIENCE, SCOPE);
            claims["aud"] = json!(["api://another-api", AUDIENCE]);
            claims
        }),
        ("claims that mean nothing here", {
            let mut claims = emulator.user_claims(AUDIENCE, SCOPE);
            claims["email"] = "evil@evil.example".into();
            claims["x"] = json!({"y": [1, 2, {"z": null}]});
            claims
        }),
    ] {
        let token = emulator.mint(&claims);
        // The second time it may be remembered.
        for time in ["once", "twice"] {
            let label = format!("{label}, {time}");
            must_serve(&label, &rig.get_as(&token).await);
            let answer = rig.send(Request::head(PATH).origin(ORIGIN).bearer(&token)).await;
            answer.must_be(&label, 200, &Headers::json().readable_by(ORIGIN));
        }
    }
}

#[tokio::test]
async fn any_one_of_the_listed_scopes_roles_and_clients_is_enough() {
    let clients = format!("{EMULATED_DAEMON}, {}", EMULATED_SPA.to_ascii_uppercase());
    let settings = [
        ("ENTRA_REQUIRED_SCOPES", "a.read, secrets.read ,z.read"),
        ("ENTRA_REQUIRED_ROLES", "A.Read,Secrets.Read.All"),
        ("ENTRA_ALLOWED_CLIENTS", &clients),
    ];
    let rig = entra::rig_with(Emulator::start().await.unwrap(), &settings).await;
    let emulator = &rig.emulator;

    for claims in [
        emulator.user_claims(AUDIENCE, "a.read"),
        emulator.user_claims(AUDIENCE, "z.read other"),
        emulator.v1_user_claims(AUDIENCE, SCOPE),
        emulator.app_claims(AUDIENCE, "A.Read"),
        emulator.v1_app_claims(AUDIENCE, ROLE),
    ] {
        must_serve(&claims.to_string(), &rig.get_as(&emulator.mint(&claims)).await);
    }
    let token = emulator.mint(&emulator.user_claims(AUDIENCE, "b.read"));
    must_bar("none of them", &rig.get_as(&token).await);
}

#[tokio::test]
async fn a_preflight_needs_no_token_and_no_authority() {
    let emulator = Emulator::start().await.unwrap();
    emulator.script(Target::Authority, Fault::Reset, Times::Always);
    let rig = entra::rig_with(emulator, &[]).await;

    for path in [PATH, "/api/secrets/other", "/api/secrets/a_b"] {
        let preflight =
            Request::preflight(path, ORIGIN, "GET").header("access-control-request-headers", "authorization");
        rig.send(preflight).await.must_be(path, 204, &Headers::granting(ORIGIN));
    }
    let answer = rig.send(Request::preflight(PATH, EVIL, "GET")).await;
    let error = ("Forbidden", Some("OriginNotAllowed"));
    answer.must_refuse("preflight", 403, error, &Headers::json().for_preflight());
}

#[tokio::test]
async fn what_stands_before_the_caller_is_answered_without_a_token() {
    let rig = entra::rig().await;
    must_serve("keys are there", &rig.get_as(&rig.good_token()).await);
    rig.emulator.reset_counters();
    // A token that would send the handler to the authority, if it were looked at.
    let mut header = json!({"typ": "JWT", "alg": "RS256"});
    header["kid"] = "never-seen".into();
    let unknown = rig.emulator.sign(&header, &rig.emulator.user_claims(AUDIENCE, SCOPE));

    for token in ["", &unknown, "garbage"] {
        let with = |request: Request| match token {
            "" => request,
            token => request.bearer(token),
        };
        let readable = || Headers::json().readable_by(ORIGIN);
        let answer = rig.send(with(Request::get("/api/other").origin(ORIGIN))).await;
        answer.must_refuse("the route", 404, ("NotFound", None), &readable());
        let answer = rig.send(with(Request::new("POST", PATH).origin(ORIGIN))).await;
        let allow = readable().with("allow", "GET, HEAD, OPTIONS");
        answer.must_refuse("the method", 405, ("MethodNotAllowed", None), &allow);
        for path in [PATH, "/api/secrets/other", "/api/secrets/a_b"] {
            let error = ("Forbidden", Some("OriginNotAllowed"));
            let answer = rig.send(with(Request::get(path).origin(EVIL))).await;
            answer.must_refuse("the origin", 403, error, &Headers::json());
            let answer = rig.send(with(Request::get(path))).await;
            answer.must_refuse("no origin", 403, error, &Headers::json());
            let request = Request::get(path).origin(ORIGIN).header("sec-fetch-mode", "no-cors");
            let error = ("Forbidden", Some("FetchMetadata"));
            let answer = rig.send(with(request)).await;
            answer.must_refuse("fetch metadata", 403, error, &readable());
        }
        assert_eq!(rig.send(with(Request::get("/"))).await.status, 200);
    }
    assert_eq!(rig.authority_requests(), (0, 0));
    rig.assert_untouched("gates before the caller's");
}

#[tokio::test]
async fn no_name_is_judged_before_its_caller() {
    let rig = entra::rig().await;
    let barred = rig.emulator.mint(&rig.emulator.user_claims(AUDIENCE, "other"));
    let long = format!("/api/secrets/{}", "a".repeat(128));
    let good = rig.good_token();

    for (path, status, code) in [
        ("/api/secrets/a_b", 400, "BadParameter"),
        ("/api/secrets/a%62", 400, "BadParameter"),
        ("/api/secrets/maps-key/not-a-version", 400, "BadParameter"),
        (&long, 400, "BadParameter"),
        ("/api/secrets/other", 404, "SecretNotFound"),
        ("/api/secrets/geo-absent", 404, "SecretNotFound"),
        (
            "/api/secrets/maps-key/00000000000000000000000000000000",
            404,
            "SecretNotFound",
        ),
    ] {
        rig.emulator.reset_counters();
        rig.must_challenge(path, &rig.get(path).await);
        let garbage = rig.send(Request::get(path).origin(ORIGIN).bearer("garbage")).await;
        rig.must_challenge(path, &garbage);
        must_bar(path, &rig.send(Request::get(path).origin(ORIGIN).bearer(&barred)).await);
        rig.assert_untouched(path);

        let answer = rig.send(Request::get(path).origin(ORIGIN).bearer(&good)).await;
        answer.must_refuse(path, status, (code, None), &Headers::json().readable_by(ORIGIN));
    }
}

#[tokio::test]
async fn refusals_of_different_callers_tell_nothing_apart() {
    let rig = entra::rig().await;
    let expired = {
        let mut claims = rig.emulator.user_claims(AUDIENCE, SCOPE);
        claims["exp"] = 1.into();
        rig.emulator.mint(&claims)
    };
    let bodies = [
        rig.get_as(&expired).await,
        rig.get_as("garbage").await,
        rig.get_as(&rig.emulator.foreign_token(&rig.emulator.user_claims(AUDIENCE, SCOPE)))
            .await,
        rig.get(PATH).await,
    ]
    .map(|answer| answer.text());

    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:#?}");
    for name in [rig.emulator.tenant(), AUDIENCE, SCOPE, "exp", "kid"] {
        assert!(!bodies[0].contains(name), "{name}: {}", bodies[0]);
    }
}

#[tokio::test]
async fn with_entra_on_anyone_may_reach_the_function() {
    let app = App::new().auth_level("GetSecret", &json!("anonymous"));
    let root = app.root().to_str().unwrap();
    let emulator = Emulator::start().await.unwrap();
    let rig = entra::rig_with(emulator, &[("FUNCTIONS_APP_ROOT_PATH", root)]).await;

    rig.must_challenge("no token", &rig.get(PATH).await);
    must_serve("a token", &rig.get_as(&rig.good_token()).await);
}

/// The lines that belong to an answer, as JSON.
fn lines_of(output: &Output, answer: &Answer) -> Vec<Value> {
    let id = answer.header("x-ms-request-id").unwrap();
    let lines = output.stdout.lines().chain(output.stderr.lines());
    lines
        .filter(|line| line.contains(id))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn the_log_says_who_asked_and_who_was_not_let_in() {
    let rig = entra::rig_with(Emulator::start().await.unwrap(), &[("LOG_FORMAT", "json")]).await;
    let emulator = &rig.emulator;
    let user = rig.get_as(&rig.good_token()).await;
    let app = rig
        .get_as(&emulator.mint(&emulator.v1_app_claims(AUDIENCE, ROLE)))
        .await;
    let barred = rig
        .get_as(&emulator.mint(&emulator.user_claims(AUDIENCE, "other")))
        .await;
    let mut forged = emulator.user_claims(AUDIENCE, SCOPE);
    forged["oid"] = "f0f0f0f0-0000-4000-8000-00000000f0f0".into();
    let forged = rig.get_as(&emulator.foreign_token(&forged)).await;
    let (user_id, daemon_id, tenant) = (
        emulator.user().to_owned(),
        emulator.daemon().to_owned(),
        emulator.tenant().to_owned(),
    );
    let output = rig.handler.stop().await;

    for (answer, who, client, status) in [
        (&user, &user_id, EMULATED_SPA, "200"),
        (&app, &daemon_id, EMULATED_DAEMON, "200"),
        (&barred, &user_id, EMULATED_SPA, "403"),
    ] {
        let lines = lines_of(&output, answer);
        assert_eq!(lines.len(), 1, "{lines:#?}");
        let line = lines[0].to_string();
        for part in [who.as_str(), client, &tenant, "maps-key", ORIGIN, status] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
    assert_eq!(barred.status, 403);
    let lines = lines_of(&output, &forged);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].to_string().contains("401"), "{}", lines[0]);
    // What nobody vouches for is nobody's name.
    assert!(!output.all().contains("f0f0f0f0"), "{}", output.all());
}

#[tokio::test]
async fn no_token_and_no_part_of_one_is_in_any_log() {
    for format in ["text", "json"] {
        let settings = [("LOG_FORMAT", format), ("RUST_LOG", "trace")];
        let rig = entra::rig_with(Emulator::start().await.unwrap(), &settings).await;
        let emulator = &rig.emulator;
        let mut expired = emulator.user_claims(AUDIENCE, SCOPE);
        expired["exp"] = 1.into();
        let mut odd_kid = json!({"typ": "JWT", "alg": "RS256"});
        odd_kid["kid"] = "canary-of-a-key-id\u{1b}[31m\n".into();
        let tokens = [
            rig.good_token(),
            emulator.mint(&emulator.v1_app_claims(AUDIENCE, ROLE)),
            emulator.mint(&emulator.user_claims(AUDIENCE, "other")),
            emulator.mint(&expired),
            emulator.foreign_token(&emulator.user_claims(AUDIENCE, SCOPE)),
            emulator.sign(&odd_kid, &emulator.user_claims(AUDIENCE, SCOPE)),
            "canary-of-garbage".to_owned(),
        ];
        for token in &tokens {
            rig.get_as(token).await;
            let basic = Request::get(PATH)
                .origin(ORIGIN)
                .header("authorization", format!("Basic {token}"));
            rig.send(basic).await;
        }
        let output = rig.handler.stop().await.all();

        for part in tokens
            .iter()
            .flat_map(|token| token.split('.'))
            .filter(|part| !part.is_empty())
        {
            assert!(!output.contains(part), "{format}: {part}");
        }
        for claim in ["Adele Vance", "adele@contoso.example", "Bearer ey"] {
            assert!(!output.contains(claim), "{format}: {claim}");
        }
        assert!(!output.contains('\u{1b}'), "{format}: an escape");
    }
}

#[tokio::test]
async fn with_entra_off_a_token_is_not_looked_at() {
    let rig = Rig::start().await;
    for token in ["garbage".to_owned(), rig.good_token()] {
        must_serve("off", &rig.get_as(&token).await);
    }
    assert_eq!(rig.authority_requests(), (0, 0));
}
