//! `handler check`: the configuration in words, and what it says to one origin
//! and one secret. No network, no clock.

use std::collections::{BTreeMap, HashSet};

use http::header::ORIGIN;
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

use crate::config::{Config, CredentialKind, Finding};
use crate::cors::{Actual, AllowedOrigins, Origin, OriginRefusal, Pattern};
use crate::secret::SecretName;

/// Width of the column of labels.
const LABELS: usize = 18;

/// `Values` of a local.settings.json, and what is wrong with the file.
///
/// # Errors
/// One finding that names the file's key: it is no such JSON, is encrypted, or
/// has a value that is no string.
pub fn read_settings(file: &str, bytes: &[u8]) -> Result<BTreeMap<String, String>, Finding> {
    let finding = |message: String| Finding {
        setting: file.to_owned(),
        message,
    };
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let settings: Value = serde_json::from_slice(text).map_err(|error| {
        finding(format!(
            "it is not JSON (line {}, column {}); comments are not read here",
            error.line(),
            error.column()
        ))
    })?;
    if settings.get("IsEncrypted") == Some(&Value::Bool(true)) {
        return Err(finding(
            "it is encrypted; decrypt it with: func settings decrypt".into(),
        ));
    }
    let Some(values) = settings.get("Values").and_then(Value::as_object) else {
        return Err(finding("it has no object `Values`".into()));
    };
    values
        .iter()
        .map(|(name, value)| match value.as_str() {
            Some(value) => Ok((name.clone(), value.to_owned())),
            None => Err(finding(format!("Values.{name} is not a string; put it in quotes"))),
        })
        .collect()
}

/// The policy in effect, the verdicts on `origin` and `secret`, the warnings,
/// and the commands that mirror the policy to the platform.
pub fn report(config: &Config, origin: Option<&str>, secret: Option<&str>) -> String {
    let mut page = Page::default();
    page.title("The configuration is valid.");
    describe(&mut page, config);
    if origin.is_some() || secret.is_some() {
        page.title("Verdicts");
    }
    if let Some(origin) = origin {
        page.row(&quoted(origin), &[origin_verdict(config, origin)]);
    }
    if let Some(secret) = secret {
        page.row(&quoted(secret), &[secret_verdict(config, secret)]);
    }
    if !config.warnings.is_empty() {
        page.title("Warnings");
        for warning in &config.warnings {
            page.line(&warning.to_string());
        }
    }
    page.title("To give the platform's own CORS list the same origins (Flex and Linux Consumption answer from it)");
    page.line(&config.mirror);
    if config.credentials() {
        page.line(&config.mirror_credentials);
    }
    page.0
}

fn describe(page: &mut Page, config: &Config) {
    let identity = match &config.credential {
        CredentialKind::ManagedIdentity { client_id: None } => "the app's own managed identity".to_owned(),
        CredentialKind::ManagedIdentity { client_id: Some(id) } => format!("the user-assigned identity {id}"),
        CredentialKind::DeveloperTools => "whoever is signed in with az login or azd auth login".to_owned(),
    };
    page.row("vault", &[config.vault.as_str().to_owned()]);
    page.row("read as", &[identity]);
    page.row("secrets", &config.access.secrets.describe());
    page.row("origins", &origins(&config.origins));
    page.row("credentials", &[yes_or_no(config.credentials())]);
    page.row(
        "without Origin",
        &[if config.require_origin { "refused" } else { "served" }.to_owned()],
    );
    page.row("callers", &callers(config));
    page.row(
        "request headers",
        &[list(config.request_headers.iter().map(http::HeaderName::as_str))],
    );
    page.row(
        "exposed headers",
        &[list(config.exposed_headers.iter().map(http::HeaderName::as_str))],
    );
    let max_age = match config.preflight_max_age {
        Some(seconds) => format!("{seconds} s"),
        None => "as long as the browser likes (5 s)".to_owned(),
    };
    page.row("preflights kept", &[max_age]);
    page.row(
        "callers wait",
        &[format!("{} s at most", config.upstream_timeout.as_secs())],
    );
    page.row("listens on", &[format!("127.0.0.1:{}", config.port)]);
}

