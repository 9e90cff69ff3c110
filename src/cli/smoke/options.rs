//! What `handler smoke` is asked to do, from text to types.

use std::fmt;

use keyvault_cors::cors::{Origin, OriginError};
use keyvault_cors::host::is_loopback;
use keyvault_cors::secret::SecretName;
use thiserror::Error;
use url::Url;
use zeroize::Zeroizing;

/// An origin that no app allows: `.invalid` is nobody's (RFC 2606 §2).
const REFUSED_ORIGIN: &str = "https://not-allowed.invalid";

/// A function key or an access token. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credential(Zeroizing<String>);

impl Credential {
    /// Takes the text as it was given.
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for a request's header; and to find it in what is printed.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it can be a key or a token: neither has a space, a line end or another invisible character.
    fn is_well_formed(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|b| b.is_ascii_graphic())
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

/// The arguments as they were given; a credential may come from the environment as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// The app's address.
    pub(crate) url: String,
    /// An origin that the app allows.
    pub(crate) origin: String,
    /// An origin that it does not.
    pub(crate) refused_origin: Option<String>,
    /// The name of a secret that it serves.
    pub(crate) secret: Option<String>,
    /// A function key.
    pub(crate) key: Option<Credential>,
    /// An Entra access token.
    pub(crate) token: Option<Credential>,
}

/// What is asked of which app, and as whom.
#[derive(Debug)]
pub(crate) struct Options {
    /// The app's address: scheme, host and port, without a trailing slash.
    pub(super) base: String,
    /// The host of `base`.
    pub(super) host: String,
    pub(super) is_https: bool,
    /// Whether the app is on this machine, without the platform around it.
    pub(super) is_loopback: bool,
    pub(super) origin: String,
    pub(super) refused_origin: String,
    pub(super) secret: Option<SecretName>,
    pub(super) key: Option<Credential>,
    pub(super) token: Option<Credential>,
}

/// An argument that cannot be used. No message repeats a text that could be, or hold, a credential.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum UsageError {
    #[error("URL is the app's address, such as https://my-app.azurewebsites.net, with or without /api")]
    Url,
    #[error("a key must not travel in the open: URL begins https://, or names this machine")]
    Insecure,
    #[error("{option} is one origin, not a pattern: one that the pattern allows")]
    Pattern { option: &'static str },
    #[error("{option} is no origin as browsers send it ({error}){}", suggestion(.canonical.as_deref()))]
    Origin {
        option: &'static str,
        error: OriginError,
        canonical: Option<String>,
    },
    #[error("--origin and --refused-origin are the same")]
    SameOrigins,
    #[error("--secret is a name: 1 to 127 letters, digits and hyphens")]
    Secret,
    #[error("the key (--key, SMOKE_KEY) has a character that no key has: a space, a line end?")]
    Key,
    #[error("the token (--token, SMOKE_TOKEN) is the token alone: no 'Bearer ', no space, no line end")]
    Token,
}

fn suggestion(canonical: Option<&str>) -> String {
    canonical.map_or_else(String::new, |canonical| format!("; this is: {canonical}"))
}

impl Options {
    /// Reads the arguments.
    ///
    /// # Errors
    /// The first argument that cannot be used.
    pub(crate) fn read(arguments: Arguments) -> Result<Self, UsageError> {
        let url = read_url(&arguments.url)?;
        let host = url.host().ok_or(UsageError::Url)?.to_owned();
        let is_loopback = is_loopback(&host);
        let is_https = url.scheme() == "https";
        if !is_https && !is_loopback {
            return Err(UsageError::Insecure);
        }
        let origin = read_origin(arguments.origin, "--origin")?;
        let refused = arguments.refused_origin.unwrap_or_else(|| REFUSED_ORIGIN.to_owned());
        let refused_origin = read_origin(refused, "--refused-origin")?;
        if origin == refused_origin {
            return Err(UsageError::SameOrigins);
        }
        let secret = arguments.secret.as_deref().map(SecretName::parse).transpose();
        if arguments.key.as_ref().is_some_and(|key| !key.is_well_formed()) {
            return Err(UsageError::Key);
        }
        if arguments.token.as_ref().is_some_and(|token| !token.is_well_formed()) {
            return Err(UsageError::Token);
        }
        Ok(Self {
            base: url.origin().ascii_serialization(),
            host: host.to_string(),
            is_https,
            is_loopback,
            origin,
            refused_origin,
            secret: secret.map_err(|_| UsageError::Secret)?,
            key: arguments.key,
            token: arguments.token,
        })
    }

    /// The request headers that carry the credentials, as a browser names them to a preflight.
    pub(super) fn credential_headers(&self) -> Vec<&'static str> {
        let token = self.token.as_ref().map(|_| "authorization");
        let key = self.key.as_ref().map(|_| "x-functions-key");
        token.into_iter().chain(key).collect()
    }

    /// The address of a secret, or of what has the form of one.
    pub(super) fn secret_url(&self, path: &str) -> String {
        format!("{}/api/secrets/{path}", self.base)
    }

    /// `text` as it may be printed: without the credentials, whoever sent them back, and on one line.
    pub(super) fn printable(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (credential, word) in [(&self.key, "(the key)"), (&self.token, "(the token)")] {
            if let Some(credential) = credential {
                text = text.replace(credential.as_str(), word);
            }
        }
        text.chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect()
    }
}

