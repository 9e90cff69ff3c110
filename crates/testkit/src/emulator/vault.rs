//! Key Vault's data plane, as far as it reads secrets: the challenge, "Get Secret", the faults, and the headers that
//! every answer has. What sets, lists or deletes secrets is not served: tests do that in process.
//!
//! Source: <https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret>.

use std::sync::Arc;

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, EXPIRES, PRAGMA, RETRY_AFTER, STRICT_TRANSPORT_SECURITY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::Instant;
use uuid::Uuid;

use super::body::{Outcome, Payload};
use super::bundle::Bundle;
use super::clock::now;
use super::fault::Target;
use super::names::Names;
use super::problem::Problem;
use super::record::Step;
use super::reply::{self, Next, play};
use super::state::{Shared, State, record};

/// What tokens must be for.
const RESOURCE: &str = "https://vault.azure.net";
const NAME_LIMIT: usize = 127;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");

/// Answers one request to the vault.
pub(crate) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Outcome {
    let _in_flight = shared.enter();
    let began = Instant::now();
    let client_request_id = request.headers().get(CLIENT_REQUEST_ID).cloned();
    let (head, _) = request.into_parts();
    let segments = segments(head.uri.path());

    let (authorised, fault) = {
        let mut state = shared.lock();
        state.last_vault_request = Some(record(&head));
        let authorised = authorise(&state, &head.headers);
        let is_get = head.method == Method::GET;
        match &authorised {
            Err(_) => state.counters.challenges += 1,
            Ok(()) if is_get && names_a_secret(&segments) => state.counters.gets += 1,
            Ok(()) => state.counters.others += 1,
        }
        let fault = match &authorised {
            Ok(()) => state.take_fault(Target::Vault, is_get),
            Err(_) => state
                .take_fault(Target::Challenge, true)
                .or_else(|| state.take_fault(Target::Vault, false)),
        };
        (authorised, fault)
    };

    let next = play(fault).await?;
    let step = if authorised.is_ok() {
        Step::Read
    } else {
        Step::Challenge
    };
    shared.lock().timeline.push(step, began);
    let result = match next {
        Next::Send(mut response) => {
            add_common_headers(response.headers_mut(), client_request_id);
            return Ok(response);
        }
        Next::Error(error) => Err(Problem::scripted(&shared.names, &error)),
        Next::Normally => match authorised {
            Err(problem) => Err(problem),
            Ok(()) => perform(&shared, &head, &segments),
        },
    };
    let mut response = match result {
        Ok(body) => reply::json(StatusCode::OK, body),
        Err(problem) => refuse(&shared.names, &problem),
    };
    add_common_headers(response.headers_mut(), client_request_id);
    Ok(response)
}

/// Finds the operation that method and path name, and performs it.
fn perform(shared: &Shared, head: &Parts, segments: &[&str]) -> Result<Vec<u8>, Problem> {
    if let ["secrets", name, ..] = segments {
        check_name(name)?;
    }
    check_api_version(head.uri.query().unwrap_or_default())?;
    match (head.method.as_str(), segments) {
        // A list, whose answer has no value: who asks for the version "versions" is answered like this.
        ("GET", ["secrets", _, "versions"]) => Ok(br#"{"value":[],"nextLink":null}"#.to_vec()),
        ("GET", ["secrets", name]) => get(shared, name, None),
        ("GET", ["secrets", name, version]) => get(shared, name, Some(version)),
        (_, ["secrets", _] | ["secrets", _, _]) => Err(Problem::method_not_allowed(&head.method)),
        _ => Err(Problem::no_such_route()),
    }
}

/// An expired or not yet valid secret is returned like any other: only `enabled` is enforced.
fn get(shared: &Shared, name: &str, version: Option<&str>) -> Result<Vec<u8>, Problem> {
    let State { store, counters, .. } = &mut *shared.lock();
    let not_found = || match version {
        None => Problem::not_found(name),
        Some(version) => Problem::not_found(&format!("{name}/{version}")),
    };
    let entry = store.entry(name).ok_or_else(not_found)?;
    let found = entry.version(version).ok_or_else(not_found)?;
    if !found.secret.enabled {
        return Err(Problem::disabled());
    }
    counters.served += 1;
    serde_json::to_vec(&Bundle::new(&shared.names.vault_url, entry, found)).map_err(|_| Problem::internal())
}

fn check_name(name: &str) -> Result<(), Problem> {
    let is_valid =
        (1..=NAME_LIMIT).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_valid {
        Ok(())
    } else {
        Err(Problem::invalid_name(name))
    }
}

/// Refuses an absent or malformed `api-version`, whose name may be percent-encoded (`api%2Dversion`).
fn check_api_version(query: &str) -> Result<(), Problem> {
    let version = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name.eq_ignore_ascii_case("api-version"))
        .map(|(_, value)| value)
        .filter(|version| !version.is_empty());
    let Some(version) = version else {
        return Err(Problem::bad_parameter("api-version must be specified"));
    };
    let is_valid = version
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    if is_valid {
        Ok(())
    } else {
        let message = format!("The specified version ({version}) is not recognized.");
        Err(Problem::bad_parameter(message))
    }
}

