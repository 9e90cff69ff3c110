//! The demo's questions to itself.

use std::io;
use std::time::Duration;

use http::HeaderValue;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_SECURITY_POLICY, CONTENT_TYPE, WWW_AUTHENTICATE};
use serde_json::Value;
use testkit::client::{Answer, Request};
use tokio::time::timeout;

use crate::page::FILES;
use crate::setup::{AUDIENCE, Demo, PHOTOS_KEY, Places, SCOPE};
use crate::storage::Image;

/// The handler bounds what a caller waits for by 5 s; an answer that takes longer is a failed check.
const ANSWER_BOUND: Duration = Duration::from_secs(10);

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
pub(crate) async fn check(demo: &Demo) -> io::Result<bool> {
    let Demo { places, emulator, .. } = demo;
    let allowed = places.allowed_origin.as_str();
    // Without Entra there is nothing to sign in to, and both are empty and not used.
    let sign_in = async |path| {
        let token = ask(Request::get(path), port_of(allowed)?).await?;
        Ok(String::from_utf8_lossy(&token.body).into_owned())
    };
    let tokens = [
        sign_in("/token").await.map_err(io::Error::other::<String>)?,
        sign_in("/token?not-allowed").await.map_err(io::Error::other)?,
        emulator.foreign_token(&emulator.user_claims(AUDIENCE, SCOPE)),
    ];
    let questions = questions(places, &tokens);
    let usual = tokens.first().map(String::as_str).filter(|_| places.entra);
    let (mut passed, mut asked) = (0, 0);
    let mut say = |what: &str, verdict: &Result<(), String>| {
        asked += 1;
        passed += usize::from(say(what, verdict));
    };
    for question in &questions {
        let path = format!("/api/secrets/{}", question.name);
        let request = read(&path, question.origin, question.caller.1);
        let answer = ask(request, places.handler_port).await;
        let verdict = answer.and_then(|answer| question.judge(&answer));
        let Question {
            name, origin, status, ..
        } = question;
        let caller = question.caller.0;
        say(&format!("{name} from {origin}{caller}: {status}"), &verdict);
    }
    for origin in places.origins() {
        say(&format!("the page at {origin}"), &page(demo, origin).await);
    }
    if let Some(image) = &demo.image {
        let verdict = photo(demo, image, usual).await;
        say("photos-key: a SAS that reads the image, and not the key", &verdict);
    }
    // Throttling comes last: its 429 pauses every read of the vault for 5 s.
    for (state, name, status) in [
        ("down", "fresh-2", 503),
        ("down", "maps-key", 200),
        ("refusing", "fresh-3", 502),
        ("healthy", "fresh-4", 404),
        ("throttling", "fresh-1", 429),
    ] {
        let verdict = control(demo, usual, state, name, status).await;
        say(&format!("the vault {state}, {name}: {status}"), &verdict);
    }
    println!("demo: {passed} passed, {} failed", asked - passed);
    Ok(passed == asked)
}

/// What is asked of the handler, with a token that is good, one for something else and one that is forged.
fn questions<'a>(places: &'a Places, [good, other, forged]: &'a [String; 3]) -> Vec<Question<'a>> {
    let [allowed, second, refused] = places.origins();
    let (code, inner) = ("/error/code", "/error/innererror/code");
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
        is_readable: origin != refused,
    };
    let mut questions = vec![
        question("maps-key", allowed, 200, ("/value", "demo-maps-key-5f1d3c")),
        // Each page has its own secret, and the other's is one that does not exist.
        question("telemetry-key", allowed, 404, (code, "SecretNotFound")),
        question(
            "telemetry-key",
            second,
            200,
            ("/value", "InstrumentationKey=00000000-0000-0000-0000-000000000000"),
        ),
        question("maps-key", second, 404, (code, "SecretNotFound")),
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
    questions
}

