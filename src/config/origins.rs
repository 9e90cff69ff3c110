//! `ALLOWED_ORIGINS` and the settings beside it: from text to a policy.

use url::Url;

use super::reader::Reader;
use crate::cors::{AllowedOrigins, OriginError, Pattern, PatternError, Scheme};

const NAME: &str = "ALLOWED_ORIGINS";

/// What the operator allows.
#[derive(Clone, Debug)]
pub(super) struct Origins {
    pub(super) patterns: Vec<Pattern>,
    pub(super) any: bool,
    pub(super) credentials: bool,
}

impl Origins {
    /// Reads `ALLOWED_ORIGINS`, `ALLOW_CREDENTIALS` and
    /// `DANGEROUSLY_ALLOW_ANY_ORIGIN`, each fault with its correction.
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let credentials = reader.boolean("ALLOW_CREDENTIALS", false);
        let dangerously_any = reader.boolean("DANGEROUSLY_ALLOW_ANY_ORIGIN", false);
        let list = reader.required(NAME, "https://app.contoso.com").unwrap_or_default();
        let mut origins = Self {
            patterns: Vec::new(),
            any: false,
            credentials,
        };
        for (index, element) in list.split(',').enumerate() {
            let place = index + 1;
            if element == "*" {
                origins.any = true;
            } else if list.is_empty() {
                // `required` has said so.
            } else {
                match Pattern::parse(element) {
                    Ok(pattern) if is_remote_http(&pattern) => reader.fault(
                        NAME,
                        format!(
                            "element {place}: http is allowed for localhost only, because anybody on the way could \
                             read the secret; write https://{}",
                            after_scheme(&pattern)
                        ),
                    ),
                    Ok(pattern) => origins.patterns.push(pattern),
                    Err(error) => reader.fault(NAME, explain(place, element, error)),
                }
            }
        }
        origins.check_any(reader, dangerously_any);
        origins
    }

    fn check_any(&self, reader: &mut Reader<'_>, dangerously_any: bool) {
        if self.any && !dangerously_any {
            reader.fault(
                NAME,
                "`*` lets every page on the internet read these secrets; list the origins, or set \
                 DANGEROUSLY_ALLOW_ANY_ORIGIN=true if that is really meant",
            );
        }
        if self.any && self.credentials {
            reader.fault(
                "ALLOW_CREDENTIALS",
                "browsers refuse credentials together with `*` in ALLOWED_ORIGINS; list the origins or set it to false",
            );
        }
        if self.any && !self.patterns.is_empty() {
            reader.fault(
                NAME,
                "`*` stands for every origin; remove the other elements, or the `*`",
            );
        }
    }

    pub(super) fn into_allowed(self) -> AllowedOrigins {
        if self.any {
            AllowedOrigins::Any
        } else {
            AllowedOrigins::Listed {
                patterns: self.patterns,
                credentials: self.credentials,
            }
        }
    }
}

fn is_remote_http(pattern: &Pattern) -> bool {
    pattern.scheme() == Scheme::Http && !pattern.is_loopback()
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
    let (scheme, rest) = element.split_once("://").unwrap_or(("https", element));
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
    Pattern::parse(&text).ok().map(|pattern| pattern.to_string())
}
