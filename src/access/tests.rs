//! Who may have what: tables of (options, request) → verdict, and what holds of every rule.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::cors::{AllowedOrigins, Pattern};

const CLIENT: &str = "aaaaaaaa-1111-2222-3333-444444444444";

fn words(words: &[&str]) -> HashSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn caller(scopes: &str, roles: &[&str], client: Option<&str>) -> Caller {
    Caller {
        oid: None,
        tid: "t".into(),
        client: client.map(str::to_owned),
        scopes: scopes.into(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
    }
}

/// Names, and prefixes that end with `*`.
fn secrets(entries: &[&str]) -> AllowList {
    let (prefixes, names): (Vec<&str>, Vec<&str>) = entries.iter().partition(|entry| entry.ends_with('*'));
    AllowList::new(
        names.iter().map(|name| SecretName::parse(name).unwrap()),
        prefixes.iter().map(|prefix| prefix.trim_end_matches('*').to_owned()),
    )
}

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::parse(text).unwrap()).collect()
}

fn rule(name: &str, entries: &[&str]) -> Rule {
    Rule {
        name: name.into(),
        secrets: secrets(entries),
        ..Rule::default()
    }
}

fn key(name: &str) -> SecretKey {
    SecretKey::parse(name, None).unwrap()
}

fn origin(text: &str) -> Option<Origin<'_>> {
    (!text.is_empty()).then(|| Origin::parse(text.as_bytes()).unwrap())
}

#[test]
fn any_one_scope_or_role_lets_in_and_only_as_a_whole_word() {
    let requirement = Requirement {
        scopes: words(&["secrets.read"]),
        roles: words(&["Secrets.Read.All"]),
        clients: HashSet::new(),
    };
    for (met, caller) in [
        (true, caller("secrets.read", &[], None)),
        (true, caller("other secrets.read", &[], None)),
        (true, caller("", &["Secrets.Read.All"], None)),
        (false, caller("", &[], None)),
        (
            false,
            caller("secrets.read.all xsecrets.read Secrets.Read", &["secrets.read"], None),
        ),
        (false, caller("Secrets.Read.All", &[], None)),
    ] {
        assert_eq!(requirement.is_met_by(&caller), met, "{caller:?}");
    }
}

#[test]
fn a_list_of_clients_narrows_who_has_a_scope() {
    let upper = CLIENT.to_ascii_uppercase();
    let with_scope = Requirement {
        scopes: words(&["secrets.read"]),
        clients: words(&[CLIENT]),
        ..Requirement::default()
    };
    for (met, scope, client) in [
        (true, "secrets.read", Some(CLIENT)),
        (true, "secrets.read", Some(upper.as_str())),
        (false, "secrets.read", None),
        (false, "secrets.read", Some("bbbbbbbb-1111-2222-3333-444444444444")),
        (false, "other", Some(CLIENT)),
    ] {
        assert_eq!(
            with_scope.is_met_by(&caller(scope, &[], client)),
            met,
            "{scope} {client:?}"
        );
    }
    // A rule may ask for a client alone.
    let client_alone = Requirement {
        clients: words(&[CLIENT]),
        ..Requirement::default()
    };
    assert!(client_alone.is_met_by(&caller("", &[], Some(CLIENT))));
    assert!(!client_alone.is_met_by(&caller("", &[], None)));
}

#[test]
fn without_a_requirement_nobody_is_asked_and_with_one_nobody_else_is_let_in() {
    assert!(Access::new(Options::default()).admits(None));
    let access = Access::new(Options {
        requirement: Some(Requirement {
            roles: words(&["Reader"]),
            ..Requirement::default()
        }),
        ..Options::default()
    });
    assert!(!access.admits(None));
    assert!(!access.admits(Some(&caller("", &[], None))));
    assert!(access.admits(Some(&caller("", &["Reader"], None))));
}

/// Two pages with a key each, a key that is in both, and one that wants a role.
fn two_pages() -> Options {
    let role = |role| Requirement {
        roles: words(&[role]),
        ..Requirement::default()
    };
    Options {
        secrets: secrets(&["maps-key", "telemetry", "admin-*", "admin-key", "free"]),
        requirement: None,
        ttl: Duration::from_mins(5),
        rules: vec![
            Rule {
                origins: Some(patterns(&["https://maps.contoso.com"])),
                ttl: Some(Duration::from_secs(10)),
                ..rule("MAPS", &["maps-key"])
            },
            Rule {
                origins: Some(patterns(&["https://*.contoso.com", "http://localhost:*"])),
                ..rule("BOTH", &["telemetry"])
            },
            Rule {
                requirement: Some(role("Admin")),
                ..rule("ADMIN", &["admin-*"])
            },
            Rule {
                current_version_only: true,
                ..rule("GIVEN", &["admin-key"])
            },
        ],
    }
}

