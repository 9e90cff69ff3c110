//! `RULES__NAME__PART`.

use super::*;

const SETTINGS: &[(&str, Option<&str>)] = &[
    ("ALLOWED_SECRETS", Some("maps-key,geo-*,admin-key")),
    ("ALLOWED_ORIGINS", Some("https://a.com,https://*.b.com")),
];
const ENTRA: &[(&str, Option<&str>)] = &[
    ("ENTRA_TENANT_ID", Some("0f0f0f0f-1111-2222-3333-444444444444")),
    ("ENTRA_AUDIENCE", Some("api://contoso")),
    ("ENTRA_REQUIRED_SCOPES", Some("secrets.read")),
];

fn read(rules: Changes<'_>) -> Result<Config, Findings> {
    config(&[SETTINGS, rules].concat())
}

#[test]
fn a_rule_has_the_grammar_of_the_settings() {
    let config = config(
        &[
            SETTINGS,
            ENTRA,
            &[
                ("RULES__MAPS__SECRETS", Some("Maps-Key, geo-EU-*")),
                (
                    "RULES__MAPS__ORIGINS",
                    Some("https://a.com,https://app.b.com,https://*.c.b.com"),
                ),
                ("RULES__MAPS__CACHE_TTL_SECONDS", Some("0")),
                ("RULES__2__SECRETS", Some("admin-key")),
                ("RULES__2__SCOPES", Some("a, b")),
                ("RULES__2__ROLES", Some("Admin")),
                ("RULES__2__CLIENTS", Some("0F0F0F0F-1111-2222-3333-444444444444")),
            ],
        ]
        .concat(),
    )
    .expect("valid rules");
    let [admin, maps] = &config.access.rules[..] else {
        panic!("{:?}", config.access.rules);
    };
    assert_eq!((&*maps.name, &*admin.name), ("MAPS", "2"));
    assert_eq!(maps.secrets.describe(), ["geo-eu-*", "maps-key"]);
    assert_eq!(maps.origins.as_ref().map(Vec::len), Some(3));
    assert_eq!(maps.ttl, Some(Duration::ZERO));
    assert_eq!((&maps.requirement, admin.ttl), (&None, None));
    let needed = admin.requirement.as_ref().expect("a requirement");
    assert_eq!((needed.scopes.len(), needed.roles.len()), (2, 1));
    assert!(needed.clients.contains("0f0f0f0f-1111-2222-3333-444444444444"));
    assert!(admin.origins.is_none());
}

/// A rule's faulty parts, the variable that the fault names, and what it says.
type Row = (
    &'static [(&'static str, Option<&'static str>)],
    &'static str,
    &'static str,
);

const SECRETS: (&str, Option<&str>) = ("RULES__MAPS__SECRETS", Some("maps-key"));

