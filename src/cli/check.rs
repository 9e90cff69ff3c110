//! `handler check`: the configuration in words, and what it says to one origin and one secret. No network, no clock.

use std::collections::HashSet;

use http::header::ORIGIN;
use http::{HeaderMap, HeaderName, HeaderValue};
use keyvault_cors::access::{Access, Denial, Requirement, Rule};
use keyvault_cors::config::{Config, effective};
use keyvault_cors::cors::{Actual, AllowedOrigins, Origin, OriginRefusal, Pattern, Policy};
use keyvault_cors::secret::{SecretKey, SecretName};
use keyvault_cors::vault::Identity;

use super::arguments::Check;
use super::page::{Page, broken, visible};
use super::settings::Settings;
use super::why::near_miss;

/// Width of the column of labels.
const LABELS: usize = 18;
/// Width of the column of settings, and of where they are from.
const NAMES: usize = 30;
const SOURCES: usize = 13;

/// What `check` says.
#[derive(Debug)]
pub(crate) struct Report {
    /// For people.
    pub(crate) text: String,
    /// Whether the origin or the secret that was asked about is refused.
    pub(crate) is_refused: bool,
}

/// A verdict on an origin or a secret.
struct Verdict {
    is_refused: bool,
    lines: Vec<String>,
}

impl Verdict {
    fn allowed(line: impl Into<String>) -> Self {
        Self {
            is_refused: false,
            lines: vec![line.into()],
        }
    }

    fn refused(why: impl AsRef<str>) -> Self {
        Self {
            is_refused: true,
            lines: vec![format!("refused{}", why.as_ref())],
        }
    }
}

/// The policy in effect, the verdicts on what was asked about, every setting's value and where it is from, the warnings,
/// and the commands that mirror the policy to the platform.
pub(crate) fn report(config: &Config, settings: &Settings, question: &Check) -> Report {
    let mut page = Page::default();
    page.title("The configuration is valid.");
    describe(&mut page, config);
    let origin = question.origin.as_deref();
    let origin_verdict = origin.map(|text| (text, origin_verdict(config, text)));
    // A page that is refused anyway is refused before any rule is asked: the secret is judged for the others then.
    let page_allowed = origin_verdict.as_ref().filter(|(_, verdict)| !verdict.is_refused);
    let page_allowed = page_allowed.map(|(text, _)| *text);
    let secret_verdict = question
        .secret
        .as_deref()
        .map(|text| (text, secret_verdict(config, text, page_allowed)));
    let verdicts = [origin_verdict, secret_verdict];
    let verdicts: Vec<_> = verdicts.into_iter().flatten().collect();
    if !verdicts.is_empty() {
        page.title("Verdicts");
    }
    for (text, verdict) in &verdicts {
        page.row(LABELS, &visible(text), &verdict.lines);
    }
    if !config.access.rules.is_empty() {
        page.title("Rules");
        for rule in &config.access.rules {
            page.row(LABELS, &rule.name, &describe_rule(config, rule));
        }
    }
    page.title("Settings");
    list_settings(&mut page, settings);
    if !config.warnings.is_empty() {
        page.title("Warnings");
        for warning in &config.warnings {
            page.line(&visible(&warning.to_string()));
        }
    }
    page.title("To give the platform's own CORS list the same origins (Flex and Linux Consumption answer from it)");
    for line in &config.mirror {
        page.line(line);
    }
    Report {
        text: page.into_text(),
        is_refused: verdicts.iter().any(|(_, verdict)| verdict.is_refused),
    }
}

