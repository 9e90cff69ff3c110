//! Requests byte by byte: what each is answered, with which CORS headers and no other, and that none which is refused
//! touches the vault.

use crate::support::client::Answer;
use crate::support::expect::Headers;
use crate::support::table::{self, Row};
use crate::support::{PATH, Rig, raw};

const REQUESTS: &str = include_str!("data/requests.txt");

/// Values of `Origin`: sections `== allowed` and `== refused` by [`LIST`], of rows with the parser's verdict, a tab and the
/// value. The engine's own tests and the fuzzers read them too.
const ORIGINS: &str = include_str!("../../crates/fuzz/seeds/origins.txt");

const LIST: &str = "https://app.contoso.com,https://*.contoso.com,https://shop.fabrikam.com:8443,http://localhost:*,https://[2001:db8::1]";

/// A handler with one of the configurations that the tables name.
struct Subject {
    rig: Rig,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Listed,
    Credentials,
    Any,
    Lenient,
}

/// A request, in the bytes of its lines.
struct Request<'a> {
    method: &'a str,
    target: &'a str,
    lines: Vec<&'a [u8]>,
}

impl Subject {
    async fn start(kind: Kind) -> Self {
        let rig = match kind {
            Kind::Listed => Rig::with(&[("ALLOWED_ORIGINS", LIST)]).await,
            Kind::Credentials => Rig::with(&[("ALLOWED_ORIGINS", LIST), ("ALLOW_CREDENTIALS", "true")]).await,
            Kind::Any => Rig::with(&[("ALLOWED_ORIGINS", "*"), ("DANGEROUSLY_ALLOW_ANY_ORIGIN", "true")]).await,
            Kind::Lenient => Rig::with(&[("ALLOWED_ORIGINS", LIST), ("REQUIRE_ORIGIN", "false")]).await,
        };
        Self { rig, kind }
    }

    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Listed => "listed",
            Kind::Credentials => "credentials",
            Kind::Any => "any",
            Kind::Lenient => "lenient",
        }
    }

    /// Fails unless the request gets exactly what the verdict stands for.
    async fn expect(&self, label: &str, verdict: &str, request: &Request<'_>) {
        self.rig.emulator.reset_counters();
        let received = raw::exchange(self.rig.handler.port(), &request.bytes()).await;
        let is_served = verdict.starts_with("served");
        if verdict == "unparsed" {
            // The parser's own answers are outside the contract, but even they must not open anything.
            assert!(
                matches!(received.statuses()[..], [400 | 431]),
                "{label}: {}",
                received.text()
            );
            assert!(
                !received.text().contains("access-control"),
                "{label}: {}",
                received.text()
            );
        } else {
            self.judge(label, verdict, request, &received.answer(request.method));
        }
        if !is_served {
            self.rig.assert_untouched(label);
        }
    }

    fn judge(&self, label: &str, verdict: &str, request: &Request<'_>, answer: &Answer) {
        let bare = |headers: Headers| headers;
        let readable = |headers: Headers| self.with_credentials(headers.readable_by(&self.allowed(request)));
        let refuse = |error, headers| answer.must_refuse(label, 403, ("Forbidden", Some(error)), &headers);
        let for_preflight = |headers: Headers| {
            if request.is_preflight() {
                headers.for_preflight()
            } else {
                headers
            }
        };
        // A verdict's name ends with who may read the answer where that is not whoever passed the gates before it.
        let (verdict, reader): (_, &dyn Fn(Headers) -> Headers) = match verdict.split_once('-') {
            Some((verdict, "unread")) => (verdict, &bare),
            Some((verdict, "readable")) => (verdict, &readable),
            None if matches!(verdict, "served" | "fetch" | "name" | "absent") => (verdict, &readable),
            None => (verdict, &bare),
            Some(_) => panic!("{label}: {verdict}"),
        };
        match verdict {
            "served" => answer.must_be(label, 200, &reader(Headers::json())),
            "origin" => refuse("OriginNotAllowed", for_preflight(Headers::json())),
            "fetch" => refuse("FetchMetadata", reader(Headers::json())),
            "name" => answer.must_refuse(label, 400, ("BadParameter", None), &reader(Headers::json())),
            "absent" => answer.must_refuse(label, 404, ("SecretNotFound", None), &reader(Headers::json())),
            "nowhere" => answer.must_refuse(label, 404, ("NotFound", None), &reader(Headers::json())),
            "verb" => {
                let headers = reader(Headers::json()).with("allow", "GET, HEAD, OPTIONS");
                answer.must_refuse(label, 405, ("MethodNotAllowed", None), &headers);
            }
            "plain" => {
                let headers = reader(Headers::bare()).with("allow", "GET, HEAD, OPTIONS");
                answer.must_be(label, 204, &headers);
            }
            "granted" => {
                let headers = self.with_credentials(Headers::granting(&self.allowed(request)));
                answer.must_be(label, 204, &headers);
            }
            _ => panic!("{label}: {verdict}"),
        }
    }

    fn allowed(&self, request: &Request<'_>) -> String {
        match self.kind {
            Kind::Any => "*".to_owned(),
            _ => request.value("origin").unwrap_or_default(),
        }
    }

    fn with_credentials(&self, headers: Headers) -> Headers {
        match self.kind {
            Kind::Credentials => headers.with("access-control-allow-credentials", "true"),
            _ => headers,
        }
    }

    /// Sends an origin in each way in which a browser could.
    async fn expect_origin(&self, is_served: bool, origin: &[u8]) {
        let line = [b"Origin: ", origin].concat();
        let asked = &b"Access-Control-Request-Method: GET"[..];
        for (method, lines, served) in [
            ("GET", vec![line.as_slice()], "served"),
            ("HEAD", vec![&line], "served"),
            ("OPTIONS", vec![&line, asked], "granted"),
        ] {
            let request = Request {
                method,
                target: PATH,
                lines,
            };
            let label = format!("{} {method} {}", self.name(), origin.escape_ascii());
            let verdict = if is_served { served } else { "origin" };
            self.expect(&label, verdict, &request).await;
        }
    }
}

