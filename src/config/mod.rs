//! The configuration, read once through a lookup function and checked whole.
//!
//! Nothing malformed falls back to a default: every fault is collected and
//! reported together, each with its remedy, before anything is bound. This
//! module never touches the environment itself; `main` passes it in, tests
//! pass a map.

mod entra;
mod headers;
mod names;
mod origins;
mod platform;
mod posture;
mod reader;
mod secrets;
mod suffixes;
mod vault_url;

use std::io;
use std::time::Duration;

use http::HeaderName;
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Targets;

pub use self::names::SETTINGS;
use self::platform::App;
pub use self::reader::Finding;
use self::reader::Reader;
pub use self::vault_url::VaultUrl;
use crate::access;
use crate::cors::{self, AllowedOrigins, Policy};
use crate::log;
use crate::token;

/// Port when the Functions host does not give one: what `func start` serves on.
const DEFAULT_PORT: u16 = 7071;
/// `RUST_LOG` when it is not set.
const DEFAULT_LOG_FILTER: &str = "warn,keyvault_cors=info";
const DAY_SECONDS: u32 = 86_400;

/// What a configuration is read from: never the environment itself.
pub struct Sources<'a> {
    /// The value of an environment variable.
    pub lookup: &'a dyn Fn(&str) -> Option<String>,
    /// The names of all environment variables, to find typos among.
    pub names: &'a [String],
    /// Reads a file of the app, by its path below the app's root.
    pub read_file: &'a dyn Fn(&str) -> io::Result<Vec<u8>>,
}

impl std::fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

/// A configuration without faults.
#[derive(Debug)]
pub struct Config {
    /// The vault to read from.
    pub vault: VaultUrl,
    /// The identity to read with.
    pub credential: CredentialKind,
    /// Bound on what a caller waits for: 1 to 60 s.
    pub upstream_timeout: Duration,
    /// Which secrets may be served, and what a caller needs.
    pub access: access::Options,
    /// The origins that may read the answers.
    pub origins: AllowedOrigins,
    /// The request headers that a preflight may ask for.
    pub request_headers: Vec<HeaderName>,
    /// The response headers that scripts may read.
    pub exposed_headers: Vec<HeaderName>,
    /// Seconds for which browsers may keep a preflight's answer; `None` leaves
    /// that to them.
    pub preflight_max_age: Option<u32>,
    /// Whether requests without `Origin` are refused.
    pub require_origin: bool,
    /// Whose tokens are accepted; `None` where callers are not asked who they
    /// are.
    pub token: Option<token::Options>,
    /// How long a copy of a secret is fresh; zero keeps nothing.
    pub cache_ttl: Duration,
    /// How long past its TTL a copy may be served while the vault is away.
    pub cache_stale: Duration,
    /// Whether the exact names are fetched at start.
    pub prefetch: bool,
    /// Where to listen on 127.0.0.1.
    pub port: u16,
    /// Whether the Functions host started this process.
    pub under_functions_host: bool,
    /// Host, and port where it needs one, of the `id` in answers.
    pub public_host: String,
    /// How log lines look.
    pub log_format: log::Format,
    /// Which log lines there are, in tracing's filter directives.
    pub log_filter: String,
    /// The command that gives the platform's own CORS list the same origins.
    pub mirror: String,
    /// The command that makes the platform allow credentials.
    pub mirror_credentials: String,
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

impl Config {
    /// Reads the settings (the table in the README).
    ///
    /// # Errors
    /// Every fault there is, in the order of the settings.
    pub fn from_lookup(sources: &Sources<'_>) -> Result<Self, Vec<Finding>> {
        let mut reader = Reader::new(sources.lookup);
        let reader = &mut reader;
        let vault = VaultUrl::read(reader);
        let allowed_secrets = secrets::read(reader);
        let origins = origins::read(reader);
        let credentials = origins.with_credentials();
        let request_headers = headers::read_allowed(reader);
        let exposed_headers = headers::read_exposed(reader, credentials);
        let preflight_max_age = headers::read_max_age(reader);
        let require_origin = read_require_origin(reader);
        let cache_ttl = reader.seconds("CACHE_TTL_SECONDS", 300, 0..=DAY_SECONDS);
        let cache_stale = reader.seconds("CACHE_STALE_SECONDS", 3600, 0..=DAY_SECONDS);
        let prefetch = reader.boolean("PREFETCH", true);
        let upstream_timeout = reader.seconds("UPSTREAM_TIMEOUT_SECONDS", 5, 1..=60);
        let credential = read_credential(reader);
        let entra = entra::read(reader, upstream_timeout);
        let (log_format, log_filter) = read_logging(reader);
        let (port, under_functions_host) = read_port(reader);
        let public_host = read_public_host(reader, port);
        posture::check(reader, sources.read_file, under_functions_host, entra.is_some());
        let (token, requirement) = entra.unzip();
        names::check(reader, sources.names);
        let app = App::read(reader);
        platform::check_identity(reader, &app);
        platform::check_cors(reader, &origins, &app);
        let mirror = platform::add(&origins, &app);
        let (faults, warnings) = reader.take_findings();
        match vault {
            Some(vault) if faults.is_empty() => Ok(Self {
                vault,
                credential,
                upstream_timeout,
                access: access::Options {
                    secrets: allowed_secrets,
                    requirement,
                    ttl: cache_ttl,
                    rules: Vec::new(),
                },
                origins,
                request_headers,
                exposed_headers,
                preflight_max_age,
                require_origin,
                token,
                cache_ttl,
                cache_stale,
                prefetch,
                port,
                under_functions_host,
                public_host,
                log_format,
                log_filter,
                mirror,
                mirror_credentials: app.az("cors credentials", "--enable true"),
                warnings,
            }),
            _ => Err(faults),
        }
    }

