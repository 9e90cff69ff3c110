//! Configurations that are dangerous or mistaken: none of them passes in silence, and none that is sound is nagged.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::check::least;
use crate::support::config::{self, Findings};
use crate::support::handler::Environment;
use crate::support::table::{self, Row};

pub(crate) const TABLES: [&str; 2] = [
    include_str!("data/dangerous_origins.txt"),
    include_str!("data/dangerous.txt"),
];
const FINE: &str = include_str!("data/fine.txt");

/// All settings of the contract, and whether an empty value is a fault.
const SETTINGS: [(&str, bool); 26] = [
    ("KEY_VAULT_URL", true),
    ("ALLOWED_SECRETS", true),
    ("ALLOWED_ORIGINS", true),
    ("ALLOW_CREDENTIALS", true),
    ("ALLOWED_HEADERS", false),
    ("EXPOSED_HEADERS", false),
    ("PREFLIGHT_MAX_AGE_SECONDS", false),
    ("REQUIRE_ORIGIN", true),
    ("CACHE_TTL_SECONDS", true),
    ("CACHE_STALE_SECONDS", true),
    ("PREFETCH", true),
    ("UPSTREAM_TIMEOUT_SECONDS", true),
    ("REQUIRED_TAG", false),
    ("AZURE_CLIENT_ID", false),
    ("AZURE_TOKEN_CREDENTIALS", false),
    ("ENTRA_TENANT_ID", false),
    ("ENTRA_AUDIENCE", false),
    ("ENTRA_REQUIRED_SCOPES", false),
    ("ENTRA_REQUIRED_ROLES", false),
    ("ENTRA_ALLOWED_CLIENTS", false),
    ("ENTRA_AUTHORITY_HOST", false),
    ("DANGEROUSLY_ALLOW_ANONYMOUS", true),
    ("DANGEROUSLY_ALLOW_ANY_ORIGIN", true),
    ("DANGEROUSLY_ALLOW_ANY_SECRET", true),
    ("LOG_FORMAT", true),
    ("RUST_LOG", false),
];

/// An environment in the making, and the files that it points to.
struct Setup {
    environment: Environment,
    app: Option<App>,
}

impl Setup {
    fn new() -> Self {
        Self {
            environment: least(),
            app: None,
        }
    }

    /// One column of a row.
    fn with(self, column: &[u8]) -> Self {
        match column {
            b"+deployed" => self
                .set("WEBSITE_INSTANCE_ID", b"0123456789abcdef")
                .set("IDENTITY_ENDPOINT", b"http://127.0.0.1:9/msi/token")
                .set("IDENTITY_HEADER", b"an-identity-header"),
            b"+host" => self.set("FUNCTIONS_CUSTOMHANDLER_PORT", b"7071"),
            _ => {
                let equals = column.iter().position(|byte| *byte == b'=').unwrap();
                let name = std::str::from_utf8(&column[..equals]).unwrap();
                // `NAME=<empty>` was not the whole column, so it is still written out.
                let value = match &column[equals + 1..] {
                    b"<empty>" => b"",
                    value => value,
                };
                match name.strip_prefix('@') {
                    Some(function) => self.function(function, value),
                    None => self.set(name, value),
                }
            }
        }
    }

    fn set(mut self, name: &str, value: &[u8]) -> Self {
        self.environment = self.environment.with(name, OsStr::from_bytes(value));
        self
    }

    fn function(mut self, function: &str, file: &[u8]) -> Self {
        let app = self.app.take().unwrap_or_else(App::new);
        let app = match std::str::from_utf8(file).unwrap() {
            "missing" => app.remove(function),
            "null" => app.auth_level(function, &Value::Null),
            text if text.contains('{') => app.replace(function, text),
            level => app.auth_level(function, &json!(level)),
        };
        self.environment = self.environment.with("FUNCTIONS_APP_ROOT_PATH", app.root());
        self.app = Some(app);
        self
    }

    fn read(self) -> Findings {
        config::read(&self.environment)
    }
}

/// What a title asks for.
struct Expected<'a> {
    fault: bool,
    warning: bool,
    /// Each must be named, and nothing else; a `*` at the end stands for any rest.
    names: Vec<&'a str>,
}

impl<'a> Expected<'a> {
    fn read(title: &'a str) -> Self {
        let (kind, names) = title.split_once(' ').unwrap();
        assert!(matches!(kind, "fault" | "warning" | "either"), "{title}");
        Self {
            fault: kind != "warning",
            warning: kind != "fault",
            names: names.split(',').collect(),
        }
    }

