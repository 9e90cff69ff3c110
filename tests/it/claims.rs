//! Tokens of the right issuer that say the wrong things: 401 when they are not for us or not now, 403 when their
//! caller may not.

use serde_json::{Value, json};
use testkit::{EMULATED_DAEMON, EMULATED_SPA, Emulator};

use crate::support::entra::{self, AUDIENCE, ROLE, SCOPE, must_bar, must_serve};
use crate::support::{Rig, now};

/// The claims that the usual configuration lets in, with these over them; null removes one.
fn claims(rig: &Rig, members: &Value) -> Value {
    over(rig.emulator.user_claims(AUDIENCE, SCOPE), members)
}

fn over(mut claims: Value, members: &Value) -> Value {
    for (name, value) in members.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

/// Fails unless each of these changes to good claims makes a token that is not valid.
async fn assert_invalid(rig: &Rig, changes: &[Value]) {
    must_serve("unchanged", &rig.get_as(&rig.good_token()).await);
    rig.emulator.reset_counters();
    for change in changes {
        let token = rig.emulator.mint(&claims(rig, change));
        rig.must_challenge(&change.to_string(), &rig.get_as(&token).await);
    }
    rig.assert_untouched("claims that are not valid");
}

/// Fails unless the caller of each of these tokens is known and not let in.
async fn assert_barred(rig: &Rig, tokens: &[Value]) {
    rig.emulator.reset_counters();
    for claims in tokens {
        let token = rig.emulator.mint(claims);
        must_bar(&claims.to_string(), &rig.get_as(&token).await);
    }
    rig.assert_untouched("callers that may not");
}

#[tokio::test]
async fn a_token_is_good_from_nbf_to_exp_give_or_take_300_seconds() {
    let rig = entra::rig().await;
    let now = now();

    assert_invalid(
        &rig,
        &[
            json!({"exp": now - 301}),
            json!({"exp": now - 3600}),
            json!({"exp": 0}),
            json!({"exp": -1}),
            json!({"exp": 1_000_000_000.5}),
            json!({"exp": null}),
            json!({"exp": (now + 3600).to_string()}),
            json!({"exp": "never"}),
            json!({"exp": true}),
            json!({"exp": [now + 3600]}),
            json!({"exp": {}}),
            json!({"exp": 1e300}),
            json!({"exp": -1e300}),
            // Room for the time that the requests before this one take.
            json!({"nbf": now + 300 + 60}),
            json!({"nbf": now + 3600, "exp": now + 7200}),
            json!({"nbf": i64::MAX, "exp": i64::MAX}),
            json!({"nbf": u64::MAX}),
            json!({"nbf": null}),
            json!({"nbf": now.to_string()}),
            json!({"nbf": false}),
            json!({"nbf": now + 7200, "exp": now - 7200}),
        ],
    )
    .await;
    for change in [
        json!({"exp": now - 200}),
        json!({"nbf": now + 290}),
        json!({"nbf": now + 290, "exp": now - 200}),
        json!({"nbf": 0}),
        json!({"iat": null}),
        json!({"iat": now + 290, "nbf": now + 290}),
        // Far beyond what can be added to anything; twice, because it may be remembered.
        json!({"exp": i64::MAX}),
    ] {
        let token = rig.emulator.mint(&claims(&rig, &change));
        must_serve(&change.to_string(), &rig.get_as(&token).await);
        must_serve(&change.to_string(), &rig.get_as(&token).await);
    }
}

#[tokio::test]
async fn an_id_token_is_no_access_token() {
    let rig = entra::rig().await;

    for (label, claims) in [
        ("v2", claims(&rig, &json!({"azp": null, "scp": null, "roles": [ROLE]}))),
        ("v2 with a scope", claims(&rig, &json!({"azp": null}))),
        (
            "v2, another claim",
            claims(&rig, &json!({"azp": null, "client_id": EMULATED_SPA})),
        ),
        (
            "v1",
            over(rig.emulator.v1_user_claims(AUDIENCE, SCOPE), &json!({"appid": null})),
        ),
    ] {
        rig.must_challenge(label, &rig.get_as(&rig.emulator.mint(&claims)).await);
    }
    rig.assert_untouched("ID tokens");
}

#[tokio::test]
async fn a_token_for_another_audience_is_refused() {
    let rig = entra::rig().await;

    assert_invalid(
        &rig,
        &[
            json!({"aud": null}),
            json!({"aud": ""}),
            json!({"aud": []}),
            json!({"aud": [""]}),
            json!({"aud": 1}),
            json!({"aud": {"0": AUDIENCE}}),
            json!({"aud": "api://another-api"}),
            json!({"aud": "https://vault.azure.net"}),
            json!({"aud": "https://graph.microsoft.com"}),
            json!({"aud": "00000003-0000-0000-c000-000000000000"}),
            json!({"aud": ["api://another-api", "https://vault.azure.net"]}),
            json!({"aud": format!("{AUDIENCE}/")}),
            json!({"aud": format!("{AUDIENCE}/.default")}),
            json!({"aud": format!("{AUDIENCE}x")}),
            json!({"aud": format!("x{AUDIENCE}")}),
            json!({"aud": format!("{AUDIENCE} ")}),
            json!({"aud": format!("{AUDIENCE},api://another-api")}),
            json!({"aud": AUDIENCE.to_ascii_uppercase()}),
            json!({"aud": AUDIENCE.strip_prefix("api://").unwrap()}),
            json!({"aud": rig.emulator.authority()}),
        ],
    )
    .await;
}

#[tokio::test]
async fn each_audience_of_the_list_is_taken_whole_and_a_challenge_names_the_first() {
    let client_id = "6c0d7c7e-6c26-4a3f-8a0e-0f6a5d4be0a1";
    let audiences = format!("{AUDIENCE}, {client_id}");
    let rig = entra::rig_with(Emulator::start().await.unwrap(), &[("ENTRA_AUDIENCE", &audiences)]).await;

    for audience in [AUDIENCE, client_id] {
        let token = rig.emulator.mint(&claims(&rig, &json!({"aud": audience})));
        must_serve(audience, &rig.get_as(&token).await);
    }
    assert_invalid(
        &rig,
        &[json!({"aud": audiences}), json!({"aud": client_id.split_at(8).0})],
    )
    .await;
}

#[tokio::test]
async fn a_token_of_another_tenant_or_issuer_is_refused() {
    let rig = entra::rig().await;
    let (v1, v2) = (rig.emulator.issuer_v1(), rig.emulator.issuer_v2());
    let tenant = rig.emulator.tenant();
    let foreign = "11111111-2222-4333-8444-555555555555";

    assert_invalid(
        &rig,
        &[
            json!({"tid": null}),
            json!({"tid": ""}),
            json!({"tid": foreign}),
            json!({"tid": [tenant]}),
            json!({"tid": 1}),
            json!({"tid": "common"}),
            json!({"tid": format!("{tenant} ")}),
            json!({"iss": null}),
            json!({"iss": ""}),
            json!({"iss": [v2]}),
            json!({"iss": v2.replace(tenant, foreign)}),
            json!({"iss": v2.replace(tenant, foreign), "tid": foreign}),
            json!({"iss": v2.replace(tenant, "common")}),
            json!({"iss": v2.replace(tenant, "{tenantid}")}),
            json!({"iss": format!("{v2}/")}),
            json!({"iss": v2.strip_suffix("/v2.0").unwrap()}),
            json!({"iss": v2.replace("https:", "http:")}),
            json!({"iss": v2.replace("login.microsoftonline.com", "login.microsoftonline.com.evil.example")}),
            json!({"iss": v2.to_ascii_uppercase()}),
            json!({"iss": format!("{}/{tenant}/v2.0", rig.emulator.authority())}),
            json!({"iss": "https://evil.example"}),
        ],
    )
    .await;
    let claims = |members: Value| over(rig.emulator.v1_user_claims(AUDIENCE, SCOPE), &members);
    for change in [
        json!({"iss": v1.trim_end_matches('/')}),
        json!({"iss": v1.replace(tenant, foreign)}),
        json!({"iss": v1.replace(tenant, foreign), "tid": foreign}),
        json!({"tid": foreign}),
    ] {
        let token = rig.emulator.mint(&claims(change.clone()));
        rig.must_challenge(&change.to_string(), &rig.get_as(&token).await);
    }
}

#[tokio::test]
async fn a_version_goes_with_its_own_issuer_and_no_other() {
    let rig = entra::rig().await;
    let (v1, v2) = (rig.emulator.issuer_v1(), rig.emulator.issuer_v2());

    assert_invalid(
        &rig,
        &[
            json!({"ver": "1.0"}),
            json!({"ver": "1.0", "iss": v2, "appid": EMULATED_SPA}),
            json!({"ver": "2.0", "iss": v1}),
            json!({"ver": null}),
            json!({"ver": null, "iss": v1}),
            json!({"ver": ""}),
            json!({"ver": "3.0"}),
            json!({"ver": "2"}),
            json!({"ver": "2.0 "}),
            json!({"ver": "v2.0"}),
            json!({"ver": 2.0}),
            json!({"ver": 1.0, "iss": v1}),
            json!({"ver": ["2.0"]}),
        ],
    )
    .await;
}

#[tokio::test]
async fn scopes_and_roles_are_compared_as_whole_words() {
    let rig = entra::rig().await;

    let mut barred = vec![claims(&rig, &json!({"scp": null}))];
    for scopes in [
        "",
        " ",
        "secrets.read.all",
        "xsecrets.read",
        "secrets.readx",
        "secrets",
        "read",
        "secrets read",
        "secrets.write",
        "secrets.read.all xsecrets.read",
        "secrets.read,other",
        "other,secrets.read",
        "other;secrets.read",
        "other\tsecrets.read",
        "other\nsecrets.read",
        "other\u{a0}secrets.read",
        "secrets.read\0",
        "\"secrets.read\"",
        "*",
        "Secrets.Read",
        "SECRETS.READ",
        "api://keyvault-cors-tests/secrets.read",
        // The role's name is no scope.
        ROLE,
    ] {
        barred.push(claims(&rig, &json!({"scp": scopes})));
    }
    for roles in [
        json!([]),
        json!([""]),
        json!(["Secrets.Read"]),
        json!(["Secrets.Read.All.Extra"]),
        json!(["xSecrets.Read.All"]),
        json!(["secrets.read.all"]),
        json!(["Secrets.Read.All "]),
        json!(["Other Secrets.Read.All"]),
        json!(["Other,Secrets.Read.All"]),
        json!(["*"]),
        // The scope's name is no role.
        json!([SCOPE]),
    ] {
        let app = rig.emulator.app_claims(AUDIENCE, ROLE);
        barred.push(over(app, &json!({"roles": roles})));
        barred.push(claims(&rig, &json!({"scp": "other", "roles": roles})));
    }
    // Claims that only look like grants.
    barred.push(claims(
        &rig,
        &json!({"scp": null, "scope": SCOPE, "scopes": [SCOPE], "role": ROLE, "groups": [ROLE]}),
    ));
    barred.push(claims(
        &rig,
        &json!({"scp": null, "wids": [ROLE], "permissions": SCOPE, "Scp": SCOPE, "Roles": [ROLE]}),
    ));
    assert_barred(&rig, &barred).await;
}

#[tokio::test]
async fn grants_of_another_type_let_nobody_in() {
    let rig = entra::rig().await;
    rig.emulator.reset_counters();

    for change in [
        json!({"scp": null, "roles": ROLE}),
        json!({"scp": null, "roles": {"0": ROLE}}),
        json!({"scp": null, "roles": [[ROLE]]}),
        json!({"scp": null, "roles": [1, true]}),
        json!({"scp": [SCOPE]}),
        json!({"scp": {"0": SCOPE}}),
        json!({"scp": true}),
        json!({"scp": 1}),
    ] {
        let answer = rig.get_as(&rig.emulator.mint(&claims(&rig, &change))).await;
        // Whether such a token is unreadable or grants nothing is not said; either way it is refused, whole.
        match answer.status {
            401 => rig.must_challenge(&change.to_string(), &answer),
            _ => must_bar(&change.to_string(), &answer),
        }
    }
    rig.assert_untouched("grants of another type");
}

#[tokio::test]
async fn only_what_is_configured_grants() {
    let scopes_only = entra::rig_with(Emulator::start().await.unwrap(), &[("ENTRA_REQUIRED_ROLES", "")]).await;
    let app = scopes_only.emulator.app_claims(AUDIENCE, ROLE);
    let user = claims(&scopes_only, &json!({"scp": "other", "roles": [ROLE]}));
    assert_barred(&scopes_only, &[app, user]).await;
    must_serve("a scope", &scopes_only.get_as(&scopes_only.good_token()).await);

    let roles_only = entra::rig_with(Emulator::start().await.unwrap(), &[("ENTRA_REQUIRED_SCOPES", "")]).await;
    let user = claims(&roles_only, &json!({}));
    assert_barred(&roles_only, &[user]).await;
    let app = roles_only.emulator.app_claims(AUDIENCE, ROLE);
    must_serve("a role", &roles_only.get_as(&roles_only.emulator.mint(&app)).await);
}

#[tokio::test]
async fn a_client_that_is_not_listed_is_barred_whatever_else_the_token_says() {
    let rig = entra::rig_with(
        Emulator::start().await.unwrap(),
        &[("ENTRA_ALLOWED_CLIENTS", EMULATED_SPA)],
    )
    .await;
    let v2 = |members: Value| claims(&rig, &members);
    let v1 = |members: Value| over(rig.emulator.v1_user_claims(AUDIENCE, SCOPE), &members);

    must_serve("v2", &rig.get_as(&rig.emulator.mint(&v2(json!({})))).await);
    must_serve("v1", &rig.get_as(&rig.emulator.mint(&v1(json!({})))).await);
    assert_barred(
        &rig,
        &[
            rig.emulator.app_claims(AUDIENCE, ROLE),
            rig.emulator.v1_app_claims(AUDIENCE, ROLE),
            v2(json!({"azp": EMULATED_DAEMON})),
            v1(json!({"appid": EMULATED_DAEMON})),
            v2(json!({"azp": ""})),
            v2(json!({"azp": format!("{EMULATED_SPA} ")})),
            v2(json!({"azp": format!("{EMULATED_SPA},{EMULATED_DAEMON}")})),
            v2(json!({"azp": EMULATED_SPA.split_at(8).0})),
            // The client is the claim of the token's own version.
            v2(json!({"azp": null, "appid": EMULATED_SPA})),
            v2(json!({"azp": EMULATED_DAEMON, "appid": EMULATED_SPA})),
            v1(json!({"appid": null, "azp": EMULATED_SPA})),
            v1(json!({"appid": EMULATED_DAEMON, "azp": EMULATED_SPA})),
            v2(json!({"azp": EMULATED_DAEMON, "oid": EMULATED_SPA, "sub": EMULATED_SPA})),
        ],
    )
    .await;
}
