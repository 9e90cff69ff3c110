//! Key Vault's errors: `{"error":{"code","message","innererror":{"code"}}}` with messages as the service words them.
//!
//! The messages name tenant, principal and vault on purpose: a client that passes them on is caught by a test.

use http::{Method, StatusCode};
use serde_json::json;

use super::names::Names;
use super::names::{EMULATED_CLIENT_ID, EMULATED_VAULT};
use super::reply::ScriptedError;

/// An error on its way to the wire.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) inner: Option<&'static str>,
    pub(crate) message: String,
    pub(crate) retry_after: Option<&'static str>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            inner: None,
            message: message.into(),
            retry_after: None,
        }
    }

    pub(crate) fn bad_parameter(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadParameter", message)
    }

    pub(crate) fn invalid_name(name: &str) -> Self {
        Self::bad_parameter(format!("The request URI contains an invalid name: {name}"))
    }

    pub(crate) fn missing_token() -> Self {
        Self::unauthorized("AKV10000: Request is missing a Bearer or PoP token.")
    }

    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message)
    }

    pub(crate) fn not_found(name: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "SecretNotFound",
            format!(
                "A secret with (name/id) {name} was not found in this key vault. If you recently deleted this secret \
                 you may be able to recover it using the correct recovery command. For help resolving this issue, \
                 please see https://go.microsoft.com/fwlink/?linkid=2125182"
            ),
        )
    }

    pub(crate) fn no_such_route() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NotFound",
            "The requested resource does not exist.",
        )
    }

    pub(crate) fn disabled() -> Self {
        let message = "Operation get is not allowed on a disabled secret.";
        Self {
            inner: Some("SecretDisabled"),
            ..Self::new(StatusCode::FORBIDDEN, "Forbidden", message)
        }
    }

    pub(crate) fn method_not_allowed(method: &Method) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            format!("The HTTP method {method} is not allowed on this resource."),
        )
    }

    /// What nothing should lead to.
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            "The answer could not be serialised.",
        )
    }

    /// What a script asks for, worded as the service words that kind of error.
    pub(crate) fn scripted(names: &Names, error: &ScriptedError) -> Self {
        let Names { tenant, principal, .. } = names;
        let caller = format!("appid={EMULATED_CLIENT_ID};oid={principal};iss=https://sts.windows.net/{tenant}/");
        let vault = format!("{EMULATED_VAULT};location=westeurope");
        let what = match (error.status.as_u16(), error.inner) {
            (_, Some("AccessDenied")) => format!(
                "The user, group or application '{caller}' does not have secrets get permission on key vault \
                 '{vault}'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287"
            ),
            (_, Some("ForbiddenByFirewall")) => "Client address is not authorized and caller is not a trusted \
                service.\r\nClient address: 203.0.113.7"
                .to_owned(),
            (_, Some("ForbiddenByConnection")) => "Public network access is disabled and request is not from a \
                trusted service nor via an approved private link."
                .to_owned(),
            (_, Some("SecretDisabled")) => "Operation get is not allowed on a disabled secret.".to_owned(),
            (401, _) => "[TokenExpired] Error validating token: 'S2S12086'.".to_owned(),
            (403, _) => "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny \
                assignments or role definitions were changed recently, please observe propagation time."
                .to_owned(),
            (429, _) => "Request was not processed because too many requests were received. Reason: \
                VaultRequestTypeLimitReached"
                .to_owned(),
            (503, _) => "The service is temporarily unavailable.".to_owned(),
            _ => "The request could not be processed.".to_owned(),
        };
        Self {
            status: error.status,
            code: error.code,
            inner: error.inner,
            message: format!("{what}\r\nCaller: {caller}\r\nVault: {vault}"),
            retry_after: error.retry_after,
        }
    }

    /// The body.
    pub(crate) fn body(&self) -> String {
        let mut error = json!({"code": self.code, "message": self.message});
        if let (Some(inner), Some(error)) = (self.inner, error.as_object_mut()) {
            error.insert("innererror".to_owned(), json!({"code": inner}));
        }
        json!({"error": error}).to_string()
    }
}
