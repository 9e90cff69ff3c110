//! What the real host was seen to do, one fact a test, with a handler that records what reaches it.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{App, FunctionsHost, HOST_KEY, KEY, MASTER_KEY, Mode, PlatformCors};

const MODES: [Mode; 2] = [Mode::Forwarding, Mode::Proxying];
const PATH: &str = "/api/secrets/maps-key";
const ORIGIN: &str = "https://app.contoso.com";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A host in front of a handler that gives one answer to all; an empty one closes the connection instead.
struct Rig {
    host: FunctionsHost,
    heads: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
}

impl Rig {
    async fn start(mode: Mode, answer: &'static str, cors: Option<PlatformCors>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let (seen, opened) = (Arc::clone(&heads), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                *opened.lock().unwrap() += 1;
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    while let Some(head) = read_head(&mut stream).await {
                        seen.lock().unwrap().push(head);
                        if answer.is_empty() {
                            return;
                        }
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        let app = App::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
        let host = FunctionsHost::start(app, mode, port, cors).await.unwrap();
        Self {
            host,
            heads,
            connections,
        }
    }

    /// Sends a request with these header lines and returns the answer's head, in lower case.
    async fn send(&self, method: &str, target: &str, lines: &[&str]) -> String {
        let mut request = format!("{method} {target} HTTP/1.1\r\nhost: public.example\r\n").into_bytes();
        for line in lines {
            request.extend_from_slice(line.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        self.send_bytes(&request).await
    }

    async fn send_bytes(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.host.port()))
            .await
            .unwrap();
        stream.write_all(request).await.unwrap();
        read_head(&mut stream).await.unwrap()
    }

    /// GET with the function's key.
    async fn get(&self, target: &str, lines: &[&str]) -> String {
        let key = format!("x-functions-key: {KEY}");
        let lines: Vec<_> = lines.iter().copied().chain([key.as_str()]).collect();
        self.send("GET", target, &lines).await
    }

    fn take_heads(&self) -> Vec<String> {
        std::mem::take(&mut self.heads.lock().unwrap())
    }
}

async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn status(head: &str) -> &str {
    head.split(' ').nth(1).unwrap()
}

/// All values of a header, a value a line.
fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect()
}

fn cors(origins: &[&str], credentials: bool) -> PlatformCors {
    let origins = origins.iter().map(|&origin| origin.to_owned()).collect();
    PlatformCors { origins, credentials }
}

async fn arrives(mode: Mode, rows: &[(&str, &str)]) {
    let rig = Rig::start(mode, OK, None).await;
    for (sent, expected) in rows {
        assert_eq!(status(&rig.get(sent, &[]).await), "200", "{mode:?} {sent}");
        let heads = rig.take_heads();
        assert_eq!(heads[0].split(' ').nth(1), Some(*expected), "{mode:?} {sent}");
    }
}

#[tokio::test]
async fn proxying_decodes_a_path_and_encodes_it_again() {
    arrives(
        Mode::Proxying,
        &[
            ("/api/secrets/maps%2Dkey", PATH),
            ("/api/secrets/a/%2e%2e/maps-key", PATH),
            ("/api/secrets/a%2Fb", "/api/secrets/a%2Fb"),
            ("/api/secrets/a%2fb", "/api/secrets/a%2fb"),
            ("/api/secrets/%252e", "/api/secrets/%252e"),
            ("/api/secrets/%ff", "/api/secrets/%ff"),
            ("/api/secrets/a%3Fb%23c%20d", "/api/secrets/a%3Fb%23c%20d"),
            ("/api/secrets/%c3%a4", "/api/secrets/%C3%A4"),
            ("/api/secrets/a?x=1&x=%32", "/api/secrets/a?x=1&x=%32"),
        ],
    )
    .await;
}

