//! nginx's configuration: the handler's answers from memory, with the same header fields.

use std::fmt::Write;
use std::path::Path;

use testkit::client::Answer;

use crate::scenario::{Answers, ORIGIN, PATH, lasting_headers};

/// One worker that keeps its connections, writes nowhere but below `folder`, and has the answers in its configuration:
/// it cannot be asked to do less and still answer.
pub(crate) fn config(folder: &Path, port: u16, answers: &Answers, access_log: bool) -> String {
    let folder = folder.display();
    let access_log = if access_log {
        format!("{folder}/access.log")
    } else {
        "off".to_owned()
    };
    format!(
        "worker_processes 1;
daemon off;
pid {folder}/nginx-{port}.pid;
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log {access_log};
  server_tokens off;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location = / {{ return 200; }}
    location = {PATH} {{
      default_type {content_type};
      if ($http_origin != \"{ORIGIN}\") {{
{refused}      }}
      if ($request_method = OPTIONS) {{
{preflight}      }}
{hit}    }}
  }}
}}
",
        content_type = content_type(answers),
        refused = answer(&answers.refused),
        preflight = answer(&answers.preflight),
        hit = answer(&answers.hit),
    )
}

/// That of the secret and of the refusal.
fn content_type(answers: &Answers) -> String {
    let of = |answer: &Answer| quoted(answer.header("content-type").unwrap());
    let one = of(&answers.hit);
    assert_eq!(one, of(&answers.refused), "nginx has one for the location");
    one
}

fn answer(answer: &Answer) -> String {
    let mut text = String::new();
    for (name, value) in lasting_headers(answer) {
        match name.as_str() {
            // Allowed for a location only, not below its `if`; nginx leaves it out of a 204.
            "content-type" => {}
            // A fresh random id for each request, as the handler makes one.
            "x-ms-request-id" => writeln!(text, "add_header {name} $request_id always;").unwrap(),
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
