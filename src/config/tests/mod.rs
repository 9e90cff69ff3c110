//! Faults and defaults, setting by setting.

mod any_rules;
mod docs;
mod entra;
mod findings;
mod posture;
mod rules;
mod settings_file;
mod suggestions;

use std::time::Duration;

use super::*;
use crate::cors::AllowedOrigins;
use crate::vault::{Identity, RequiredTag};

/// Settings to change; `None` removes one.
type Changes<'a> = &'a [(&'a str, Option<&'a str>)];

/// The least that a configuration needs, with `changes` over it, and no files.
fn config(changes: Changes<'_>) -> Result<Config, Findings> {
    config_with_files(changes, &[])
}

fn config_with_files(changes: Changes<'_>, files: &[(&str, &str)]) -> Result<Config, Findings> {
    let mut settings = BTreeMap::from([
        ("KEY_VAULT_URL", "https://kv.vault.azure.net"),
        ("ALLOWED_SECRETS", "maps-key"),
        ("ALLOWED_ORIGINS", "https://contoso.com"),
    ]);
    for (name, value) in changes {
        match value {
            Some(value) => settings.insert(name, value),
            None => settings.remove(name),
        };
    }
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let settings = settings.into_iter().map(owned).collect();
    let content = |(path, text): &(&str, &str)| ((*path).to_owned(), Ok(text.as_bytes().to_vec()));
    Config::read(&settings, &files.iter().map(content).collect())
}