fn callers(config: &Config) -> Vec<String> {
    let (Some(token), Some(requirement)) = (&config.token, &config.access.requirement) else {
        return vec!["not checked: whoever passes the Functions host (a function key) and the origin".into()];
    };
    let sorted = |words: &HashSet<String>| {
        let mut words: Vec<_> = words.iter().map(String::as_str).collect();
        words.sort_unstable();
        list(words.into_iter())
    };
    let clients = if requirement.clients.is_empty() {
        "any".into()
    } else {
        sorted(&requirement.clients)
    };
    vec![
        format!("tokens of tenant {} by {}", token.tenant, token.authority),
        format!("for {}", list(token.audiences.iter().map(String::as_str))),
        format!(
            "with a scope of: {}; or a role of: {}",
            sorted(&requirement.scopes),
            sorted(&requirement.roles)
        ),
        format!("issued to clients: {clients}"),
    ]
}

fn origins(origins: &AllowedOrigins) -> Vec<String> {
    let AllowedOrigins::Listed { patterns, .. } = origins else {
        return vec!["every origin (*), but null and the malformed".into()];
    };
    let describe = |pattern: &Pattern| {
        let hosts = if pattern.has_subdomains() {
            "  subdomains at any depth, not the apex"
        } else {
            ""
        };
        let ports = if pattern.has_any_port() { "  any port" } else { "" };
        format!("{pattern}{hosts}{ports}")
    };
    patterns.iter().map(describe).collect()
}

/// The verdict of the very policy that requests meet, with its reason.
fn origin_verdict(config: &Config, text: &str) -> String {
    let mut headers = HeaderMap::new();
    match HeaderValue::from_str(text) {
        Ok(value) => headers.insert(ORIGIN, value),
        Err(_) => return "refused: it has a character that no header can have".into(),
    };
    match config.cors_policy().actual(&headers) {
        Actual::Allowed(_) => match matching(&config.origins, text) {
            Some(pattern) => format!("allowed by {pattern}"),
            None => "allowed by *".into(),
        },
        Actual::Refused(OriginRefusal::Malformed(error)) => {
            format!("refused: {error}")
        }
        Actual::Refused(OriginRefusal::NotListed) => "refused: nothing in ALLOWED_ORIGINS matches it".into(),
        // One header line is neither repeated nor absent.
        Actual::Refused(OriginRefusal::Repeated) | Actual::NoOrigin => "refused".into(),
    }
}

fn matching<'a>(origins: &'a AllowedOrigins, text: &str) -> Option<&'a Pattern> {
    let origin = Origin::parse(text.as_bytes()).ok()?;
    match origins {
        AllowedOrigins::Any => None,
        AllowedOrigins::Listed { patterns, .. } => patterns.iter().find(|pattern| pattern.matches(&origin)),
    }
}

fn secret_verdict(config: &Config, text: &str) -> String {
    match SecretName::parse(text) {
        Err(error) => format!("refused with 400 BadParameter: {error}"),
        Ok(name) if config.access.secrets.allows(&name) => {
            "served, if the vault has it, and it is enabled, valid now and no certificate's".into()
        }
        Ok(_) => {
            "refused with 404 SecretNotFound: nothing in ALLOWED_SECRETS matches it; the vault is not asked".into()
        }
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        "none".into()
    } else {
        names.join(", ")
    }
}

fn yes_or_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.into()
}

/// Text from the command line, on one line whatever it holds.
fn quoted(text: &str) -> String {
    text.escape_debug().to_string()
}

/// A page of titles, and rows of a label and its values.
#[derive(Default)]
struct Page(String);

impl Page {
    fn title(&mut self, title: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(title);
        self.0.push('\n');
    }

    fn line(&mut self, line: &str) {
        self.0.push_str("  ");
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn row(&mut self, label: &str, values: &[String]) {
        let mut label = label;
        for value in values {
            let gap = if label.len() < LABELS { "" } else { "  " };
            self.line(&format!("{label:<LABELS$}{gap}{value}"));
            label = "";
        }
    }
}