const FAULTS: &[Row] = &[
    (
        &[("RULES__MAPS__ORIGINS", Some("https://a.com"))],
        "RULES__MAPS__SECRETS",
        "required",
    ),
    (&[("RULES__MAPS__SECRETS", Some(""))], "RULES__MAPS__SECRETS", "empty"),
    (
        &[("RULES__MAPS__SECRETS", Some("a_b"))],
        "RULES__MAPS__SECRETS",
        "element 1",
    ),
    (
        &[("RULES__MAPS__SECRETS", Some("other"))],
        "RULES__MAPS__SECRETS",
        "ALLOWED_SECRETS",
    ),
    (
        &[("RULES__MAPS__SECRETS", Some("maps-*"))],
        "RULES__MAPS__SECRETS",
        "ALLOWED_SECRETS",
    ),
    (
        &[SECRETS, ("RULES__MAPS__ORIGINS", Some("https://c.com"))],
        "RULES__MAPS__ORIGINS",
        "ALLOWED_ORIGINS",
    ),
    (
        &[SECRETS, ("RULES__MAPS__ORIGINS", Some("https://A.com"))],
        "RULES__MAPS__ORIGINS",
        "write https://a.com",
    ),
    (
        &[SECRETS, ("RULES__MAPS__ORIGINS", Some("*"))],
        "RULES__MAPS__ORIGINS",
        "narrows nothing",
    ),
    (
        &[
            SECRETS,
            ("RULES__MAPS__ORIGINS", Some("https://a.com, https://x.b.com")),
        ],
        "RULES__MAPS__ORIGINS",
        "white space",
    ),
    (
        &[SECRETS, ("RULES__MAPS__CACHE_TTL_SECONDS", Some("86401"))],
        "RULES__MAPS__CACHE_TTL_SECONDS",
        "0 to 86400",
    ),
    (
        &[SECRETS, ("RULES__MAPS__SCOPES", Some("a"))],
        "RULES__MAPS__SCOPES",
        "ENTRA_TENANT_ID",
    ),
    (
        &[SECRETS, ("RULES__MAPS__ROLES", Some("a"))],
        "RULES__MAPS__ROLES",
        "ENTRA_TENANT_ID",
    ),
    (
        &[SECRETS, ("RULES__MAPS__ORIGIN", Some("https://a.com"))],
        "RULES__MAPS__ORIGIN",
        "RULES__MAPS__ORIGINS",
    ),
    (
        &[SECRETS, ("RULES__MAPS__TTL", Some("1"))],
        "RULES__MAPS__TTL",
        "write RULES__MAPS__CACHE_TTL_SECONDS",
    ),
    (
        &[SECRETS, ("RULES__MAPS__", Some("1"))],
        "RULES__MAPS__",
        "no such part",
    ),
    (
        &[("rules__maps__secrets", Some("maps-key"))],
        "rules__maps__secrets",
        "write RULES__MAPS__SECRETS",
    ),
    (
        &[("Rules__MAPS__Secrets", Some("maps-key"))],
        "Rules__MAPS__Secrets",
        "write RULES__MAPS__SECRETS",
    ),
    (
        &[("RULES__maps__SECRETS", Some("maps-key"))],
        "RULES__maps__SECRETS",
        "write RULES__MAPS__SECRETS",
    ),
    (
        &[("RULES__MY-MAPS__SECRETS", Some("maps-key"))],
        "RULES__MY-MAPS__SECRETS",
        "write RULES__MYMAPS__SECRETS",
    ),
    (
        &[("RULES__MAPS_SECRETS", Some("maps-key"))],
        "RULES__MAPS_SECRETS",
        "write RULES__MAPS__SECRETS",
    ),
    (
        &[("RULES_MAPS_SECRETS", Some("maps-key"))],
        "RULES_MAPS_SECRETS",
        "write RULES__MAPS__SECRETS",
    ),
    (
        &[("RULE__MAPS__SECRETS", Some("maps-key"))],
        "RULE__MAPS__SECRETS",
        "write RULES__MAPS__SECRETS",
    ),
    (
        &[("RULES__SECRETS", Some("maps-key"))],
        "RULES__SECRETS",
        "RULES__NAME__PART",
    ),
    (
        &[SECRETS, ("RULES__B__SECRETS", Some("maps-key"))],
        "RULES__MAPS__SECRETS",
        "rule B",
    ),
    (
        &[
            ("RULES__A__SECRETS", Some("geo-*")),
            ("RULES__B__SECRETS", Some("geo-eu-*")),
        ],
        "RULES__B__SECRETS",
        "rule A",
    ),
];

#[test]
fn a_fault_names_the_rule_the_setting_and_the_fix() {
    for (rules, name, told) in FAULTS {
        let findings = read(rules).expect_err(name);
        let faults: Vec<_> = findings.faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults.len(), 1, "{rules:?}: {faults:?}");
        assert!(faults[0].starts_with(&format!("{name}: ")), "{rules:?}: {faults:?}");
        assert!(faults[0].contains(told), "{rules:?}: {faults:?}");
    }
}

