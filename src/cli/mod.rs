//! The command line: arguments, the environment, the settings file, and exit codes.

mod arguments;
mod check;
mod page;
mod settings;
mod smoke;
mod why;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::{self, ExitCode};

use keyvault_cors::config::{Config, Findings};
use keyvault_cors::log;

use self::arguments::Command;
use self::settings::Settings;
use self::smoke::Credential;
use crate::app;

/// An origin or a secret that was asked about is refused (`EX_NOPERM` of sysexits.h).
const EXIT_REFUSED: u8 = 77;
/// The configuration is at fault (`EX_CONFIG` of sysexits.h). The Functions host restarts after any exit code but 0, and
/// gives up after three.
const EXIT_CONFIG: u8 = 78;

/// Does what the process's arguments ask for.
pub(crate) fn run() -> ExitCode {
    match Command::parse(std::env::args_os().skip(1)) {
        Ok(Command::Serve { settings }) => serve(settings.as_ref()),
        Ok(Command::Check(question)) => check(&question),
        Ok(Command::Smoke(arguments)) => smoke(arguments),
        Ok(Command::Help) => say(io::stdout(), &arguments::usage()),
        Ok(Command::Version) => say(io::stdout(), concat!("handler ", env!("CARGO_PKG_VERSION"), "\n")),
        Err(error) => {
            say(io::stderr(), &format!("handler: {error}\n\n{}", arguments::usage()));
            ExitCode::FAILURE
        }
    }
}

fn serve(file: Option<&OsString>) -> ExitCode {
    let (config, settings) = match read(file) {
        Ok(read) => read,
        Err(findings) => return refuse(&findings),
    };
    if file.is_some() {
        return start_again(&settings).unwrap_or_else(|error| {
            say(
                io::stderr(),
                &format!("handler: cannot start again with the file's values: {error}\n"),
            );
            ExitCode::FAILURE
        });
    }
    let log = match log::init(config.log.clone()) {
        Ok(log) => log,
        Err(error) => {
            say(io::stderr(), &format!("handler: the log cannot be started: {error}\n"));
            return ExitCode::FAILURE;
        }
    };
    let under_functions_host = config.under_functions_host;
    match app::serve(config, &log) {
        Ok(stop) => ExitCode::from(stop.exit_code(under_functions_host)),
        Err(_) => ExitCode::FAILURE,
    }
}

/// Starts this program again with the file's values in its environment, where the SDK and the TLS library look for theirs
/// (`IDENTITY_ENDPOINT`, `SSL_CERT_FILE`): no process can safely change its own. On Unix it stays the same process.
fn start_again(settings: &Settings) -> io::Result<ExitCode> {
    let mut program = process::Command::new(std::env::current_exe()?);
    program.envs(settings.of_file());
    #[cfg(unix)]
    return Err(std::os::unix::process::CommandExt::exec(&mut program));
    #[cfg(not(unix))]
    {
        let code = program.status()?.code().and_then(|code| u8::try_from(code).ok());
        Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
    }
}

fn check(question: &arguments::Check) -> ExitCode {
    let (config, settings) = match read(question.settings.as_ref()) {
        Ok(read) => read,
        Err(findings) => return refuse(&findings),
    };
    let report = check::report(&config, &settings, question);
    let said = say(io::stdout(), &report.text);
    if report.is_refused && said == ExitCode::SUCCESS {
        ExitCode::from(EXIT_REFUSED)
    } else {
        said
    }
}

fn smoke(mut arguments: smoke::Arguments) -> ExitCode {
    let mut environment = environment();
    let mut from_environment = |name| environment.remove(name).filter(|text| !text.is_empty());
    arguments.key = arguments
        .key
        .or_else(|| from_environment("SMOKE_KEY").map(Credential::new));
    arguments.token = arguments
        .token
        .or_else(|| from_environment("SMOKE_TOKEN").map(Credential::new));
    match smoke::run(arguments) {
        Ok(report) if say(io::stdout(), &report.text) == ExitCode::SUCCESS && !report.has_failed => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            say(io::stderr(), &format!("handler smoke: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

/// The configuration that the environment and a settings file give, and where each setting is from.
fn read(file: Option<&OsString>) -> Result<(Config, Settings), Findings> {
    let settings = Settings::read(environment(), file).map_err(|fault| Findings {
        faults: vec![fault],
        warnings: Vec::new(),
    })?;
    let config = settings.config()?;
    Ok((config, settings))
}

/// The process's environment as it is now. A name or value that is not Unicode keeps a replacement character, which no
/// setting accepts.
fn environment() -> BTreeMap<String, String> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    std::env::vars_os()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

/// The faults, one a line, and the warnings beside them, on stderr: there is no log yet, because how to log is a setting
/// too.
fn refuse(findings: &Findings) -> ExitCode {
    let mut text = format!(
        "handler: the configuration is faulty ({}); nothing is served\n",
        findings.faults.len()
    );
    text.extend(findings.faults.iter().map(|fault| format!("  {fault}\n")));
    text.extend(findings.warnings.iter().map(|warning| format!("warning: {warning}\n")));
    say(io::stderr(), &text);
    ExitCode::from(EXIT_CONFIG)
}

/// Writes `text`, and says whether that worked.
fn say(mut stream: impl Write, text: &str) -> ExitCode {
    match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