#[test]
fn a_rule_decides_which_page_and_which_caller_has_its_secrets() {
    let access = Access::new(two_pages());
    let admin = caller("", &["Admin"], None);
    let nobody = caller("", &["Reader"], None);
    let maps = "https://maps.contoso.com";
    for (name, page, who, expected) in [
        ("maps-key", maps, None, Ok(Some("MAPS"))),
        (
            "maps-key",
            "https://shop.contoso.com",
            None,
            Err(Denial::Origin("MAPS")),
        ),
        ("maps-key", "", None, Err(Denial::Origin("MAPS"))),
        (
            "maps-key",
            "https://maps.contoso.com:8443",
            None,
            Err(Denial::Origin("MAPS")),
        ),
        ("telemetry", maps, None, Ok(Some("BOTH"))),
        ("telemetry", "http://localhost:3000", None, Ok(Some("BOTH"))),
        ("telemetry", "https://contoso.com", None, Err(Denial::Origin("BOTH"))),
        ("admin-1", maps, Some(&admin), Ok(Some("ADMIN"))),
        ("admin-1", "", Some(&admin), Ok(Some("ADMIN"))),
        ("admin-1", maps, Some(&nobody), Err(Denial::Caller("ADMIN"))),
        ("admin-1", maps, None, Err(Denial::Caller("ADMIN"))),
        // An exact name wins over another rule's prefix.
        ("admin-key", maps, None, Ok(Some("GIVEN"))),
        // Outside every rule the settings decide.
        ("free", "", None, Ok(None)),
        ("other", maps, Some(&admin), Err(Denial::NotListed)),
    ] {
        let verdict = access.grant(&key(name), origin(page).as_ref(), who);
        assert_eq!(verdict.map(|grant| grant.rule), expected, "{name} {page}");
    }
}

#[test]
fn a_version_is_outside_a_rule_that_gives_what_is_made_from_the_current_one() {
    let access = Access::new(two_pages());
    let version = Some("0123456789abcdef0123456789abcdef");
    let versioned = |name| SecretKey::parse(name, version).unwrap();
    let denied = access.grant(&versioned("admin-key"), None, None);
    assert_eq!(denied.unwrap_err(), Denial::Version("GIVEN"));
    assert!(access.grant(&versioned("free"), None, None).is_ok());
}

#[test]
fn the_ttl_and_what_allows_the_name_travel_with_the_grant() {
    let access = Access::new(two_pages());
    let admin = caller("", &["Admin"], None);
    for (name, page, seconds, exact) in [
        ("maps-key", "https://maps.contoso.com", 10, true),
        ("free", "", 300, true),
        ("admin-1", "", 300, false),
    ] {
        let grant = access.grant(&key(name), origin(page).as_ref(), Some(&admin)).unwrap();
        assert_eq!(
            (grant.ttl, grant.exact),
            (Duration::from_secs(seconds), exact),
            "{name}"
        );
    }
    let ttls: HashSet<_> = access
        .exact_names()
        .map(|(name, ttl)| (name.as_str(), ttl.as_secs()))
        .collect();
    assert_eq!(
        ttls,
        HashSet::from([("maps-key", 10), ("telemetry", 300), ("admin-key", 300), ("free", 300)])
    );
}

