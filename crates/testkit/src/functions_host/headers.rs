//! Header lines on their way through the host.

use http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, InvalidHeaderValue, TRANSFER_ENCODING, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use super::Mode;

const INVOCATION_ID: HeaderName = HeaderName::from_static("x-azure-functions-invocationid");

/// What YARP never passes on; `Connection` and the framing go as well. Headers that `Connection` names stay.
const HOP_BY_HOP: [&str; 7] = [
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
];

/// Whether each value is UTF-8; the host's web server refuses others.
pub(super) fn are_utf8(headers: &HeaderMap) -> bool {
    headers.values().all(|value| str::from_utf8(value.as_bytes()).is_ok())
}

/// Whether YARP can send them: its client accepts ASCII only.
pub(super) fn are_ascii(headers: &HeaderMap) -> bool {
    headers.values().all(|value| value.as_bytes().is_ascii())
}

/// The headers that the handler sees.
pub(super) fn for_handler(mode: Mode, client: &HeaderMap, handler_port: u16) -> Result<HeaderMap, InvalidHeaderValue> {
    let mut headers = client.clone();
    for framing in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(framing);
    }
    let invocation = HeaderValue::from_str(&Uuid::new_v4().to_string())?;
    if mode == Mode::Forwarding {
        headers.append(INVOCATION_ID, invocation);
        return joined(&headers);
    }
    headers.remove(CONNECTION);
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers.remove("x-forwarded-prefix");
    headers.insert("x-forwarded-for", HeaderValue::from_static("203.0.113.7"));
    headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
    headers.remove("x-forwarded-host");
    let local = HeaderValue::from_str(&format!("127.0.0.1:{handler_port}"))?;
    if let Some(public) = headers.insert(HOST, local) {
        headers.insert("x-forwarded-host", public);
    }
    headers.insert("x-azure-functions-hostversion", HeaderValue::from_static("4.1037.0.0"));
    headers.insert("x-ms-invocation-id", invocation.clone());
    headers.insert(INVOCATION_ID, invocation);
    joined(&headers)
}

/// One line for each name, as .NET's HTTP client writes them.
fn joined(headers: &HeaderMap) -> Result<HeaderMap, InvalidHeaderValue> {
    let mut lines = HeaderMap::new();
    for name in headers.keys() {
        let separator: &[u8] = if name == COOKIE { b"; " } else { b", " };
        let values: Vec<_> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        lines.insert(name, HeaderValue::from_bytes(&values.join(separator))?);
    }
    Ok(lines)
}

/// The handler's headers as they leave the host.
pub(super) fn for_caller(mode: Mode, headers: &mut HeaderMap) {
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
    if mode == Mode::Proxying {
        return;
    }
    // The older way reads these as lists and writes each member as a line of its own.
    for name in [VARY, ALLOW] {
        let members: Vec<_> = headers
            .get_all(&name)
            .iter()
            .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
            .filter_map(|member| HeaderValue::from_bytes(member.trim_ascii()).ok())
            .collect();
        headers.remove(&name);
        for member in members {
            headers.append(&name, member);
        }
    }
}
