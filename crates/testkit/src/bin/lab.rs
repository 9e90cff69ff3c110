//! The emulator for tests that are not written in Rust: one JSON command a line on stdin, one JSON answer a line on
//! stdout, in the same order; it ends with its input. tests/browser and tests/sdk drive it.
//!
//! The first line, which answers no command, says what a handler and its callers need:
//! `{"environment":{"KEY_VAULT_URL":…},"authority":…,"tenant":…,"functionKey":…}`. Commands (a `?` marks what may be
//! left out) and their answers:
//!
//! | command | answer |
//! | --- | --- |
//! | `{"do":"put","name":…,"value":…,"contentType"?:…,"disabled"?:…,"notBefore"?:…,"expires"?:…,"tags"?:{…}}` | `{"version":…}` |
//! | `{"do":"handler","settings":{…}}`, starts one with these settings over the tests' usual ones | `{"port":…}` |
//! | `{"do":"fault","target":…,"fault":…,"times"?:…}`, without `times` for good | `{}` |
//! | `{"do":"clear-faults"}` | `{}` |
//! | `{"do":"counters"}`, which starts counting again | `{"connections":…,"gets":…,"tokens":…}` |
//! | `{"do":"token","audience":…,"scope":…}`, a user's access token | `{"token":…}` |
//! | `{"do":"reserve-port"}`, one that nobody but a handler will be given | `{"port":…}` |
//! | `{"do":"functions-host","handlerPort":…,"mode":…,"platformCors"?:{"origins":[…],"credentials"?:…}}` | `{"port":…}` |
//! | `{"do":"tls-front","port":…}`, TLS in front of a plain port | `{"port":…}` |
//!
//! A target is `"vault"`, `"token"` or `"authority"`; a fault `"reset"`, `"unavailable"`, `{"forbidden":INNERERROR}` or
//! `{"throttled":RETRY_AFTER}`, which may be null; a mode `"forwarding"` or `"proxying"`. A command that is not understood
//! ends the lab, with the reason on stderr.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Write, stdin, stdout};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use testkit::functions_host::{App, FunctionsHost, KEY, Mode, PlatformCors};
use testkit::handler::{Environment, Handler, ROOT};
use testkit::{Emulator, Fault, ReservedPort, Secret, Target, Times, TlsFront};

type Failure = Box<dyn Error + Send + Sync>;

/// One line of the input.
#[derive(Deserialize)]
#[serde(
    tag = "do",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
enum Command {
    Put {
        name: String,
        value: String,
        content_type: Option<String>,
        #[serde(default)]
        disabled: bool,
        not_before: Option<i64>,
        expires: Option<i64>,
        #[serde(default)]
        tags: BTreeMap<String, String>,
    },
    Handler {
        settings: BTreeMap<String, String>,
    },
    Fault {
        target: To,
        fault: What,
        times: Option<u32>,
    },
    ClearFaults,
    Counters,
    Token {
        audience: String,
        scope: String,
    },
    ReservePort,
    FunctionsHost {
        handler_port: u16,
        mode: How,
        platform_cors: Option<Platform>,
    },
    TlsFront {
        port: u16,
    },
}

/// [`Target`] as a command writes it.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum To {
    Vault,
    Token,
    Authority,
}

/// [`Fault`] as a command writes it.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum What {
    Reset,
    Unavailable,
    Forbidden(String),
    Throttled(Option<String>),
}

/// [`Mode`] as a command writes it.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum How {
    Forwarding,
    Proxying,
}

/// [`PlatformCors`] as a command writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Platform {
    origins: Vec<String>,
    #[serde(default)]
    credentials: bool,
}

