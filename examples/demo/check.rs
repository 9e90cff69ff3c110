//! The demo's questions to itself.

use std::io;

use emulator::Emulator;
use http::HeaderValue;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, ORIGIN, WWW_AUTHENTICATE};
use serde_json::Value;

use crate::client::{Answer, get};
use crate::{AUDIENCE, Places, SCOPE};

/// One question and the answer it should have.
struct Question<'a> {
    name: &'a str,
    origin: &'a str,
    /// Who asks, for the report, and with which token.
    caller: (&'a str, Option<&'a str>),
    status: u16,
    /// Where in the body, as a JSON pointer, and what.
    body: (&'a str, &'a str),
    is_readable: bool,
}

/// Asks and prints PASS or FAIL; true when all pass.
pub(crate) async fn check(places: &Places, emulator: &Emulator) -> io::Result<bool> {
    let (allowed, refused) = (places.allowed_origin.as_str(), places.refused_origin.as_str());
    let code = "/error/code";
    let inner = "/error/innererror/code";
    let [good, other, forged] = [
        emulator.mint(&emulator.user_claims(AUDIENCE, SCOPE)),
        emulator.mint(&emulator.user_claims(AUDIENCE, "another.scope")),
        emulator.foreign_token(&emulator.user_claims(AUDIENCE, SCOPE)),
    ]
    .map(|token| format!("Bearer {token}"));
    let usual = if places.entra {
        (", signed in", Some(good.as_str()))
    } else {
        ("", None)
    };
    let question = |name, origin, status, body| Question {
        name,
        origin,
        caller: usual,
        status,
        body,
        is_readable: origin == allowed,
    };
    let mut questions = vec![
        question("maps-key", allowed, 200, ("/value", "demo-maps-key-5f1d3c")),
        question("maps-key", refused, 403, (inner, "OriginNotAllowed")),
        question("expired-key", allowed, 403, (inner, "SecretExpired")),
        question("disabled-key", allowed, 403, (inner, "SecretDisabled")),
        question("tls-cert", allowed, 404, (code, "SecretNotFound")),
        question("database-password", allowed, 404, (code, "SecretNotFound")),
    ];
    if places.entra {
        for (caller, status, body) in [
            ((", not signed in", None), 401, (code, "Unauthorized")),
            (
                (", with a forged token", Some(forged.as_str())),
                401,
                (code, "Unauthorized"),
            ),
            (
                (", signed in for something else", Some(other.as_str())),
                403,
                (inner, "CallerNotAllowed"),
            ),
        ] {
            questions.push(Question {
                caller,
                ..question("maps-key", allowed, status, body)
            });
        }
    }
    let mut all_passed = true;
    for question in &questions {
        let path = format!("/api/secrets/{}", question.name);
        let origin = (ORIGIN, question.origin);
        let token = question.caller.1.map(|token| (AUTHORIZATION, token));
        let headers: Vec<_> = [origin].into_iter().chain(token).collect();
        let answer = get(places.handler_port, &path, &headers).await;
        let verdict = answer
            .map_err(|error| error.to_string())
            .and_then(|answer| question.judge(&answer));
        let Question {
            name, origin, status, ..
        } = question;
        let caller = question.caller.0;
        all_passed &= say(&format!("{name} from {origin}{caller}: {status}"), &verdict);
    }
    for origin in [allowed, refused] {
        all_passed &= say(&format!("the page at {origin}"), &page(places, origin).await);
    }
    Ok(all_passed)
}

/// Whether the page is there and knows where the API is, and whether it offers what the demo says that it offers.
async fn page(places: &Places, origin: &str) -> Result<(), String> {
    let port = origin.rsplit(':').next().and_then(|port| port.parse().ok());
    let port = port.ok_or("its origin has no port")?;
    let page = get(port, "/", &[]).await.map_err(|error| error.to_string())?;
    if page.status != 200 || !String::from_utf8_lossy(&page.body).contains(&places.api()) {
        return Err(format!("status {}, or the API's address is not in it", page.status));
    }
    let token = get(port, "/token", &[]).await.map_err(|error| error.to_string())?;
    let offered = token.status == 200 && token.body.starts_with(b"ey");
    if offered != places.entra {
        return Err(format!("signing in has the status {}", token.status));
    }
    if token.headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        return Err("other pages may read its tokens".to_owned());
    }
    Ok(())
}

fn say(what: &str, verdict: &Result<(), String>) -> bool {
    match verdict {
        Ok(()) => println!("PASS  {what}"),
        Err(why) => println!("FAIL  {what}: {why}"),
    }
    verdict.is_ok()
}

impl Question<'_> {
    fn judge(&self, answer: &Answer) -> Result<(), String> {
        if answer.status != self.status {
            return Err(format!("status {}", answer.status));
        }
        let body: Value = serde_json::from_slice(&answer.body).map_err(|error| format!("not JSON: {error}"))?;
        let (pointer, expected) = self.body;
        if body.pointer(pointer).and_then(Value::as_str) != Some(expected) {
            return Err(format!("{pointer} is not {expected}"));
        }
        let expected = self.is_readable.then_some(self.origin.as_bytes());
        let earned = answer
            .headers
            .get(ACCESS_CONTROL_ALLOW_ORIGIN)
            .map(HeaderValue::as_bytes);
        if earned != expected {
            return Err(format!("Access-Control-Allow-Origin is {earned:?}"));
        }
        let is_challenged = answer.headers.contains_key(WWW_AUTHENTICATE);
        if is_challenged != (self.status == 401) {
            return Err(format!("WWW-Authenticate is there: {is_challenged}"));
        }
        Ok(())
    }
}
