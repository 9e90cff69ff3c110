use super::*;

fn faults(text: &str) -> Vec<String> {
    let faults = Give::parse(text).unwrap_err();
    faults.iter().map(ToString::to_string).collect()
}

const VALID: &[&str] = &[
    "speech-token region=westeurope",
    "speech-token host=contoso.cognitiveservices.azure.com",
    "speech-token host=contoso.cognitiveservices.azure.us",
    "pubsub-token host=contoso.webpubsub.azure.com hub=chat",
    "  pubsub-token   hub=Chat_2 host=push.contoso.com user=none ttl=60 ",
    "pubsub-token host=h.example hub=c roles=webpubsub.sendToGroup+webpubsub.joinLeaveGroup.a.b",
    "blob-sas account=contoso path=photos allow=rcwl",
    "blob-sas account=abc path=photos allow=l ttl=3600",
    "blob-sas account=abc path=a-b-3/2026/ü#1?x=y.jpg allow=rcw",
];

const INVALID: &[(&str, &[&str])] = &[
    (
        "",
        &["is empty; write `KIND NAME=VALUE …` with one of the kinds speech-token, pubsub-token, blob-sas"],
    ),
    (
        " ",
        &["is empty; write `KIND NAME=VALUE …` with one of the kinds speech-token, pubsub-token, blob-sas"],
    ),
    (
        "blob-sa account=abc",
        &["`blob-sa` is no kind; the nearest is `blob-sas`, the kinds are speech-token, pubsub-token, blob-sas"],
    ),
    (
        "Blob-SAS account=abc",
        &["`Blob-SAS` is no kind; the nearest is `blob-sas`, the kinds are speech-token, pubsub-token, blob-sas"],
    ),
    (
        "speech-token regions=westeurope",
        &[
            "`regions` is no parameter of speech-token; the nearest is `region`, it takes region, host",
            "speech-token needs region=REGION or host=NAME.cognitiveservices.azure.com",
        ],
    ),
    (
        "speech-token region=westeurope host=contoso.cognitiveservices.azure.com",
        &["`region` and `host` exclude each other; remove one of them"],
    ),
    (
        "speech-token region=WestEurope",
        &[
            "`region` is not valid: the resource's region as Azure writes it, such as westeurope; write \
           `region=westeurope`",
        ],
    ),
    (
        "speech-token region=usgovvirginia",
        &[
            "`region` is not valid: a region of the public cloud; for US Government and China write \
             `host=NAME.cognitiveservices.azure.us` or `.cn`",
        ],
    ),
    (
        "speech-token host=https://contoso.cognitiveservices.azure.com/",
        &[
            "`host` is not valid: NAME.cognitiveservices.azure.com in lower case, without scheme and path; write \
           `host=contoso.cognitiveservices.azure.com`",
        ],
    ),
    (
        "speech-token host=contoso.example.com",
        &["`host` is not valid: NAME.cognitiveservices.azure.com in lower case, without scheme and path"],
    ),
    (
        "pubsub-token",
        &[
            "pubsub-token needs host=NAME.webpubsub.azure.com",
            "pubsub-token needs hub=NAME",
        ],
    ),
    (
        "pubsub-token host=Contoso.webpubsub.azure.com:443 hub=1chat roles=webpubsub.sendToGroup. user=me ttl=3601",
        &[
            "`host` is not valid: the service's host name in lower case, without scheme, port and path; write \
             `host=contoso.webpubsub.azure.com`",
            "`hub` is not valid: a letter, then letters, digits and underscores",
            "`roles` is not valid: webpubsub.sendToGroup or webpubsub.joinLeaveGroup, each with .GROUP or without, \
             joined by `+`",
            "`user` is not valid: `none`, or leave it out for the caller's oid",
            "`ttl` is not valid: 60 to 3600 seconds",
        ],
    ),
    (
        "blob-sas account=abc path=photos allow=r allow=w path=x",
        &["`allow` is repeated", "`path` is repeated"],
    ),
    (
        "blob-sas account=ABC path=Photos/Cat.jpg allow=wr",
        &[
            "`account` is not valid: the storage account's name, 3 to 24 lower-case letters and digits; write \
             `account=abc`",
            "`path` is not valid: CONTAINER or CONTAINER/BLOB; a container is 3 to 63 lower-case letters, digits and \
             single inner hyphens, and a blob's name is not encoded; write `path=photos/Cat.jpg`",
            "`allow` is not valid: some of r, c, w in this order, and l after them for a container, each once; write \
             `allow=rw`",
        ],
    ),
    (
        "blob-sas account=abc path=photos allow=r AccountKey",
        &["`AccountKey` is no `NAME=VALUE`; white space ends a value"],
    ),
];

#[test]
fn every_kind_is_read_with_its_parameters_in_any_order() {
    for text in VALID {
        let give = Give::parse(text);
        assert_eq!(
            give.map(|give| text.trim().starts_with(give.kind())),
            Ok(true),
            "{text}"
        );
    }
}

