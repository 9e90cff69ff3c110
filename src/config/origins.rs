//! `ALLOWED_ORIGINS` and the settings beside it: from text to a policy.

use url::Url;

use super::reader::Reader;
use super::settings::{ALLOW_ANY_ORIGIN, ALLOW_CREDENTIALS, ALLOWED_ORIGINS};
use crate::cors::{self, AllowedOrigins, OriginError, Pattern, PatternError, Scheme};
use crate::secret;

const NAME: &str = ALLOWED_ORIGINS.name;

/// Reads `ALLOWED_ORIGINS`, `ALLOW_CREDENTIALS` and `DANGEROUSLY_ALLOW_ANY_ORIGIN`, each fault with its correction.
/// `None` when there is one.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<AllowedOrigins> {
    let credentials = reader.boolean(&ALLOW_CREDENTIALS);
    let dangerously_any = reader.boolean(&ALLOW_ANY_ORIGIN);
    let list = reader.text(&ALLOWED_ORIGINS)?;
    let has_any = list.split(',').any(|element| element == "*");
    let listed = list.split(',').filter(|element| *element != "*").count();
    let patterns = read_patterns(reader, NAME, list);
    if has_any {
        let is_sound = check_any(reader, dangerously_any, credentials, listed == 0);
        return is_sound.then_some(AllowedOrigins::Any);
    }
    if dangerously_any {
        reader.warn(
            ALLOW_ANY_ORIGIN.name,
            "it has no effect without `*` in ALLOWED_ORIGINS, and would let one added later pass unnoticed; remove it",
        );
    }
    warn(reader, &patterns, credentials);
    (patterns.len() == listed).then_some(AllowedOrigins::Listed { patterns, credentials })
}

/// The patterns of a list that are in order, but for `*`; the others are faults of the setting `name`.
pub(super) fn read_patterns(reader: &mut Reader<'_>, name: &str, list: &str) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    for (index, element) in list.split(',').enumerate().filter(|(_, element)| *element != "*") {
        match read_pattern(element) {
            Ok(pattern) => patterns.push(pattern),
            Err(message) => reader.fault(name, format!("element {}: {message}", index + 1)),
        }
    }
    patterns
}

fn read_pattern(element: &str) -> Result<Pattern, String> {
    let pattern = Pattern::parse(element).map_err(|error| explain(element, error))?;
    match refusal(&pattern) {
        None => Ok(pattern),
        Some(why) => Err(format!("{why}; {}", advice(element, "list your own https hosts"))),
    }
}

fn check_any(reader: &mut Reader<'_>, dangerously_any: bool, credentials: bool, alone: bool) -> bool {
    if dangerously_any {
        reader.warn(NAME, "`*` lets every page on the internet read these secrets");
    } else {
        reader.fault(
            NAME,
            format!(
                "`*` lets every page on the internet read these secrets; list the origins, or set {}=true if that is \
                 really meant",
                ALLOW_ANY_ORIGIN.name
            ),
        );
    }
    if credentials {
        reader.fault(
            ALLOW_CREDENTIALS.name,
            "browsers refuse credentials together with `*` in ALLOWED_ORIGINS; list the origins or set it to false",
        );
    }
    if !alone {
        reader.fault(
            NAME,
            "`*` stands for every origin; remove the other elements, or the `*`",
        );
    }
    dangerously_any && !credentials && alone
}

/// Why a pattern that is well-formed must not be allowed.
fn refusal(pattern: &Pattern) -> Option<String> {
    if pattern.scheme() == Scheme::Http && !pattern.is_loopback() {
        return Some(
            "http is allowed for localhost only, because anybody between the browser and the page's server could read \
             the secret"
                .into(),
        );
    }
    if pattern.has_subdomains() && !pattern.is_loopback() && cors::is_shared_suffix(pattern.host()) {
        return Some(format!(
            "strangers can get names below {}, so this would allow their pages",
            pattern.host()
        ));
    }
    None
}

/// Warns of what works and should be looked at.
fn warn(reader: &mut Reader<'_>, patterns: &[Pattern], credentials: bool) {
    for (index, pattern) in patterns.iter().enumerate() {
        if pattern.is_loopback() {
            warn_of_loopback(reader, pattern, credentials);
        } else if pattern.has_subdomains() {
            reader.warn(
                NAME,
                format!(
                    "{pattern} allows every subdomain, also one whose DNS record outlived its service and that \
                     somebody else took over; list the hosts if you can"
                ),
            );
        } else if pattern.has_any_port() {
            reader.warn(
                NAME,
                format!("{pattern} allows every service on that host, whoever runs it; list the port if you can"),
            );
        }
        if patterns.iter().take(index).any(|earlier| earlier == pattern) {
            reader.warn(NAME, format!("{pattern} is there twice; remove one"));
        } else if let Some(wider) = patterns.iter().find(|wider| *wider != pattern && wider.covers(pattern)) {
            reader.warn(
                NAME,
                format!("{pattern} is allowed by {wider} already; remove one of them"),
            );
        }
    }
}