#[test]
fn an_exact_name_may_lie_in_another_rules_prefix() {
    let rules = [
        ("RULES__A__SECRETS", Some("geo-*")),
        ("RULES__B__SECRETS", Some("geo-eu")),
    ];
    assert_eq!(read(&rules).expect("valid rules").access.rules.len(), 2);
}

#[test]
fn there_are_at_most_32_rules_of_names_of_at_most_32() {
    let names: Vec<_> = (0..33).map(|index| format!("RULES__R{index:02}__SECRETS")).collect();
    let secrets: Vec<_> = (0..33).map(|index| format!("geo-{index}")).collect();
    let all: Vec<_> = names
        .iter()
        .zip(&secrets)
        .map(|(name, secret)| (name.as_str(), Some(secret.as_str())))
        .collect();
    assert!(read(&all[..32]).is_ok());
    let findings = read(&all).expect_err("33 rules");
    assert_eq!(findings.faults.len(), 1);
    assert!(findings.faults[0].message.contains("at most 32"), "{findings:?}");

    let name = |length: usize| format!("RULES__{}__SECRETS", "A".repeat(length));
    assert!(read(&[(&name(32), Some("maps-key"))]).is_ok());
    assert!(read(&[(&name(33), Some("maps-key"))]).is_err());
}

#[test]
fn rules_of_another_program_are_its_own() {
    let others = [
        ("RULES_ENGINE", Some("x")),
        ("APPSETTING_RULES__MAPS__ORIGIN", Some("x")),
        ("MY_RULES__MAPS__SECRETS", Some("x")),
    ];
    assert!(read(&others).is_ok());
}

#[test]
fn what_is_given_in_place_of_a_secret_is_read() {
    let give = ("RULES__MAPS__GIVE", Some("speech-token region=westeurope"));
    let config = read(&[SECRETS, give]).expect("a valid rule");
    let kinds: Vec<_> = config
        .deliver
        .gives
        .iter()
        .map(|(name, give)| (name.as_str(), give.kind()))
        .collect();
    assert_eq!(kinds, [("maps-key", "speech-token")]);
    assert!(config.access.rules[0].current_version_only);
    assert_eq!(config.deliver.timeout, config.vault.timeout);

    let plain = read(&[SECRETS]).expect("a valid rule");
    assert!(plain.deliver.gives.is_empty() && !plain.access.rules[0].current_version_only);
}

#[test]
fn a_faulty_give_is_told_apart_from_faulty_secrets() {
    let speech = Some("speech-token region=westeurope");
    for (secrets, give, faulty) in [
        (Some("maps-key,admin-key"), speech, &["RULES__MAPS__SECRETS"][..]),
        (Some("geo-*"), speech, &["RULES__MAPS__SECRETS"]),
        (None, speech, &["RULES__MAPS__SECRETS"]),
        (Some("maps-key"), Some("speech-token"), &["RULES__MAPS__GIVE"]),
        (
            Some("maps-key"),
            Some("speach-token region=westeurope"),
            &["RULES__MAPS__GIVE"],
        ),
        (
            Some("maps-key"),
            Some("blob-sas acount=a pth=b"),
            &["RULES__MAPS__GIVE"; 5],
        ),
        (
            Some("maps-key"),
            Some("pubsub-token host=h.webpubsub.azure.com hub=chat"),
            &["RULES__MAPS__GIVE"],
        ),
        (Some("maps-key"), Some(""), &["RULES__MAPS__GIVE"]),
        (
            Some("a_b"),
            Some("nothing"),
            &["RULES__MAPS__SECRETS", "RULES__MAPS__GIVE"],
        ),
    ] {
        let findings = read(&[("RULES__MAPS__SECRETS", secrets), ("RULES__MAPS__GIVE", give)]).expect_err("a fault");
        let names: Vec<_> = findings.faults.iter().map(|fault| fault.setting.as_str()).collect();
        assert_eq!(names, faulty, "{secrets:?} {give:?}: {findings:?}");
    }
}