/// The files of the app, with these levels.
fn functions(get_secret: &str, preflight: &str) -> [(&'static str, String); 2] {
    let file = |level: &str, methods: &str| {
        format!(r#"{{"bindings":[{{"type":"httpTrigger","authLevel":"{level}","methods":[{methods}]}}]}}"#)
    };
    [
        ("GetSecret/function.json", file(get_secret, r#""get","head""#)),
        ("Preflight/function.json", file(preflight, r#""options""#)),
    ]
}

fn under_host(get_secret: &str, preflight: &str, changes: Changes<'_>) -> Result<Config, Findings> {
    let files = functions(get_secret, preflight);
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let port = [("FUNCTIONS_CUSTOMHANDLER_PORT", Some("1234"))];
    config_with_files(&[&port, changes].concat(), &files)
}

fn warnings(changes: Changes<'_>) -> Vec<String> {
    let config = config(changes).unwrap_or_else(|faults| panic!("{changes:?}: {faults:?}"));
    config.warnings.iter().map(Finding::to_string).collect()
}

fn faults(changes: Changes<'_>) -> Vec<String> {
    config(changes)
        .err()
        .unwrap_or_default()
        .faults
        .iter()
        .map(Finding::to_string)
        .collect()
}

/// The one fault of the setting `name` when it has `value`.
fn fault(name: &str, value: &str) -> String {
    let mut all = faults(&[(name, Some(value))]);
    all.retain(|fault| fault.starts_with(name));
    assert_eq!(all.len(), 1, "{name}={value}: {all:?}");
    all.remove(0)
}

#[test]
fn three_settings_are_enough_and_the_rest_has_defaults() {
    let config = config(&[]).expect("a valid configuration");
    assert_eq!(config.vault.url, "https://kv.vault.azure.net/");
    assert_eq!(config.vault.identity, Identity::DeveloperTools);
    assert_eq!(config.vault.timeout, Duration::from_secs(5));
    assert_eq!(config.vault.required_tag, None);
    assert!(config.vault.has_exact_names && !config.vault.loopback);
    assert_eq!(config.access.ttl, Duration::from_mins(5));
    assert_eq!(config.cache.stale, Duration::from_hours(1));
    assert_eq!(config.cors.max_age, Some(600));
    assert_eq!(config.cors.request_headers.len(), 6);
    assert_eq!(config.cors.exposed_headers.len(), 4);
    assert!(config.token.is_none() && config.access.requirement.is_none());
    assert_eq!(config.port, 7071);
    assert!(!config.under_functions_host && config.api.require_loopback_host);
    assert_eq!(config.deliver.public_host, "localhost:7071");
    assert!(config.api.require_origin && config.prefetch);
    assert_eq!(config.log.format, log::Format::Text);
    assert_eq!(config.log.filter.to_string(), "keyvault_cors=info,warn");
    assert!(config.warnings.is_empty());
}

#[test]
fn every_fault_is_reported_at_once() {
    let all = faults(&[
        ("KEY_VAULT_URL", None),
        ("ALLOWED_SECRETS", None),
        ("ALLOWED_ORIGINS", None),
        ("REQUIRE_ORIGIN", Some("maybe")),
        ("UPSTREAM_TIMEOUT_SECONDS", Some("0")),
        ("LOG_FORMAT", Some("xml")),
    ]);
    for name in [
        "KEY_VAULT_URL",
        "ALLOWED_SECRETS",
        "ALLOWED_ORIGINS",
        "REQUIRE_ORIGIN",
        "UPSTREAM_TIMEOUT_SECONDS",
        "LOG_FORMAT",
    ] {
        let of_name = all.iter().filter(|fault| fault.starts_with(name)).count();
        assert_eq!(of_name, 1, "{name} in {all:?}");
    }
    assert_eq!(all.len(), 6, "{all:?}");
}

#[test]
fn malformed_values_are_faults_that_say_what_to_write() {
    for (name, value, told) in [
        ("ALLOWED_ORIGINS", "https://Contoso.com", "write https://contoso.com"),
        ("ALLOWED_ORIGINS", "https://contoso.com/", "write https://contoso.com"),
        (
            "ALLOWED_ORIGINS",
            "https://contoso.com:443",
            "write https://contoso.com",
        ),
        ("ALLOWED_ORIGINS", "contoso.com", "write https://contoso.com"),
        (
            "ALLOWED_ORIGINS",
            "https://bücher.example",
            "write https://xn--bcher-kva.example",
        ),
        (
            "ALLOWED_ORIGINS",
            "https://*.Contoso.com",
            "write https://*.contoso.com",
        ),
        ("ALLOWED_ORIGINS", "http://LOCALHOST:*", "write http://localhost:*"),
        ("ALLOWED_ORIGINS", "localhost:3000", "write http://localhost:3000"),
        (
            "ALLOWED_ORIGINS",
            "https://*.GITHUB.io",
            "a scheme, a host and perhaps a port",
        ),
        ("ALLOWED_ORIGINS", "http://contoso.com", "write https://contoso.com"),
        ("ALLOWED_ORIGINS", "https://contoso.com.", "write https://contoso.com"),
        (
            "ALLOWED_ORIGINS",
            "https://contoso.com, https://fabrikam.com",
            "element 2: there is white space around it; write https://fabrikam.com",
        ),
        ("ALLOWED_ORIGINS", "https://contoso.com,", "element 2: it is empty"),
        ("ALLOWED_ORIGINS", "https://a*.contoso.com", "whole first label"),
        ("ALLOWED_ORIGINS", "null", "null"),
        ("ALLOWED_ORIGINS", "*", "DANGEROUSLY_ALLOW_ANY_ORIGIN=true"),
        ("ALLOWED_SECRETS", "*", "DANGEROUSLY_ALLOW_ANY_SECRET=true"),
        ("ALLOWED_SECRETS", "a,,b", "element 2: it is empty"),
        ("ALLOWED_SECRETS", "a_b", "element 1"),
        ("ALLOWED_SECRETS", "a*b", "element 1"),
        ("ALLOWED_SECRETS", "a**", "element 1"),
        ("ALLOWED_SECRETS", "", "set but empty"),
        ("ALLOW_CREDENTIALS", "yes", "write true"),
        ("ALLOW_CREDENTIALS", " false", "write false"),
        ("ALLOW_CREDENTIALS", "", "set but empty"),
        ("ALLOWED_HEADERS", "*", "`*` is refused"),
        ("ALLOWED_HEADERS", "authorization;x", "element 1"),
        ("ALLOWED_HEADERS", "a,,b", "element 2"),
        ("EXPOSED_HEADERS", "a b", "element 1"),
        ("PREFLIGHT_MAX_AGE_SECONDS", "86401", "0 to 86400"),
        ("PREFLIGHT_MAX_AGE_SECONDS", "-1", "0 to 86400"),
        ("PREFLIGHT_MAX_AGE_SECONDS", "+1", "0 to 86400"),
        ("UPSTREAM_TIMEOUT_SECONDS", "61", "1 to 60"),
        ("UPSTREAM_TIMEOUT_SECONDS", " 5", "write 5 without spaces"),
        ("AZURE_CLIENT_ID", "my-identity", "not a GUID"),
        ("AZURE_TOKEN_CREDENTIALS", "Prod", "write prod"),
        ("LOG_FORMAT", "JSON", "write json"),
        ("RUST_LOG", "info,a=nonsense", "filter directives"),
        ("RUST_LOG", "info,hyper[request]=debug", "TARGET=LEVEL"),
        ("RUST_LOG", "info;hyper=debug", "filter directives"),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "0", "1 to 65535"),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "http", "1 to 65535"),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "", "set but empty"),
        ("WEBSITE_HOSTNAME", "a/b", "not a host name"),
        (
            "KEY_VAULT_URL",
            "http://kv.vault.azure.net",
            "write https://kv.vault.azure.net",
        ),
        (
            "KEY_VAULT_URL",
            "@Microsoft.KeyVault(SecretUri=https://x)",
            "did not resolve",
        ),
        ("ALLOWED_SECRETS", "@Microsoft.AppConfiguration(x)", "did not resolve"),
        ("ENTRA_REQUIRED_SCOPES", "secrets.read", "checks nobody without"),
        ("ENTRA_REQUIRED_ROLES", "Reader", "checks nobody without"),
        (
            "ENTRA_ALLOWED_CLIENTS",
            "0f0f0f0f-1111-2222-3333-444444444444",
            "checks nobody without",
        ),
        ("ENTRA_AUTHORITY_HOST", "http://login.example", "plain http"),
    ] {
        let message = fault(name, value);
        assert!(message.starts_with(name), "{message}");
        assert!(message.contains(told), "{name}={value}: {message}");
    }
}

#[test]
fn a_value_that_could_be_a_secret_is_not_repeated() {
    for (name, value) in [
        ("ALLOWED_ORIGINS", "https://user:canary@contoso.com"),
        ("KEY_VAULT_URL", "https://user:canary@kv.vault.azure.net"),
        ("ALLOWED_SECRETS", "canary/value+of=secret"),
        ("AZURE_CLIENT_ID", "canary"),
        ("ALLOW_CREDENTIALS", "canary"),
    ] {
        let message = fault(name, value);
        assert!(!message.contains("canary"), "{message}");
    }
}

#[test]
fn the_wildcard_excludes_credentials_and_other_origins() {
    let any = ("DANGEROUSLY_ALLOW_ANY_ORIGIN", Some("true"));
    assert!(config(&[any, ("ALLOWED_ORIGINS", Some("*"))]).is_ok());
    let all = faults(&[any, ("ALLOWED_ORIGINS", Some("*")), ("ALLOW_CREDENTIALS", Some("true"))]);
    assert_eq!(all.len(), 1, "{all:?}");
    let all = faults(&[any, ("ALLOWED_ORIGINS", Some("*,https://contoso.com"))]);
    assert_eq!(all.len(), 1, "{all:?}");
}

#[test]
fn an_empty_value_is_unset_where_the_settings_table_says_so() {
    for name in [
        "AZURE_CLIENT_ID",
        "AZURE_TOKEN_CREDENTIALS",
        "ENTRA_TENANT_ID",
        "RUST_LOG",
    ] {
        assert!(config(&[(name, Some(""))]).is_ok(), "{name}");
    }
    for name in ["ALLOWED_HEADERS", "EXPOSED_HEADERS", "PREFLIGHT_MAX_AGE_SECONDS"] {
        assert!(config(&[(name, Some(""))]).is_ok(), "{name}");
    }
}

#[test]
fn the_identity_follows_the_environment_unless_told() {
    let managed = |client_id: Option<&str>| Identity::Managed {
        client_id: client_id.map(str::to_owned),
    };
    let guid = "0f0f0f0f-1111-2222-3333-444444444444";
    for (settings, expected) in [
        (&[][..], Identity::DeveloperTools),
        (&[("IDENTITY_ENDPOINT", Some("http://x"))], managed(None)),
        (&[("WEBSITE_INSTANCE_ID", Some("x"))], managed(None)),
        (&[("AZURE_TOKEN_CREDENTIALS", Some("prod"))], managed(None)),
        (
            &[
                ("AZURE_TOKEN_CREDENTIALS", Some("prod")),
                ("AZURE_CLIENT_ID", Some(guid)),
            ],
            managed(Some(guid)),
        ),
        (
            &[
                ("AZURE_TOKEN_CREDENTIALS", Some("dev")),
                ("WEBSITE_INSTANCE_ID", Some("x")),
            ],
            Identity::DeveloperTools,
        ),
    ] {
        let config = config(settings).expect("a valid configuration");
        assert_eq!(config.vault.identity, expected, "{settings:?}");
    }
}

#[test]
fn a_container_alone_is_not_deployed() {
    let localhost = ("ALLOWED_ORIGINS", Some("http://localhost:3000"));
    let container = ("CONTAINER_NAME", Some("dev"));
    assert_eq!(warnings(&[localhost, container]), Vec::<String>::new());
    let site = ("WEBSITE_SITE_NAME", Some("app"));
    let all = warnings(&[localhost, container, site]);
    assert_eq!(all.len(), 2, "localhost and no identity: {all:?}");
}

#[test]
fn a_required_tag_is_a_name_with_or_without_a_value() {
    let tag = |text| config(&[("REQUIRED_TAG", Some(text))]).map(|config| config.vault.required_tag);
    let of = |name: &str, value: Option<&str>| {
        Some(RequiredTag {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        })
    };
    assert_eq!(tag("browser"), Ok(of("browser", None)));
    assert_eq!(tag("Browser=Yes please"), Ok(of("Browser", Some("Yes please"))));
    assert_eq!(tag("a=b=c"), Ok(of("a", Some("b=c"))));
    assert_eq!(tag(""), Ok(None));
    for text in ["=", "=yes", "browser=", " browser", "browser =yes", "a=\n"] {
        assert!(fault("REQUIRED_TAG", text).contains("NAME=VALUE"), "{text:?}");
    }
}

#[test]
fn nothing_at_fault_stands_for_more_than_was_meant() {
    let mut reader_settings = BTreeMap::new();
    reader_settings.insert("ALLOW_CREDENTIALS".to_owned(), "true".to_owned());
    let mut reader = Reader::new(&reader_settings);
    assert!(origins::read(&mut reader).is_none(), "no ALLOWED_ORIGINS");
    assert!(secrets::read(&mut reader).is_none(), "no ALLOWED_SECRETS");
    for list in ["*", "https://contoso.com,*", "https://contoso.com,null"] {
        let settings = BTreeMap::from([("ALLOWED_ORIGINS".to_owned(), list.to_owned())]);
        let origins = origins::read(&mut Reader::new(&settings));
        assert!(!matches!(origins, Some(AllowedOrigins::Any)), "{list}");
        assert!(origins.is_none(), "{list}");
    }
    for (setting, value) in [
        (&settings::ALLOW_ANONYMOUS, "yes"),
        (&settings::ALLOW_ANY_ORIGIN, "1"),
        (&settings::ALLOW_ANY_SECRET, ""),
    ] {
        let settings = BTreeMap::from([(setting.name.to_owned(), value.to_owned())]);
        assert!(!Reader::new(&settings).boolean(setting), "{}", setting.name);
    }
    let settings = BTreeMap::from([("REQUIRE_ORIGIN".to_owned(), "off".to_owned())]);
    assert!(Reader::new(&settings).boolean(&settings::REQUIRE_ORIGIN));
}

#[test]
fn warnings_are_reported_beside_faults() {
    let findings = config(&[
        ("ALLOWED_ORIGINS", Some("https://*.contoso.com")),
        ("LOG_FORMAT", Some("xml")),
    ])
    .expect_err("LOG_FORMAT is at fault");
    let names = |findings: &[Finding]| -> Vec<String> { findings.iter().map(|it| it.setting.clone()).collect() };
    assert_eq!(names(&findings.faults), ["LOG_FORMAT"]);
    assert_eq!(names(&findings.warnings), ["ALLOWED_ORIGINS"]);
}

#[test]
fn every_effective_value_is_told() {
    let settings = [
        ("CACHE_TTL_SECONDS", "60"),
        ("AZURE_CLIENT_ID", ""),
        ("ALLOWED_HEADERS", ""),
        ("RULES__MAPS__SECRETS", "maps-key"),
    ];
    let effective = effective(&settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    let told = |name: &str| {
        let found = effective.iter().find(|it| it.name == name);
        found.map(|it| (it.value.as_str(), it.is_default))
    };
    for (name, value, is_default) in [
        ("CACHE_TTL_SECONDS", "60", false),
        ("CACHE_STALE_SECONDS", "3600", true),
        ("AZURE_CLIENT_ID", "none", true),
        ("ALLOWED_HEADERS", "no header", false),
        ("ENTRA_ALLOWED_CLIENTS", "any", true),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "7071", true),
        ("RULES__MAPS__SECRETS", "maps-key", false),
    ] {
        assert_eq!(told(name), Some((value, is_default)), "{name}");
    }
    assert!(SETTINGS.iter().all(|setting| told(setting.name).is_some()));
}

#[test]
fn the_public_host_is_the_platforms_or_this_machine() {
    let config = under_host(
        "function",
        "anonymous",
        &[("WEBSITE_HOSTNAME", Some("app.azurewebsites.net"))],
    )
    .expect("a valid configuration");
    assert_eq!(config.deliver.public_host, "app.azurewebsites.net");
    assert_eq!(config.port, 1234);
    assert!(config.under_functions_host);
}
