//! A socket client for what no HTTP library would send.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::Answer;

const BOUND: Duration = Duration::from_secs(5);

/// What came back before the connection ended.
#[derive(Debug)]
pub struct Raw(Vec<u8>);

impl Raw {
    /// The status codes of all answers, in order.
    pub fn statuses(&self) -> Vec<u16> {
        // Status lines are told from bodies by their version: no body of the product has one.
        let text = self.text();
        let status_lines = text.split("HTTP/1.").skip(1);
        status_lines
            .map(|line| line.split(' ').nth(1).unwrap().parse().unwrap())
            .collect()
    }

    /// The one answer to a request of this method that said `Connection: close`, without the header that says so too.
    pub fn answer(&self, method: &str) -> Answer {
        let end = self.0.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {:?}", self.text()));
        let head = std::str::from_utf8(&self.0[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers: HeaderMap = lines
            .map(|line| {
                let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?}"));
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                (name, HeaderValue::from_str(value).unwrap())
            })
            .collect();
        headers.remove("connection");
        Answer {
            method: Method::from_bytes(method.as_bytes()).unwrap(),
            status,
            headers,
            body: Bytes::copy_from_slice(&self.0[end + 4..]),
        }
    }

    /// All of it as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

/// Writes the bytes and reads until the other side has closed; fails the test when it does not.
///
/// A request that is meant to be answered says `Connection: close`. A write that fails and a reset are ends like any
/// other: whoever refuses a request before having read all of it causes both.
pub async fn exchange(port: u16, bytes: &[u8]) -> Raw {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let mut received = Vec::new();
    let talk = async {
        if stream.write_all(bytes).await.is_ok() {
            drop(stream.flush().await);
        }
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            received.extend_from_slice(&buffer[..count]);
        }
    };
    let ended = timeout(BOUND, talk).await.is_ok();
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
    assert!(
        ended,
        "{shown:?}: the connection was still open after {BOUND:?}; received {:?}",
        Raw(received)
    );
    Raw(received)
}

/// Writes the bytes and closes the connection at once, without reading.
pub async fn write_and_close(port: u16, bytes: &[u8]) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream.shutdown().await.unwrap();
}

/// Reads what comes until the other side closes.
pub async fn read(mut stream: TcpStream) -> Raw {
    let mut received = Vec::new();
    let end = timeout(BOUND, stream.read_to_end(&mut received)).await;
    end.expect("the connection was still open").unwrap();
    Raw(received)
}

/// Opens a connection and writes the beginning of something; what is returned keeps it open.
pub async fn begin(port: u16, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}
