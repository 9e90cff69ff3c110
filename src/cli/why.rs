//! Why a well-formed origin is not allowed: what it misses a pattern by.

use keyvault_cors::cors::{AllowedOrigins, Pattern};

/// How many letters may differ in a name that was probably mistyped.
const TYPO: usize = 2;

/// What keeps `origin` from the pattern that is closest to it; `None` where none is close.
pub(crate) fn near_miss(origin: &str, origins: &AllowedOrigins) -> Option<String> {
    // An origin is a pattern without wildcards.
    let asked = Pattern::parse(origin).ok()?;
    let AllowedOrigins::Listed { patterns, .. } = origins else {
        return None;
    };
    let same_host = patterns.iter().find(|pattern| has_host_of(pattern, &asked));
    if let Some(pattern) = same_host {
        let part = if pattern.scheme() == asked.scheme() {
            "port"
        } else {
            "scheme"
        };
        return Some(format!("{pattern} has another {part}"));
    }
    let is_apex = |pattern: &&Pattern| pattern.has_subdomains() && pattern.host() == asked.host();
    if let Some(pattern) = patterns.iter().find(is_apex) {
        let host = asked.host();
        return Some(format!("{pattern} allows what is below {host}, not {host} itself"));
    }
    let distance = |pattern: &Pattern| strsim::damerau_levenshtein(pattern.host(), asked.host());
    let nearest = patterns.iter().min_by_key(|pattern| distance(pattern))?;
    (distance(nearest) <= TYPO).then(|| format!("{nearest} has nearly its host"))
}

/// Whether the asked host is one that the pattern allows.
fn has_host_of(pattern: &Pattern, asked: &Pattern) -> bool {
    if pattern.has_subdomains() {
        let front = asked.host().strip_suffix(pattern.host());
        front.is_some_and(|front| front.len() > 1 && front.ends_with('.'))
    } else {
        pattern.host() == asked.host()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_different_is_told() {
        let patterns = [
            "https://app.contoso.com",
            "https://*.fabrikam.com",
            "http://localhost:3000",
        ];
        let origins = AllowedOrigins::Listed {
            patterns: patterns.map(|text| Pattern::parse(text).unwrap()).into(),
            credentials: false,
        };
        for (origin, told) in [
            (
                "http://app.contoso.com",
                Some("https://app.contoso.com has another scheme"),
            ),
            (
                "https://app.contoso.com:8443",
                Some("https://app.contoso.com has another port"),
            ),
            ("http://localhost:3001", Some("http://localhost:3000 has another port")),
            (
                "http://a.fabrikam.com",
                Some("https://*.fabrikam.com has another scheme"),
            ),
            (
                "https://fabrikam.com",
                Some("https://*.fabrikam.com allows what is below fabrikam.com, not fabrikam.com itself"),
            ),
            (
                "https://app.contso.com",
                Some("https://app.contoso.com has nearly its host"),
            ),
            ("https://evil.example", None),
        ] {
            assert_eq!(near_miss(origin, &origins).as_deref(), told, "{origin}");
        }
    }
}