/// The path's segments; one trailing slash is accepted, as some SDKs send it.
fn segments(path: &str) -> Vec<&str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.strip_suffix('/').unwrap_or(path).split('/').collect()
}

/// Whether a GET of this path would be "Get Secret".
fn names_a_secret(segments: &[&str]) -> bool {
    match segments {
        ["secrets", _] => true,
        ["secrets", _, version] => *version != "versions",
        _ => false,
    }
}

fn authorise(state: &State, headers: &HeaderMap) -> Result<(), Problem> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some((scheme, bearer)) = header.and_then(|value| value.split_once(' ')) else {
        return Err(Problem::missing_token());
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::missing_token());
    }
    match state.tokens.iter().find(|token| token.bearer == bearer.trim()) {
        None => Err(Problem::unauthorized(
            "AKV10046: Unable to resolve the key used for signature validation.",
        )),
        Some(token) if token.expires <= now() => Err(Problem::unauthorized(
            "[TokenExpired] Error validating token: 'S2S12086'.",
        )),
        Some(token) if token.resource != RESOURCE => Err(Problem::unauthorized(format!(
            "AKV10022: Invalid audience. Expected {RESOURCE}, found: {}.",
            token.resource
        ))),
        Some(_) => Ok(()),
    }
}

/// An error as Key Vault sends it: a 401 always carries the challenge.
fn refuse(names: &Names, problem: &Problem) -> Response<Payload> {
    let mut response = reply::json(problem.status, problem.body());
    let headers = response.headers_mut();
    if problem.status == StatusCode::UNAUTHORIZED {
        let authority = format!("https://login.microsoftonline.com/{}", names.tenant);
        let challenge = format!("Bearer authorization=\"{authority}\", resource=\"{RESOURCE}\"");
        if let Ok(challenge) = HeaderValue::from_str(&challenge) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
    }
    if let Some(seconds) = problem.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from_static(seconds));
    }
    response
}

/// The headers of every answer, as recorded from the service.
fn add_common_headers(headers: &mut HeaderMap, client_request_id: Option<HeaderValue>) {
    let fixed = [
        (CACHE_CONTROL, "no-cache"),
        (PRAGMA, "no-cache"),
        (EXPIRES, "-1"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (STRICT_TRANSPORT_SECURITY, "max-age=31536000;includeSubDomains"),
        (HeaderName::from_static("x-ms-keyvault-region"), "westeurope"),
        (HeaderName::from_static("x-ms-keyvault-service-version"), "1.9.2500.1"),
        (
            HeaderName::from_static("x-ms-keyvault-network-info"),
            "conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
        headers.insert(REQUEST_ID, id);
    }
    if let Some(id) = client_request_id {
        headers.insert(CLIENT_REQUEST_ID, id);
    }
}
