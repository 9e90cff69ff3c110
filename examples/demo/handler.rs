//! The handler: built, started as the Functions host starts it, and waited for.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use serde_json::Value;
use testkit::handler::{Environment, Handler, Launch, ROOT, becomes_ready};
use tokio::process::Command;

use crate::setup::{AUDIENCE, Demo, FRESH, PHOTOS_KEY, SCOPE};
use crate::storage::Image;

/// What the handler inherits. Everything else is left out: a setting, or something named nearly like one, that is meant
/// for another program must not change what the demo shows.
const INHERITED: &str =
    "HOME LLVM_PROFILE_FILE LOG_FORMAT NO_COLOR PATH RUST_BACKTRACE RUST_LOG SYSTEMROOT TEMP TERM TMP TMPDIR";

/// Builds the handler with this example's profile and returns where cargo put it.
///
/// Cargo is asked rather than its folders guessed: they depend on its configuration, its environment and the target.
/// This example is named beside the handler so that both have the same dependencies with the same features: alone, the
/// handler would have them compiled a second time.
pub(crate) async fn build() -> io::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let profile = match profile_folder()?.as_str() {
        "debug" => "dev".to_owned(),
        other => other.to_owned(),
    };
    let output = Command::new(cargo)
        .args(["build", "--bin", "handler", "--example", "demo", "--profile", &profile])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(ROOT)
        .stderr(Stdio::inherit())
        .output()
        .await?;
    if !output.status.success() {
        return Err(io::Error::other("cargo could not build the handler"));
    }
    let messages = output.stdout.split(|&byte| byte == b'\n');
    messages
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter(|message| message.pointer("/target/name").is_some_and(|name| name == "handler"))
        .find_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .ok_or_else(|| io::Error::other("cargo did not say where it put the handler"))
}

/// The folder named for the profile: examples are built into `PROFILE/examples/`.
fn profile_folder() -> io::Result<String> {
    let executable = std::env::current_exe()?;
    let folder = executable.parent().and_then(Path::parent).and_then(Path::file_name);
    let folder = folder.ok_or_else(|| io::Error::other("this example is not where cargo builds examples"))?;
    Ok(folder.to_string_lossy().into_owned())
}

/// Starts the handler with the environment that the Functions host and a local.settings.json would give it.
pub(crate) fn start(executable: &Path, demo: &Demo) -> Handler {
    let Demo {
        places,
        emulator,
        image,
        ..
    } = demo;
    let photos = image.iter().map(|_| format!(",{PHOTOS_KEY}")).collect::<String>();
    let inherited = INHERITED
        .split_whitespace()
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    let entra = [
        ("ENTRA_TENANT_ID", emulator.tenant().to_owned()),
        ("ENTRA_AUDIENCE", AUDIENCE.to_owned()),
        ("ENTRA_REQUIRED_SCOPES", SCOPE.to_owned()),
        ("ENTRA_AUTHORITY_HOST", emulator.authority()),
    ];
    let environment = Environment::of(emulator)
        .without("CACHE_TTL_SECONDS")
        .with("FUNCTIONS_CUSTOMHANDLER_PORT", places.handler_port.to_string())
        .with("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", "demo")
        // What the vault refuses to serve is allowed by a prefix, so that it is not fetched at start and warned of.
        .with(
            "ALLOWED_SECRETS",
            format!("maps-key,telemetry-key{photos},expired-*,disabled-*,tls-*,{FRESH}*"),
        )
        .with(
            "ALLOWED_ORIGINS",
            format!("{},{}", places.allowed_origin, places.second_origin),
        )
        .with("RULES__MAPS__SECRETS", "maps-key")
        .with("RULES__MAPS__ORIGINS", &places.allowed_origin)
        .with("RULES__TELEMETRY__SECRETS", "telemetry-key")
        .with("RULES__TELEMETRY__ORIGINS", &places.second_origin)
        .with_all(inherited)
        .with_all(entra.into_iter().filter(|_| places.entra))
        .with_all(
            image
                .iter()
                .flat_map(|image| photos_rule(image, &places.allowed_origin)),
        );
    Launch::new(environment)
        .executable(executable)
        .directory(ROOT)
        .inherit_output()
        .start(places.handler_port)
}

/// The rule that gives a SAS for the image in place of the storage account's key.
fn photos_rule(Image { account, path, .. }: &Image, origin: &str) -> [(&'static str, String); 3] {
    [
        ("RULES__PHOTOS__SECRETS", PHOTOS_KEY.to_owned()),
        ("RULES__PHOTOS__ORIGINS", origin.to_owned()),
        (
            "RULES__PHOTOS__GIVE",
            format!("blob-sas account={account} path={path} allow=r"),
        ),
    ]
}

pub(crate) fn report_exit(exit: ExitStatus) {
    match exit.code() {
        Some(code) => eprintln!("demo: the handler exited with code {code}"),
        None => eprintln!("demo: the handler was ended by a signal ({exit})"),
    }
}

/// Asks as the host asks: any HTTP answer means that the handler is there.
pub(crate) async fn wait_until_ready(port: u16) -> io::Result<()> {
    if becomes_ready(port).await {
        Ok(())
    } else {
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the handler did not answer in time",
        ))
    }
}
