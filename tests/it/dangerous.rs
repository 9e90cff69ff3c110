//! Configurations that are dangerous or mistaken: none of them passes in silence, and none that is sound is nagged.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::check::{check, least};
use crate::support::handler::{Environment, Output};
use crate::support::table::{self, Row};

pub(crate) const TABLES: [&str; 2] = [
    include_str!("data/dangerous_origins.txt"),
    include_str!("data/dangerous.txt"),
];
const FINE: &str = include_str!("data/fine.txt");

/// All settings of the contract, and whether an empty value is a fault.
const SETTINGS: [(&str, bool); 25] = [
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

    async fn check(self) -> Output {
        check(self.environment, &[]).await
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

    fn is_met(&self, output: &Output) -> bool {
        let (allowed, found) = match output.code {
            Some(78) if output.stdout.is_empty() => (self.fault, output.faults()),
            Some(0) if output.stderr.is_empty() => (self.warning, output.warnings()),
            _ => return false,
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

#[tokio::test]
async fn no_dangerous_configuration_passes_in_silence() {
    let sections: Vec<_> = TABLES.iter().flat_map(|text| table::read(text)).collect();
    let mut wrong = Vec::new();
    let mut count = 0;
    for section in &sections {
        let expected = Expected::read(&section.title);
        for row in &section.rows {
            count += 1;
            let output = setup(&expected, row).check().await;
            if !expected.is_met(&output) {
                let said = [output.stderr.as_str(), &output.section("Warnings").join("\n")].concat();
                wrong.push(format!("{}: {} -> {:?} {said}", section.title, row.text, output.code));
            }
        }
    }
    assert!(count > 400, "{count} rows");
    assert!(wrong.is_empty(), "{} of {count}: {wrong:#?}", wrong.len());
}

#[tokio::test]
async fn what_is_unusual_and_sound_is_neither_refused_nor_warned_of() {
    let sections = table::read(FINE);
    let mut wrong = Vec::new();
    for row in sections.iter().flat_map(|section| &section.rows) {
        let setup = row
            .columns
            .iter()
            .fold(Setup::new(), |setup, column| setup.with(column));
        let output = setup.check().await;
        if output.code != Some(0) || !output.warnings().is_empty() || !output.stderr.is_empty() {
            wrong.push(format!("{}: {}", row.text, output.all()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_reference_that_the_platform_did_not_resolve_is_a_fault_in_every_setting() {
    for (name, _) in SETTINGS {
        for value in [
            "@Microsoft.KeyVault(SecretUri=https://contoso.vault.azure.net/secrets/canary-51e7)",
            "@Microsoft.KeyVault(VaultName=contoso;SecretName=canary-51e7)",
            "@Microsoft.AppConfiguration(Endpoint=https://contoso.azconfig.io; Key=canary-51e7)",
        ] {
            let output = check(least().with(name, value), &[]).await;
            assert_eq!(output.code, Some(78), "{name}: {}", output.all());
            assert_eq!(output.faults(), [name], "{}", output.stderr);
            assert!(!output.all().contains("canary-51e7"), "{}", output.stderr);
        }
    }
}

#[tokio::test]
async fn an_empty_value_is_a_fault_but_where_it_has_a_meaning() {
    for (name, is_fault) in SETTINGS {
        let output = check(least().with(name, ""), &[]).await;
        if is_fault {
            assert_eq!(output.code, Some(78), "{name}: {}", output.all());
            assert_eq!(output.faults(), [name], "{}", output.stderr);
        } else {
            assert_eq!(output.code, Some(0), "{name}: {}", output.all());
            assert!(output.warnings().is_empty(), "{name}: {}", output.stdout);
        }
    }
}

#[tokio::test]
async fn a_name_that_is_nearly_a_settings_is_a_fault_that_names_both() {
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
        let output = check(least().with(name, "canary-51e7"), &[]).await;
        assert_eq!(output.code, Some(78), "{name}: {}", output.all());
        assert_eq!(output.faults(), [name], "{}", output.stderr);
        let (_, message) = output.stderr.split_once(&format!("{name}: ")).unwrap();
        assert!(message.contains(setting), "{}", output.stderr);
        assert!(!output.all().contains("canary-51e7"), "{}", output.stderr);
    }
}
