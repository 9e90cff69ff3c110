//! What is refused or warned of although it is well-formed.

use super::*;

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
            "`web-a` is allowed by `web-*` already",
        ),
        (&[("EXPOSED_HEADERS", Some("*"))], "list the names"),
        (
            &[("EXPOSED_HEADERS", Some("*")), ("ALLOW_CREDENTIALS", Some("true"))],
            "exposes nothing",
        ),
        (&[("EXPOSED_HEADERS", Some("Content-Type"))], "anyway"),
        (&[("ALLOWED_HEADERS", Some("accept"))], "safelisted by its value"),
        (&[("ALLOWED_HEADERS", Some("Content-Type"))], "keep it only if"),
        (&[("ALLOWED_HEADERS", Some("X-Forwarded-For"))], "proxies and gateways"),
        (&[("ALLOWED_HEADERS", Some("forwarded"))], "proxies and gateways"),
        (
            &[("ALLOWED_HEADERS", Some("x-ms-client-principal-id"))],
            "proxies and gateways",
        ),
        (&[("ALLOWED_HEADERS", Some("x-original-url"))], "proxies and gateways"),
        (&[("ALLOWED_HEADERS", Some("x-real-ip"))], "proxies and gateways"),
        (
            &[
                (
                    "IDENTITY_ENDPOINT",
                    Some("http://localhost:40342/metadata/identity/oauth2/token"),
                ),
                ("IMDS_ENDPOINT", Some("http://localhost:40342")),
            ],
            "Azure Arc",
        ),
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
            &["lacks origins", "does not allow"],
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
            &[flex, list(r#"["*"]"#), ("CORS_SUPPORT_CREDENTIALS", Some("True"))],
            &["every request with an empty 500"],
        ),
        (
            &[flex, list(r#"["https://fabrikam.com","https://contoso.com"]"#)],
            &["the platform answers preflights here"],
        ),
        (
            &[list(r#"["https://fabrikam.com","https://contoso.com"]"#)],
            &["the Functions host does not answer preflights on this plan"],
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
