//! The wiring: from a configuration to a process that serves until it is told to stop.

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{SystemTime, UNIX_EPOCH};

use keyvault_cors::access::Access;
use keyvault_cors::api::Api;
use keyvault_cors::cache::Cache;
use keyvault_cors::config::{Config, Finding};
use keyvault_cors::cors::Policy;
use keyvault_cors::deliver::Renderer;
use keyvault_cors::log::{self, RefusalLimiter};
use keyvault_cors::process::{self, Stop};
use keyvault_cors::server;
use keyvault_cors::token::Authenticator;
use keyvault_cors::vault::KeyVault;
use tokio::runtime::Runtime;
use tracing::{error, info, warn};

/// Target of the log lines written here: the library's, so that one directive of `RUST_LOG` holds for both.
const LOG: &str = "keyvault_cors";

/// Serves until the process is to stop, and says why it is. An error is in the log already.
pub(crate) fn serve(config: Config, log: &log::Guard) -> io::Result<Stop> {
    if let Err(error) = process::forbid_core_dumps() {
        warn!(target: LOG, %error, "core dumps cannot be turned off");
    }
    for Finding { setting, message } in &config.warnings {
        warn!(target: LOG, setting, "{message}");
    }
    let refusals = log.refusals();
    let stopped = runtime(log).and_then(|runtime| {
        let stopped = runtime.block_on(run(config, refusals));
        // A DNS look-up that still blocks a thread would keep the process from ending after its time to drain.
        runtime.shutdown_background();
        stopped
    });
    stopped.inspect_err(|error| error!(target: LOG, %error, "stopped"))
}

/// A worker for each core that this process may use: one on an instance with one vCPU, where a second would only take
/// turns with it. That is tokio's default too, but tokio panics on a faulty `TOKIO_WORKER_THREADS`.
fn runtime(log: &log::Guard) -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(available_parallelism().map_or(1, NonZero::get))
        .enable_all()
        .on_thread_park(log.before_park())
        .build()
}

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
    let access = Access::new(config.access);
    let renderer = Renderer::new(config.deliver);
    let secrets = Cache::new(Arc::new(KeyVault::new(config.vault)), renderer, config.cache);
    let prefetch = config.prefetch.then(|| {
        let names = access.exact_names().map(|(name, ttl)| (name.clone(), ttl)).collect();
        let secrets = secrets.clone();
        tokio::spawn(async move { secrets.prefetch(names).await })
    });
    let authenticator = config.token.map(Authenticator::new);
    if let Some(authenticator) = &authenticator {
        authenticator.warm();
    }
    let api = Api {
        options: config.api,
        cors: Policy::new(config.cors),
        authenticator,
        access,
        secrets,
        now: unix_time,
        refusals,
    };
    let stop = server::serve(listener, api.into_filter(), stop).await;
    if let Some(task) = prefetch {
        task.abort();
    }
    Ok(stop)
}

/// Wall time in whole seconds; a clock before 1970 reads 0.
fn unix_time() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
}
