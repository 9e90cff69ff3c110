//! App Service's managed identity endpoint: `GET /msi/token?api-version=2019-08-01&resource=…[&client_id=…]`.
//!
//! Source: <https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference>.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{ALLOW, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use super::body::{Outcome, Payload};
use super::clock::now;
use super::fault::Target;
use super::names::EMULATED_CLIENT_ID;
use super::names::Names;
use super::record::Step;
use super::reply::{self, Next, ScriptedError, play};
use super::state::{Shared, Token, record};

/// How long a token lives, as long as a managed identity's.
const TOKEN_LIFE: Duration = Duration::from_hours(24);

/// Answers one request to the identity endpoint.
pub(crate) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Outcome {
    let (head, _) = request.into_parts();
    let began = Instant::now();
    let fault = {
        let mut state = shared.lock();
        state.counters.tokens += 1;
        state.last_token_request = Some(record(&head));
        state.take_fault(Target::Token, true)
    };
    let next = play(fault).await?;
    shared.lock().timeline.push(Step::Token, began);
    match next {
        Next::Normally => Ok(token(&shared, &head)),
        Next::Send(response) => Ok(response),
        Next::Error(error) => Ok(scripted(&shared.names, &error)),
    }
}

fn scripted(names: &Names, error: &ScriptedError) -> Response<Payload> {
    let code = error
        .inner
        .map_or_else(|| error.code.to_owned(), |inner| format!("{} ({inner})", error.code));
    let message = format!(
        "{code}: the identity service could not issue a token. Tenant: {}; principal: {}.",
        names.tenant, names.principal
    );
    let mut response = refusal(error.status, &message);
    if let Some(seconds) = error.retry_after {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static(seconds));
    }
    response
}

fn token(shared: &Shared, head: &Parts) -> Response<Payload> {
    if head.uri.path() != "/msi/token" {
        return refusal(StatusCode::NOT_FOUND, "No such resource.");
    }
    if head.method != Method::GET {
        let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "Only GET is supported.");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return response;
    }
    let header = head.headers.get("x-identity-header");
    if header.is_none_or(|value| value != shared.names.identity_header.as_str()) {
        return refusal(
            StatusCode::UNAUTHORIZED,
            "The X-IDENTITY-HEADER header is missing or wrong.",
        );
    }
    let query = head.uri.query().unwrap_or_default();
    let parameter = |wanted: &str| {
        form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value)
    };

    if parameter("api-version").as_deref() != Some("2019-08-01") {
        return refusal(
            StatusCode::BAD_REQUEST,
            "The api-version is missing or not supported: use 2019-08-01.",
        );
    }
    let Some(resource) = parameter("resource").filter(|resource| !resource.is_empty()) else {
        return refusal(StatusCode::BAD_REQUEST, "The parameter 'resource' is missing.");
    };
    let is_other_identity = parameter("client_id").is_some_and(|id| !id.eq_ignore_ascii_case(EMULATED_CLIENT_ID))
        || ["principal_id", "object_id", "mi_res_id"]
            .into_iter()
            .any(|name| parameter(name).is_some());
    if is_other_identity {
        return refusal(
            StatusCode::BAD_REQUEST,
            "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.",
        );
    }
    issue(shared, &resource)
}

fn issue(shared: &Shared, resource: &str) -> Response<Payload> {
    let issued_at = now();
    let mut state = shared.lock();
    let life = state.token_life.unwrap_or(TOKEN_LIFE).as_secs();
    let expires = issued_at.saturating_add_unsigned(life);
    let bearer = bearer(&shared.names, resource, issued_at, expires);
    state.tokens.push(Token {
        bearer: bearer.clone(),
        resource: resource.trim_end_matches('/').to_owned(),
        expires,
    });
    drop(state);
    // The time is a string in this API version; SDKs refuse a number.
    let body = json!({
        "access_token": bearer,
        "client_id": EMULATED_CLIENT_ID,
        "expires_on": expires.to_string(),
        "resource": resource,
        "token_type": "Bearer",
    });
    reply::json(StatusCode::OK, body.to_string())
}

/// A string of the form of an Entra v1 access token; its signature is random and proves nothing.
fn bearer(names: &Names, resource: &str, issued_at: i64, expires: i64) -> String {
    let header = json!({"typ": "JWT", "alg": "RS256", "kid": "emulator"});
    let claims = json!({
        "aud": resource,
        "iss": format!("https://sts.windows.net/{}/", names.tenant),
        "iat": issued_at, "nbf": issued_at, "exp": expires,
        "appid": EMULATED_CLIENT_ID, "oid": names.principal, "tid": names.tenant,
        "uti": Uuid::new_v4().to_string(), "ver": "1.0",
    });
    let signature: Vec<u8> = (0..16).flat_map(|_| Uuid::new_v4().into_bytes()).collect();
    let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
    let [header, claims] = [header, claims].map(|part| encode(part.to_string().as_bytes()));
    format!("{header}.{claims}.{}", encode(&signature))
}

/// An error as App Service words it.
fn refusal(status: StatusCode, message: &str) -> Response<Payload> {
    let correlation_id = Uuid::new_v4().to_string();
    let body = json!({"statusCode": status.as_u16(), "message": message, "correlationId": correlation_id});
    reply::json(status, body.to_string())
}
