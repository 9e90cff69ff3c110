//! Faults and defaults, setting by setting.

mod entra;
mod findings;

use std::collections::HashMap;

use super::*;

/// Settings to change; `None` removes one.
type Changes<'a> = &'a [(&'a str, Option<&'a str>)];

/// The least that a configuration needs, with `changes` over it, and no files.
fn config(changes: Changes<'_>) -> Result<Config, Vec<Finding>> {
    config_with_files(changes, &[])
}

fn config_with_files(changes: Changes<'_>, files: &[(&str, &str)]) -> Result<Config, Vec<Finding>> {
    let mut settings: HashMap<&str, &str> = HashMap::from([
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
    let names: Vec<_> = settings.keys().map(|name| (*name).to_owned()).collect();
    Config::from_lookup(&Sources {
        lookup: &|name| settings.get(name).map(|value| (*value).to_owned()),
        names: &names,
        read_file: &|path| {
            let file = files.iter().find(|(name, _)| *name == path);
            file.map(|(_, text)| text.as_bytes().to_vec())
                .ok_or_else(|| io::ErrorKind::NotFound.into())
        },
    })
}

/// The files of the app, with these levels.
fn functions(get_secret: &str, preflight: &str) -> [(&'static str, String); 2] {
    let file = |level: &str| format!(r#"{{"bindings":[{{"type":"httpTrigger","authLevel":"{level}"}}]}}"#);
    [
        ("GetSecret/function.json", file(get_secret)),
        ("Preflight/function.json", file(preflight)),
    ]
}

fn under_host(get_secret: &str, preflight: &str, changes: Changes<'_>) -> Result<Config, Vec<Finding>> {
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
    assert_eq!(config.vault.as_str(), "https://kv.vault.azure.net/");
    assert_eq!(config.port, 7071);
    assert!(!config.under_functions_host);
    assert_eq!(config.public_host, "localhost:7071");
    assert!(config.require_origin);
    assert_eq!(config.upstream_timeout, Duration::from_secs(5));
    assert_eq!(config.credential, CredentialKind::DeveloperTools);
    assert_eq!(config.log_format, log::Format::Text);
    assert_eq!(config.log_filter, "warn,keyvault_cors=info");
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
        ("ALLOWED_ORIGINS", "https://*.GITHUB.io", "write it as https://HOST"),
        ("ALLOWED_ORIGINS", "http://contoso.com", "write https://contoso.com"),
        ("ALLOWED_ORIGINS", "https://contoso.com.", "write https://contoso.com"),
        (
            "ALLOWED_ORIGINS",
            "https://contoso.com, https://fabrikam.com",
            "element 2: there is white space",
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
fn the_credential_follows_the_environment_unless_told() {
    let managed = |client_id: Option<&str>| CredentialKind::ManagedIdentity {
        client_id: client_id.map(str::to_owned),
    };
    let guid = "0f0f0f0f-1111-2222-3333-444444444444";
    for (settings, expected) in [
        (&[][..], CredentialKind::DeveloperTools),
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
            CredentialKind::DeveloperTools,
        ),
    ] {
        let config = config(settings).expect("a valid configuration");
        assert_eq!(config.credential, expected, "{settings:?}");
    }
}

#[test]
fn the_public_host_is_the_platforms_or_this_machine() {
    let config = under_host(
        "function",
        "anonymous",
        &[("WEBSITE_HOSTNAME", Some("app.azurewebsites.net"))],
    )
    .expect("a valid configuration");
    assert_eq!(config.public_host, "app.azurewebsites.net");
    assert_eq!(config.port, 1234);
    assert!(config.under_functions_host);
}

#[test]
fn every_setting_that_is_read_is_in_the_list_of_names() {
    let asked = std::cell::RefCell::new(std::collections::BTreeSet::new());
    let lookup = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        None
    };
    let result = Config::from_lookup(&Sources {
        lookup: &lookup,
        names: &[],
        read_file: &|_| Err(io::ErrorKind::NotFound.into()),
    });
    assert!(result.is_err());
    let asked = asked.into_inner();
    for setting in SETTINGS {
        assert!(asked.contains(setting), "{setting} is listed and never read");
    }
    for name in &asked {
        let of_the_platform = ["WEBSITE_", "FUNCTIONS_", "CORS_", "IDENTITY_", "CONTAINER_NAME"]
            .iter()
            .any(|prefix| name.starts_with(prefix));
        assert!(
            of_the_platform || SETTINGS.contains(&name.as_str()),
            "{name} is read and not listed"
        );
    }
}
