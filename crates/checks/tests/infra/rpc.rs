//! One compiler process for everything: starting it costs more than what it does. It speaks JSON-RPC over its standard
//! streams, framed as in the Language Server Protocol (`bicep jsonrpc --stdio`).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

#[derive(Debug)]
pub(crate) struct Bicep {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    last_id: u64,
}

impl Bicep {
    pub(crate) fn start(program: &Path) -> Self {
        let mut process = Command::new(program)
            .args(["jsonrpc", "--stdio"])
            // The compiler is .NET, which wants the ICU library unless it is told not to.
            .env("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1")
            // It ends before what it would learn from profiling itself pays: 12 s of a core in place of 19.
            .env("DOTNET_TieredPGO", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bicep starts");
        let requests = process.stdin.take().expect("piped");
        let answers = BufReader::new(process.stdout.take().expect("piped"));
        Self {
            process,
            requests,
            answers,
            last_id: 0,
        }
    }

    /// The result, or the error object.
    fn call(&mut self, method: &str, params: &Value) -> Result<Value, Value> {
        self.last_id += 1;
        let request = json!({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params}).to_string();
        write!(self.requests, "Content-Length: {}\r\n\r\n{request}", request.len()).expect("bicep reads");
        self.requests.flush().expect("bicep reads");
        loop {
            let mut answer = self.read();
            if answer["id"] == self.last_id {
                return match answer.get_mut("result") {
                    Some(result) if !result.is_null() => Ok(result.take()),
                    _ => Err(answer["error"].take()),
                };
            }
        }
    }

    fn read(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            let count = self.answers.read_line(&mut line).expect("bicep answers");
            assert!(count > 0, "bicep ended");
            match line.trim_end().split_once(": ") {
                Some(("Content-Length", value)) => length = value.parse().expect("a length"),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.answers.read_exact(&mut body).expect("a whole answer");
        serde_json::from_slice(&body).expect("JSON")
    }

    /// The compiled template, or nothing if there are errors; and every diagnostic.
    pub(crate) fn compile(&mut self, file: &Path) -> (Option<Value>, Vec<String>) {
        let result = self.call("bicep/compile", &json!({"path": file})).expect("an answer");
        let diagnostics = result["diagnostics"].as_array().into_iter().flatten();
        let lines = diagnostics.map(|it| {
            format!(
                "{}({}): {} {}: {}",
                it["source"].as_str().unwrap_or_default(),
                it["range"]["start"]["line"],
                it["level"].as_str().unwrap_or_default(),
                it["code"].as_str().unwrap_or_default(),
                it["message"].as_str().unwrap_or_default(),
            )
        });
        let contents = result["contents"].as_str();
        (
            contents.map(|text| serde_json::from_str(text).expect("JSON")),
            lines.collect(),
        )
    }

    /// The file as the formatter writes it.
    pub(crate) fn format(&mut self, file: &Path) -> String {
        let result = self.call("bicep/format", &json!({"path": file})).expect("an answer");
        result["contents"].as_str().expect("text").to_owned()
    }

    /// What a parameter file would deploy, or the sentence it is refused with.
    pub(crate) fn snapshot(&mut self, file: &Path, group: Option<&str>) -> Value {
        let metadata = json!({
            "tenantId": "99999999-8888-7777-6666-555555555555",
            "subscriptionId": "00000000-1111-2222-3333-444444444444",
            "resourceGroup": group,
            "location": "westeurope",
            "deploymentName": "main",
        });
        let params = json!({"path": file, "metadata": metadata, "externalInputs": null});
        match self.call("bicep/getSnapshot", &params) {
            Ok(result) => serde_json::from_str(result["snapshot"].as_str().expect("text")).expect("JSON"),
            Err(error) => {
                let inner = error.pointer("/data/inner/message").or(error.get("message"));
                json!({"refused": inner})
            }
        }
    }
}

impl Drop for Bicep {
    fn drop(&mut self) {
        let ended = self.process.kill().and_then(|()| self.process.wait());
        drop(ended);
    }
}
