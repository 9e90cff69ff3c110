//! The emulator on its own, for `func start` and for trying SDKs against it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program speaks on its terminal"
)]

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::process::ExitCode;

use tempfile::NamedTempFile;
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
    // Gone at the end, as the CA file that it names.
    let settings = match settings_file(&emulator) {
        Ok(file) => file,
        Err(error) => {
            eprintln!("cannot write a file of settings: {error}");
            return ExitCode::FAILURE;
        }
    };
    for (name, _) in emulator.environment() {
        if std::env::var_os(name).is_some() {
            println!("First: unset {name}, which is set in this shell and would win over the file.");
            println!();
        }
    }
    println!("The handler against them, from another terminal:");
    println!();
    println!(
        "    cargo run --bin handler -- --settings {}",
        settings.path().display()
    );
    println!();
    println!("For `func start`, the same as local.settings.json (good until this stops):");
    println!();
    println!("    cp {} local.settings.json", settings.path().display());
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
async fn told_to_stop() -> io::Result<()> {
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

/// A local.settings.json with which the handler reads the emulator's secrets, for pages on this machine.
fn settings_file(emulator: &Emulator) -> io::Result<NamedTempFile> {
    let own = [
        // For Core Tools, as in local.settings.json.example.
        ("FUNCTIONS_WORKER_RUNTIME", "custom"),
        (
            "AzureFunctionsJobHost__customHandler__description__defaultExecutablePath",
            "target/debug/handler",
        ),
        ("ALLOWED_SECRETS", DEMO_ALLOWED_SECRETS),
        // Where front-end tools serve a page, whatever their port.
        ("ALLOWED_ORIGINS", "http://localhost:*"),
    ];
    let own = own.map(|(name, value)| (name, value.to_owned()));
    let values: BTreeMap<_, _> = own.into_iter().chain(emulator.environment()).collect();
    let settings = serde_json::json!({"IsEncrypted": false, "Values": values});

    let mut file = tempfile::Builder::new()
        .prefix("emulator-settings-")
        .suffix(".json")
        .tempfile()?;
    writeln!(file, "{settings:#}")?;
    Ok(file)
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
