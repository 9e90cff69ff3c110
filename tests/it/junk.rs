//! What no browser sends: each is refused or closed, and the process goes on as if nothing had happened.

use crate::support::client::Request;
use crate::support::expect::Headers;
use crate::support::{ORIGIN, PATH, Rig, raw};

/// Fails unless the handler still serves, and has not panicked anywhere on the way here.
async fn assert_unharmed(rig: Rig) {
    assert_eq!(Request::get("/").send(rig.handler.port()).await.status, 200);
    rig.get(PATH)
        .await
        .must_be("afterwards", 200, &Headers::json().readable_by(ORIGIN));
    rig.handler.stop().await;
}

fn closing(request_line: &str) -> Vec<u8> {
    format!("{request_line}\r\nHost: x\r\nConnection: close\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn a_target_that_is_no_path_is_404_or_405() {
    let rig = Rig::start().await;

    for line in [
        "CONNECT x:443 HTTP/1.1",
        "CONNECT 127.0.0.1:443 HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET api HTTP/1.1",
        "GET localhost HTTP/1.1",
        "POST / HTTP/1.1",
        "PUT / HTTP/1.1",
        "OPTIONS / HTTP/1.1",
        "GET http://host/api/nothing HTTP/1.1",
        "DELETE http://host/api/secrets/maps-key HTTP/1.1",
    ] {
        let answer = raw::exchange(rig.handler.port(), &closing(line)).await;
        assert!(
            matches!(answer.statuses()[..], [404 | 405]),
            "{line}: {}",
            answer.text()
        );
        for header in ["x-ms-request-id: ", "cache-control: no-store", "vary: "] {
            assert!(
                answer.text().to_lowercase().contains(header),
                "{line}: {}",
                answer.text()
            );
        }
    }
    assert_unharmed(rig).await;
}

#[tokio::test]
async fn what_is_no_http_is_4xx_or_closed() {
    let rig = Rig::start().await;

    for bytes in [
        &b"\r\n\r\n\r\n\r\nX\r\n\r\n"[..],
        b"hello\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET / HTTP/0.9\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nNo colon here\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Name: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x1b[31mb\r\n\r\n",
        b"GET /api/secrets/\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/secrets/a b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"G\x00ET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x00\x00\x00\x00\x00\x00\x00\x00\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    ] {
        let answer = raw::exchange(rig.handler.port(), bytes).await;
        let label = String::from_utf8_lossy(bytes).into_owned();
        assert!(
            answer.statuses().iter().all(|status| (400..500).contains(status)),
            "{label}: {}",
            answer.text()
        );
    }
    assert_unharmed(rig).await;
}

#[tokio::test]
async fn bytes_that_are_not_ascii_are_refused_and_never_served() {
    let rig = Rig::start().await;

    for path in [
        &b"/api/secrets/\xff\xfe"[..],
        b"/api/secrets/m\xc3\xa4ps",
        b"/api/secrets/maps-key\xc2\x85",
        b"/\xf0\x9f\x94\x91",
    ] {
        let mut bytes = [b"GET ", path].concat();
        bytes
            .extend_from_slice(b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: https://app.contoso.com\r\n\r\n");
        let answer = raw::exchange(rig.handler.port(), &bytes).await;
        assert!(
            matches!(answer.statuses()[..], [400 | 404]),
            "{path:?}: {}",
            answer.text()
        );
    }
    rig.assert_untouched("not ASCII");
    assert_unharmed(rig).await;
}

#[tokio::test]
async fn up_to_128_headers_are_read_and_no_more() {
    let rig = Rig::start().await;
    let with_headers = |count: usize| {
        let head = format!("GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: {ORIGIN}\r\n");
        let rest = "X-Filler: x\r\n".repeat(count - 3);
        format!("{head}{rest}\r\n").into_bytes()
    };

    let answer = raw::exchange(rig.handler.port(), &with_headers(128)).await;
    assert_eq!(answer.statuses(), [200], "{}", answer.text());
    let answer = raw::exchange(rig.handler.port(), &with_headers(129)).await;
    assert!(matches!(answer.statuses()[..], [] | [431]), "{}", answer.text());
    let answer = raw::exchange(rig.handler.port(), &with_headers(10_000)).await;
    assert!(matches!(answer.statuses()[..], [] | [431]), "{}", answer.text());
    assert_unharmed(rig).await;
}

#[tokio::test]
async fn up_to_64_kib_of_head_are_read_and_no_more() {
    let rig = Rig::start().await;
    let with_head = |length: usize| {
        let head = format!("GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: {ORIGIN}\r\nX: ");
        format!("{head}{}\r\n\r\n", "x".repeat(length - head.len() - 4)).into_bytes()
    };

    let answer = raw::exchange(rig.handler.port(), &with_head(60 * 1024)).await;
    assert_eq!(answer.statuses(), [200], "{}", answer.text());
    for length in [80 * 1024, 200 * 1024, 1024 * 1024] {
        let answer = raw::exchange(rig.handler.port(), &with_head(length)).await;
        assert!(
            matches!(answer.statuses()[..], [] | [431]),
            "{length}: {}",
            answer.text()
        );
    }
    let answer = raw::exchange(rig.handler.port(), &vec![b'A'; 200 * 1024]).await;
    assert!(
        answer.statuses().iter().all(|status| (400..500).contains(status)),
        "{}",
        answer.text()
    );
    assert_unharmed(rig).await;
}

#[tokio::test]
async fn a_long_request_line_is_refused() {
    let rig = Rig::start().await;

    for length in [20 * 1024, 70 * 1024, 200 * 1024] {
        for line in [
            format!("GET /api/secrets/{} HTTP/1.1", "a".repeat(length)),
            format!("GET {PATH}?{} HTTP/1.0x", "a".repeat(length)),
            format!("{} / HTTP/1.1", "A".repeat(length)),
        ] {
            let answer = raw::exchange(rig.handler.port(), &closing(&line)).await;
            assert!(
                answer.statuses().iter().all(|status| (400..500).contains(status)),
                "{length}: {}",
                answer.text()
            );
        }
    }
    rig.assert_untouched("long lines");
    assert_unharmed(rig).await;
}

#[tokio::test]
async fn half_a_request_and_then_silence_harms_nobody() {
    let rig = Rig::start().await;

    for bytes in [
        &b""[..],
        b"G",
        b"GET /api/secrets/maps-key",
        b"GET /api/secrets/maps-key HTTP/1.1\r\nHost: x\r\nOrig",
        b"GET /api/secrets/maps-key HTTP/1.1\r\nHost: x\r\nOrigin: x\r\nContent-Length: 9\r\n\r\nx",
        b"POST /api/secrets/maps-key HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
        b"POST /api/secrets/maps-key HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        raw::write_and_close(rig.handler.port(), bytes).await;
    }
    // The other side is gone before its answer is: ten times, to meet it at different moments.
    for _ in 0..10 {
        let request = format!("GET {PATH} HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\n\r\n");
        raw::write_and_close(rig.handler.port(), request.as_bytes()).await;
    }
    assert_unharmed(rig).await;
}

#[tokio::test]
async fn a_body_on_a_get_is_not_a_request() {
    let rig = Rig::start().await;
    let smuggled = "GET /api/secrets/other HTTP/1.1\r\nHost: x\r\n\r\n";
    let first = format!("GET {PATH} HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\n");
    let last = format!("GET {PATH} HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\nConnection: close\r\n\r\n");

    let bytes = format!("{first}Content-Length: {}\r\n\r\n{smuggled}{last}", smuggled.len());
    let answer = raw::exchange(rig.handler.port(), bytes.as_bytes()).await;
    assert_eq!(answer.statuses(), [200, 200], "{}", answer.text());

    let bytes = format!(
        "{first}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{smuggled}\r\n0\r\n\r\n{last}",
        smuggled.len()
    );
    let answer = raw::exchange(rig.handler.port(), bytes.as_bytes()).await;
    assert_eq!(answer.statuses(), [200, 200], "{}", answer.text());

    let answer = rig
        .send(Request::get(PATH).origin(ORIGIN).body(vec![b'x'; 100_000]))
        .await;
    let headers = Headers::json().readable_by(ORIGIN).with("connection", "close");
    answer.must_be("a large body", 200, &headers);
    assert_unharmed(rig).await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let rig = Rig::start().await;
    let request =
        |target: &str, rest: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\n{rest}\r\n");

    let bytes = [
        request(PATH, ""),
        request("/api/nothing", ""),
        request("/", ""),
        request("/api/secrets/a_b", ""),
        request(PATH, "Connection: close\r\n"),
    ]
    .concat();

    let answer = raw::exchange(rig.handler.port(), bytes.as_bytes()).await;
    assert_eq!(answer.statuses(), [200, 404, 200, 400, 200], "{}", answer.text());
    assert_unharmed(rig).await;
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let rig = Rig::start().await;

    let answer = raw::exchange(rig.handler.port(), b"GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(answer.statuses(), [200], "{}", answer.text());
    let bytes = format!("GET {PATH} HTTP/1.0\r\nOrigin: {ORIGIN}\r\n\r\n");
    let answer = raw::exchange(rig.handler.port(), bytes.as_bytes()).await;
    assert_eq!(answer.statuses(), [200], "{}", answer.text());
    assert_unharmed(rig).await;
}

#[tokio::test]
async fn no_upgrade_is_taken() {
    let rig = Rig::start().await;

    let upgrades = [
        "websocket",
        "h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
        "TLS/1.0",
    ];
    for upgrade in upgrades {
        let request = format!(
            "GET {PATH} HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\n\
             Connection: Upgrade, close\r\nUpgrade: {upgrade}\r\n\r\n"
        );
        let answer = raw::exchange(rig.handler.port(), request.as_bytes()).await;
        assert_eq!(answer.statuses(), [200], "{upgrade}: {}", answer.text());
    }
    assert_unharmed(rig).await;
}