#[test]
fn every_fault_is_named_at_once_with_its_correction() {
    for (text, expected) in INVALID {
        assert_eq!(faults(text), *expected, "{text}");
    }
}

/// Values that are refused for what they are alone.
#[test]
fn values_have_their_services_forms() {
    for (kind, parameter, values) in [
        (
            "speech-token",
            "region",
            &["", "west-europe", "west.europe", "westeurope/"][..],
        ),
        (
            "speech-token",
            "host",
            &["", ".cognitiveservices.azure.com", "a.b.cognitiveservices.azure.com"],
        ),
        (
            "pubsub-token hub=c",
            "host",
            &[
                "",
                "localhost",
                "127.0.0.1",
                "1.2",
                "a_b.example",
                "h.example.",
                "-a.example",
                "é.example",
                "u@h.example",
            ],
        ),
        ("pubsub-token host=h.example", "hub", &["", "_c", "a-b", "a/b", "é"]),
        (
            "pubsub-token host=h.example hub=c",
            "roles",
            &[
                "",
                "+",
                "webpubsub.sendToGroup+",
                "webpubsub.SendToGroup",
                "webpubsub.sendToGroups",
                "a+a",
                "webpubsub.sendToGroup.a+webpubsub.sendToGroup.a",
            ],
        ),
        ("pubsub-token host=h.example hub=c", "user", &["", "None", "oid"]),
        (
            "pubsub-token host=h.example hub=c",
            "ttl",
            &["", "59", "3601", "+60", "60s", "6e2", "-60", "99999999999"],
        ),
        (
            "blob-sas path=photos allow=r",
            "account",
            &["", "ab", "a-b-c", "abcdefghijklmnopqrstuvwxy"],
        ),
        (
            "blob-sas account=abc allow=r",
            "path",
            &[
                "", "ab", "-abc", "abc-", "a--b", "abc/", "/abc", "abc/d/", "abc/../d", "abc/./d", "abc/a\\b", "a_c",
            ],
        ),
        (
            "blob-sas account=abc path=photos",
            "allow",
            &["", "rr", "wr", "lr", "a", "ra", "d", "R", "r,w"],
        ),
        ("blob-sas account=abc path=photos/cat.jpg", "allow", &["l", "rl"]),
    ] {
        for value in values {
            let text = format!("{kind} {parameter}={value}");
            let faults = Give::parse(&text).unwrap_err();
            let is_named =
                matches!(faults.as_slice(), [GiveFault::Invalid { parameter: named, .. }] if *named == parameter);
            assert!(is_named, "{text}: {faults:?}");
        }
    }
}

#[test]
fn no_fault_repeats_what_may_be_a_key() {
    const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tqK1SZFPTOtrKBHBeksoGMGw==";
    for text in [
        KEY.to_owned(),
        format!("blob-sas {KEY}"),
        format!("blob-sas key={KEY} account={KEY} path={KEY} allow={KEY} ttl={KEY}"),
        format!("pubsub-token host={KEY} hub={KEY}/ roles={KEY} user={KEY}"),
        format!("speech-token region={KEY}"),
        format!("speech-token host={KEY}"),
    ] {
        let faults = faults(&text).join("\n").to_ascii_lowercase();
        assert!(
            !faults.contains(&KEY.to_ascii_lowercase().chars().take(8).collect::<String>()),
            "{text}: {faults}"
        );
    }
}

#[test]
fn only_a_token_with_a_user_needs_entra() {
    for (text, needs) in [
        ("pubsub-token host=h.example hub=c", true),
        ("pubsub-token host=h.example hub=c user=none", false),
        ("blob-sas account=abc path=photos allow=r", false),
        ("speech-token region=westeurope", false),
    ] {
        let give = Give::parse(text).unwrap();
        assert_eq!(give.check(false).is_err(), needs, "{text}");
        assert_eq!(give.check(true), Ok(()), "{text}");
    }
}

#[test]
fn what_is_unwise_is_said() {
    use GiveWarning::{Anonymous, AnonymousWrite, EveryGroup};
    let roles = "pubsub-token host=h.example hub=c roles=webpubsub.sendToGroup+webpubsub.joinLeaveGroup.news";
    for (text, entra, anonymous, expected) in [
        ("blob-sas account=abc path=photos allow=r", false, false, &[][..]),
        ("blob-sas account=abc path=photos allow=rl", false, false, &[]),
        (
            "blob-sas account=abc path=photos allow=rw",
            false,
            false,
            &[AnonymousWrite],
        ),
        (
            "blob-sas account=abc path=photos allow=c",
            false,
            true,
            &[AnonymousWrite, Anonymous],
        ),
        ("blob-sas account=abc path=photos allow=c", true, false, &[]),
        ("speech-token region=westeurope", false, true, &[Anonymous]),
        (roles, true, false, &[EveryGroup("webpubsub.sendToGroup")]),
    ] {
        let give = Give::parse(text).unwrap();
        assert_eq!(give.warnings(entra, anonymous), expected, "{text}");
    }
}
