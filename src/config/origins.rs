//! `ALLOWED_ORIGINS` and the settings beside it: from text to a policy.

use url::Url;

use super::reader::Reader;
use super::suffixes;
use crate::cors::{AllowedOrigins, OriginError, Pattern, PatternError, Scheme};

const NAME: &str = "ALLOWED_ORIGINS";
const CREDENTIALS: &str = "ALLOW_CREDENTIALS";
const DANGEROUSLY_ANY: &str = "DANGEROUSLY_ALLOW_ANY_ORIGIN";

/// Reads `ALLOWED_ORIGINS`, `ALLOW_CREDENTIALS` and
/// `DANGEROUSLY_ALLOW_ANY_ORIGIN`, each fault with its correction.
pub(super) fn read(reader: &mut Reader<'_>) -> AllowedOrigins {
    let credentials = reader.boolean(CREDENTIALS, false);
    let dangerously_any = reader.boolean(DANGEROUSLY_ANY, false);
    let Some(list) = reader.required(NAME, "https://app.contoso.com") else {
        return AllowedOrigins::Any;
    };
    let mut patterns = Vec::new();
    let mut any = false;
    for (index, element) in list.split(',').enumerate() {
        let place = index + 1;
        if element == "*" {
            any = true;
            continue;
        }
        match Pattern::parse(element).map_err(|error| explain(place, element, error)) {
            Ok(pattern) => match refuse(place, &pattern) {
                Ok(()) => patterns.push(pattern),
                Err(message) => reader.fault(NAME, message),
            },
            Err(message) => reader.fault(NAME, message),
        }
    }
    if any {
        check_any(reader, dangerously_any, credentials, patterns.is_empty());
        return AllowedOrigins::Any;
    }
    if dangerously_any {
        reader.warn(
            DANGEROUSLY_ANY,
            "it has no effect without `*` in ALLOWED_ORIGINS, and would let one added later pass unnoticed; remove it",
        );
    }
    warn(reader, &patterns, credentials);
    AllowedOrigins::Listed { patterns, credentials }
}

fn check_any(reader: &mut Reader<'_>, dangerously_any: bool, credentials: bool, alone: bool) {
    if dangerously_any {
        reader.warn(NAME, "`*` lets every page on the internet read these secrets");
    } else {
        reader.fault(
            NAME,
            format!(
                "`*` lets every page on the internet read these secrets; list the origins, or set \
                 {DANGEROUSLY_ANY}=true if that is really meant"
            ),
        );
    }
    if credentials {
        reader.fault(
            CREDENTIALS,
            "browsers refuse credentials together with `*` in ALLOWED_ORIGINS; list the origins or set it to false",
        );
    }
    if !alone {
        reader.fault(
            NAME,
            "`*` stands for every origin; remove the other elements, or the `*`",
        );
    }
}

/// Refuses patterns that are well-formed and must not be allowed.
fn refuse(place: usize, pattern: &Pattern) -> Result<(), String> {
    if pattern.scheme() == Scheme::Http && !pattern.is_loopback() {
        return Err(format!(
            "element {place}: http is allowed for localhost only, because anybody on the way could read the secret; \
             write https://{}",
            after_scheme(pattern)
        ));
    }
    if pattern.has_subdomains() && !pattern.is_loopback() && suffixes::is_shared(pattern.host()) {
        return Err(format!(
            "element {place}: strangers can get names below {}, so this would allow their pages; list your own hosts",
            pattern.host()
        ));
    }
    Ok(())
}

/// Warns of what works and should be looked at.
fn warn(reader: &mut Reader<'_>, patterns: &[Pattern], credentials: bool) {
    let deployed = reader.is_deployed();
    for (index, pattern) in patterns.iter().enumerate() {
        if pattern.is_loopback() {
            if deployed && credentials {
                reader.fault(
                    NAME,
                    format!(
                        "{pattern} in a deployed app with credentials: any program on a user's machine could act for \
                         the signed-in user; remove it"
                    ),
                );
            } else if deployed {
                reader.warn(
                    NAME,
                    format!(
                        "{pattern} in a deployed app: any program that serves a page on a user's machine can read \
                         the secrets; remove it"
                    ),
                );
            }
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

fn after_scheme(pattern: &Pattern) -> String {
    let text = pattern.to_string();
    text.split_once("://")
        .map(|(_, rest)| rest.to_owned())
        .unwrap_or_default()
}

/// The fault of one element, with the canonical form where there is one.
fn explain(place: usize, element: &str, error: PatternError) -> String {
    if element.is_empty() {
        return format!("element {place}: it is empty; remove the comma");
    }
    if element.trim() != element {
        return format!("element {place}: there is white space around it; write the commas without spaces");
    }
    let advice = match error {
        PatternError::Origin(OriginError::Null) => {
            "; no page has an origin of its own then, so it cannot be listed".into()
        }
        PatternError::Wildcard => "; write https://*.contoso.com or http://localhost:*".into(),
        PatternError::Origin(_) => match suggestion(element) {
            Some(canonical) => format!("; write {canonical}"),
            None => "; write it as https://HOST or https://HOST:PORT".into(),
        },
    };
    format!("element {place}: {error}{advice}")
}

/// The canonical form of what was probably meant. It is suggested, never
/// assumed: the operator decides whether that is the page.
pub(super) fn suggestion(element: &str) -> Option<String> {
    let (scheme, rest) = match element.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None if element.starts_with("localhost") || element.starts_with("127.") => ("http", element),
        None => ("https", element),
    };
    let (wildcard, rest) = match rest.strip_prefix("*.") {
        Some(rest) => ("*.", rest),
        None => ("", rest),
    };
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let (authority, any_port) = match authority.strip_suffix(":*") {
        Some(authority) => (authority, ":*"),
        None => (authority, ""),
    };
    // A password in front of an `@` must not be repeated, and the host behind
    // it may be an attacker's.
    if authority.contains(['@', '*']) {
        return None;
    }
    let url = Url::parse(&format!("{scheme}://{authority}/")).ok()?;
    let host = url.host_str()?.trim_end_matches('.');
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    let text = format!("{}://{wildcard}{host}{port}{any_port}", url.scheme());
    let pattern = Pattern::parse(&text).ok()?;
    // What would be refused next is no advice.
    refuse(0, &pattern).is_ok().then(|| pattern.to_string())
}