/// The app's address, `/api` and a trailing slash accepted.
fn read_url(text: &str) -> Result<Url, UsageError> {
    let url = Url::parse(text).map_err(|_| UsageError::Url)?;
    let is_plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    let is_address = matches!(url.scheme(), "http" | "https") && matches!(url.path(), "/" | "/api" | "/api/");
    if is_plain && is_address {
        Ok(url)
    } else {
        Err(UsageError::Url)
    }
}

fn read_origin(text: String, option: &'static str) -> Result<String, UsageError> {
    if text.contains('*') {
        return Err(UsageError::Pattern { option });
    }
    match Origin::parse(text.as_bytes()) {
        Ok(_) => Ok(text),
        Err(error) => Err(UsageError::Origin {
            option,
            error,
            canonical: canonical(&text),
        }),
    }
}

/// The origin of a page whose address `text` could be.
fn canonical(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let origin = url.origin().ascii_serialization();
    let origin = origin.strip_suffix('.').unwrap_or(&origin);
    Origin::parse(origin.as_bytes()).ok()?;
    Some(origin.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str, origin: &str) -> Result<Options, UsageError> {
        Options::read(Arguments {
            url: url.to_owned(),
            origin: origin.to_owned(),
            ..Arguments::default()
        })
    }

    const URL: &str = "https://my-app.azurewebsites.net";
    const ORIGIN: &str = "https://app.contoso.com";

    #[test]
    fn an_address_is_read_with_and_without_api_and_slash() {
        for end in ["", "/", "/api", "/api/"] {
            let options = read(&format!("{URL}{end}"), ORIGIN).unwrap();
            assert_eq!(options.secret_url("a"), format!("{URL}/api/secrets/a"), "{end}");
        }
        let options = read("http://[::1]:7071/api", ORIGIN).unwrap();
        assert_eq!(options.base, "http://[::1]:7071");
        assert!(options.is_loopback);
    }

    #[test]
    fn what_no_app_or_browser_has_is_refused_with_what_to_give() {
        for (url, origin, words) in [
            ("my-app.azurewebsites.net", ORIGIN, "such as https://my-app"),
            ("ftp://my-app.azurewebsites.net", ORIGIN, "such as https://my-app"),
            ("https://me@my-app.azurewebsites.net", ORIGIN, "such as https://my-app"),
            (
                "https://my-app.azurewebsites.net/?code=k",
                ORIGIN,
                "such as https://my-app",
            ),
            (
                "https://my-app.azurewebsites.net/api/secrets",
                ORIGIN,
                "with or without /api",
            ),
            ("http://my-app.azurewebsites.net", ORIGIN, "in the open"),
            ("http://127.0.0.1.evil.example", ORIGIN, "in the open"),
            (URL, "https://app.contoso.com/", "this is: https://app.contoso.com"),
            (
                URL,
                "https://App.contoso.com:443/path?query",
                "this is: https://app.contoso.com",
            ),
            (URL, "http://localhost:80", "this is: http://localhost"),
            (URL, "https://app.contoso.com.", "this is: https://app.contoso.com"),
            (URL, "app.contoso.com", "the scheme is not http or https"),
            (URL, "null", "`null` stands for every sandboxed page"),
            (URL, "https://*.contoso.com", "not a pattern"),
            (URL, REFUSED_ORIGIN, "are the same"),
        ] {
            let error = read(url, origin).unwrap_err().to_string();
            assert!(error.contains(words), "{url} {origin}: {error}");
            assert!(!error.contains("code=k"), "{error}");
        }
    }

    #[test]
    fn a_credential_is_one_word_and_never_shown() {
        for (key, token, error) in [
            (Some("two words"), None, UsageError::Key),
            (Some(""), None, UsageError::Key),
            (Some("line\nend"), None, UsageError::Key),
            (None, Some("Bearer a.b.c"), UsageError::Token),
        ] {
            let arguments = Arguments {
                url: URL.to_owned(),
                origin: ORIGIN.to_owned(),
                key: key.map(|key| Credential::new(key.to_owned())),
                token: token.map(|token| Credential::new(token.to_owned())),
                ..Arguments::default()
            };
            assert_eq!(Options::read(arguments).unwrap_err(), error);
        }
        let secret = Arguments {
            url: URL.to_owned(),
            origin: ORIGIN.to_owned(),
            secret: Some("a value, not a name".to_owned()),
            key: Some(Credential::new("k3y".to_owned())),
            ..Arguments::default()
        };
        assert!(!format!("{secret:?}").contains("k3y"));
        let error = Options::read(secret).unwrap_err();
        assert_eq!(error, UsageError::Secret);
        assert!(!error.to_string().contains("a value"));
    }
}
