//! The configuration, read once through a lookup function and checked whole.
//!
//! Nothing malformed falls back to a default: every fault is collected and
//! reported together, each with its remedy, before anything is bound. This
//! module never touches the environment itself; `main` passes it in, tests
//! pass a map.

mod origins;
mod reader;
mod vault_url;

use std::time::Duration;

use http::HeaderName;
use tracing_subscriber::EnvFilter;

use self::origins::Origins;
pub use self::reader::Finding;
use self::reader::{Reader, elements};
pub use self::vault_url::VaultUrl;
use crate::cors::{Policy, RequestHeaders};
use crate::secret::{AllowList, SecretName, is_name_text};

/// Port when the Functions host does not give one: what `func start` serves on.
const DEFAULT_PORT: u16 = 7071;
/// `RUST_LOG` when it is not set.
const DEFAULT_LOG_FILTER: &str = "warn,keyvault_cors=info";
const DEFAULT_REQUEST_HEADERS: &str =
    "authorization,x-functions-key,x-ms-client-request-id,x-ms-useragent,traceparent,tracestate";
const DEFAULT_EXPOSED_HEADERS: &str = "retry-after,www-authenticate,x-ms-client-request-id,x-ms-request-id";
const DEFAULT_MAX_AGE_SECONDS: u32 = 600;
const DAY_SECONDS: u32 = 86_400;

/// A configuration without faults.
#[derive(Debug)]
pub struct Config {
    /// The vault to read from.
    pub vault: VaultUrl,
    /// The identity to read with.
    pub credential: CredentialKind,
    /// Bound on what a caller waits for: 1 to 60 s.
    pub upstream_timeout: Duration,
    /// The secrets that may be served.
    pub allowed_secrets: AllowList,
    /// Who may read the answers.
    pub cors: Policy,
    /// Whether requests without `Origin` are refused.
    pub require_origin: bool,
    /// Where to listen on 127.0.0.1.
    pub port: u16,
    /// Whether the Functions host started this process.
    pub under_functions_host: bool,
    /// Host, and port where it needs one, of the `id` in answers.
    pub public_host: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines there are, in tracing's filter directives.
    pub log_filter: String,
    /// What works, but should be looked at.
    pub warnings: Vec<Finding>,
}

/// Which identity asks the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// The app's managed identity.
    ManagedIdentity {
        /// Client id of a user-assigned identity; `None` is the system's.
        client_id: Option<String>,
    },
    /// Whoever is signed in with `az login` or `azd auth login`.
    DeveloperTools,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Reads the settings (the contract's table, in the README) through
    /// `lookup`.
    ///
    /// # Errors
    /// Every fault there is, in the order of the settings.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<Finding>> {
        let mut reader = Reader::new(&lookup);
        let vault = VaultUrl::read(&mut reader);
        let allowed_secrets = read_secrets(&mut reader);
        let cors = read_cors(&mut reader);
        let require_origin = reader.boolean("REQUIRE_ORIGIN", true);
        let upstream_timeout = reader.seconds("UPSTREAM_TIMEOUT_SECONDS", 5, 1..=60);
        let credential = read_credential(&mut reader);
        refuse_entra(&mut reader);
        let (log_format, log_filter) = read_logging(&mut reader);
        let (port, under_functions_host) = read_port(&mut reader);
        let public_host = read_public_host(&mut reader, port);
        let Reader { faults, warnings, .. } = reader;
        match vault {
            Some(vault) if faults.is_empty() => Ok(Self {
                vault,
                credential,
                upstream_timeout,
                allowed_secrets,
                cors,
                require_origin,
                port,
                under_functions_host,
                public_host,
                log_format,
                log_filter,
                warnings,
            }),
            _ => Err(faults),
        }
    }
}

fn read_secrets(reader: &mut Reader<'_>) -> AllowList {
    const NAME: &str = "ALLOWED_SECRETS";
    let any = reader.boolean("DANGEROUSLY_ALLOW_ANY_SECRET", false);
    let (mut names, mut prefixes) = (Vec::new(), Vec::new());
    let Some(list) = reader.required(NAME, "maps-key") else {
        return AllowList::default();
    };
    for (place, element) in elements(&list) {
        if element == "*" && !any {
            reader.fault(
                NAME,
                "`*` serves every secret of the vault; list the names, or set DANGEROUSLY_ALLOW_ANY_SECRET=true if \
                 that is really meant",
            );
        } else if let Some(prefix) = element.strip_suffix('*')
            && is_name_text(prefix)
            && prefix.len() < crate::secret::MAX_NAME
        {
            prefixes.push(prefix.to_owned());
        } else if element.is_empty() {
            reader.fault(NAME, format!("element {place}: it is empty; remove the comma"));
        } else {
            // The value is not repeated: somebody may have pasted the secret
            // itself in place of its name.
            match SecretName::parse(element) {
                Ok(name) => names.push(name),
                Err(error) => reader.fault(
                    NAME,
                    format!("element {place}: {error}; a single `*` may end it to allow a prefix"),
                ),
            }
        }
    }
    AllowList::new(names, prefixes)
}