#[test]
fn rules_that_widen_or_overlap_are_faults() {
    let allowed = secrets(&["maps-key", "web-*"]);
    let listed = AllowedOrigins::Listed {
        patterns: patterns(&["https://*.contoso.com", "http://localhost:*"]),
        credentials: false,
    };
    let found = |rules: &[Rule]| -> Vec<String> {
        faults(rules, &allowed, &listed)
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    let on = |origins: &[&str]| Rule {
        origins: Some(patterns(origins)),
        ..rule("A", &["maps-key"])
    };
    for fine in [
        vec![rule("A", &["maps-key"]), rule("B", &["web-*"])],
        vec![rule("A", &["web-*"]), rule("B", &["web-key"])],
        vec![rule("A", &["web-key"]), rule("B", &["web-*"])],
        vec![rule("A", &["web-a*", "web-key"]), rule("B", &["web-b*"])],
        vec![on(&[
            "https://a.contoso.com",
            "https://*.a.contoso.com",
            "http://localhost:3000",
            "http://localhost:*",
        ])],
    ] {
        assert_eq!(found(&fine), Vec::<String>::new(), "{fine:?}");
    }
    for (rules, told) in [
        (vec![rule("A", &["other"])], "`other` is not inside ALLOWED_SECRETS"),
        (vec![rule("A", &["we*"])], "`we*` is not inside ALLOWED_SECRETS"),
        (vec![rule("A", &["0f0f0f0f0f0f0f0f0f0f"])], "looks like a key"),
        (vec![rule("A", &["maps-*"])], "`maps-*` is not inside"),
        (
            vec![rule("A", &["maps-key"]), rule("B", &["MAPS-KEY"])],
            "`maps-key` is in rule A",
        ),
        (
            vec![rule("A", &["web-*"]), rule("B", &["web-b*"])],
            "`web-b*` is in rule A",
        ),
        (
            vec![rule("A", &["web-b*"]), rule("B", &["web-*"])],
            "`web-*` is in rule A",
        ),
        (
            vec![on(&["https://contoso.com"])],
            "https://contoso.com is not inside ALLOWED_ORIGINS",
        ),
        (
            vec![on(&["https://a.contoso.com:8443"])],
            "is not inside ALLOWED_ORIGINS",
        ),
        (vec![on(&["https://a.contoso.com:*"])], "is not inside ALLOWED_ORIGINS"),
    ] {
        let faults = found(&rules);
        assert_eq!(faults.len(), 1, "{rules:?}: {faults:?}");
        assert!(faults[0].contains(told), "{rules:?}: {faults:?}");
    }
    // All of them at once, and whatever is an origin lies inside `*`.
    assert_eq!(found(&[rule("A", &["x", "y"]), rule("B", &["x"])]).len(), 4);
    assert!(faults(&[on(&["https://who.example"])], &allowed, &AllowedOrigins::Any).is_empty());
}

const NAMES: [&str; 6] = ["a", "ab", "abc", "b", "ba", "c"];
const PREFIXES: [&str; 4] = ["a*", "ab*", "b*", "ba*"];
const PAGES: [&str; 4] = [
    "",
    "https://x.contoso.com",
    "https://y.contoso.com",
    "http://localhost:1",
];
const PATTERNS: [&str; 4] = [
    "https://x.contoso.com",
    "https://y.contoso.com",
    "https://*.contoso.com",
    "http://localhost:*",
];

fn any_rule() -> impl Strategy<Value = Rule> {
    let entries: Vec<&str> = NAMES.into_iter().chain(PREFIXES).collect();
    let requirement = subsequence(vec!["Admin", "Reader"], 0..=2).prop_map(|roles| Requirement {
        roles: words(&roles),
        ..Requirement::default()
    });
    (
        subsequence(entries, 1..=3),
        proptest::option::of(subsequence(PATTERNS.to_vec(), 1..=3)),
        proptest::option::of(requirement),
        any::<bool>(),
    )
        .prop_map(|(entries, origins, requirement, current_version_only)| Rule {
            origins: origins.map(|origins| patterns(&origins)),
            requirement,
            current_version_only,
            ..rule("R", &entries)
        })
}

fn any_options() -> impl Strategy<Value = Options> {
    let listed = AllowedOrigins::Listed {
        patterns: patterns(&["https://*.contoso.com", "http://localhost:*"]),
        credentials: false,
    };
    (
        vec(any_rule(), 1..4),
        select(vec![&["a*", "b*", "c"][..], &["ab*", "b", "ba"]]),
    )
        .prop_map(move |(candidates, allowed)| {
            let secrets = secrets(allowed);
            // Only rules that the configuration lets through.
            let mut rules = Vec::new();
            for candidate in candidates {
                rules.push(candidate);
                if !faults(&rules, &secrets, &listed).is_empty() {
                    rules.pop();
                }
            }
            Options {
                secrets,
                rules,
                ..Options::default()
            }
        })
}

/// Everything that can be asked, and whether it is granted: each name from each page by each caller.
fn verdicts(options: &Options) -> Vec<(&'static str, bool)> {
    let access = Access::new(options.clone());
    let callers = [
        None,
        Some(caller("", &[], None)),
        Some(caller("", &["Reader"], None)),
        Some(caller("", &["Admin", "Reader"], None)),
    ];
    let mut verdicts = Vec::new();
    for name in NAMES {
        for page in PAGES {
            for who in &callers {
                let verdict = access.grant(&key(name), origin(page).as_ref(), who.as_ref());
                verdicts.push((name, verdict.is_ok()));
            }
        }
    }
    verdicts
}

proptest! {
    #[test]
    fn a_rule_never_lets_anybody_read_what_they_could_not_read_without_it(options in any_options()) {
        let without = Options { rules: Vec::new(), ..options.clone() };
        for ((name, with), (_, without)) in verdicts(&options).into_iter().zip(verdicts(&without)) {
            prop_assert!(!with || without, "{name}");
        }
    }

    #[test]
    fn removing_a_rule_never_takes_away_what_it_did_not_name(options in any_options()) {
        for removed in 0..options.rules.len() {
            let mut fewer = options.clone();
            let gone = fewer.rules.remove(removed);
            for ((name, before), (_, after)) in verdicts(&options).into_iter().zip(verdicts(&fewer)) {
                prop_assert!(gone.secrets.allows(&key(name).name) || before == after, "{name}");
            }
        }
    }
}