/// Everything that runs until the lab ends.
struct Lab {
    emulator: Emulator,
    handlers: Vec<Handler>,
    hosts: Vec<FunctionsHost>,
    fronts: Vec<TlsFront>,
    reserved: Vec<ReservedPort>,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut lab = Lab {
        emulator: Emulator::start().await?,
        handlers: Vec::new(),
        hosts: Vec::new(),
        fronts: Vec::new(),
        reserved: Vec::new(),
    };
    let environment: Value = lab
        .emulator
        .environment()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    say(&json!({
        "environment": environment,
        "authority": lab.emulator.authority(),
        "tenant": lab.emulator.tenant(),
        "functionKey": KEY,
    }))?;

    // A thread of its own reads, so that the emulator's listeners have the runtime to themselves.
    let (sender, mut lines) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        for line in stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = lines.recv().await {
        let command = serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))?;
        say(&lab.carry_out(command).await?)?;
    }
    Ok(())
}

fn say(answer: &Value) -> std::io::Result<()> {
    let mut stdout = stdout().lock();
    writeln!(stdout, "{answer}")?;
    stdout.flush()
}

impl Lab {
    async fn carry_out(&mut self, command: Command) -> Result<Value, Failure> {
        Ok(match command {
            Command::Put {
                name,
                value,
                content_type,
                disabled,
                not_before,
                expires,
                tags,
            } => {
                let secret = Secret {
                    value,
                    content_type,
                    enabled: !disabled,
                    not_before,
                    expires,
                    tags,
                    ..Secret::default()
                };
                json!({"version": self.emulator.put(&name, secret)})
            }
            Command::Handler { settings } => {
                let handler = Handler::start(Environment::of(&self.emulator).with_all(settings)).await;
                let port = handler.port();
                self.handlers.push(handler);
                json!({"port": port})
            }
            Command::Fault { target, fault, times } => {
                let times = times.map_or(Times::Always, Times::Exactly);
                self.emulator.script(target.into(), fault.into(), times);
                json!({})
            }
            Command::ClearFaults => {
                self.emulator.clear_faults();
                json!({})
            }
            Command::Counters => {
                let counters = self.emulator.counters();
                self.emulator.reset_counters();
                json!({"connections": counters.connections, "gets": counters.gets, "tokens": counters.tokens})
            }
            Command::Token { audience, scope } => {
                let claims = self.emulator.user_claims(&audience, &scope);
                json!({"token": self.emulator.mint(&claims)})
            }
            Command::ReservePort => {
                let reserved = ReservedPort::new();
                let port = reserved.number();
                self.reserved.push(reserved);
                json!({"port": port})
            }
            Command::FunctionsHost {
                handler_port,
                mode,
                platform_cors,
            } => self.functions_host(handler_port, mode, platform_cors).await?,
            Command::TlsFront { port } => {
                let front = self.emulator.tls_front(port).await?;
                let port = front.port();
                self.fronts.push(front);
                json!({"port": port})
            }
        })
    }

    async fn functions_host(
        &mut self,
        handler_port: u16,
        mode: How,
        platform_cors: Option<Platform>,
    ) -> Result<Value, Failure> {
        let mode = match mode {
            How::Forwarding => Mode::Forwarding,
            How::Proxying => Mode::Proxying,
        };
        let platform_cors = platform_cors.map(|list| PlatformCors {
            origins: list.origins,
            credentials: list.credentials,
        });
        let host = FunctionsHost::start(App::read(Path::new(ROOT))?, mode, handler_port, platform_cors).await?;
        let port = host.port();
        self.hosts.push(host);
        Ok(json!({"port": port}))
    }
}

impl From<To> for Target {
    fn from(to: To) -> Self {
        match to {
            To::Vault => Self::Vault,
            To::Token => Self::Token,
            To::Authority => Self::Authority,
        }
    }
}

impl From<What> for Fault {
    fn from(what: What) -> Self {
        // The emulator's faults hold literals; what a lab is told to say lives as long as the lab.
        match what {
            What::Reset => Self::Reset,
            What::Unavailable => Self::unavailable(),
            What::Forbidden(inner) => Self::forbidden(inner.leak()),
            What::Throttled(None) => Self::throttled(),
            What::Throttled(Some(seconds)) => Self::throttled_for(seconds.leak()),
        }
    }
}