    /// Whether requests may carry credentials.
    pub fn credentials(&self) -> bool {
        self.origins.with_credentials()
    }

    /// The CORS policy, ready for requests.
    pub fn cors_policy(&self) -> Policy {
        Policy::new(cors::Options {
            origins: self.origins.clone(),
            request_headers: self.request_headers.clone(),
            exposed_headers: self.exposed_headers.clone(),
            max_age: self.preflight_max_age,
        })
    }
}

fn read_require_origin(reader: &mut Reader<'_>) -> bool {
    let require_origin = reader.boolean("REQUIRE_ORIGIN", true);
    if !require_origin {
        reader.warn(
            "REQUIRE_ORIGIN",
            "requests without Origin are served: whatever is no browser, and pages on this app's own origin",
        );
    }
    require_origin
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
    let has_id = client_id.is_some();
    let chosen = reader
        .optional(TOKENS)
        .and_then(|value| reader.choice(TOKENS, &value, &[("prod", Source::Prod), ("dev", Source::Dev)]));
    if reader.is_deployed() && matches!(chosen, Some(Source::Dev)) {
        reader.warn(
            TOKENS,
            "a deployed app has no developer signed in; remove it to use the managed identity",
        );
    }
    if has_id && matches!(chosen, Some(Source::Dev)) {
        reader.warn(
            "AZURE_CLIENT_ID",
            format!("it names a managed identity, and {TOKENS}=dev uses none; remove one"),
        );
    }
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

fn read_logging(reader: &mut Reader<'_>) -> (log::Format, String) {
    let choices = [("text", log::Format::Text), ("json", log::Format::Json)];
    let format = reader.choice_or("LOG_FORMAT", log::Format::Text, &choices);
    let filter = reader
        .optional("RUST_LOG")
        .unwrap_or_else(|| DEFAULT_LOG_FILTER.to_owned());
    match EnvFilter::try_new(&filter) {
        Ok(_) if !keeps_audit_lines(&filter) => reader.warn(
            "RUST_LOG",
            format!("it leaves out the line that each request writes; {DEFAULT_LOG_FILTER} keeps it"),
        ),
        Ok(_) => {}
        Err(_) => reader.fault(
            "RUST_LOG",
            format!("it is not a list of tracing filter directives, for example {DEFAULT_LOG_FILTER}"),
        ),
    }
    (format, filter)
}

/// Whether the line of each request passes `filter`. Directives with spans or
/// fields are more than this can read, and are given the benefit of the doubt.
fn keeps_audit_lines(filter: &str) -> bool {
    let targets = filter.parse::<Targets>();
    targets.map_or(true, |targets| {
        targets.would_enable("keyvault_cors::api::record", &Level::INFO)
    })
}

fn read_port(reader: &mut Reader<'_>) -> (u16, bool) {
    const NAME: &str = "FUNCTIONS_CUSTOMHANDLER_PORT";
    let under_host = reader.is_set(NAME);
    let port = reader
        .nonempty(NAME)
        .and_then(|value| reader.number(NAME, &value, 1..=65_535))
        .and_then(|port| u16::try_from(port).ok());
    (port.unwrap_or(DEFAULT_PORT), under_host)
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
