//! Rules per secret: which page and which caller gets which secret, and that whoever is outside one learns nothing.

use serde_json::json;
use testkit::{Emulator, Secret};

use crate::support::client::{Answer, Request};
use crate::support::entra::{self, AUDIENCE, ROLE, SCOPE};
use crate::support::expect::Headers;
use crate::support::{PATH, Rig};

const MAPS: &str = "https://maps.contoso.com";
const SHOP: &str = "https://shop.contoso.com";

/// Two pages, one app: `maps-key` for the first, `geo-*` for both, everything else as the settings say.
const TWO_PAGES: [(&str, &str); 7] = [
    ("ALLOWED_ORIGINS", "https://maps.contoso.com,https://*.contoso.com"),
    ("ALLOWED_SECRETS", "maps-key,geo-*,free-key"),
    ("REQUIRE_ORIGIN", "false"),
    ("RULES__MAPS__SECRETS", "maps-key"),
    ("RULES__MAPS__ORIGINS", MAPS),
    ("RULES__BOTH__SECRETS", "geo-*"),
    ("RULES__BOTH__ORIGINS", "https://*.contoso.com"),
];

async fn two_pages() -> Rig {
    let emulator = Emulator::start().await.unwrap();
    for name in ["maps-key", "geo-key", "free-key"] {
        emulator.put(name, Secret::new(name));
    }
    Rig::of(emulator, &TWO_PAGES).await
}

async fn ask(rig: &Rig, name: &str, origin: &str) -> Answer {
    let request = Request::get(&format!("/api/secrets/{name}"));
    let request = if origin.is_empty() {
        request
    } else {
        request.origin(origin)
    };
    rig.send(request).await
}

/// The answer as it is for everybody: without its id.
fn without_its_id(answer: &Answer) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let mut lines = answer.lines();
    lines.retain(|(name, _)| name != "x-ms-request-id" && name != "date");
    (answer.status, lines, answer.body.to_vec())
}

#[tokio::test]
async fn each_page_has_the_secrets_of_its_rule_and_those_of_none() {
    let rig = two_pages().await;
    for (name, origin, status) in [
        ("maps-key", MAPS, 200),
        ("maps-key", SHOP, 404),
        ("MAPS-KEY", SHOP, 404),
        ("maps-key", "", 404),
        ("maps-key/0123456789abcdef0123456789abcdef", SHOP, 404),
        ("geo-key", MAPS, 200),
        ("geo-key", SHOP, 200),
        ("geo-key", "", 404),
        ("free-key", SHOP, 200),
        ("free-key", "", 200),
    ] {
        let answer = ask(&rig, name, origin).await;
        assert_eq!(answer.status, status, "{name} {origin}");
    }
}

#[tokio::test]
async fn outside_a_rule_a_secret_is_one_that_does_not_exist() {
    let rig = two_pages().await;
    let unknown = ask(&rig, "unknown", SHOP).await;
    unknown.must_refuse(
        "unknown",
        404,
        ("SecretNotFound", None),
        &Headers::json().readable_by(SHOP),
    );
    // In memory for the page that may have it.
    assert_eq!(ask(&rig, "maps-key", MAPS).await.status, 200);
    rig.emulator.reset_counters();
    let outside = ask(&rig, "maps-key", SHOP).await;
    assert_eq!(without_its_id(&outside), without_its_id(&unknown));
    rig.assert_untouched("outside its rule");

    // The preflight knows no rules.
    for name in ["maps-key", "unknown"] {
        let preflight = Request::preflight(&format!("/api/secrets/{name}"), SHOP, "GET");
        rig.send(preflight).await.must_be(name, 204, &Headers::granting(SHOP));
    }
    let log = rig.handler.stop().await.stdout;
    assert!(
        log.contains(r#"rule="MAPS" reason="RuleOrigin" verdict="SecretNotFound""#),
        "{log}"
    );
    assert!(log.contains(r#"reason="NotListed" verdict="SecretNotFound""#), "{log}");
}

#[tokio::test]
async fn a_rule_asks_for_more_than_the_settings_and_never_for_less() {
    let settings = [("RULES__ADMIN__SECRETS", "maps-key"), ("RULES__ADMIN__ROLES", "Admin")];
    let rig = entra::rig_with(Emulator::start().await.unwrap(), &settings).await;
    let minted = |scope: Option<&str>, roles: &[&str]| {
        let mut claims = rig.emulator.user_claims(AUDIENCE, scope.unwrap_or(SCOPE));
        if scope.is_none() {
            claims.as_object_mut().unwrap().remove("scp");
        }
        claims["roles"] = json!(roles);
        rig.emulator.mint(&claims)
    };
    for (label, token, status) in [
        ("the scope and the rule's role", minted(Some(SCOPE), &["Admin"]), 200),
        ("the settings' role and the rule's", minted(None, &[ROLE, "Admin"]), 200),
        ("the scope alone", minted(Some(SCOPE), &["Reader"]), 404),
        // What the settings ask for comes first: 403, and no word of a rule.
        ("the rule's role alone", minted(None, &["Admin"]), 403),
    ] {
        assert_eq!(rig.get_as(&token).await.status, status, "{label}");
    }
    let log = rig.handler.stop().await.stdout;
    assert!(log.contains(r#"rule="ADMIN" reason="RuleCaller""#), "{log}");
}

#[tokio::test]
async fn a_rules_ttl_holds_for_its_secrets_alone() {
    let emulator = Emulator::start().await.unwrap();
    emulator.put("maps-key", Secret::new("one"));
    emulator.put("geo-key", Secret::new("two"));
    let settings = [
        ("CACHE_TTL_SECONDS", "300"),
        ("RULES__LIVE__SECRETS", "maps-key"),
        ("RULES__LIVE__CACHE_TTL_SECONDS", "0"),
        ("PREFETCH", "false"),
    ];
    let rig = Rig::of(emulator, &settings).await;
    for _ in 0..3 {
        assert_eq!(rig.get(PATH).await.status, 200);
        assert_eq!(rig.get("/api/secrets/geo-key").await.status, 200);
    }
    assert_eq!(rig.emulator.counters().gets, 3 + 1);
}

#[tokio::test]
async fn without_the_tag_that_the_vaults_owner_sets_a_secret_is_not_served() {
    let emulator = Emulator::start().await.unwrap();
    emulator.put("maps-key", Secret::new("one").tag("browser", "yes"));
    emulator.put("geo-key", Secret::new("two").tag("browser", "no"));
    emulator.put("geo-free", Secret::new("three"));
    let rig = Rig::of(emulator, &[("REQUIRED_TAG", "browser=yes")]).await;
    let served = rig.get(PATH).await;
    assert_eq!(served.status, 200);
    assert!(served.json().get("tags").is_none(), "tags never leave");
    for name in ["geo-key", "geo-free"] {
        let answer = rig.get(&format!("/api/secrets/{name}")).await;
        answer.must_refuse(
            name,
            404,
            ("SecretNotFound", None),
            &Headers::json().readable_by(crate::support::ORIGIN),
        );
    }
    // Removed in the vault, it takes effect at the next read.
    rig.emulator.put("maps-key", Secret::new("one"));
    assert_eq!(rig.get(PATH).await.status, 404);
    let log = rig.handler.stop().await.stdout;
    assert!(log.contains(r#"reason="MissingTag""#), "{log}");
}
