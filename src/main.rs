//! `handler`: the Azure Functions custom handler.
//!
//! The environment is read here and nowhere else; so are signals, and the exit
//! codes decided.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use keyvault_cors::api::Api;
use keyvault_cors::cache::{self, Cache};
use keyvault_cors::caller::Callers;
use keyvault_cors::command::{Check, Command, USAGE};
use keyvault_cors::config::{Config, CredentialKind, Finding, LogFormat, Sources};
use keyvault_cors::deliver;
use keyvault_cors::vault::{self, Identity, KeyVault};
use keyvault_cors::{check, log, server};
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{Level, error, info, warn};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// `EX_CONFIG` of sysexits.h: the configuration is at fault. The Functions
/// host restarts after any exit code but 0, and gives up after three.
const EXIT_CONFIG: u8 = 78;
/// Open files that the limits on connections and fetches can come to, and room
/// for the runtime.
const DESCRIPTORS: u64 = 4096;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
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
    log_to_standard_streams(config.log_format, &config.log_filter);
    for Finding { setting, message } in &config.warnings {
        warn!(target: LOG, setting, "{message}");
    }
    // A worker for each core that this process may use, which is tokio's own
    // choice: one on an instance with one vCPU, where a second would only take
    // turns with it.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_park(log::before_park)
        .build();
    let served = runtime.and_then(|runtime| {
        let served = runtime.block_on(run(config));
        // A name that the system is still looking up would hold the process
        // past its time to drain.
        runtime.shutdown_background();
        served
    });
    let exit = match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(target: LOG, %error, "stopped");
            ExitCode::FAILURE
        }
    };
    log::flush();
    exit
}

/// Serves until SIGTERM or SIGINT.
async fn run(config: Config) -> io::Result<()> {
    // A connection is a descriptor, and so is a fetch: the usual soft limit of
    // 1,024 would leave none for the vault. Where it cannot be raised, the
    // accept loop waits for descriptors instead.
    if let Err(error) = rlimit::increase_nofile_limit(DESCRIPTORS) {
        warn!(target: LOG, %error, "the limit on open files could not be raised");
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let port = config.port;
    let listener = listen(port)
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
        let names = config.allowed_secrets.names();
        let names = names.map(|name| (name.clone(), config.cache_ttl)).collect();
        let secrets = secrets.clone();
        tokio::spawn(async move { secrets.prefetch(names).await })
    });
    let callers = config.entra.clone().map(Callers::new);
    let warm = callers.as_ref().map(|callers| tokio::spawn(callers.warm()));
    let filter = api(config, callers, secrets).into_filter();
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => info!(target: LOG, "SIGTERM: stopping"),
            _ = interrupt.recv() => info!(target: LOG, "SIGINT: stopping"),
        }
    };
    server::serve(listener, filter, stop).await;
    for task in [prefetch, warm].into_iter().flatten() {
        task.abort();
    }
    Ok(())
}

/// Listens on 127.0.0.1, with room for as many connections to wait as may be
/// open: the usual 128 are few behind a host that opens hundreds at once.
fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // A restarted process takes the port over from connections that linger.
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    socket.listen(BACKLOG)
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
        has_exact_names: config.allowed_secrets.names().next().is_some(),
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

fn api(config: Config, callers: Option<Callers>, secrets: Cache) -> Api {
    Api {
        cors: config.cors_policy(),
        require_origin: config.require_origin,
        require_loopback_host: !config.under_functions_host,
        callers,
        allowed_secrets: config.allowed_secrets,
        secrets,
        cache_ttl: config.cache_ttl,
        now: unix_time,
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

/// Logs to [`StandardStreams`](log::StandardStreams), where the Functions host
/// takes lines from.
fn log_to_standard_streams(format: LogFormat, directives: &str) {
    // The SDK logs the vault's URLs at info and below, whatever was asked for.
    let capped = filter_fn(|event| *event.level() <= Level::WARN || event.target().starts_with(LOG));
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(log::StandardStreams)
        .with_ansi(false);
    let registry = tracing_subscriber::registry()
        .with(EnvFilter::new(directives))
        .with(capped);
    match format {
        LogFormat::Text => registry.with(layer.event_format(log::Text)).init(),
        LogFormat::Json => registry
            .with(
                layer
                    .with_target(false)
                    .json()
                    .flatten_event(true)
                    .with_current_span(false)
                    .with_span_list(false),
            )
            .init(),
    }
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
