//! nginx's configuration: the handler's answers from memory, with the same header fields; or whatever another server answers.

use std::fmt::Write;
use std::path::Path;

use testkit::client::Answer;

use crate::scenario::{Answers, ORIGIN, PATH, lasting_headers};

/// Bytes that nginx's request id is short of the handler's, which has four dashes.
const PADDING: &str = "0000";

/// How much of the handler's work nginx does beside answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// None: the id is always the same one, and nothing is logged.
    Answers,
    /// A fresh id for each answer, and a line for each request in a buffered access log.
    IdAndLog,
}

/// The file in `folder` that nginx writes its access log to.
pub const ACCESS_LOG: &str = "access.log";

/// A server that has the answers in its configuration: it cannot be asked to do less and still answer.
pub fn answering(folder: &Path, port: u16, answers: &Answers, work: Work) -> String {
    let access_log = match work {
        Work::Answers => "off".to_owned(),
        Work::IdAndLog => format!("{}/{ACCESS_LOG} combined buffer=64k flush=1s", folder.display()),
    };
    let answer = |it| answer(it, work);
    let server = format!(
        "  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = / {{ return 200; }}
    location = {PATH} {{
      default_type {content_type};
      if ($http_origin != \"{ORIGIN}\") {{
{refused}      }}
      if ($request_method = OPTIONS) {{
{preflight}      }}
{hit}    }}
  }}
",
        content_type = content_type(answers),
        refused = answer(&answers.refused),
        preflight = answer(&answers.preflight),
        hit = answer(&answers.hit),
    );
    one_worker(folder, port, &access_log, &server)
}

/// A forwarder to another server of this machine, over connections that it keeps, as the Functions host does.
pub fn forwarding(folder: &Path, port: u16, upstream: u16) -> String {
    let servers = format!(
        "  upstream handler {{
    server 127.0.0.1:{upstream};
    keepalive 4096;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://handler;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
    }}
  }}
"
    );
    one_worker(folder, port, "off", &servers)
}

/// One worker that keeps its connections, and writes nowhere but below `folder`.
fn one_worker(folder: &Path, port: u16, access_log: &str, servers: &str) -> String {
    let folder = folder.display();
    format!(
        "worker_processes 1;
daemon off;
pid {folder}/nginx-{port}.pid;
error_log stderr crit;
events {{ worker_connections 8192; }}
http {{
  access_log {access_log};
  server_tokens off;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
{servers}}}
"
    )
}

/// That of the secret and of the refusal.
fn content_type(answers: &Answers) -> String {
    let of = |answer: &Answer| quoted(answer.header("content-type").unwrap());
    let one = of(&answers.hit);
    assert_eq!(one, of(&answers.refused), "nginx has one for the location");
    one
}

fn answer(answer: &Answer, work: Work) -> String {
    let mut text = String::new();
    for (name, value) in lasting_headers(answer) {
        match (name.as_str(), work) {
            // Allowed for a location only, not below its `if`; nginx leaves it out of a 204.
            ("content-type", _) => {}
            ("x-ms-request-id", Work::IdAndLog) => {
                writeln!(text, "add_header {name} {PADDING}$request_id always;").unwrap();
            }
            _ => writeln!(text, "add_header {name} {} always;", quoted(&value)).unwrap(),
        }
    }
    match answer.text().as_str() {
        "" => writeln!(text, "return {};", answer.status).unwrap(),
        body => writeln!(text, "return {} {};", answer.status, quoted(body)).unwrap(),
    }
    text
}

/// A string of nginx's configuration language; it has no way to write a `$` that is none of its variables.
fn quoted(text: &str) -> String {
    assert!(
        !text.contains(['\'', '\\', '$']),
        "not a plain string for nginx: {text}"
    );
    format!("'{text}'")
}