impl<'a> Request<'a> {
    fn read(row: &'a Row) -> Self {
        let (method, target) = row.word(1).split_once(' ').unwrap_or((row.word(1), PATH));
        Self {
            method,
            target,
            lines: row.columns[2..].iter().map(Vec::as_slice).collect(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", self.method, self.target).into_bytes();
        if self.value("host").is_none() {
            bytes.extend(b"Host: app.azurewebsites.net\r\n");
        }
        for line in &self.lines {
            bytes.extend(*line);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"\r\n");
        bytes
    }

    /// The value of the first line of this name.
    fn value(&self, name: &str) -> Option<String> {
        self.lines.iter().find_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (found, value) = line.split_at(colon);
            found
                .eq_ignore_ascii_case(name.as_bytes())
                .then(|| String::from_utf8_lossy(value[1..].trim_ascii()).into_owned())
        })
    }

    fn is_preflight(&self) -> bool {
        let has = |name| self.value(name).is_some();
        self.method == "OPTIONS" && has("origin") && has("access-control-request-method")
    }
}

/// Every origin, and every request that is about this configuration.
async fn hold(kind: Kind, requests: usize) {
    let subject = Subject::start(kind).await;
    let (mut section, mut count) = ("", 0);
    for line in ORIGINS.lines() {
        section = line.strip_prefix("== ").unwrap_or(section);
        let Some((verdict, origin)) = line.split_once('\t') else {
            continue;
        };
        let is_served = match kind {
            Kind::Any => verdict == "Ok",
            Kind::Listed | Kind::Credentials | Kind::Lenient => section == "allowed",
        };
        // The white space around a field's value is not part of it (RFC 9110, section 5.5).
        if origin.trim() == origin {
            subject.expect_origin(is_served, origin.as_bytes()).await;
            count += 1;
        }
    }
    assert!(count > 350, "{count} origins");
    count = 0;
    for section in table::read(REQUESTS)
        .iter()
        .filter(|section| section.title == subject.name())
    {
        for row in &section.rows {
            let text: String = row.text.chars().take(300).collect();
            subject.expect(&text, row.word(0), &Request::read(row)).await;
            count += 1;
        }
    }
    assert!(count >= requests, "{count} requests");
    subject.rig.handler.stop().await;
}

#[tokio::test]
async fn every_vector_gets_its_answer_from_a_list_of_origins() {
    hold(Kind::Listed, 150).await;
}

#[tokio::test]
async fn every_vector_gets_its_answer_with_credentials() {
    hold(Kind::Credentials, 15).await;
}

#[tokio::test]
async fn every_vector_gets_its_answer_from_any_origin() {
    hold(Kind::Any, 15).await;
}

#[tokio::test]
async fn every_vector_gets_its_answer_where_an_origin_is_not_required() {
    hold(Kind::Lenient, 15).await;
}