fn describe(page: &mut Page, config: &Config) {
    let cors = &config.cors;
    let row = |page: &mut Page, label, values: &[String]| page.row(LABELS, label, values);
    let identity = match &config.vault.identity {
        Identity::Managed { client_id: None } => "the app's own managed identity".to_owned(),
        Identity::Managed { client_id: Some(id) } => format!("the user-assigned identity {id}"),
        Identity::DeveloperTools => "whoever is signed in with az login or azd auth login".to_owned(),
    };
    row(page, "vault", std::slice::from_ref(&config.vault.url));
    row(page, "read as", &[identity]);
    row(page, "secrets", &config.access.secrets.describe());
    row(page, "required tag", &[required_tag(config)]);
    row(page, "origins", &describe_origins(&cors.origins));
    let credentials = if cors.origins.with_credentials() { "yes" } else { "no" };
    row(page, "credentials", &[credentials.to_owned()]);
    let without = if config.api.require_origin { "refused" } else { "served" };
    row(page, "without Origin", &[without.to_owned()]);
    row(page, "callers", &callers(config));
    row(page, "request headers", &names(&cors.request_headers));
    row(page, "exposed headers", &names(&cors.exposed_headers));
    let max_age = match cors.max_age {
        Some(seconds) => format!("{seconds} s"),
        None => "for the browsers' own default (5 s)".to_owned(),
    };
    row(page, "preflights kept", &[max_age]);
    let kept = match config.access.ttl.as_secs() {
        0 => "not at all".to_owned(),
        ttl => format!(
            "{ttl} s, and {} s longer while the vault cannot be read",
            config.cache.stale.as_secs()
        ),
    };
    row(page, "secrets kept", &[kept]);
    let wait = format!("{} s at most", config.vault.timeout.as_secs());
    row(page, "callers wait", &[wait]);
    row(page, "listens on", &[format!("127.0.0.1:{}", config.port)]);
}

fn required_tag(config: &Config) -> String {
    let Some(tag) = &config.vault.required_tag else {
        return "none: the vault's tags are not checked".into();
    };
    let value = tag.value.as_ref().map_or(String::new(), |value| format!("={value}"));
    visible(&format!("{}{value}", tag.name))
}

fn callers(config: &Config) -> Vec<String> {
    let (Some(token), Some(requirement)) = (&config.token, &config.access.requirement) else {
        return vec!["not checked: whoever passes the Functions host (a function key) and the origin".into()];
    };
    let mut lines = vec![format!("tokens of tenant {} by {}", token.tenant, token.authority)];
    lines.extend(prefixed("for ", broken(token.audiences.iter().map(String::as_str))));
    lines.extend(describe_requirement(requirement));
    lines
}

fn describe_requirement(requirement: &Requirement) -> Vec<String> {
    let named = |what: &str, words: &HashSet<String>| {
        let mut words: Vec<_> = words.iter().map(String::as_str).collect();
        words.sort_unstable();
        if words.is_empty() {
            Vec::new()
        } else {
            prefixed(what, broken(words))
        }
    };
    let mut lines = named("with a scope of: ", &requirement.scopes);
    let or = if lines.is_empty() {
        "with a role of: "
    } else {
        "or a role of: "
    };
    lines.extend(named(or, &requirement.roles));
    lines.extend(named("issued to the client: ", &requirement.clients));
    lines
}

/// The lines with `prefix` in front of the first.
fn prefixed(prefix: &str, mut lines: Vec<String>) -> Vec<String> {
    if let Some(first) = lines.first_mut() {
        first.insert_str(0, prefix);
    }
    lines
}

