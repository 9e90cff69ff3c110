//! The whole product on one machine: `cargo run --example demo`.
//!
//! Starts a Key Vault stand-in with a few secrets, runs the real `handler` against it as the Functions host would, and
//! serves one small page from three origins: two that are allowed, each with a secret of its own by a rule, and one that is
//! not. `--entra` lets only those in who are signed in; `--image` shows an image from Azurite. `--check` asks the questions
//! itself instead of waiting for a browser.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example speaks on its terminal"
)]

mod check;
mod handler;
mod options;
mod page;
mod ports;
mod setup;
mod storage;
mod vault;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use testkit::{Emulator, Secret, seed_demo};
use tokio::task::JoinSet;

use options::{Options, USAGE};
use page::Site;
use ports::{HandlerPort, listen};
use setup::{Demo, FRESH, NAMES, PHOTOS_KEY, Places};
use storage::{INSTALL, Storage};
use vault::Vault;

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(fault) => {
            eprintln!("{fault}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the demo to its end; true when that end is a good one.
async fn run(options: &Options) -> io::Result<bool> {
    let executable = handler::build().await?;
    let emulator = Emulator::start().await?;
    seed_demo(&emulator);
    for (name, _) in NAMES.iter().filter(|(name, _)| name.starts_with(FRESH)) {
        emulator.put(name, Secret::new(format!("demo-{name}-88e0b1")));
    }
    let (storage, image) = if options.image {
        Storage::start(&emulator).await?.unzip()
    } else {
        (None, None)
    };
    if let Some(image) = &image {
        emulator.put(PHOTOS_KEY, Secret::new(&image.key));
    }

    let allowed_page = listen(options.page_port, 8080).await?;
    let refused_page = listen(options.refused_port, 8081).await?;
    let second_page = listen(options.second_port, 8082).await?;
    let handler_port = HandlerPort::take(options.port, 7071).await?;
    let places = Places {
        handler_port: handler_port.number(),
        allowed_origin: format!("http://localhost:{}", allowed_page.local_addr()?.port()),
        second_origin: format!("http://localhost:{}", second_page.local_addr()?.port()),
        refused_origin: format!("http://localhost:{}", refused_page.local_addr()?.port()),
        entra: options.entra,
    };
    let demo = Arc::new(Demo {
        places,
        emulator,
        vault: Vault::default(),
        image,
    });
    let mut servers = JoinSet::new();
    for page in [allowed_page, second_page, refused_page] {
        servers.spawn(Site::new(Arc::clone(&demo))?.serve(page));
    }

    let mut handler = handler::start(&executable, &demo);
    let good = tokio::select! {
        exit = handler.ended() => {
            handler::report_exit(exit);
            return Ok(false);
        }
        () = told_to_stop()? => true,
        good = follow(options, &demo) => good?,
    };
    // As the host does it: a custom handler is killed, without a signal before.
    handler.kill().await;
    if let Some(storage) = storage {
        storage.stop().await?;
    }
    Ok(good)
}

/// Waits until the handler answers, then checks it or tells what to try; without `--check` it never ends.
async fn follow(options: &Options, demo: &Demo) -> io::Result<bool> {
    handler::wait_until_ready(demo.places.handler_port).await?;
    if options.image && demo.image.is_none() {
        println!("The image needs Azurite, once, and then a new start: {INSTALL}");
    }
    if options.check {
        return check::check(demo).await;
    }
    introduce(demo);
    std::future::pending().await
}

/// A future that ends with Ctrl-C, or where there is such a thing with a request to terminate.
fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        #[cfg(not(unix))]
        drop(tokio::signal::ctrl_c().await);
    })
}

fn introduce(Demo { places, image, .. }: &Demo) {
    let Places {
        allowed_origin,
        second_origin,
        refused_origin,
        ..
    } = places;
    let photos = match image {
        Some(_) => {
            format!("\nThe page shows an image, too: it gets {PHOTOS_KEY} as a SAS for that image, never as the key.\n")
        }
        None => String::new(),
    };
    let api = places.api();
    let names: String = NAMES.map(|(name, outcome)| format!("  {name:<19}{outcome}\n")).concat();
    let (sign_in, authorization) = if places.entra {
        (
            format!(
                "
Without a token, 401 with a challenge:
  curl -i -H 'Origin: {allowed_origin}' {api}/secrets/maps-key

The page has a button to sign in; {allowed_origin}/token gives what it gets, a token for an hour.
"
            ),
            format!(" -H \"Authorization: Bearer $(curl -s {allowed_origin}/token)\""),
        )
    } else {
        (String::new(), String::new())
    };
    println!(
        "
keyvault-cors is running, with a Key Vault stand-in behind it.

  API          {api}/secrets/NAME
  Page         {allowed_origin}   an allowed origin: it reads maps-key, by the rule MAPS
  Second page  {second_origin}   another allowed origin: it reads telemetry-key, by the rule TELEMETRY
  Same page    {refused_origin}   not allowed: the browser keeps the answer from it

The page's demo controls make the vault throttle, go down or refuse the app. Its second tab, with Azure's own
SecretClient, needs Node.js once:
  npm ci --prefix examples/spa && npm run build --prefix examples/spa
{photos}
Works, 200 with the value:
  curl -i -H 'Origin: {allowed_origin}'{authorization} {api}/secrets/maps-key
{sign_in}
Outside its rule, the 404 of an unknown name:
  curl -i -H 'Origin: {second_origin}'{authorization} {api}/secrets/maps-key

Refused, 403 OriginNotAllowed and no Access-Control-Allow-Origin:
  curl -i -H 'Origin: {refused_origin}' {api}/secrets/maps-key

Names to try, from the first page:
{names}
In Azure the Functions host stands in front and asks for a function key (x-functions-key); here it does not.
Stop with Ctrl-C.
"
    );
    if !cfg!(target_os = "linux") {
        println!(
            "The handler finds the stand-in's CA through SSL_CERT_FILE, which only Linux honours: expect 503 here.\n"
        );
    }
}
