//! `ENTRA_*`.

use super::*;

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
        let options = config(&settings)
            .ok()
            .and_then(|config| config.token)
            .expect("Entra is on");
        assert_eq!(options.tenant, "0f0f0f0f-1111-2222-3333-444444444444");
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
        ("ENTRA_AUDIENCE", "https://myvault.azure.net.contoso.com"),
        ("ENTRA_AUDIENCE", "api://contoso/graph.microsoft.com"),
        ("ENTRA_AUDIENCE", "https://mygraph.microsoft.com.contoso.com"),
    ] {
        assert_eq!(entra(name, value), Vec::<String>::new(), "{name}={value}");
    }
}

/// A setting, a faulty value, and the setting that the fault names.
const FAULTS: &[(&str, &str, &str)] = &[
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
    (
        "ENTRA_AUDIENCE",
        "https://management.core.windows.net/",
        "ENTRA_AUDIENCE",
    ),
    (
        "ENTRA_AUDIENCE",
        "https://management.core.usgovcloudapi.net",
        "ENTRA_AUDIENCE",
    ),
    (
        "ENTRA_AUDIENCE",
        "https://management.core.chinacloudapi.cn/.default",
        "ENTRA_AUDIENCE",
    ),
    (
        "ENTRA_AUDIENCE",
        "https://management.usgovcloudapi.net",
        "ENTRA_AUDIENCE",
    ),
    ("ENTRA_AUDIENCE", "https://vault.usgovcloudapi.net", "ENTRA_AUDIENCE"),
    ("ENTRA_AUDIENCE", "vault.azure.cn", "ENTRA_AUDIENCE"),
    ("ENTRA_AUDIENCE", "https://managedhsm.azure.net", "ENTRA_AUDIENCE"),
    ("ENTRA_AUDIENCE", "https://graph.microsoft.us", "ENTRA_AUDIENCE"),
    ("ENTRA_AUDIENCE", "https://dod-graph.microsoft.us/", "ENTRA_AUDIENCE"),
    (
        "ENTRA_AUDIENCE",
        "https://microsoftgraph.chinacloudapi.cn",
        "ENTRA_AUDIENCE",
    ),
    ("ENTRA_AUDIENCE", "https://GRAPH.windows.net:443/", "ENTRA_AUDIENCE"),
    (
        "ENTRA_AUDIENCE",
        "api://797f4846-ba00-4fd7-ba43-dac1f8f63013",
        "ENTRA_AUDIENCE",
    ),
    (
        "ENTRA_AUDIENCE",
        "spn:cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
        "ENTRA_AUDIENCE",
    ),
    (
        "ENTRA_AUTHORITY_HOST",
        " https://login.microsoftonline.com",
        "ENTRA_AUTHORITY_HOST",
    ),
    (
        "ENTRA_AUTHORITY_HOST",
        "https:login.microsoftonline.com",
        "ENTRA_AUTHORITY_HOST",
    ),
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
];

#[test]
fn a_faulty_part_of_entra_is_a_fault() {
    for (name, value, setting) in FAULTS {
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

#[test]
fn a_scope_is_suggested_out_of_its_qualified_name_and_nothing_else_is_repeated() {
    for (scope, advice) in [
        ("api://contoso/Secrets.Read", "write Secrets.Read"),
        ("https://contoso.com/vault/Secrets.Read", "write Secrets.Read"),
        ("https://contoso.com", "behind the last /"),
        ("c2VjcmV0/a2V5", "behind the last /"),
        ("api://contoso/", "behind the last /"),
    ] {
        let message = entra("ENTRA_REQUIRED_SCOPES", scope).join("\n");
        assert!(message.ends_with(advice), "{scope}: {message}");
    }
}

#[test]
fn the_vault_of_another_suffix_is_no_audience_either() {
    for (audience, is_refused) in [
        ("https://secrets.contoso.example", true),
        ("https://SECRETS.contoso.example/", true),
        ("api://secrets.contoso.example/app", true),
        ("api://contoso.example", false),
    ] {
        let faults = faults(&[
            ("KEY_VAULT_URL", Some("https://secrets.contoso.example")),
            ("ENTRA_TENANT_ID", Some("0f0f0f0f-1111-2222-3333-444444444444")),
            ("ENTRA_AUDIENCE", Some(audience)),
            ("ENTRA_REQUIRED_SCOPES", Some("secrets.read")),
        ]);
        assert_eq!(!faults.is_empty(), is_refused, "{audience}: {faults:?}");
    }
}

#[test]
fn every_fault_of_a_half_set_up_is_reported_at_once() {
    for (settings, told) in [
        (
            &[("ENTRA_TENANT_ID", Some("common"))][..],
            &["ENTRA_TENANT_ID", "ENTRA_AUDIENCE", "ENTRA_REQUIRED_SCOPES"][..],
        ),
        (
            &[
                ("ENTRA_AUDIENCE", Some("https://vault.azure.net")),
                ("ENTRA_REQUIRED_ROLES", Some("a")),
            ],
            &["ENTRA_AUDIENCE", "ENTRA_TENANT_ID"],
        ),
        (
            &[("ENTRA_TENANT_ID", Some("x")), ("ENTRA_AUDIENCE", Some("a b"))],
            &["ENTRA_TENANT_ID", "ENTRA_AUDIENCE", "ENTRA_REQUIRED_SCOPES"],
        ),
    ] {
        let faults = faults(settings);
        let named: Vec<_> = faults.iter().filter_map(|fault| fault.split(':').next()).collect();
        assert_eq!(named, told, "{faults:#?}");
    }
}