fn read_cors(reader: &mut Reader<'_>) -> Policy {
    const MAX_AGE: &str = "PREFLIGHT_MAX_AGE_SECONDS";
    let origins = Origins::read(reader);
    let request_headers = read_header_names(reader, "ALLOWED_HEADERS", DEFAULT_REQUEST_HEADERS);
    let exposed = read_header_names(reader, "EXPOSED_HEADERS", DEFAULT_EXPOSED_HEADERS);
    let max_age = match reader.text_or_empty(MAX_AGE) {
        None => Some(DEFAULT_MAX_AGE_SECONDS),
        Some(value) if value.is_empty() => None,
        Some(value) => reader.number(MAX_AGE, &value, 0..=DAY_SECONDS),
    };
    Policy::new(
        origins.into_allowed(),
        RequestHeaders::new(request_headers),
        &exposed,
        max_age,
    )
}

fn read_header_names(reader: &mut Reader<'_>, setting: &str, default: &str) -> Vec<HeaderName> {
    let list = reader.text_or_empty(setting).unwrap_or_else(|| default.to_owned());
    if list.is_empty() {
        return Vec::new();
    }
    let mut names = Vec::new();
    for (place, element) in elements(&list) {
        match HeaderName::from_bytes(element.as_bytes()) {
            Ok(name) if name.as_str() == "*" => {
                reader.fault(setting, format!("element {place}: `*` is refused; list the names"));
            }
            Ok(name) => names.push(name),
            Err(_) => reader.fault(
                setting,
                format!("element {place}: it is not the name of a header; names are separated by commas"),
            ),
        }
    }
    names
}

fn read_credential(reader: &mut Reader<'_>) -> CredentialKind {
    #[derive(Clone, Copy)]
    enum Source {
        Prod,
        Dev,
    }
    const TOKENS: &str = "AZURE_TOKEN_CREDENTIALS";
    let in_azure = ["IDENTITY_ENDPOINT", "WEBSITE_INSTANCE_ID"]
        .iter()
        .any(|name| reader.platform(name).is_some());
    let client_id = reader.optional("AZURE_CLIENT_ID");
    if client_id.as_deref().is_some_and(|id| !is_guid(id)) {
        reader.fault(
            "AZURE_CLIENT_ID",
            "it is not a GUID; take the client id of the user-assigned identity, not its name or resource id",
        );
    }
    let chosen = reader
        .optional(TOKENS)
        .and_then(|value| reader.choice(TOKENS, &value, &[("prod", Source::Prod), ("dev", Source::Dev)]));
    match chosen {
        Some(Source::Dev) => CredentialKind::DeveloperTools,
        None if !in_azure => CredentialKind::DeveloperTools,
        Some(Source::Prod) | None => CredentialKind::ManagedIdentity { client_id },
    }
}

/// 8-4-4-4-12 hexadecimal digits.
fn is_guid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// Callers are not authenticated yet. Serving anybody although these settings
/// ask for a check would be worse than not starting.
fn refuse_entra(reader: &mut Reader<'_>) {
    for name in [
        "ENTRA_TENANT_ID",
        "ENTRA_AUDIENCE",
        "ENTRA_REQUIRED_SCOPES",
        "ENTRA_REQUIRED_ROLES",
        "ENTRA_ALLOWED_CLIENTS",
    ] {
        if reader.optional(name).is_some() {
            reader.fault(
                name,
                "this version does not check Entra access tokens, and would serve callers unchecked; remove it",
            );
        }
    }
}

fn read_logging(reader: &mut Reader<'_>) -> (LogFormat, String) {
    let choices = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let format = reader.choice_or("LOG_FORMAT", LogFormat::Text, &choices);
    let filter = reader
        .optional("RUST_LOG")
        .unwrap_or_else(|| DEFAULT_LOG_FILTER.to_owned());
    if EnvFilter::try_new(&filter).is_err() {
        reader.fault(
            "RUST_LOG",
            format!("it is not a list of tracing filter directives, for example {DEFAULT_LOG_FILTER}"),
        );
    }
    (format, filter)
}

fn read_port(reader: &mut Reader<'_>) -> (u16, bool) {
    const NAME: &str = "FUNCTIONS_CUSTOMHANDLER_PORT";
    let Some(value) = reader.platform(NAME) else {
        return (DEFAULT_PORT, false);
    };
    let port = reader
        .number(NAME, &value, 1..=65_535)
        .and_then(|port| u16::try_from(port).ok());
    (port.unwrap_or(DEFAULT_PORT), true)
}

fn read_public_host(reader: &mut Reader<'_>, port: u16) -> String {
    const NAME: &str = "WEBSITE_HOSTNAME";
    let Some(host) = reader.platform(NAME) else {
        return format!("localhost:{port}");
    };
    let of_form = host
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'));
    if !of_form {
        reader.fault(NAME, "it is not a host name; the platform sets it, so remove your own");
    }
    host
}

#[cfg(test)]
mod tests;
