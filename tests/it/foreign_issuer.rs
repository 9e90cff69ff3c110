//! Tokens of an issuer that nobody here wrote: `oauth2-mock-server` from npm, which signs with its own library.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use testkit::Emulator;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::client::Request;
use crate::support::entra::{self, AUDIENCE, SCOPE, changed_at, must_bar, must_serve};
use crate::support::handler::ROOT;
use crate::support::{ORIGIN, PATH, Rig};

/// The issuer as a process, dead on drop.
struct ForeignIssuer {
    _child: Child,
    authority: String,
    tenant: String,
}

/// A token with the name of the algorithm that signed it.
struct Token {
    text: String,
    algorithm: String,
}

impl ForeignIssuer {
    async fn start(tenant: &str) -> Self {
        let folder = Path::new(ROOT).join("tests/oauth2-mock");
        assert!(
            folder.join("node_modules/oauth2-mock-server").is_dir(),
            "oauth2-mock-server is not installed: run `npm ci --prefix tests/oauth2-mock` first, as scripts/test does"
        );
        let mut child = Command::new("node")
            .arg("issuer.mjs")
            .arg(tenant)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node can be run");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let authority = lines.next_line().await.unwrap().expect("the issuer says where it is");
        Self {
            _child: child,
            authority,
            tenant: tenant.to_owned(),
        }
    }

    fn port(&self) -> u16 {
        self.authority.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// A token with the claims of an Entra user's, and these over them.
    async fn token(&self, members: &Value) -> Token {
        let mut claims = json!({
            "aud": AUDIENCE, "tid": self.tenant, "oid": "6d3f6a39-2bd6-4d09-9e0a-2f4c7a0e7d11",
            "azp": "f1c2a1de-5b1b-4d6c-8f4e-0b6f6b6d2c55", "scp": SCOPE, "ver": "2.0",
        });
        for (name, value) in members.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let body = json!({"grant_type": "client_credentials", "claims": claims}).to_string();
        let request = Request::new("POST", "/token")
            .header("content-type", "application/json")
            .body(body);
        let answer = request.send(self.port()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        Token {
            text: text("access_token"),
            algorithm: text("alg"),
        }
    }

    /// A token that is signed with RS256: one in three is.
    async fn rs256(&self, members: &Value) -> String {
        for _ in 0..3 {
            let token = self.token(members).await;
            if token.algorithm == "RS256" {
                return token.text;
            }
        }
        panic!("none of three tokens is signed with RS256");
    }
}

/// A handler that takes this issuer for Entra.
async fn start() -> (ForeignIssuer, Rig) {
    let emulator = Emulator::start().await.unwrap();
    let issuer = ForeignIssuer::start(emulator.tenant()).await;
    let rig = entra::rig_with(emulator, &[("ENTRA_AUTHORITY_HOST", &issuer.authority)]).await;
    (issuer, rig)
}

/// Fails unless the answer is a 401 whose challenge names this issuer.
async fn assert_challenged(rig: &Rig, issuer: &ForeignIssuer, label: &str, token: &str) {
    let answer = rig.get_as(token).await;
    assert_eq!(answer.status, 401, "{label}: {}", answer.text());
    assert_eq!(answer.json()["error"]["code"], "Unauthorized", "{label}");
    let (authority, tenant) = (&issuer.authority, &issuer.tenant);
    let challenge = format!("Bearer authorization=\"{authority}/{tenant}\", resource=\"{AUDIENCE}\"");
    assert_eq!(answer.header("www-authenticate"), Some(&*challenge), "{label}");
}

#[tokio::test]
async fn a_foreign_issuers_rs256_tokens_are_taken_and_its_others_are_not() {
    let (issuer, rig) = start().await;
    let mut seen = Vec::new();

    // Each of its three keys has its turn twice.
    for _ in 0..6 {
        let token = issuer.token(&json!({})).await;
        if token.algorithm == "RS256" {
            must_serve("RS256", &rig.get_as(&token.text).await);
        } else {
            assert_challenged(&rig, &issuer, &token.algorithm, &token.text).await;
        }
        seen.push(token.algorithm);
    }

    seen.sort();
    assert_eq!(seen, ["ES256", "ES256", "PS256", "PS256", "RS256", "RS256"]);
}

#[tokio::test]
async fn a_foreign_issuers_token_is_refused_once_it_is_changed() {
    let (issuer, rig) = start().await;
    let token = issuer.rs256(&json!({})).await;
    must_serve("unchanged", &rig.get_as(&token).await);
    rig.emulator.reset_counters();

    let dots: Vec<_> = token.match_indices('.').map(|(at, _)| at).collect();
    let (claims, signature) = (dots[0] + 1, dots[1] + 1);
    for at in [claims + 20, claims + 60, signature, signature + 100] {
        let changed = changed_at(&token, at);
        assert_challenged(&rig, &issuer, &format!("changed at {at}"), &changed).await;
    }
    assert_challenged(&rig, &issuer, "stripped", token.split_at(signature).0).await;
    let ours = rig.emulator.mint(&rig.emulator.user_claims(AUDIENCE, SCOPE));
    assert_challenged(&rig, &issuer, "of the issuer that is not configured", &ours).await;
    rig.assert_untouched("changed tokens");
}

#[tokio::test]
async fn a_foreign_issuers_claims_are_judged_like_any_others() {
    let (issuer, rig) = start().await;

    for change in [
        json!({"aud": "https://vault.azure.net"}),
        json!({"tid": "11111111-2222-4333-8444-555555555555"}),
        json!({"ver": "1.0"}),
        json!({"iss": rig.emulator.issuer_v2()}),
        json!({"exp": 1}),
        json!({"nbf": 4_000_000_000_u32, "exp": 4_000_003_600_u32}),
    ] {
        let token = issuer.rs256(&change).await;
        assert_challenged(&rig, &issuer, &change.to_string(), &token).await;
    }
    let token = issuer.rs256(&json!({"scp": "secrets.read.all"})).await;
    must_bar("a longer scope", &rig.get_as(&token).await);
    let answer = rig.send(Request::get(PATH).origin(ORIGIN)).await;
    assert_eq!(answer.status, 401);
    rig.assert_untouched("claims");
}
