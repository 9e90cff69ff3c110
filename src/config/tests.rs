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
    assert_eq!(config.log_format, LogFormat::Text);
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
fn a_wildcard_below_a_shared_suffix_is_a_fault() {
    for host in [
        "com",
        "co.uk",
        "azurewebsites.net",
        "westeurope-01.azurewebsites.net",
        "z6.web.core.windows.net",
        "z01.azurefd.net",
        "westeurope.cloudapp.azure.com",
        "azurecontainerapps.io",
        "2.azurestaticapps.net",
        "github.io",
    ] {
        for origin in [format!("https://*.{host}"), format!("https://*.{host}:*")] {
            let message = fault("ALLOWED_ORIGINS", &origin);
            assert!(message.contains("strangers"), "{origin}: {message}");
        }
        // One host there is somebody's own.
        assert!(
            config(&[("ALLOWED_ORIGINS", Some(&format!("https://app.{host}")))]).is_ok(),
            "{host}"
        );
    }
}

#[test]
fn what_works_and_should_be_looked_at_is_a_warning() {
    let deployed = [
        ("WEBSITE_INSTANCE_ID", Some("1")),
        ("IDENTITY_ENDPOINT", Some("http://127.0.0.1:1/msi/token")),
    ];
    let cases: &[(Changes<'_>, &str)] = &[
        (&[("ALLOWED_ORIGINS", Some("https://*.contoso.com"))], "subdomain"),
        (
            &[("ALLOWED_ORIGINS", Some("https://contoso.com:*"))],
            "every service on that host",
        ),
        (&[("ALLOWED_ORIGINS", Some("https://a.com,https://a.com"))], "twice"),
        (
            &[("ALLOWED_ORIGINS", Some("http://localhost:3000,http://localhost:*"))],
            "http://localhost:3000 is allowed by http://localhost:* already",
        ),
        (
            &[
                deployed[0],
                deployed[1],
                ("ALLOWED_ORIGINS", Some("http://localhost:3000")),
            ],
            "http://localhost:3000 in a deployed app",
        ),
        (
            &[
                ("ALLOWED_ORIGINS", Some("*")),
                ("DANGEROUSLY_ALLOW_ANY_ORIGIN", Some("true")),
            ],
            "every page on the internet",
        ),
        (&[("DANGEROUSLY_ALLOW_ANY_ORIGIN", Some("true"))], "no effect"),
        (&[("DANGEROUSLY_ALLOW_ANY_SECRET", Some("true"))], "no effect"),
        (
            &[
                ("ALLOWED_SECRETS", Some("*")),
                ("DANGEROUSLY_ALLOW_ANY_SECRET", Some("true")),
            ],
            "every secret of the vault",
        ),
        (&[("ALLOWED_SECRETS", Some("a,A"))], "element 2 is there twice"),
        (&[("ALLOWED_SECRETS", Some("web-*,web-*"))], "element 2 is there twice"),
        (
            &[("ALLOWED_SECRETS", Some("web-a,Web-*"))],
            "web-a is allowed by web-* already",
        ),
        (&[("EXPOSED_HEADERS", Some("*"))], "list the names"),
        (
            &[("EXPOSED_HEADERS", Some("*")), ("ALLOW_CREDENTIALS", Some("true"))],
            "exposes nothing",
        ),
        (&[("EXPOSED_HEADERS", Some("Content-Type"))], "anyway"),
        (&[("ALLOWED_HEADERS", Some("accept"))], "no preflight"),
        (
            &[("ALLOWED_HEADERS", Some("X-HTTP-Method-Override"))],
            "replaces the method",
        ),
        (&[("ALLOWED_HEADERS", Some("x-a, X-A"))], "there already"),
        (&[("PREFLIGHT_MAX_AGE_SECONDS", Some("0"))], "before every request"),
        (&[("PREFLIGHT_MAX_AGE_SECONDS", Some("7201"))], "browsers cap it"),
        (&[("REQUIRE_ORIGIN", Some("false"))], "without Origin are served"),
        (&[("WEBSITE_INSTANCE_ID", Some("1"))], "az functionapp identity assign"),
        (
            &[deployed[0], deployed[1], ("AZURE_TOKEN_CREDENTIALS", Some("dev"))],
            "no developer",
        ),
        (&[("RUST_LOG", Some("warn"))], "leaves out the line"),
        (&[("RUST_LOG", Some("azure_core=debug"))], "leaves out the line"),
        (&[("RUST_LOG", Some("info,keyvault_cors=warn"))], "leaves out the line"),
        (
            &[("RUST_LOG", Some("keyvault_cors::server=info"))],
            "leaves out the line",
        ),
        (&[("KEY_VAULT_URL", Some("https://kv.example.com"))], "known clouds"),
        (&[("DANGEROUSLY_ALLOW_ANONYMOUS", Some("true"))], "no effect now"),
    ];
    for (changes, told) in cases {
        let all = warnings(changes);
        assert_eq!(all.len(), 1, "{changes:?}: {all:?}");
        assert!(all.iter().all(|warning| warning.contains(told)), "{changes:?}: {all:?}");
    }
}

#[test]
fn what_browsers_do_with_an_age_below_their_caps_needs_no_warning() {
    for age in ["1", "600", "7200", ""] {
        let all = warnings(&[("PREFLIGHT_MAX_AGE_SECONDS", Some(age))]);
        assert!(all.is_empty(), "{age}: {all:?}");
    }
}

#[test]
fn header_names_that_can_never_work_are_faults() {
    for name in [
        "Cookie",
        "origin",
        "host",
        "sec-fetch-mode",
        "proxy-authorization",
        "via",
        "access-control-request-method",
    ] {
        assert!(fault("ALLOWED_HEADERS", name).contains("no script can set"), "{name}");
    }
    assert!(fault("EXPOSED_HEADERS", "set-cookie").contains("never be read"));
}

#[test]
fn localhost_with_credentials_is_a_fault_once_deployed() {
    let changes = [
        ("ALLOWED_ORIGINS", Some("http://localhost:3000")),
        ("ALLOW_CREDENTIALS", Some("true")),
    ];
    assert!(config(&changes).is_ok());
    let deployed = [("WEBSITE_INSTANCE_ID", Some("1"))];
    assert_eq!(faults(&[&changes[..], &deployed].concat()).len(), 1);
}

#[test]
fn nothing_but_cors_before_the_secrets_is_a_fault() {
    let anonymous = [("DANGEROUSLY_ALLOW_ANONYMOUS", Some("true"))];
    assert!(under_host("function", "anonymous", &[]).is_ok());
    assert!(under_host("anonymous", "anonymous", &[]).is_err());
    assert!(under_host("anonymous", "anonymous", &anonymous).is_ok());
    assert!(under_host("function", "function", &[]).is_err());
    assert!(under_host("function", "function", &anonymous).is_err());

    // Without the host the file may be missing, but what it says still holds.
    let files = functions("anonymous", "anonymous");
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    assert!(config_with_files(&[], &files).is_err());
    assert!(config_with_files(&anonymous, &files).is_ok());
}

#[test]
fn under_the_host_both_function_files_must_be_readable() {
    let port = [("FUNCTIONS_CUSTOMHANDLER_PORT", Some("1234"))];
    let all = config_with_files(&port, &[]).expect_err("no files");
    let names: Vec<_> = all.iter().map(|fault| fault.setting.as_str()).collect();
    assert_eq!(names, ["GetSecret/function.json", "Preflight/function.json"]);
}

#[test]
fn a_typo_in_a_name_is_a_fault() {
    let message = fault("ALLOWED_ORIGIN", "https://contoso.com");
    assert!(message.contains("ALLOWED_ORIGINS was probably meant"), "{message}");
    assert!(config(&[("APPSETTING_ALLOWED_ORIGIN", Some("x")), ("PATH", Some("/bin"))]).is_ok());
}

#[test]
fn a_difference_to_the_platforms_cors_list_is_a_warning_with_its_fix() {
    let flex = ("WEBSITE_SKU", Some("FlexConsumption"));
    let list = |json| ("CORS_ALLOWED_ORIGINS", Some(json));
    let cases: &[(Changes<'_>, &[&str])] = &[
        (&[flex, list(r#"["https://contoso.com"]"#)], &[]),
        (
            &[("WEBSITE_SKU", Some("Dynamic")), list(r#"["https://contoso.com"]"#)],
            &[],
        ),
        (&[("WEBSITE_SKU", Some("ElasticPremium"))], &[]),
        (&[("WEBSITE_SKU", Some("ElasticPremium")), list("[]")], &[]),
        (
            &[flex],
            &["cors add --name APP --resource-group GROUP --allowed-origins https://contoso.com"],
        ),
        (&[flex, list("[]")], &["every preflight will fail"]),
        (&[("WEBSITE_SKU", Some("Dynamic"))], &["every preflight will fail"]),
        (
            &[("FUNCTIONS_ENABLE_CORS_CONFIGURATION", Some("1"))],
            &["every preflight will fail"],
        ),
        (
            &[
                list(r#"["https://fabrikam.com"]"#),
                ("WEBSITE_SITE_NAME", Some("web")),
                ("WEBSITE_RESOURCE_GROUP", Some("rg")),
            ],
            &[
                "cors add --name web --resource-group rg --allowed-origins https://contoso.com",
                "cors remove --name web --resource-group rg --allowed-origins https://fabrikam.com",
            ],
        ),
        (
            &[list(r#"["https://contoso.com","*"]"#)],
            &["cors remove --name APP --resource-group GROUP --allowed-origins '*'"],
        ),
        (
            &[list(r#"["https://contoso.com/"]"#)],
            &["lacks origins", "does not list"],
        ),
        (&[list("https://contoso.com")], &["not a JSON array"]),
        (
            &[
                list(r#"["https://contoso.com"]"#),
                ("CORS_SUPPORT_CREDENTIALS", Some("true")),
            ],
            &["cors credentials --name APP --resource-group GROUP --enable false"],
        ),
        (
            &[list(r#"["https://contoso.com"]"#), ("ALLOW_CREDENTIALS", Some("true"))],
            &["cors credentials --name APP --resource-group GROUP --enable true"],
        ),
        (
            &[
                ("ALLOWED_ORIGINS", Some("https://contoso.com,http://localhost:*")),
                list(r#"["https://contoso.com"]"#),
                flex,
            ],
            &["preflights for http://localhost:* will fail"],
        ),
        (
            &[
                ("ALLOWED_ORIGINS", Some("https://*.contoso.com")),
                list(r#"["https://a.contoso.com"]"#),
            ],
            &["allows every subdomain", "knows no patterns"],
        ),
        (
            &[
                ("ALLOWED_ORIGINS", Some("*")),
                ("DANGEROUSLY_ALLOW_ANY_ORIGIN", Some("true")),
                list(r#"["*"]"#),
            ],
            &["every page", "as ALLOWED_ORIGINS has"],
        ),
        (
            &[("ALLOWED_ORIGINS", Some("http://localhost:*")), flex],
            &["ALLOWED_ORIGINS has none"],
        ),
    ];
    for (changes, told) in cases {
        let all = warnings(changes);
        assert_eq!(all.len(), told.len(), "{changes:?}: {all:?}");
        for (warning, told) in all.iter().zip(*told) {
            assert!(warning.contains(told), "{changes:?}: {warning}");
        }
    }
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

/// A complete set-up of Entra, with one setting changed.
fn entra(name: &str, value: &str) -> Vec<String> {
    let mut settings = vec![
        ("ENTRA_TENANT_ID", Some("0F0F0F0F-1111-2222-3333-444444444444")),
        (
            "ENTRA_AUDIENCE",
            Some("api://keyvault-cors, 0f0f0f0f-1111-2222-3333-555555555555"),
        ),
        ("ENTRA_REQUIRED_SCOPES", Some("secrets.read, other")),
        ("ENTRA_REQUIRED_ROLES", Some("")),
        ("ENTRA_ALLOWED_CLIENTS", Some("")),
        ("ENTRA_AUTHORITY_HOST", Some("")),
    ];
    settings.push((name, Some(value)));
    let faults = faults(&settings);
    if faults.is_empty() {
        let rules = config(&settings)
            .ok()
            .and_then(|config| config.entra)
            .expect("Entra is on");
        assert_eq!(rules.tenant, "0f0f0f0f-1111-2222-3333-444444444444");
    }
    faults
}

#[test]
fn a_complete_set_up_of_entra_is_valid() {
    for (name, value) in [
        ("PREFETCH", "true"),
        ("ENTRA_REQUIRED_ROLES", "Secrets.Read.All"),
        ("ENTRA_ALLOWED_CLIENTS", "0f0f0f0f-1111-2222-3333-444444444444"),
        ("ENTRA_AUTHORITY_HOST", "https://login.microsoftonline.us/"),
        ("ENTRA_AUTHORITY_HOST", "http://127.0.0.1:8444"),
    ] {
        assert_eq!(entra(name, value), Vec::<String>::new(), "{name}={value}");
    }
}

#[test]
fn half_a_set_up_of_entra_is_a_fault() {
    for (name, value, setting) in [
        ("ENTRA_TENANT_ID", "", "ENTRA_TENANT_ID"),
        ("ENTRA_AUDIENCE", "", "ENTRA_AUDIENCE"),
        ("ENTRA_REQUIRED_SCOPES", "", "ENTRA_REQUIRED_SCOPES"),
        ("ENTRA_REQUIRED_SCOPES", "a,,b", "ENTRA_REQUIRED_SCOPES"),
        ("ENTRA_REQUIRED_SCOPES", "a b", "ENTRA_REQUIRED_SCOPES"),
        (
            "ENTRA_REQUIRED_SCOPES",
            "api://keyvault-cors/secrets.read",
            "ENTRA_REQUIRED_SCOPES",
        ),
        ("ENTRA_TENANT_ID", "common", "ENTRA_TENANT_ID"),
        ("ENTRA_TENANT_ID", "Organizations", "ENTRA_TENANT_ID"),
        ("ENTRA_TENANT_ID", "contoso.onmicrosoft.com", "ENTRA_TENANT_ID"),
        ("ENTRA_AUDIENCE", "https://vault.azure.net", "ENTRA_AUDIENCE"),
        ("ENTRA_AUDIENCE", "https://vault.azure.net/", "ENTRA_AUDIENCE"),
        ("ENTRA_AUDIENCE", "https://kv.vault.azure.net", "ENTRA_AUDIENCE"),
        (
            "ENTRA_AUDIENCE",
            "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
            "ENTRA_AUDIENCE",
        ),
        ("ENTRA_AUDIENCE", "mine,https://graph.microsoft.com", "ENTRA_AUDIENCE"),
        (
            "ENTRA_AUDIENCE",
            "00000003-0000-0000-C000-000000000000",
            "ENTRA_AUDIENCE",
        ),
        ("ENTRA_AUDIENCE", "https://management.azure.com/", "ENTRA_AUDIENCE"),
        ("ENTRA_AUDIENCE", "a\"b", "ENTRA_AUDIENCE"),
        ("ENTRA_ALLOWED_CLIENTS", "my-app", "ENTRA_ALLOWED_CLIENTS"),
        (
            "ENTRA_AUTHORITY_HOST",
            "http://login.microsoftonline.com",
            "ENTRA_AUTHORITY_HOST",
        ),
        (
            "ENTRA_AUTHORITY_HOST",
            "https://login.microsoftonline.com/common",
            "ENTRA_AUTHORITY_HOST",
        ),
        (
            "ENTRA_AUTHORITY_HOST",
            "https://user@login.microsoftonline.com",
            "ENTRA_AUTHORITY_HOST",
        ),
        (
            "ENTRA_AUTHORITY_HOST",
            "login.microsoftonline.com",
            "ENTRA_AUTHORITY_HOST",
        ),
    ] {
        let faults = entra(name, value);
        assert_eq!(faults.len(), 1, "{name}={value}: {faults:?}");
        assert!(
            faults.iter().all(|fault| fault.starts_with(setting)),
            "{name}={value}: {faults:?}"
        );
    }
}

#[test]
fn entra_lets_get_secret_be_anonymous() {
    let on = [
        ("ENTRA_TENANT_ID", Some("0f0f0f0f-1111-2222-3333-444444444444")),
        ("ENTRA_AUDIENCE", Some("api://keyvault-cors")),
        ("ENTRA_REQUIRED_ROLES", Some("Reader")),
    ];
    assert!(under_host("anonymous", "anonymous", &on).is_ok());
}