fn warn_of_loopback(reader: &mut Reader<'_>, pattern: &Pattern, credentials: bool) {
    if !reader.is_deployed() {
        return;
    }
    if credentials {
        reader.fault(
            NAME,
            format!(
                "{pattern} in a deployed app with credentials: any program on a user's machine could act for the \
                 signed-in user; remove it"
            ),
        );
    } else {
        reader.warn(
            NAME,
            format!(
                "{pattern} in a deployed app: any program that serves a page on a user's machine can read the secrets; \
                 remove it"
            ),
        );
    }
}

/// The fault of one element, with the canonical form where there is one.
fn explain(element: &str, error: PatternError) -> String {
    if element.is_empty() {
        return "it is empty; remove the comma".into();
    }
    let trimmed = element.trim();
    if trimmed != element {
        let what = "there is white space around it";
        return format!("{what}; {}", advice(trimmed, "separate the origins by commas alone"));
    }
    match error {
        PatternError::Origin(OriginError::Null) => {
            format!("{error}; such a page has no origin of its own, so it cannot be listed")
        }
        PatternError::Wildcard => {
            format!("{error}, as in https://*.contoso.com or http://localhost:*")
        }
        PatternError::Origin(_) => format!(
            "{error}; {}",
            advice(
                element,
                "an origin is a scheme, a host and perhaps a port, as in https://app.contoso.com:8443"
            )
        ),
    }
}

/// "write X" for what was probably meant, `otherwise` where that is not clear.
fn advice(element: &str, otherwise: &str) -> String {
    let several = separated(element);
    match several.or_else(|| suggestion(element)) {
        Some(suggestion) => format!("write {suggestion}"),
        None => otherwise.into(),
    }
}

/// The list that was probably meant by origins with something else than a comma between them.
fn separated(element: &str) -> Option<String> {
    let parts: Vec<_> = element
        .split(|c: char| c.is_whitespace() || matches!(c, ';' | '|'))
        .filter(|part| !part.is_empty())
        .collect();
    // With a scheme in front of some alone it was one origin, with a space in it: halves of a name are strangers' names.
    let with_scheme = parts.iter().filter(|part| part.contains("://")).count();
    if parts.len() < 2 || (with_scheme != 0 && with_scheme != parts.len()) {
        return None;
    }
    let read: Option<Vec<_>> = parts.into_iter().map(suggestion).collect();
    read.map(|origins| origins.join(","))
}

/// The canonical form of what was probably meant: an element that would be accepted. It is suggested, never assumed: the
/// operator decides whether that is the page.
fn suggestion(element: &str) -> Option<String> {
    let element = without_quotes(element);
    // A word is no host, and a key is not repeated.
    let is_word = !element.contains(['.', ':']) && !element.eq_ignore_ascii_case("localhost");
    if is_word || secret::looks_like_a_key(element) {
        return None;
    }
    let (scheme, rest) = match element.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None if element.starts_with("localhost") || element.starts_with("127.") => ("http", element),
        None => match element.split_once(':') {
            // `https:\\host`, `https:/host`
            Some((scheme @ ("http" | "https"), rest)) => (scheme, rest.trim_start_matches(['/', '\\'])),
            _ => ("https", element),
        },
    };
    // What is behind another scheme's `://` was no origin, and a space or a control character is not part of one:
    // `Url` would drop it, and join what stands on both sides.
    if rest.contains("://") || rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let (wildcard, rest) = match rest.strip_prefix("*.") {
        Some(rest) => ("*.", rest),
        None => ("", rest),
    };
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let (authority, any_port) = match authority.strip_suffix(":*") {
        Some(authority) => (authority, ":*"),
        None => (authority, ""),
    };
    // A password in front of an `@` must not be repeated, and the host behind it may be an attacker's.
    if authority.contains(['@', '*']) {
        return None;
    }
    let is_http = scheme.eq_ignore_ascii_case("http");
    if !is_http && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let own = if is_http { Scheme::Http } else { Scheme::Https };
    let url = Url::parse(&format!("{own}://{authority}/")).ok()?;
    let host = url.host_str()?.trim_end_matches('.');
    let with_scheme = |scheme: Scheme| {
        let port = url.port().filter(|port| *port != scheme.default_port());
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        accepted(&format!("{scheme}://{wildcard}{host}{port}{any_port}"))
    };
    // Where http is refused, the same page over https was meant.
    with_scheme(own).or_else(|| with_scheme(Scheme::Https))
}

/// `text`, if it would be accepted as it stands.
fn accepted(text: &str) -> Option<String> {
    let pattern = Pattern::parse(text).ok()?;
    (refusal(&pattern).is_none() && pattern.to_string() == text).then(|| text.to_owned())
}

/// `element` without the quotes and brackets of JSON or a shell around it.
fn without_quotes(element: &str) -> &str {
    let element = element.trim();
    let element = element.strip_prefix('[').unwrap_or(element).trim_start();
    let quotes = ['"', '\'', '<', '>'];
    let begins_quoted = element.starts_with(quotes);
    let element = element.trim_start_matches(quotes);
    let element = if begins_quoted || !element.contains("://[") {
        element.strip_suffix(']').unwrap_or(element)
    } else {
        element
    };
    element.trim_end_matches(quotes).trim()
}