fn describe_origins(origins: &AllowedOrigins) -> Vec<String> {
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

fn names(names: &[HeaderName]) -> Vec<String> {
    if names.is_empty() {
        return vec!["none".into()];
    }
    broken(names.iter().map(HeaderName::as_str))
}

fn describe_rule(config: &Config, rule: &Rule) -> Vec<String> {
    let entries = rule.secrets.describe();
    let mut lines = prefixed("secrets: ", broken(entries.iter().map(String::as_str)));
    lines.extend(describe_rule_needs(rule));
    let mut names = rule.secrets.names();
    if let Some(give) = names.find_map(|name| config.deliver.gives.get(name)) {
        lines.push(gives_line(give.kind()));
    }
    let ttl = rule.ttl.unwrap_or(config.access.ttl).as_secs();
    lines.push(format!("kept: {ttl} s"));
    lines
}

fn gives_line(kind: &str) -> String {
    format!("gives: {kind}, made from the secret, which never leaves")
}

/// From where and by whom a rule's secrets may be read.
fn describe_rule_needs(rule: &Rule) -> Vec<String> {
    let mut lines = match &rule.origins {
        None => vec!["origins: all that are allowed".to_owned()],
        Some(patterns) => {
            let patterns: Vec<_> = patterns.iter().map(ToString::to_string).collect();
            prefixed("origins: ", broken(patterns.iter().map(String::as_str)))
        }
    };
    match &rule.requirement {
        None => lines.push("callers: all that are let in".into()),
        Some(requirement) => lines.extend(prefixed("callers: ", describe_requirement(requirement))),
    }
    lines
}

/// The verdict of the same policy that serves requests, with its reason.
fn origin_verdict(config: &Config, text: &str) -> Verdict {
    let Ok(value) = HeaderValue::from_str(text) else {
        return Verdict::refused(": it has a character that no header can have");
    };
    let headers = HeaderMap::from_iter([(ORIGIN, value)]);
    match Policy::new(config.cors.clone()).actual(&headers) {
        Actual::Allowed(allowed) => match config.cors.origins.matching(&allowed.origin) {
            Some(pattern) => Verdict::allowed(format!("allowed by {pattern}")),
            None => Verdict::allowed("allowed by *"),
        },
        Actual::Refused(OriginRefusal::Malformed(error)) => Verdict::refused(format!(": {error}")),
        Actual::Refused(OriginRefusal::NotListed) => {
            let near = near_miss(text, &config.cors.origins).map_or(String::new(), |near| format!("; {near}"));
            Verdict::refused(format!(": nothing in ALLOWED_ORIGINS matches it{near}"))
        }
        // One header line is neither repeated nor absent.
        Actual::Refused(OriginRefusal::Repeated) | Actual::NoOrigin => Verdict::refused(""),
    }
}

/// The verdict on a secret, for a page at `origin` where one is asked about too; what a caller needs beside that is told.
fn secret_verdict(config: &Config, text: &str, origin: Option<&str>) -> Verdict {
    let name = match SecretName::parse(text) {
        Ok(name) => name,
        Err(error) => return Verdict::refused(format!(" with 400 BadParameter: {error}")),
    };
    let gives = config.deliver.gives.get(&name);
    let key = SecretKey { name, version: None };
    let parsed = origin.and_then(|text| Origin::parse(text.as_bytes()).ok());
    let access = Access::new(config.access.clone());
    let decision = access.grant(&key, parsed.as_ref(), None);
    let rule_name = match decision {
        Ok(grant) => grant.rule,
        Err(Denial::NotListed) => {
            return Verdict::refused(
                " with 404 SecretNotFound: nothing in ALLOWED_SECRETS matches it; the vault is not asked",
            );
        }
        Err(Denial::Origin(rule)) if origin.is_some() => {
            return Verdict::refused(format!(
                " with 404 SecretNotFound: the origin is outside rule {rule}; the vault is not asked"
            ));
        }
        Err(Denial::Origin(rule) | Denial::Caller(rule) | Denial::Version(rule)) => Some(rule),
    };
    let mut verdict = Verdict::allowed(conditions(config));
    if let Some(give) = gives {
        verdict.lines.push(gives_line(give.kind()));
    }
    let rule = config.access.rules.iter().find(|rule| Some(&*rule.name) == rule_name);
    if let Some(rule) = rule {
        verdict.lines.push(format!("as rule {} decides", rule.name));
        verdict.lines.extend(describe_rule_needs(rule));
    }
    verdict
}

fn conditions(config: &Config) -> String {
    let tag = if config.vault.required_tag.is_some() {
        ", carries the required tag"
    } else {
        ""
    };
    format!("served, if the vault has it and it is enabled, valid now{tag} and not a certificate's")
}

fn list_settings(page: &mut Page, settings: &Settings) {
    let is_list = |name: &str| name.starts_with("ALLOWED_") || name.starts_with("EXPOSED_") || name.contains("__");
    for effective in effective(&settings.values) {
        let source = if effective.is_default {
            "default"
        } else {
            settings.source(&effective.name)
        };
        let value = visible(&effective.value);
        let values = if is_list(&effective.name) {
            broken(value.split(',').map(str::trim))
        } else {
            vec![value]
        };
        let blank = String::new();
        let sources = std::iter::once(source).chain(std::iter::repeat(&*blank));
        let rows: Vec<_> = values
            .iter()
            .zip(sources)
            .map(|(value, source)| format!("{source:<SOURCES$}{value}"))
            .collect();
        page.row(NAMES, &effective.name, &rows);
    }
}
