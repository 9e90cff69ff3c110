//! The configuration: a map of names to each module's own options, or every fault at once.
//!
//! Nothing malformed falls back to a default: every fault is collected and reported together, each with its remedy,
//! before anything is bound. Pure: no clock, environment, network or files; whoever calls passes in what those hold.

mod base_url;
mod entra;
mod headers;
mod json;
mod key_vault;
mod names;
mod origins;
mod platform;
mod posture;
mod reader;
mod rules;
mod secrets;
mod settings;
mod settings_file;

use std::collections::BTreeMap;

use tracing::Level;
use tracing_subscriber::filter::Targets;

pub use self::posture::AppFiles;
use self::reader::Reader;
pub use self::reader::{Finding, Findings};
pub use self::settings::{Empty, Fallback, Kind, RULE_PARTS, RulePart, SETTINGS, Setting};
pub use self::settings_file::{SettingsFile, read_settings_file};
use crate::{access, api, cache, cors, deliver, log, token, vault};

/// A configuration without faults: the options of each module, and what the wiring needs beside them.
#[derive(Debug)]
pub struct Config {
    /// Which vault to read, and how.
    pub vault: vault::Options,
    /// How long secrets are kept.
    pub cache: cache::Options,
    /// Which pages may read answers.
    pub cors: cors::Options,
    /// Whose tokens are accepted; `None` where callers are not asked who they are.
    pub token: Option<token::Options>,
    /// Which secrets may be served, and what a caller needs.
    pub access: access::Options,
    /// What a page gets for a secret.
    pub deliver: deliver::Options,
    /// What a request needs besides its origin and its caller.
    pub api: api::Options,
    /// How to log.
    pub log: log::Options,
    /// Where to listen on 127.0.0.1.
    pub port: u16,
    /// Whether the exact names are fetched at start.
    pub prefetch: bool,
    /// Whether the Functions host started this process.
    pub under_functions_host: bool,
    /// The command that gives the platform's own CORS list the same origins, or why there is none; and the one that makes
    /// it allow credentials, where they are allowed here.
    pub mirror: Vec<String>,
    /// What works, but should be looked at.
    pub warnings: Vec<Finding>,
}

/// A setting's value in effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The setting's name.
    pub name: String,
    /// Its value, or a word for what holds without one.
    pub value: String,
    /// Whether that is the default.
    pub is_default: bool,
}

impl Config {
    /// Reads `settings`, and the app's own files where they matter.
    ///
    /// # Errors
    /// Every fault there is, with the warnings beside them.
    pub fn read(settings: &BTreeMap<String, String>, files: &AppFiles) -> Result<Self, Findings> {
        let mut reader = Reader::new(settings);
        let config = read(&mut reader, files);
        let findings = reader.into_findings();
        match config {
            Some(config) if findings.faults.is_empty() => Ok(Self {
                warnings: findings.warnings,
                ..config
            }),
            Some(_) | None => Err(findings),
        }
    }
}

/// The configuration without its warnings; `None` when a part is at fault for which there is no harmless placeholder.
fn read(reader: &mut Reader<'_>, files: &AppFiles) -> Option<Config> {
    let app = platform::app(reader);
    let vault = key_vault::read_url(reader);
    let secrets = secrets::read(reader);
    let cors = read_cors(reader);
    let origins = cors.as_ref().map(|cors| &cors.origins);
    let require_origin = read_require_origin(reader);
    let ttl = reader.seconds(&settings::CACHE_TTL);
    let stale = reader.seconds(&settings::CACHE_STALE);
    let prefetch = reader.boolean(&settings::PREFETCH);
    let timeout = reader.seconds(&settings::UPSTREAM_TIMEOUT);
    let required_tag = key_vault::read_required_tag(reader);
    let identity = key_vault::read_identity(reader);
    let (has_entra, entra) = entra::read(reader, timeout, vault.as_ref());
    let (token, requirement) = entra.unzip();
    let log = read_logging(reader);
    let (port, under_functions_host) = read_port(reader);
    let public_host = read_public_host(reader, port);
    let is_anonymous = posture::check(reader, files, under_functions_host, has_entra);
    let allowed = rules::Allowed {
        secrets: secrets.as_ref(),
        origins,
        has_entra,
        is_anonymous,
    };
    let (rules, gives) = rules::read(reader, &allowed);
    names::check(reader);
    platform::check(reader, origins, &app);
    let (vault, secrets, cors) = (vault?, secrets?, cors?);
    Some(Config {
        mirror: platform::mirror_all(&cors.origins, &app),
        vault: vault.into_options(identity, timeout, required_tag, secrets.names().count() > 0),
        cache: cache::Options { stale, timeout },
        cors,
        token,
        access: access::Options {
            secrets,
            requirement,
            ttl,
            rules,
        },
        deliver: deliver::Options {
            public_host,
            gives,
            timeout,
        },
        api: api::Options {
            require_origin,
            require_loopback_host: !under_functions_host,
        },
        log: log?,
        port: port?,
        prefetch,
        under_functions_host,
        warnings: Vec::new(),
    })
}

