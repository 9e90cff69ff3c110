//! An HTTP/1.1 client for well-formed requests: one connection a request, the answer with its headers in order.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::emulator::Emulator;

/// What no answer may take, whatever happens upstream: the longest deadline that the suite configures is below it.
const BOUND: Duration = Duration::from_secs(15);

/// Why there is no answer.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A request in the making.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The request target.
    pub target: Uri,
    /// The header lines.
    pub headers: HeaderMap,
    /// The body; empty is none.
    pub body: Bytes,
}

impl Request {
    /// A request for this target, without a header.
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: Method::from_bytes(method.as_bytes()).unwrap(),
            target: target.parse().unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// `GET`.
    #[must_use]
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// `HEAD`.
    #[must_use]
    pub fn head(target: &str) -> Self {
        Self::new("HEAD", target)
    }

    /// `OPTIONS`.
    #[must_use]
    pub fn options(target: &str) -> Self {
        Self::new("OPTIONS", target)
    }

    /// A preflight from this origin for this method; its header names come with [`Self::header`].
    #[must_use]
    pub fn preflight(target: &str, origin: &str, method: &str) -> Self {
        Self::options(target)
            .origin(origin)
            .header("access-control-request-method", method)
    }

    /// Appends a header line; one of the same name stays.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.headers
            .append(name, HeaderValue::from_bytes(value.as_ref()).unwrap());
        self
    }

    /// Appends header lines.
    #[must_use]
    pub fn headers(self, lines: &[(&str, &str)]) -> Self {
        lines
            .iter()
            .fold(self, |request, (name, value)| request.header(name, value))
    }

    /// Appends `Origin`.
    #[must_use]
    pub fn origin(self, origin: &str) -> Self {
        self.header("origin", origin)
    }

    /// Appends `Authorization` with this token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it to a local port and fails the test when there is no answer.
    pub async fn send(self, port: u16) -> Answer {
        let shown = format!("{} {}", self.method, self.target);
        match timeout(BOUND, self.try_send(port)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => panic!("{shown}: {error}"),
            Err(elapsed) => panic!("{shown}: no answer within {BOUND:?}: {elapsed}"),
        }
    }

    /// Sends it to a local port.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub async fn try_send(self, port: u16) -> Result<Answer, Error> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        self.exchange(stream, &format!("127.0.0.1:{port}")).await
    }

    /// Sends it to the emulated vault over TLS, whose authority is the only one that is trusted.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub async fn try_send_to_vault(self, emulator: &Emulator) -> Result<Answer, Error> {
        let (stream, host) = emulator.connect().await?;
        self.exchange(stream, &host).await
    }

    async fn exchange<T>(self, stream: T, host: &str) -> Result<Answer, Error>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends by itself once `sender` is dropped; a failure reaches us through `sender` as well.
        tokio::spawn(connection);

        let mut request = http::Request::new(Full::new(self.body));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target;
        *request.headers_mut() = self.headers;
        if !request.headers().contains_key("host") {
            request.headers_mut().insert("host", HeaderValue::from_str(host)?);
        }

        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok(Answer {
            method: self.method,
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.collect().await?.to_bytes(),
        })
    }
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The method of the request that it answers.
    pub method: Method,
    /// The status code.
    pub status: u16,
    /// The header lines.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// The value of a header that is sent at most once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?;
        assert!(values.next().is_none(), "{name} is sent twice: {:?}", self.headers);
        Some(first.to_str().unwrap())
    }

    /// All header lines, in lower case and sorted, so that two sets can be compared.
    pub fn lines(&self) -> Vec<(String, String)> {
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        };
        let mut lines: Vec<_> = self.headers.iter().map(line).collect();
        lines.sort();
        lines
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }
}
