//! What came back, and who sent it.

use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use zeroize::Zeroizing;

/// An answer, or why there is none.
pub(super) type Outcome = Result<Answer, String>;

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// The handler itself.
    Handler,
    /// Whatever is in front of it: the Functions host, the platform, a proxy.
    Host,
}

/// An answer, whole. Its body may hold a secret's value, and is never shown.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Zeroizing<Vec<u8>>,
    /// The handler's error, if that is what the body is.
    error: Option<ErrorDetail>,
    /// What the request's `x-ms-client-request-id` was.
    pub(super) client_request_id: Option<String>,
}

impl Answer {
    pub(super) fn new(status: StatusCode, headers: HeaderMap, body: Zeroizing<Vec<u8>>) -> Self {
        let error = serde_json::from_slice::<ErrorBody>(&body).ok().map(|body| body.error);
        Self {
            status,
            headers,
            body,
            error,
            client_request_id: None,
        }
    }

    /// Who sent the answer to a read: the handler's bodies have one of two shapes.
    pub(super) fn sender(&self) -> Sender {
        if self.error.is_some() || self.bundle().is_some() {
            Sender::Handler
        } else {
            Sender::Host
        }
    }

    /// Who sent the answer to a preflight, which has no body when it allows: the platform sets no request id.
    pub(super) fn preflight_sender(&self) -> Sender {
        if self.error.is_some() || self.headers.contains_key("x-ms-request-id") {
            Sender::Handler
        } else {
            Sender::Host
        }
    }

    /// The most specific code of the handler's error.
    pub(super) fn code(&self) -> &str {
        let error = self.error.as_ref();
        error.map_or("", |error| {
            error.innererror.as_ref().map_or(&*error.code, |inner| &*inner.code)
        })
    }

    /// The secret bundle, if the body is one to the last field.
    pub(super) fn bundle(&self) -> Option<Bundle> {
        serde_json::from_slice(&self.body).ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// Whether the bodies are the same bytes.
    pub(super) fn has_body_of(&self, other: &Self) -> bool {
        self.body == other.body
    }

    /// The values of a header, joined as if they were one line. `None` when it is absent.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let values = self.headers.get_all(name).iter();
        let values: Vec<_> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The members of a list, in lower case.
    pub(super) fn members(&self, name: &str) -> Vec<String> {
        let joined = self.header(name).unwrap_or_default().to_ascii_lowercase();
        let members = joined.split(',').map(str::trim);
        members.filter(|member| !member.is_empty()).map(str::to_owned).collect()
    }

    /// Status and error, in words; the body is never repeated.
    pub(super) fn describe(&self) -> String {
        let status = self.status.as_u16();
        match &self.error {
            Some(ErrorDetail {
                code,
                innererror: Some(inner),
                ..
            }) => format!("{status} {code}/{}", inner.code),
            Some(ErrorDetail { code, .. }) => format!("{status} {code}"),
            None if self.body.is_empty() => format!("{status} with an empty body"),
            None if self.bundle().is_some() => format!("{status} with a secret"),
            None => format!("{status} with a body that is not the handler's"),
        }
    }
}

/// An outcome in words.
pub(super) fn describe(outcome: &Outcome) -> String {
    match outcome {
        Ok(answer) => answer.describe(),
        Err(cause) => format!("no answer: {cause}"),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ErrorDetail {
    code: String,
    #[serde(rename = "message")]
    _message: String,
    innererror: Option<InnerError>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InnerError {
    code: String,
}

/// A secret bundle, with the contract's fields alone: the vault's tags, `kid` and `recoveryLevel` never leave.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bundle {
    #[serde(rename = "value")]
    _value: Zeroizing<String>,
    pub(super) id: String,
    #[serde(rename = "contentType")]
    _content_type: Option<String>,
    #[serde(rename = "attributes")]
    _attributes: Option<Attributes>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attributes {
    #[serde(rename = "enabled")]
    _enabled: Option<bool>,
    #[serde(rename = "nbf")]
    _not_before: Option<i64>,
    #[serde(rename = "exp")]
    _expires: Option<i64>,
    #[serde(rename = "created")]
    _created: Option<i64>,
    #[serde(rename = "updated")]
    _updated: Option<i64>,
}