    fn is_met(&self, findings: &Findings) -> bool {
        let (allowed, found) = if findings.faults.is_empty() {
            (self.warning, findings.warnings())
        } else {
            (self.fault, findings.faults())
        };
        let is_named = |name: &str, found: &str| match name.strip_suffix('*') {
            Some(beginning) => found.starts_with(beginning),
            None => found == name,
        };
        allowed
            && self
                .names
                .iter()
                .all(|name| found.iter().any(|found| is_named(name, found)))
            && found
                .iter()
                .all(|found| self.names.iter().any(|name| is_named(name, found)))
    }
}

fn setup(expected: &Expected<'_>, row: &Row) -> Setup {
    let setup = match row.columns[0].as_slice() {
        b"-" => Setup::new(),
        value => Setup::new().set(expected.names[0], value),
    };
    row.columns[1..].iter().fold(setup, |setup, column| setup.with(column))
}

#[test]
fn no_dangerous_configuration_passes_in_silence() {
    let sections: Vec<_> = TABLES.iter().flat_map(|text| table::read(text)).collect();
    let mut wrong = Vec::new();
    let mut count = 0;
    for section in &sections {
        let expected = Expected::read(&section.title);
        for row in &section.rows {
            count += 1;
            let findings = setup(&expected, row).read();
            if !expected.is_met(&findings) {
                wrong.push(format!("{}: {} -> {}", section.title, row.text, findings.text()));
            }
        }
    }
    assert!(count > 400, "{count} rows");
    assert!(wrong.is_empty(), "{} of {count}: {wrong:#?}", wrong.len());
}