/// Which pages may read answers; `None` where the origins are at fault.
fn read_cors(reader: &mut Reader<'_>) -> Option<cors::Options> {
    let origins = origins::read(reader);
    let credentials = origins.as_ref().is_some_and(cors::AllowedOrigins::with_credentials);
    let request_headers = headers::read_allowed(reader);
    let exposed_headers = headers::read_exposed(reader, credentials);
    let max_age = headers::read_max_age(reader);
    Some(cors::Options {
        origins: origins?,
        request_headers,
        exposed_headers,
        max_age,
    })
}

fn read_require_origin(reader: &mut Reader<'_>) -> bool {
    let require_origin = reader.boolean(&settings::REQUIRE_ORIGIN);
    if !require_origin {
        reader.warn(
            settings::REQUIRE_ORIGIN.name,
            "requests without Origin are served: those of programs other than browsers, and of pages on this app's own \
             origin",
        );
    }
    require_origin
}

fn read_logging(reader: &mut Reader<'_>) -> Option<log::Options> {
    const NAME: &str = settings::RUST_LOG.name;
    let format = match reader.choice(&settings::LOG_FORMAT) {
        Some("json") => log::Format::Json,
        Some(_) | None => log::Format::Text,
    };
    let directives = reader.text(&settings::RUST_LOG)?;
    let Some(filter) = read_directives(directives) else {
        reader.fault(
            NAME,
            "it is not a list of tracing's filter directives, TARGET=LEVEL or LEVEL; write for example \
             warn,keyvault_cors=info",
        );
        return None;
    };
    if !filter.would_enable("keyvault_cors::api::record", &Level::INFO) {
        reader.warn(
            NAME,
            "it leaves out the line that each request writes; warn,keyvault_cors=info keeps it",
        );
    }
    Some(log::Options { format, filter })
}

/// Not those that `tracing` has for spans and fields: no span is open when a line is written here, so they would match none.
fn read_directives(text: &str) -> Option<Targets> {
    let directives: Vec<&str> = text.split(',').map(str::trim).filter(|it| !it.is_empty()).collect();
    let plain = |it: &&str| it.chars().all(|c| c.is_alphanumeric() || "-_.:=".contains(c));
    if !directives.iter().all(plain) {
        return None;
    }
    directives.join(",").parse().ok()
}

/// The port to listen on, and whether the Functions host gave it.
fn read_port(reader: &mut Reader<'_>) -> (Option<u16>, bool) {
    let under_functions_host = reader.is_set(&settings::PORT);
    let port = reader
        .text(&settings::PORT)
        .and_then(|value| reader.number(&settings::PORT, value))
        .and_then(|port| u16::try_from(port).ok());
    (port, under_functions_host)
}

fn read_public_host(reader: &mut Reader<'_>, port: Option<u16>) -> String {
    const NAME: &str = "WEBSITE_HOSTNAME";
    let Some(host) = reader.platform(NAME) else {
        return format!("localhost:{}", port.unwrap_or_default());
    };
    let is_of_form = host
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'));
    if !is_of_form {
        reader.fault(NAME, "it is not a host name; the platform sets it, so remove your own");
    }
    host.to_owned()
}

/// Every setting's value in effect, in the order of [`SETTINGS`], and the parts of rules as they are set: of settings in
/// which [`Config::read`] finds no fault.
pub fn effective(settings: &BTreeMap<String, String>) -> Vec<Effective> {
    let reader = Reader::new(settings);
    let settings = SETTINGS.iter().chain([&settings::PORT]).map(|setting| {
        let own = reader.own_text(setting);
        let is_default = match own {
            None => true,
            Some(value) => value.is_empty() && setting.empty == Empty::Unset,
        };
        let value = match (own, setting.empty, setting.default) {
            (Some(""), Empty::Means(words), _) => words,
            (Some(value), _, _) if !is_default => value,
            (_, _, Fallback::Value(value) | Fallback::Without(value)) => value,
            (_, _, Fallback::Required(_)) => "",
        };
        Effective {
            name: setting.name.to_owned(),
            value: value.to_owned(),
            is_default,
        }
    });
    let rules = reader.variables().filter(|(name, _)| name.starts_with(rules::PREFIX));
    let rules = rules.map(|(name, value)| Effective {
        name: name.to_owned(),
        value: value.to_owned(),
        is_default: false,
    });
    settings.chain(rules).collect()
}

#[cfg(test)]
mod tests;
