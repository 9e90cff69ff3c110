//! An HTTP/1.1 client for well-formed requests: one connection a request, the answer with its headers in order.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What no answer may take, whatever happens upstream: the longest deadline that the suite configures is below it.
const BOUND: Duration = Duration::from_secs(15);

/// A request in the making.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) target: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: Method::from_bytes(method.as_bytes()).unwrap(),
            target: target.parse().unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn head(target: &str) -> Self {
        Self::new("HEAD", target)
    }

    pub(crate) fn options(target: &str) -> Self {
        Self::new("OPTIONS", target)
    }

    /// A preflight from this origin for this method; its header names come with [`Self::header`].
    pub(crate) fn preflight(target: &str, origin: &str, method: &str) -> Self {
        Self::options(target)
            .origin(origin)
            .header("access-control-request-method", method)
    }

    /// Appends a header line; one of the same name stays.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.headers
            .append(name, HeaderValue::from_bytes(value.as_ref()).unwrap());
        self
    }

    pub(crate) fn headers(self, lines: &[(&str, &str)]) -> Self {
        lines
            .iter()
            .fold(self, |request, (name, value)| request.header(name, value))
    }

    pub(crate) fn origin(self, origin: &str) -> Self {
        self.header("origin", origin)
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it to a local port and fails the test when there is no answer.
    pub(crate) async fn send(self, port: u16) -> Answer {
        let shown = format!("{} {}", self.method, self.target);
        match timeout(BOUND, self.try_send(port)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => panic!("{shown}: {error}"),
            Err(elapsed) => panic!("{shown}: no answer within {BOUND:?}: {elapsed}"),
        }
    }

    /// Sends it to a local port.
    pub(crate) async fn try_send(self, port: u16) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends by itself once `sender` is dropped; a failure reaches us through `sender` as well.
        tokio::spawn(connection);

        let mut request = http::Request::new(Full::new(self.body));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target;
        *request.headers_mut() = self.headers;
        if !request.headers().contains_key("host") {
            request
                .headers_mut()
                .insert("host", HeaderValue::from_str(&format!("127.0.0.1:{port}"))?);
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
pub(crate) struct Answer {
    /// The method of the request that it answers.
    pub(crate) method: Method,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The value of a header that is sent at most once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?;
        assert!(values.next().is_none(), "{name} is sent twice: {:?}", self.headers);
        Some(first.to_str().unwrap())
    }

    /// All header lines, in lower case and sorted, so that two sets can be compared.
    pub(crate) fn lines(&self) -> Vec<(String, String)> {
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

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }
}