#[tokio::test]
async fn forwarding_cuts_a_path_where_a_decoded_character_ends_it_and_joins_the_query() {
    arrives(
        Mode::Forwarding,
        &[
            ("/api/secrets/maps%2Dkey", PATH),
            ("/api/secrets/a/%2e%2e/maps-key", PATH),
            ("/api/secrets/maps-key%3Fx", "/api/secrets/maps-key?x"),
            ("/api/secrets/maps-key%23x", PATH),
            ("/api/secrets/maps-key%20", PATH),
            ("/api/secrets/a?x=1&y=2&x=3", "/api/secrets/a?x=1,3&y=2"),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_encoded_nul_is_the_servers_400() {
    for mode in MODES {
        let rig = Rig::start(mode, OK, None).await;
        assert_eq!(status(&rig.get("/api/secrets/a%00", &[]).await), "400");
        assert!(rig.take_heads().is_empty());
    }
}

#[tokio::test]
async fn forwarding_passes_a_clients_headers_on_and_appends_the_invocation() {
    let rig = Rig::start(Mode::Forwarding, OK, None).await;
    let lines = [
        "origin: a",
        "origin: b",
        "te: trailers",
        "x-forwarded-host: evil.example",
        "x-azure-functions-invocationid: mine",
    ];
    rig.get(PATH, &lines).await;
    let head = rig.take_heads().remove(0);

    assert_eq!(values(&head, "host"), ["public.example"]);
    assert_eq!(values(&head, "origin"), ["a, b"]);
    assert_eq!(values(&head, "te"), ["trailers"]);
    assert_eq!(values(&head, "x-forwarded-host"), ["evil.example"]);
    let invocation = values(&head, "x-azure-functions-invocationid").join(", ");
    assert!(invocation.starts_with("mine, "), "{invocation}");
}

#[tokio::test]
async fn proxying_replaces_what_is_the_hosts_to_say() {
    let rig = Rig::start(Mode::Proxying, OK, None).await;
    let lines = [
        "origin: a",
        "origin: b",
        "te: trailers",
        "keep-alive: 5",
        "connection: x-named",
        "x-named: stays",
        "x-forwarded-for: evil",
        "x-forwarded-host: evil",
        "x-forwarded-proto: evil",
        "x-forwarded-prefix: evil",
        "x-azure-functions-invocationid: evil",
        "x-azure-functions-hostversion: evil",
        "x-ms-invocation-id: evil",
    ];
    rig.get(PATH, &lines).await;
    let head = rig.take_heads().remove(0);

    assert!(!head.contains("evil"), "{head}");
    assert_eq!(
        values(&head, "host"),
        [format!("127.0.0.1:{}", rig.host.host.pool.port())]
    );
    assert_eq!(values(&head, "x-forwarded-host"), ["public.example"]);
    assert_eq!(values(&head, "origin"), ["a, b"]);
    assert_eq!(values(&head, "x-named"), ["stays"]);
    for name in ["te", "keep-alive", "connection"] {
        assert_eq!(values(&head, name).len(), 0, "{name}");
    }
    for name in [
        "x-azure-functions-invocationid",
        "x-azure-functions-hostversion",
        "x-ms-invocation-id",
    ] {
        assert_eq!(values(&head, name).len(), 1, "{name}");
    }
}

#[tokio::test]
async fn non_ascii_headers_never_reach_the_handler() {
    let rig = Rig::start(Mode::Proxying, OK, None).await;
    assert_eq!(status(&rig.get(PATH, &["x-a: ä"]).await), "500");
    let invalid = b"GET /api/secrets/a HTTP/1.1\r\nhost: a\r\nx-functions-key: a-function-key\r\nx-a: \xff\r\n\r\n";
    assert_eq!(status(&rig.send_bytes(invalid).await), "400");
    assert!(rig.take_heads().is_empty());
}

#[tokio::test]
async fn forwarding_splits_lists_and_proxying_leaves_them() {
    let answer = "HTTP/1.1 405 No\r\nvary: Origin, A\r\nallow: GET, HEAD\r\ncontent-length: 0\r\n\r\n";
    let forwarded = Rig::start(Mode::Forwarding, answer, None).await.get(PATH, &[]).await;
    assert_eq!(values(&forwarded, "vary"), ["Origin", "A"]);
    assert_eq!(values(&forwarded, "allow"), ["GET", "HEAD"]);
    let proxied = Rig::start(Mode::Proxying, answer, None).await.get(PATH, &[]).await;
    assert_eq!(values(&proxied, "vary"), ["Origin, A"]);
    assert_eq!(values(&proxied, "allow"), ["GET, HEAD"]);
}

#[tokio::test]
async fn a_forwarded_204_is_an_unhandled_error_that_ends_the_connection() {
    for (mode, errors) in [(Mode::Forwarding, 1), (Mode::Proxying, 0)] {
        let rig = Rig::start(mode, "HTTP/1.1 204 No Content\r\n\r\n", None).await;
        let head = rig.send("OPTIONS", PATH, &[]).await;
        assert_eq!(status(&head), "204");
        assert_eq!(rig.host.unhandled_errors(), errors, "{mode:?}");
        assert_eq!(values(&head, "connection").len(), errors, "{mode:?}");
    }
}

#[tokio::test]
async fn any_of_the_three_keys_opens_and_a_wrong_header_wins_over_a_right_code() {
    let rig = Rig::start(Mode::Proxying, OK, None).await;
    for key in [KEY, HOST_KEY, MASTER_KEY] {
        let header = format!("x-functions-key: {key}");
        assert_eq!(status(&rig.send("GET", PATH, &[&header]).await), "200", "{key}");
        let target = format!("{PATH}?code={key}");
        assert_eq!(status(&rig.send("GET", &target, &[]).await), "200", "{key}");
        let head = rig.send("GET", &target, &["x-functions-key: wrong"]).await;
        assert_eq!(status(&head), "401", "{key}");
        assert_eq!(values(&head, "www-authenticate").len(), 0, "{key}");
    }
}

#[tokio::test]
async fn a_connection_that_closes_before_an_answer_is_tried_again() {
    for (mode, tries) in [(Mode::Forwarding, 4), (Mode::Proxying, 40)] {
        let rig = Rig::start(mode, "", None).await;
        assert_eq!(status(&rig.get(PATH, &[]).await), "500", "{mode:?}");
        assert_eq!(rig.take_heads().len(), tries, "{mode:?}");
    }
    let rig = Rig::start(Mode::Proxying, "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", None).await;
    assert_eq!(status(&rig.get(PATH, &[]).await), "503");
    assert_eq!(rig.take_heads().len(), 1, "an answer is never retried");
}

#[tokio::test]
async fn connections_are_pooled_until_they_are_closed() {
    for mode in MODES {
        let rig = Rig::start(mode, OK, None).await;
        rig.get(PATH, &[]).await;
        rig.get(PATH, &[]).await;
        assert_eq!(*rig.connections.lock().unwrap(), 1, "{mode:?}");
        assert_eq!(rig.host.idle_connections(), 1, "{mode:?}");
        rig.host.close_idle_connections();
        rig.get(PATH, &[]).await;
        assert_eq!(*rig.connections.lock().unwrap(), 2, "{mode:?}");
    }
}

#[tokio::test]
async fn the_hosts_own_refusals_are_readable_by_a_listed_origin_only_with_its_middleware() {
    let key = format!("x-functions-key: {KEY}");
    let origin = format!("origin: {ORIGIN}");
    for (list, expected) in [(Some(cors(&[ORIGIN], false)), vec![ORIGIN]), (None, vec![])] {
        let rig = Rig::start(Mode::Forwarding, "", list).await;
        for (target, key, expected_status) in [
            (PATH, "x-a: b", "401"),
            ("/api/nothing", "x-a: b", "404"),
            (PATH, key.as_str(), "500"),
        ] {
            let head = rig.send("GET", target, &[&origin, key]).await;
            assert_eq!(status(&head), expected_status);
            assert_eq!(
                values(&head, "access-control-allow-origin"),
                expected,
                "{expected_status}"
            );
            assert_eq!(values(&head, "vary").len(), 0, "{expected_status}");
        }
    }
}

#[tokio::test]
async fn the_middleware_overwrites_the_apps_origin_and_varies_with_two_in_its_list() {
    let answer =
        "HTTP/1.1 403 No\r\naccess-control-allow-origin: https://x\r\nvary: Origin\r\ncontent-length: 0\r\n\r\n";
    let origin = format!("origin: {ORIGIN}");
    for (list, allowed, vary) in [
        (vec![ORIGIN], ORIGIN, 1),
        (vec![ORIGIN, "https://b.example"], ORIGIN, 2),
        (vec!["*"], "*", 1),
    ] {
        let rig = Rig::start(Mode::Proxying, answer, Some(cors(&list, false))).await;
        let head = rig.get(PATH, &[&origin]).await;
        assert_eq!(values(&head, "access-control-allow-origin"), [allowed], "{list:?}");
        assert_eq!(values(&head, "vary"), vec!["Origin"; vary], "{list:?}");
    }
}

#[tokio::test]
async fn any_origin_with_credentials_fails_every_request() {
    let rig = Rig::start(Mode::Proxying, OK, Some(cors(&["*"], true))).await;
    for (method, target) in [("GET", PATH), ("GET", "/"), ("OPTIONS", PATH)] {
        let lines = ["origin: https://a.example", "access-control-request-method: GET"];
        let head = rig.send(method, target, &lines).await;
        assert_eq!(status(&head), "500", "{method} {target}");
        assert_eq!(values(&head, "access-control-allow-origin").len(), 0);
    }
    assert!(rig.take_heads().is_empty());
}

#[tokio::test]
async fn the_middleware_answers_a_preflight_for_any_path_and_nothing_less() {
    let rig = Rig::start(Mode::Proxying, OK, Some(cors(&[ORIGIN], false))).await;
    let origin = format!("origin: {ORIGIN}");
    for path in [PATH, "/nothing"] {
        let head = rig
            .send("OPTIONS", path, &[&origin, "access-control-request-method: PUT"])
            .await;
        assert_eq!(status(&head), "204", "{path}");
        assert_eq!(values(&head, "access-control-allow-methods"), ["PUT"], "{path}");
    }
    assert!(rig.take_heads().is_empty());

    assert_eq!(status(&rig.send("OPTIONS", PATH, &[&origin]).await), "200");
    assert_eq!(rig.take_heads().len(), 1);
}
