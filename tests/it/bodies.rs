//! Request bodies: nothing takes one, and nobody loses an answer to one.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::support::{ORIGIN, Rig};

const BOUND: Duration = Duration::from_secs(10);

/// What the contract reads and drops.
const MAX_BODY: usize = 64 * 1024;

fn head(framing: &str) -> String {
    format!("GET /api/secrets/maps-key HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\n{framing}\r\n\r\n")
}

/// This many bytes in chunks.
fn chunked(length: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for chunk in vec![b'x'; length].chunks(16 * 1024) {
        body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    body
}

/// Writes all of it before it reads anything, as simple clients do, and then reads to the end.
async fn write_then_read(port: u16, bytes: &[u8]) -> Result<String, std::io::Error> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(bytes).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_client_that_writes_a_long_body_first_gets_its_answer_and_no_reset() {
    let rig = Rig::start().await;
    let port = rig.handler.port();
    let length = 1024 * 1024;
    let sized = head(&format!("Content-Length: {length}")).into_bytes();
    let in_chunks = head("Transfer-Encoding: chunked").into_bytes();
    for request in [
        [sized, vec![b'x'; length]].concat(),
        [in_chunks, chunked(length)].concat(),
    ] {
        let mut clients = JoinSet::new();
        for _ in 0..40 {
            let request = request.clone();
            clients.spawn(async move { timeout(BOUND, write_then_read(port, &request)).await.unwrap() });
        }
        for answer in clients.join_all().await {
            let answer = answer.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        }
    }
}

#[tokio::test]
async fn after_a_body_of_64_kib_the_connection_serves_on() {
    let rig = Rig::start().await;
    for (framing, body) in [
        (format!("Content-Length: {MAX_BODY}"), vec![b'x'; MAX_BODY]),
        ("Transfer-Encoding: chunked".to_owned(), chunked(MAX_BODY)),
    ] {
        let request = [head(&framing).into_bytes(), body].concat();
        let last = head("Connection: close").into_bytes();
        let bytes = [request.clone(), request, last].concat();

        let answer = timeout(BOUND, write_then_read(rig.handler.port(), &bytes)).await;

        let answer = answer.unwrap().unwrap();
        assert_eq!(answer.matches("HTTP/1.1 200 OK\r\n").count(), 3, "{framing}: {answer}");
        assert_eq!(answer.matches("connection: close").count(), 1, "{framing}: {answer}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_delays_its_answer_by_a_second_at_most() {
    let rig = Rig::start().await;
    let bytes = [head("Content-Length: 10").into_bytes(), b"half".to_vec()].concat();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, rig.handler.port()))
        .await
        .unwrap();
    stream.write_all(&bytes).await.unwrap();

    let begun = Instant::now();
    let mut answer = String::new();
    timeout(BOUND, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();

    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_client_that_asks_before_sending_too_much_is_spared_it() {
    let rig = Rig::start().await;
    let request = head("Content-Length: 1048576\r\nExpect: 100-continue");
    let answer = timeout(BOUND, write_then_read(rig.handler.port(), request.as_bytes())).await;

    let answer = answer.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused_without_a_reset() {
    let rig = Rig::start().await;
    let port = rig.handler.port();
    let request = head(&format!("X-Long: {}", "x".repeat(4 * 1024 * 1024)));
    let mut clients = JoinSet::new();
    for _ in 0..20 {
        let request = request.clone();
        clients.spawn(async move { timeout(BOUND, write_then_read(port, request.as_bytes())).await.unwrap() });
    }
    for answer in clients.join_all().await {
        let answer = answer.unwrap();
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}