/// Whether the page is there and knows where the API is, and whether it offers what the demo says that it offers.
async fn page(demo: &Demo, origin: &str) -> Result<(), String> {
    let port = port_of(origin)?;
    for (path, media_type, text) in FILES {
        let file = ask(Request::get(path), port).await?;
        if file.status != 200 || file.body != text {
            return Err(format!("{path} has status {} or another text", file.status));
        }
        if file.headers.get(CONTENT_TYPE).is_none_or(|named| named != media_type) {
            return Err(format!("{path} is not {media_type}"));
        }
        if !file.headers.contains_key(CONTENT_SECURITY_POLICY) {
            return Err(format!("{path} comes without a policy"));
        }
    }
    let config = ask(Request::get("/config.json"), port).await?;
    let config: Value = serde_json::from_slice(&config.body).map_err(|error| format!("config.json: {error}"))?;
    if config.get("api").is_none_or(|api| *api != demo.places.api()) {
        return Err("it is not told the API's address".to_owned());
    }
    let token = ask(Request::get("/token"), port).await?;
    let offered = token.status == 200 && token.body.starts_with(b"ey");
    if offered != demo.places.entra {
        return Err(format!("signing in has the status {}", token.status));
    }
    if token.headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        return Err("other pages may read its tokens".to_owned());
    }
    let elsewhere = Request::new("POST", "/vault/down").origin("http://localhost:1");
    let elsewhere = ask(elsewhere, port).await?;
    if elsewhere.status != 403 || demo.vault.state() != "healthy" {
        return Err("other pages may use its controls".to_owned());
    }
    Ok(())
}

/// Whether the storage account shows the image to whoever has what the handler gives, and to nobody else.
async fn photo(demo: &Demo, image: &Image, token: Option<&str>) -> Result<(), String> {
    let Image { address, key, .. } = image;
    let path = format!("/api/secrets/{PHOTOS_KEY}");
    let answer = ask(
        read(&path, &demo.places.allowed_origin, token),
        demo.places.handler_port,
    )
    .await?;
    if String::from_utf8_lossy(&answer.body).contains(key) {
        return Err("the key is in the answer".to_owned());
    }
    let bundle: Value = serde_json::from_slice(&answer.body).map_err(|error| format!("not JSON: {error}"))?;
    let sas = bundle.get("value").and_then(Value::as_str).unwrap_or_default();
    let port = port_of(image.origin())?;
    let target = address.strip_prefix(image.origin()).unwrap_or_default();
    let shown = ask(Request::get(&format!("{target}?{sas}")), port).await?;
    if shown.status != 200 || !shown.body.starts_with(b"<svg") {
        return Err(format!("with the SAS the image has the status {}", shown.status));
    }
    let hidden = ask(Request::get(target), port).await?;
    if hidden.status == 200 {
        return Err("the image is there without a SAS".to_owned());
    }
    Ok(())
}

/// Whether the page's control does to a read what it says.
async fn control(demo: &Demo, token: Option<&str>, state: &str, name: &str, status: u16) -> Result<(), String> {
    let origin = demo.places.allowed_origin.as_str();
    let port = port_of(origin)?;
    let set = ask(Request::new("POST", &format!("/vault/{state}")), port).await?;
    if set.status != 204 {
        return Err(format!("the control has status {}", set.status));
    }
    let path = format!("/api/secrets/{name}");
    let answer = ask(read(&path, origin, token), demo.places.handler_port).await?;
    if answer.status != status {
        return Err(format!("status {}", answer.status));
    }
    Ok(())
}

fn port_of(origin: &str) -> Result<u16, String> {
    let port = origin.rsplit(':').next().and_then(|port| port.parse().ok());
    port.ok_or_else(|| "its origin has no port".to_owned())
}

/// A page's request, with a token where it has one.
fn read(path: &str, origin: &str, token: Option<&str>) -> Request {
    let request = Request::get(path).origin(origin);
    match token {
        Some(token) => request.bearer(token),
        None => request,
    }
}

async fn ask(request: Request, port: u16) -> Result<Answer, String> {
    let answer = timeout(ANSWER_BOUND, request.try_send(port)).await;
    let answer = answer.map_err(|late| format!("no answer: {late}"))?;
    answer.map_err(|error| format!("no answer: {error}"))
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
