//! `handler`: the Azure Functions custom handler.
//!
//! The environment is read here and nowhere else; so are signals, and the exit
//! codes decided.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{SystemTime, UNIX_EPOCH};

use keyvault_cors::access::Access;
use keyvault_cors::api::{self, Api};
use keyvault_cors::cache::{self, Cache};
use keyvault_cors::command::{Check, Command, USAGE};
use keyvault_cors::config::{Config, CredentialKind, Finding, Sources};
use keyvault_cors::deliver;
use keyvault_cors::log::RefusalLimiter;
use keyvault_cors::process::Stop;
use keyvault_cors::token::Authenticator;
use keyvault_cors::vault::{self, Identity, KeyVault};
use keyvault_cors::{check, log, process, server};
use tokio::runtime::Runtime;
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

/// `EX_CONFIG` of sysexits.h: the configuration is at fault. The Functions
/// host restarts after any exit code but 0, and gives up after three.
const EXIT_CONFIG: u8 = 78;
/// Target of the log lines written here: the library's, so that one directive
/// of `RUST_LOG` holds for both.
const LOG: &str = "keyvault_cors";

fn main() -> ExitCode {
    // An argument that is not Unicode keeps a replacement character, which no
    // command line has.
    let arguments: Vec<_> = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    match Command::parse(&arguments) {
        Some(Command::Serve) => serve(),
        Some(Command::Check(options)) => check(&options),
        Some(Command::Help) => say(io::stdout(), USAGE),
        Some(Command::Version) => say(io::stdout(), concat!("handler ", env!("CARGO_PKG_VERSION"), "\n")),
        None => {
            say(io::stderr(), USAGE);
            ExitCode::FAILURE
        }
    }
}

/// `handler check`.
fn check(options: &Check) -> ExitCode {
    let mut settings = BTreeMap::new();
    if let Some(file) = &options.settings {
        let bytes = match std::fs::read(file) {
            Ok(bytes) => bytes,
            Err(error) => {
                say(io::stderr(), &format!("handler: {file:?} cannot be read: {error}\n"));
                return ExitCode::FAILURE;
            }
        };
        match check::read_settings(file, &bytes) {
            Ok(values) => settings = values,
            Err(fault) => return refuse(&[fault]),
        }
    }
    settings.extend(environment());
    match read_config(&settings) {
        Ok(config) => {
            let report = check::report(&config, options.origin.as_deref(), options.secret.as_deref());
            say(io::stdout(), &report)
        }
        Err(faults) => refuse(&faults),
    }
}

