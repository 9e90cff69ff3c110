//! A client that asks one question.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderName, Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1 as client;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The handler bounds what a caller waits for by 5 s; an answer that takes longer is a failed check.
const ANSWER_BOUND: Duration = Duration::from_secs(10);

/// An answer, whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// [`send`] with GET.
pub(crate) async fn get(port: u16, path: &str, headers: &[(HeaderName, &str)]) -> io::Result<Answer> {
    send(Method::GET, port, path, headers).await
}

/// One request without a body over a connection of its own.
pub(crate) async fn send(method: Method, port: u16, path: &str, headers: &[(HeaderName, &str)]) -> io::Result<Answer> {
    let answer = async {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        let (mut sender, connection) = client::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string());
        let request = headers
            .iter()
            .fold(request, |request, (name, value)| request.header(name, *value));
        let request = request.body(Empty::<Bytes>::new()).map_err(io::Error::other)?;
        let exchange = async move {
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>(Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                body,
            })
        };
        // The exchange owns the sender, whose end is the connection's.
        let (answer, _) = tokio::join!(exchange, connection);
        answer.map_err(io::Error::other)
    };
    timeout(ANSWER_BOUND, answer)
        .await
        .unwrap_or_else(|late| Err(late.into()))
}
