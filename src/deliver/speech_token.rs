//! `speech-token`: an access token of Azure AI Speech, which its token service issues for the resource's key.
//!
//! Source: "Authentication" of the Speech to text REST API: an empty `POST` to `issueToken` is answered with a bare JWT
//! that is valid for 10 minutes.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::{CONTENT_LENGTH, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::parameters::{Credential, GiveFault, Parameters, Unfit, host_in, is_label};
use crate::outbound;

const KEY_HEADER: HeaderName = HeaderName::from_static("ocp-apim-subscription-key");
/// Longest text of a key; Azure's have 32 or 84 characters.
const MAX_KEY: usize = 512;
/// Longest token that is read.
const MAX_TOKEN: usize = 16 * 1024;

/// Domains of Azure AI services with a custom subdomain: the public cloud, US Government, China.
const CUSTOM_DOMAINS: &[&str] = &[
    ".cognitiveservices.azure.com",
    ".cognitiveservices.azure.us",
    ".cognitiveservices.azure.cn",
];

/// What the regions of other clouds than the public one begin with: their services are in other domains.
const OTHER_CLOUDS: &[&str] = &["china", "usdod", "usgov"];

const REGION_FORM: &str = "the resource's region as Azure writes it, such as westeurope";
const OTHER_CLOUD: &str = "a region of the public cloud; for US Government and China write \
                           `host=NAME.cognitiveservices.azure.us` or `.cn`";
const HOST_FORM: &str = "NAME.cognitiveservices.azure.com in lower case, without scheme and path";

/// Which token service to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpeechToken {
    host: String,
}

impl SpeechToken {
    pub(super) const KIND: &str = "speech-token";
    pub(super) const PARAMETERS: &[&str] = &["region", "host"];

    pub(super) fn read(parameters: &mut Parameters<'_>) -> Option<Self> {
        let host = match (parameters.get("region"), parameters.get("host")) {
            (Some(_), Some(_)) => {
                parameters.fault(GiveFault::Both("region", "host"));
                None
            }
            (None, None) => parameters
                .required("region", "region=REGION or host=NAME.cognitiveservices.azure.com")
                .map(str::to_owned),
            (Some(region), None) => {
                let lower: String = region.to_ascii_lowercase();
                // `West Europe` are two words, and the first is no region.
                let form = if is_of_another_cloud(&lower) {
                    OTHER_CLOUD
                } else {
                    REGION_FORM
                };
                let corrected = Some(lower).filter(|lower| is_region(lower) && !parameters.has_stray_word());
                let region = parameters.valid("region", Some(region).filter(|r| is_region(r)), form, corrected);
                region.map(|region| format!("{region}.api.cognitive.microsoft.com"))
            }
            (None, Some(host)) => {
                let corrected = Some(host_in(host)).filter(|host| is_custom_domain(host));
                let host = parameters.valid("host", Some(host).filter(|h| is_custom_domain(h)), HOST_FORM, corrected);
                host.map(str::to_owned)
            }
        };
        host.map(|host| Self { host })
    }

    /// Has the service make a token for `key`.
    pub(super) async fn issue(&self, client: &Client, key: &str) -> Result<Credential, IssueError> {
        let url = format!("https://{}/sts/v1.0/issueToken", self.host);
        // An empty body would go without its length, which the service requires (411).
        let request = client
            .post(url)
            .header(KEY_HEADER, header(key)?)
            .header(CONTENT_LENGTH, 0);
        let response = request.send().await;
        let response = response
            .map_err(|_| IssueError::Unavailable("the service cannot be reached, or its certificate is not trusted"))?;
        match response.status().as_u16() {
            200 => {}
            401 => return Err(IssueError::Unauthorized),
            403 => return Err(IssueError::Forbidden),
            429 => {
                return Err(IssueError::Throttled {
                    retry_after: retry_after(&response),
                });
            }
            500.. => return Err(IssueError::Unavailable("the service fails")),
            _ => {
                return Err(IssueError::Unavailable("the service sent an unexpected answer"));
            }
        }
        let body = outbound::read_body(response, MAX_TOKEN).await.map(Zeroizing::new);
        let body = body.map_err(|_| IssueError::Unavailable("the service's answer is too large or incomplete"))?;
        token(&body).ok_or(IssueError::Unavailable(
            "the service's answer is not a JWT with an expiry time",
        ))
    }
}

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IssueError {
    /// The secret cannot be a key.
    Unfit(Unfit),
    /// The service does not know the key.
    Unauthorized,
    /// The service knows the key and refuses it.
    Forbidden,
    /// The service is asked too often.
    Throttled {
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// Everything else.
    Unavailable(&'static str),
}

/// The key as a header's value. White space around it is often there when a key was set from a file.
fn header(key: &str) -> Result<HeaderValue, IssueError> {
    let key = key.trim_ascii();
    let has_form = (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    let value = HeaderValue::from_str(key).ok().filter(|_| has_form);
    let mut value = value.ok_or(IssueError::Unfit(Unfit("the secret is not a Speech key")))?;
    value.set_sensitive(true);
    Ok(value)
}

fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// A bare JWT and its `exp`. Its signature is the service's own affair, and so is its algorithm.
fn token(body: &[u8]) -> Option<Credential> {
    #[derive(Deserialize)]
    struct Claims {
        exp: i64,
    }
    let text = std::str::from_utf8(body.trim_ascii()).ok()?;
    let mut segments = text.split('.');
    let (Some(_), Some(payload), Some(_), None) = (segments.next(), segments.next(), segments.next(), segments.next())
    else {
        return None;
    };
    let is_base64url = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    text.bytes().all(is_base64url).then(|| Credential {
        value: Zeroizing::new(text.to_owned()),
        ends: claims.exp,
    })
}

fn is_region(text: &str) -> bool {
    let is_word = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    (1..=63).contains(&text.len()) && is_word && !is_of_another_cloud(text)
}

fn is_of_another_cloud(region: &str) -> bool {
    OTHER_CLOUDS.iter().any(|cloud| region.starts_with(cloud))
}

fn is_custom_domain(host: &str) -> bool {
    let mut domains = CUSTOM_DOMAINS.iter();
    domains.any(|domain| host.strip_suffix(domain).is_some_and(is_label))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: &str) -> String {
        format!("eyJ0eXAiOiJKV1QifQ.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn only_a_bare_jwt_with_an_end_is_a_token() {
        let text = jwt(r#"{"region":"westeurope","exp":1800000600}"#);
        let read = token(format!("{text}\r\n").as_bytes()).unwrap();
        assert_eq!((read.value.as_str(), read.ends), (text.as_str(), 1_800_000_600));
        for body in [
            String::new(),
            "..".to_owned(),
            "<html>".to_owned(),
            format!("\"{text}\""),
            format!("{text}.more"),
            text.replace("eyJ", "ey J"),
            jwt("{}"),
            jwt(r#"{"exp":"soon"}"#),
            jwt("1"),
        ] {
            assert!(token(body.as_bytes()).is_none(), "{body}");
        }
    }

    #[test]
    fn a_key_is_one_word_and_does_not_show() {
        let value = header("0123456789abcdef0123456789abcdef\n").unwrap();
        assert_eq!(value, "0123456789abcdef0123456789abcdef");
        assert!(!format!("{value:?}").contains("0123"));
        for key in ["", " ", "two words", "line\nbreak", "schlüssel", &"x".repeat(513)] {
            assert!(header(key).is_err(), "{key}");
        }
    }
}
