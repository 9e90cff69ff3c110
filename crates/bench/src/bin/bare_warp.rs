//! The floor that warp sets: `warp::serve` with answers that are ready, and no decision, log or limit.
//!
//! `bare_warp PORT ORIGIN ANSWERS` reads the three answers that the handler was seen to give, and gives the same bytes
//! and header fields: to OPTIONS the preflight's, to `ORIGIN` the secret, to everybody else the refusal.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark stops at the first surprise"
)]

use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use warp::Filter;
use warp::http::header::ORIGIN;
use warp::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use warp::reply::Response;

/// An answer as it will be given.
struct Ready {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Ready {
    fn read(answer: &Value) -> Self {
        let status = answer["status"].as_u64().unwrap();
        let headers = answer["headers"].as_array().unwrap().iter().map(|header| {
            let name = HeaderName::from_bytes(header[0].as_str().unwrap().as_bytes());
            (
                name.unwrap(),
                HeaderValue::from_str(header[1].as_str().unwrap()).unwrap(),
            )
        });
        Self {
            status: StatusCode::from_u16(status.try_into().unwrap()).unwrap(),
            headers: headers.collect(),
            body: Bytes::from(answer["body"].as_str().unwrap().to_owned()),
        }
    }

    fn give(&self) -> Response {
        let mut response = Response::new(self.body.clone().into());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [port, origin, answers] = <[String; 3]>::try_from(arguments).unwrap();
    let answers: Value = serde_json::from_slice(&fs::read(answers).unwrap()).unwrap();
    let [hit, preflight, refused] = ["hit", "preflight", "refused"].map(|name| Ready::read(&answers[name]));
    let ready = Arc::new((hit, preflight, refused));

    let secret = warp::path!("api" / "secrets" / String)
        .and(warp::method())
        .and(warp::header::value(ORIGIN.as_str()))
        .map(move |_, method: Method, from: HeaderValue| {
            let (hit, preflight, refused) = &*ready;
            let answer = match (method == Method::OPTIONS, from == origin) {
                (true, _) => preflight,
                (false, true) => hit,
                (false, false) => refused,
            };
            answer.give()
        });
    let readiness = warp::path::end().map(Response::default);
    let port: u16 = port.parse().unwrap();
    warp::serve(secret.or(readiness)).run((Ipv4Addr::LOCALHOST, port)).await;
}
