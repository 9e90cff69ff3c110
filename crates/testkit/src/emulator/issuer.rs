//! Microsoft Entra's public documents: metadata and signing keys for v1 and v2 tokens, on the identity endpoint's port.
//!
//! The issuers are the strings that Entra puts into tokens, whatever the address; only `jwks_uri` is local. There is no
//! sign-in: tests and the demo mint their tokens (`tokens`).
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-tokens> and the documents below
//! `https://login.microsoftonline.com/TENANT/`.

use std::sync::Arc;

use http::header::{ALLOW, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};
use uuid::Uuid;

use super::body::{Outcome, Payload};
use super::fault::Target;
use super::names::Names;
use super::reply::{self, Next, ScriptedError, play};
use super::state::{Shared, record};

/// A document of the issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Document {
    Metadata(TokenVersion),
    Keys(TokenVersion),
}

/// The form of the tokens that a document is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenVersion {
    V1,
    V2,
}

impl Document {
    /// The document below `/TENANT/` that a path names, with the tenant.
    fn named(path: &str) -> Option<(&str, Self)> {
        let (tenant, rest) = path.strip_prefix('/')?.split_once('/')?;
        let document = match rest {
            ".well-known/openid-configuration" => Self::Metadata(TokenVersion::V1),
            "v2.0/.well-known/openid-configuration" => Self::Metadata(TokenVersion::V2),
            "discovery/keys" => Self::Keys(TokenVersion::V1),
            "discovery/v2.0/keys" => Self::Keys(TokenVersion::V2),
            _ => return None,
        };
        Some((tenant, document))
    }
}

impl TokenVersion {
    /// `iss` in tokens of this form.
    pub(crate) fn issuer(self, tenant: &str) -> String {
        match self {
            Self::V1 => format!("https://sts.windows.net/{tenant}/"),
            Self::V2 => format!("https://login.microsoftonline.com/{tenant}/v2.0"),
        }
    }
}

/// Whether a path of the identity endpoint's port is the issuer's.
pub(crate) fn owns(path: &str) -> bool {
    Document::named(path).is_some()
}

/// Answers one request for a document.
pub(crate) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Outcome {
    let (head, _) = request.into_parts();
    let fault = {
        let mut state = shared.lock();
        match Document::named(head.uri.path()) {
            Some((_, Document::Keys(_))) => state.counters.keys += 1,
            _ => state.counters.metadata += 1,
        }
        state.last_authority_request = Some(record(&head));
        state.take_fault(Target::Authority, true)
    };
    match play(fault).await? {
        Next::Normally => Ok(document(&shared, &head)),
        Next::Send(response) => Ok(response),
        Next::Error(error) => Ok(scripted(&error)),
    }
}

fn document(shared: &Shared, head: &Parts) -> Response<Payload> {
    if head.method != Method::GET {
        let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", 900_561, "GET only.");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return response;
    }
    let names = &shared.names;
    let Some((tenant, document)) = Document::named(head.uri.path()) else {
        return reply::json(StatusCode::NOT_FOUND, "");
    };
    if !tenant.eq_ignore_ascii_case(&names.tenant) {
        let message = format!("Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID.");
        return refusal(StatusCode::BAD_REQUEST, "invalid_tenant", 90002, &message);
    }
    let issuer = &mut shared.lock().issuer;
    match document {
        Document::Metadata(TokenVersion::V1) if issuer.is_v1_missing => reply::json(StatusCode::NOT_FOUND, ""),
        Document::Metadata(version) => {
            let body = metadata(names, version, issuer.jwks_uri.as_deref());
            reply::json(StatusCode::OK, body.to_string())
        }
        Document::Keys(_) if issuer.are_keys_withheld => reply::json(StatusCode::OK, r#"{"keys":[]}"#),
        Document::Keys(version) => {
            // Only v2 sets say whose tokens a key signs.
            let name = (version == TokenVersion::V2).then(|| version.issuer(&names.tenant));
            reply::json(StatusCode::OK, issuer.keys.document(name.as_deref()).to_string())
        }
    }
}

/// The members of Entra's metadata that a resource may look at.
fn metadata(names: &Names, version: TokenVersion, jwks_uri: Option<&str>) -> Value {
    let authority = format!("{}/{}", names.authority, names.tenant);
    let (oauth2, keys) = match version {
        TokenVersion::V1 => ("oauth2", "discovery/keys"),
        TokenVersion::V2 => ("oauth2/v2.0", "discovery/v2.0/keys"),
    };
    let jwks_uri = jwks_uri.map_or_else(|| format!("{authority}/{keys}"), str::to_owned);
    json!({
        "issuer": version.issuer(&names.tenant),
        "jwks_uri": jwks_uri,
        "authorization_endpoint": format!("{authority}/{oauth2}/authorize"),
        "token_endpoint": format!("{authority}/{oauth2}/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
    })
}

fn scripted(error: &ScriptedError) -> Response<Payload> {
    let mut response = refusal(error.status, error.code, 90033, "A transient error has occurred.");
    if let Some(seconds) = error.retry_after {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static(seconds));
    }
    response
}

/// An error as Entra words it.
fn refusal(status: StatusCode, error: &str, code: u32, message: &str) -> Response<Payload> {
    let [trace, correlation] = [(); 2].map(|()| Uuid::new_v4().to_string());
    let body = json!({
        "error": error,
        "error_description": format!("AADSTS{code}: {message} Trace ID: {trace} Correlation ID: {correlation}"),
        "error_codes": [code],
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
    });
    reply::json(status, body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_documents_and_nothing_else_are_the_issuers() {
        for (path, document) in [
            (
                "/t/.well-known/openid-configuration",
                Document::Metadata(TokenVersion::V1),
            ),
            (
                "/t/v2.0/.well-known/openid-configuration",
                Document::Metadata(TokenVersion::V2),
            ),
            ("/t/discovery/keys", Document::Keys(TokenVersion::V1)),
            ("/t/discovery/v2.0/keys", Document::Keys(TokenVersion::V2)),
        ] {
            assert_eq!(Document::named(path), Some(("t", document)));
        }
        for path in [
            "/",
            "/msi/token",
            "/.well-known/openid-configuration",
            "/t/.well-known/openid-configuration/",
            "/t/discovery/v1.0/keys",
            "/t/u/discovery/keys",
        ] {
            assert!(!owns(path), "{path}");
        }
    }
}
