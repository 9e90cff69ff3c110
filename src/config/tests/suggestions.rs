//! What a fault suggests is itself accepted.

use super::*;

/// Values at fault, by setting.
const FAULTY: &[(&str, &[&str])] = &[
    (
        "KEY_VAULT_URL",
        &[
            "http://kv.vault.azure.net",
            "http://localhost:8443",
            "localhost:8443",
            "https://localhost:8443/secrets/x",
            "kv.vault.azure.net",
            "https://kv.vault.azure.net:8443",
            "https://kv.vault.azure.net/secrets/maps-key?api-version=7.4#x",
            "https://KV.vault.azure.cn.",
            " https://kv.vault.azure.net\n",
            "\"https://kv.vault.azure.net\"",
            "http://kv.managedhsm.azure.net",
            "https:kv.vault.azure.net",
            "https:\\\\kv.vault.azure.net",
            "https://a.b.vault.azure.net/x",
            "https://user:canary@kv.vault.azure.net",
            "https://kv.privatelink.vaultcore.azure.cn",
            "http://10.0.0.4:8443/",
            "ftp://kv.vault.azure.net",
            "https://kv.vault.azure.net,https://kv2.vault.azure.net",
            "kv",
            "https://",
        ],
    ),
    (
        "ALLOWED_ORIGINS",
        &[
            "https://a.com\nhttps://b.com",
            "https://a.com;https://b.com",
            "https://a.com https://B.com/",
            "https://a.com|http://b.com",
            "https://a.com, https://b.com",
            "[\"https://a.com\"]",
            "\"https://a.com\"",
            "<https://a.com>",
            "https://A.com:443/path?x#y",
            "http://a.com:443",
            "http://a.com:80",
            "http://*.github.io",
            "https://*.GITHUB.io",
            "http://*.contoso.com",
            "*.contoso.com",
            "https://bücher.example",
            "https://*.bücher.example:*",
            "https://127.1",
            "http://127.1:3000",
            "https://[2001:DB8::0001]",
            "[https://[::1]]",
            "localhost:3000",
            "LOCALHOST:3000",
            "127.0.0.1:3000/",
            "http://LOCALHOST:80",
            "https://a.com.",
            "https:a.com",
            "https:/a.com",
            "https:\\\\a.com",
            "https://ex ample.com",
            "ex ample.com",
            "NULL",
            "MyPastedPassw0rd",
            "0123456789abcdef0123456789abcdef.contoso.com",
            "https://a.com\\b",
            "https://a%2Ecom",
            "https://user:canary@a.com",
            "https://a.com@evil.example",
            "chrome-extension://abc",
            "https://a.com:0",
            "https://*.*.com",
            "https://a*.contoso.com",
            "null",
            "https://a.com\u{200b}",
            "https://a.com\thttps://b.com",
            "http://192.168.1.20:5173",
        ],
    ),
    ("ALLOW_CREDENTIALS", &["yes", "1", "no", "off", " True", "0"]),
    ("REQUIRE_ORIGIN", &["FALSE ", "on"]),
    ("CACHE_TTL_SECONDS", &[" 300", "300\n", "5m", "-1", "+5"]),
    ("UPSTREAM_TIMEOUT_SECONDS", &[" 5", " 61", "0"]),
    ("LOG_FORMAT", &["JSON", " Text", "xml"]),
    ("AZURE_TOKEN_CREDENTIALS", &["Prod", " DEV ", "managed"]),
    ("RUST_LOG", &["["]),
    ("REQUIRED_TAG", &["=x"]),
    (
        "ENTRA_AUTHORITY_HOST",
        &[
            "http://login.microsoftonline.us",
            "https://login.microsoftonline.com/common",
            " https://login.partner.microsoftonline.cn",
            "login.microsoftonline.us",
            "https://user@login.microsoftonline.com",
            "https:login.microsoftonline.com",
            "https://login.microsoftonline.com//",
            "x",
        ],
    ),
];

/// What the faults of a setting suggest: the words behind "write ".
fn suggestions(name: &str, value: &str) -> Vec<String> {
    let faults = faults(&[(name, Some(value))]);
    assert!(
        faults.iter().any(|fault| fault.starts_with(name)),
        "{name}={value:?}: {faults:?}"
    );
    let behind = |fault: &str| -> Vec<String> {
        let texts = fault.split("write ").skip(1);
        let words = texts.map(|text| text.strip_prefix("for example ").unwrap_or(text));
        let words = words.filter_map(|text| text.split([' ', ';']).next());
        words
            .map(|word| word.trim_end_matches(['.', ',', ')']).to_owned())
            .collect()
    };
    let of_setting = faults.iter().filter(|fault| fault.starts_with(name));
    of_setting.flat_map(|fault| behind(fault)).collect()
}

#[test]
fn every_suggestion_is_accepted() {
    let mut count = 0;
    for (name, values) in FAULTY {
        for value in *values {
            for suggestion in suggestions(name, value) {
                count += 1;
                let faults = faults(&[(name, Some(&suggestion))]);
                assert_eq!(faults, Vec::<String>::new(), "{name}={value:?} suggests {suggestion}");
                assert!(!suggestion.contains("canary"), "{name}={value:?} suggests {suggestion}");
            }
        }
    }
    assert!(count > 60, "{count} suggestions");
}

#[test]
fn what_was_meant_is_suggested_where_it_is_clear() {
    for (name, value, suggested) in [
        (
            "ALLOWED_ORIGINS",
            "https://a.com\nhttps://b.com",
            "https://a.com,https://b.com",
        ),
        ("ALLOWED_ORIGINS", "http://a.com:443", "https://a.com"),
        ("ALLOWED_ORIGINS", "http://a.com:80", "https://a.com"),
        ("ALLOWED_ORIGINS", "[\"https://a.com\"]", "https://a.com"),
        ("ALLOWED_ORIGINS", "http://LOCALHOST:80", "http://localhost"),
        ("ALLOWED_ORIGINS", "https:\\\\a.com", "https://a.com"),
        ("KEY_VAULT_URL", "http://localhost:8443", "https://localhost:8443"),
        (
            "KEY_VAULT_URL",
            "https://kv.vault.azure.net:8443",
            "https://kv.vault.azure.net",
        ),
        ("LOG_FORMAT", " Text", "text"),
        (
            "ENTRA_AUTHORITY_HOST",
            "login.microsoftonline.us",
            "https://login.microsoftonline.us",
        ),
        (
            "ENTRA_AUTHORITY_HOST",
            "http://login.microsoftonline.us/common",
            "https://login.microsoftonline.us",
        ),
    ] {
        assert_eq!(suggestions(name, value), [suggested], "{name}={value:?}");
    }
    for (name, value) in [
        ("ALLOWED_ORIGINS", "http://*.github.io"),
        ("ALLOWED_ORIGINS", "chrome-extension://abc"),
        ("ALLOWED_ORIGINS", "https://user:canary@a.com"),
        // Halves of a name are strangers' names.
        ("ALLOWED_ORIGINS", "https://ex ample.com"),
        ("ALLOWED_ORIGINS", "NULL"),
        // It may be a secret.
        ("ALLOWED_ORIGINS", "MyPastedPassw0rd"),
        ("ALLOWED_ORIGINS", "0123456789abcdef0123456789abcdef.contoso.com"),
        ("ALLOWED_ORIGINS", "https://a.com\thttps://user@b.com"),
        ("UPSTREAM_TIMEOUT_SECONDS", " 61"),
    ] {
        assert_eq!(suggestions(name, value), Vec::<String>::new(), "{name}={value:?}");
    }
}
