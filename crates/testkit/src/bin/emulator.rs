//! The emulator on its own, for `func start` and for trying SDKs against it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program speaks on its terminal"
)]

use std::process::ExitCode;

use testkit::{DEMO_ALLOWED_SECRETS, Emulator, seed_demo};

const USAGE: &str = "\
Usage: emulator [--vault-port PORT] [--identity-port PORT]

Runs a Key Vault and managed identity stand-in on 127.0.0.1 until Ctrl-C.

  --vault-port PORT     HTTPS, 8443 unless said otherwise; 0: any free port
  --identity-port PORT  HTTP, 8444 unless said otherwise; 0: any free port
  -h, --help            print this";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Help,
    Run { vault_port: u16, identity_port: u16 },
}

/// Reads the command line without the program's name; the error says what is wrong with it.
fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut arguments = arguments.into_iter();
    let (mut vault_port, mut identity_port) = (8443, 8444);
    while let Some(argument) = arguments.next() {
        let (flag, value) = match argument.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        let port = match flag {
            "-h" | "--help" => return Ok(Command::Help),
            "--vault-port" => &mut vault_port,
            "--identity-port" => &mut identity_port,
            _ => return Err(format!("unknown argument: {argument}")),
        };
        let value = value
            .or_else(|| arguments.next())
            .ok_or_else(|| format!("{flag} needs a port"))?;
        *port = value
            .parse()
            .map_err(|_| format!("{flag} needs a port from 0 to 65535"))?;
    }
    Ok(Command::Run {
        vault_port,
        identity_port,
    })
}

#[tokio::main]
async fn main() -> ExitCode {
    let (vault_port, identity_port) = match parse(std::env::args().skip(1)) {
        Ok(Command::Run {
            vault_port,
            identity_port,
        }) => (vault_port, identity_port),
        Ok(Command::Help) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(fault) => {
            eprintln!("{fault}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let emulator = match Emulator::start_on(vault_port, identity_port).await {
        Ok(emulator) => emulator,
        Err(error) => {
            eprintln!("cannot listen on 127.0.0.1:{vault_port} and 127.0.0.1:{identity_port}: {error}");
            return ExitCode::FAILURE;
        }
    };
    seed_demo(&emulator);

    println!("A Key Vault stand-in listens at {}", emulator.vault_url());
    println!(
        "A managed identity endpoint listens at {}",
        emulator.identity_endpoint()
    );
    println!();
    println!(
        "For `Values` in local.settings.json (good until this stops; the next run has another header and CA file):"
    );
    println!();
    let mut settings = emulator.environment();
    settings.push(("ALLOWED_SECRETS", DEMO_ALLOWED_SECRETS.to_owned()));
    // Where front-end tools serve a page, whatever their port.
    settings.push(("ALLOWED_ORIGINS", "http://localhost:*".to_owned()));
    for (index, (name, value)) in settings.iter().enumerate() {
        let comma = if index + 1 < settings.len() { "," } else { "" };
        println!("    {}: {}{comma}", json(name), json(value));
    }
    println!();
    println!("Stop it with Ctrl-C.");

    match told_to_stop().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot wait for a signal: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Waits for Ctrl-C, or where there is such a thing for a request to terminate: either way the CA file is to go.
async fn told_to_stop() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// A JSON string: a path on Windows needs its escapes.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Command, String> {
        parse(arguments.iter().map(|&argument| argument.to_owned()))
    }

    #[test]
    fn no_flags_mean_the_fixed_ports() {
        assert_eq!(
            parsed(&[]),
            Ok(Command::Run {
                vault_port: 8443,
                identity_port: 8444
            })
        );
    }

    #[test]
    fn ports_are_taken_with_and_without_an_equals_sign() {
        let expected = Ok(Command::Run {
            vault_port: 1,
            identity_port: 0,
        });
        assert_eq!(parsed(&["--vault-port", "1", "--identity-port=0"]), expected);
    }

    #[test]
    fn help_wins_over_what_follows() {
        assert_eq!(parsed(&["--help", "--bogus"]), Ok(Command::Help));
    }

    #[test]
    fn anything_else_is_refused() {
        for arguments in [
            &["--bogus"][..],
            &["--vault-port"],
            &["--vault-port", "65536"],
            &["8443"],
        ] {
            assert!(parsed(arguments).is_err(), "{arguments:?}");
        }
    }
}
