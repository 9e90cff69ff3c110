//! The emulator's stand-in for the Functions host, with a handler that it starts as the real one does.

use std::path::Path;

use testkit::functions_host::{self, App, PlatformCors};
use uuid::Uuid;

use super::client::{Answer, Request};
use super::handler::{EXECUTABLE, Environment, Handler, Launch, ROOT, ReservedPort};

pub(crate) use functions_host::{KEY, Mode};

/// The app's public name.
pub(crate) const PUBLIC_NAME: &str = "contoso-keys.azurewebsites.net";

/// Any setting of host.json can be overridden by an app setting with this prefix.
pub(crate) const EXECUTABLE_OVERRIDE: &str = "AzureFunctionsJobHost__customHandler__description__defaultExecutablePath";

/// A running host with its handler.
#[derive(Debug)]
pub(crate) struct FunctionsHost {
    handler: Handler,
    host: functions_host::FunctionsHost,
}

impl FunctionsHost {
    /// Starts the app with the host's environment over the one given.
    pub(crate) async fn start(mode: Mode, environment: Environment, platform_cors: Option<&[&str]>) -> Self {
        let root = Path::new(ROOT);
        let app = App::read(root).unwrap();
        let executable = match environment.get(EXECUTABLE_OVERRIDE) {
            // Joined to the app root if there is such a file, else looked up as it is.
            Some(path) if root.join(path).is_file() => root.join(path),
            Some(path) => Path::new(path).to_owned(),
            None => {
                // Only the zip entry whose name equals this value is made executable: `./handler` would not run.
                assert_eq!(app.executable(), "handler");
                Path::new(EXECUTABLE).to_owned()
            }
        };
        let platform_cors = platform_cors.map(|list| PlatformCors {
            origins: list.iter().map(|&origin| origin.to_owned()).collect(),
            credentials: false,
        });
        let reserved = ReservedPort::new();
        let handler_port = reserved.number();

        let mut environment = environment
            .with("FUNCTIONS_APP_ROOT_PATH", ROOT)
            .with("FUNCTIONS_CUSTOMHANDLER_PORT", handler_port.to_string())
            .with("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", Uuid::new_v4().to_string())
            .with("FUNCTIONS_EXTENSION_VERSION", "~4")
            .with("FUNCTIONS_WORKER_RUNTIME", "custom")
            .with("WEBSITE_HOSTNAME", PUBLIC_NAME)
            .with("WEBSITE_INSTANCE_ID", Uuid::new_v4().simple().to_string())
            .with("APPSETTING_ALLOWED_ORIGINS", "https://app.contoso.com");
        if let Some(PlatformCors { origins, .. }) = &platform_cors {
            environment = environment.with("CORS_ALLOWED_ORIGINS", serde_json::to_string(origins).unwrap());
        }
        let handler = Launch::new(environment)
            .executable(executable)
            .directory(root)
            .serve(handler_port)
            .await;
        drop(reserved);

        let host = functions_host::FunctionsHost::start(app, mode, handler_port, platform_cors).await;
        let host = host.unwrap();
        Self { handler, host }
    }

    /// Where the app's public address is.
    pub(crate) fn port(&self) -> u16 {
        self.host.port()
    }

    /// Sends a request to the app's public address.
    pub(crate) async fn send(&self, request: Request) -> Answer {
        request.header("host", PUBLIC_NAME).send(self.host.port()).await
    }

    /// Ends the handler as the host does, and goes on answering without it.
    pub(crate) async fn kill_handler(&mut self) {
        self.handler.kill().await;
    }

    /// Ends the handler in the way that lets it say its last words.
    pub(crate) async fn stop(self) -> super::handler::Output {
        drop(self.host);
        self.handler.stop().await
    }
}