fn serve() -> ExitCode {
    let config = match read_config(&environment()) {
        Ok(config) => config,
        Err(faults) => return refuse(&faults),
    };
    let options = log::Options {
        format: config.log_format,
        filter: EnvFilter::new(&config.log_filter),
    };
    let log = match log::init(options) {
        Ok(log) => log,
        Err(error) => {
            say(io::stderr(), &format!("handler: the log cannot be started: {error}\n"));
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = process::forbid_core_dumps() {
        warn!(target: LOG, %error, "core dumps cannot be forbidden");
    }
    for Finding { setting, message } in &config.warnings {
        warn!(target: LOG, setting, "{message}");
    }
    let under_functions_host = config.under_functions_host;
    let refusals = log.refusals();
    let stopped = runtime(&log).and_then(|runtime| {
        let stopped = runtime.block_on(run(config, refusals));
        // A name that the system is still looking up would hold the process
        // past its time to drain.
        runtime.shutdown_background();
        stopped
    });
    match stopped {
        Ok(stop) => ExitCode::from(stop.exit_code(under_functions_host)),
        Err(error) => {
            error!(target: LOG, %error, "stopped");
            ExitCode::FAILURE
        }
    }
}

/// A worker for each core that this process may use: one on an instance with one
/// vCPU, where a second would only take turns with it. That is tokio's default
/// too, but tokio panics on a faulty `TOKIO_WORKER_THREADS`.
fn runtime(log: &log::Guard) -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(available_parallelism().map_or(1, NonZero::get))
        .enable_all()
        .on_thread_park(log.before_park())
        .build()
}

/// Serves until the process is to stop.
async fn run(config: Config, refusals: Arc<RefusalLimiter>) -> io::Result<Stop> {
    process::check_clock(SystemTime::now())?;
    let stop = process::stop()?;
    let port = config.port;
    let listener = server::listen(port)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on 127.0.0.1:{port}: {error}")))?;
    info!(target: LOG, port, version = env!("CARGO_PKG_VERSION"), "listening on 127.0.0.1");
    if !config.under_functions_host {
        warn!(
            target: LOG,
            "no Functions host: serving this machine alone, for development, without function keys"
        );
    }
    let secrets = secrets(&config);
    let prefetch = config.prefetch.then(|| {
        let names = config.access.secrets.names();
        let names = names.map(|name| (name.clone(), config.access.ttl)).collect();
        let secrets = secrets.clone();
        tokio::spawn(async move { secrets.prefetch(names).await })
    });
    let authenticator = config.token.clone().map(Authenticator::new);
    if let Some(authenticator) = &authenticator {
        authenticator.warm();
    }
    let filter = api(config, authenticator, secrets, refusals).into_filter();
    let stop = server::serve(listener, filter, stop).await;
    if let Some(task) = prefetch {
        task.abort();
    }
    Ok(stop)
}

/// The vault, with the cache in front of it.
fn secrets(config: &Config) -> Cache {
    let identity = match &config.credential {
        CredentialKind::ManagedIdentity { client_id } => Identity::Managed {
            client_id: client_id.clone(),
        },
        CredentialKind::DeveloperTools => Identity::DeveloperTools,
    };
    let vault = KeyVault::new(vault::Options {
        url: config.vault.as_str().to_owned(),
        loopback: config.vault.is_loopback(),
        identity,
        timeout: config.upstream_timeout,
        required_tag: None,
        has_exact_names: config.access.secrets.names().next().is_some(),
    });
    let renderer = deliver::Renderer::new(deliver::Options {
        public_host: config.public_host.clone(),
    });
    let options = cache::Options {
        stale: config.cache_stale,
        timeout: config.upstream_timeout,
    };
    Cache::new(Arc::new(vault), renderer, options)
}

fn api(config: Config, authenticator: Option<Authenticator>, secrets: Cache, refusals: Arc<RefusalLimiter>) -> Api {
    Api {
        options: api::Options {
            require_origin: config.require_origin,
            require_loopback_host: !config.under_functions_host,
        },
        cors: config.cors_policy(),
        authenticator,
        access: Access::new(config.access),
        secrets,
        now: unix_time,
        refusals,
    }
}

/// The process's environment as it is now. A value that is not Unicode keeps a
/// replacement character, which no setting accepts.
fn environment() -> BTreeMap<String, String> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    std::env::vars_os()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

/// The configuration in `settings`, and in the files below the app's root.
fn read_config(settings: &BTreeMap<String, String>) -> Result<Config, Vec<Finding>> {
    let names: Vec<_> = settings.keys().cloned().collect();
    let root = settings.get("FUNCTIONS_APP_ROOT_PATH").map_or(".", String::as_str);
    Config::from_lookup(&Sources {
        lookup: &|name| settings.get(name).cloned(),
        names: &names,
        read_file: &|path| std::fs::read(Path::new(root).join(path)),
    })
}

/// Wall time in whole seconds; a clock before 1970 reads 0.
fn unix_time() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
}

/// The faults, one a line, on stderr: there is no subscriber yet, because how
/// to log is a setting too.
fn refuse(faults: &[Finding]) -> ExitCode {
    let mut text = format!(
        "handler: the configuration is faulty ({}); nothing is served\n",
        faults.len()
    );
    for fault in faults {
        text.push_str("  ");
        text.push_str(&fault.to_string());
        text.push('\n');
    }
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