#[test]
fn what_is_unusual_and_sound_is_neither_refused_nor_warned_of() {
    let sections = table::read(FINE);
    let mut wrong = Vec::new();
    for row in sections.iter().flat_map(|section| &section.rows) {
        let setup = row
            .columns
            .iter()
            .fold(Setup::new(), |setup, column| setup.with(column));
        let said = setup.read().text();
        if !said.is_empty() {
            wrong.push(format!("{}: {said}", row.text));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_reference_that_the_platform_did_not_resolve_is_a_fault_in_every_setting() {
    for (name, _) in SETTINGS {
        for value in [
            "@Microsoft.KeyVault(SecretUri=https://contoso.vault.azure.net/secrets/canary-51e7)",
            "@Microsoft.KeyVault(VaultName=contoso;SecretName=canary-51e7)",
            "@Microsoft.AppConfiguration(Endpoint=https://contoso.azconfig.io; Key=canary-51e7)",
        ] {
            let findings = config::read(&least().with(name, value));
            assert_eq!(findings.faults(), [name], "{}", findings.text());
            assert!(!findings.text().contains("canary-51e7"), "{}", findings.text());
        }
    }
}

#[test]
fn an_empty_value_is_a_fault_but_where_it_has_a_meaning() {
    for (name, is_fault) in SETTINGS {
        let findings = config::read(&least().with(name, ""));
        let expected = if is_fault { vec![name] } else { vec![] };
        assert_eq!(findings.faults(), expected, "{}", findings.text());
        assert!(findings.warnings.is_empty(), "{name}: {}", findings.text());
    }
}

#[test]
fn a_non_canonical_origin_is_told_its_canonical_form() {
    for (origin, canonical) in [
        ("https://APP.contoso.com", "https://app.contoso.com"),
        ("https://dev.contoso.com:443", "https://dev.contoso.com"),
        ("https://m\u{fc}nchen.de", "https://xn--mnchen-3ya.de"),
        ("https://dev.contoso.com/", "https://dev.contoso.com"),
    ] {
        let findings = config::read(&least().with("ALLOWED_ORIGINS", origin));
        assert_eq!(findings.faults(), ["ALLOWED_ORIGINS"], "{origin}");
        let rest = findings.text().replace(origin, "");
        assert!(rest.contains(canonical), "{origin}: {}", findings.text());
    }
}

#[test]
fn a_name_that_is_nearly_a_settings_is_a_fault_that_names_both() {
    for (name, setting) in [
        ("ALLOWED_ORIGIN", "ALLOWED_ORIGINS"),
        ("ALLOW_ORIGINS", "ALLOWED_ORIGINS"),
        ("ALLOWED_ORIGNS", "ALLOWED_ORIGINS"),
        ("ALLOWED_ORIGNIS", "ALLOWED_ORIGINS"),
        ("ALOWED_ORIGINGS", "ALLOWED_ORIGINS"),
        ("allowed_origins", "ALLOWED_ORIGINS"),
        ("Allowed_Origin", "ALLOWED_ORIGINS"),
        ("AllowedOrigins", "ALLOWED_ORIGINS"),
        ("ALLOWED-ORIGINS", "ALLOWED_ORIGINS"),
        ("ALLOWED__ORIGINS", "ALLOWED_ORIGINS"),
        ("ALLOWED_ORIGINS ", "ALLOWED_ORIGINS"),
        ("ALLOWED_SECRET", "ALLOWED_SECRETS"),
        ("ALLOW_CREDENTIAL", "ALLOW_CREDENTIALS"),
        ("ALLOWED_CREDENTIALS", "ALLOW_CREDENTIALS"),
        ("ALLOWED_HEADER", "ALLOWED_HEADERS"),
        ("ALLOW_HEADERS", "ALLOWED_HEADERS"),
        ("EXPOSE_HEADERS", "EXPOSED_HEADERS"),
        ("PREFLIGHT_MAX_AGE_SECOND", "PREFLIGHT_MAX_AGE_SECONDS"),
        ("REQUIRED_ORIGIN", "REQUIRE_ORIGIN"),
        ("CACHE_TTL_SECOND", "CACHE_TTL_SECONDS"),
        ("UPSTREAM_TIMEOUT_SECOND", "UPSTREAM_TIMEOUT_SECONDS"),
        ("KEY_VAULT_URI", "KEY_VAULT_URL"),
        ("KEYVAULT_URL", "KEY_VAULT_URL"),
        ("KEYVAULTURL", "KEY_VAULT_URL"),
        ("prefetch", "PREFETCH"),
        ("rust_log", "RUST_LOG"),
        ("LOGFORMAT", "LOG_FORMAT"),
        ("AZURE_CLIENTID", "AZURE_CLIENT_ID"),
        ("AZURE_TOKEN_CREDENTIAL", "AZURE_TOKEN_CREDENTIALS"),
        ("ENTRA_TENANTID", "ENTRA_TENANT_ID"),
        ("ENTRA_AUDIENCES", "ENTRA_AUDIENCE"),
        ("ENTRA_REQUIRED_ROLE", "ENTRA_REQUIRED_ROLES"),
        ("DANGEROUSLY_ALLOW_ANONYMUS", "DANGEROUSLY_ALLOW_ANONYMOUS"),
        ("DANGEROUSLY_ALLOW_ANY_ORIGINS", "DANGEROUSLY_ALLOW_ANY_ORIGIN"),
    ] {
        let findings = config::read(&least().with(name, "canary-51e7"));
        assert_eq!(findings.faults(), [name], "{}", findings.text());
        assert!(findings.faults[0].message.contains(setting), "{}", findings.text());
        assert!(!findings.text().contains("canary-51e7"), "{}", findings.text());
    }
}

#[test]
fn what_could_be_a_secret_is_in_no_message() {
    const CANARY: &str = "canary-51e7";
    for (name, value) in [
        ("ALLOWED_SECRET", CANARY),
        ("KEY_VAULT_URL", "https://user:canary-51e7@contoso.vault.azure.net"),
        ("KEY_VAULT_URL", "https://contoso.vault.azure.net/?sig=canary-51e7"),
        ("KEY_VAULT_URL", "https://contoso.vault.azure.net/canary-51e7"),
        // Whoever reads the name as "the secrets themselves" puts one in.
        ("ALLOWED_SECRETS", "canary-51e7/+=="),
        ("ALLOWED_SECRETS", "maps-key,canary-51e7/+==*"),
        ("ALLOWED_ORIGINS", "https://user:canary-51e7@app.contoso.com"),
        ("ALLOWED_ORIGINS", "https://app.contoso.com/?code=canary-51e7"),
        ("ALLOWED_ORIGINS", "canary-51e7=="),
        ("ALLOW_CREDENTIALS", CANARY),
        ("ALLOWED_HEADERS", "x-functions-key: canary-51e7"),
        ("EXPOSED_HEADERS", "x-functions-key: canary-51e7"),
        ("CACHE_TTL_SECONDS", CANARY),
        ("AZURE_CLIENT_ID", CANARY),
        ("AZURE_TOKEN_CREDENTIALS", CANARY),
        ("ENTRA_TENANT_ID", CANARY),
        ("LOG_FORMAT", CANARY),
        ("RUST_LOG", "canary-51e7=loud"),
        ("CORS_ALLOWED_ORIGINS", CANARY),
    ] {
        let text = config::read(&least().with(name, value)).text();
        assert!(!text.is_empty() && !text.contains(CANARY), "{name}={value}: {text}");
    }
}
