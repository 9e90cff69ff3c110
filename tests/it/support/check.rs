//! `handler check`, and what it finds.

use super::handler::{Environment, Launch, Output, ROOT};

/// The least that a configuration needs, and the app as it is published.
pub(crate) fn least() -> Environment {
    Environment::default()
        .with("KEY_VAULT_URL", "https://contoso.vault.azure.net")
        .with("ALLOWED_SECRETS", "maps-key")
        .with("ALLOWED_ORIGINS", "https://app.contoso.com")
        .with("FUNCTIONS_APP_ROOT_PATH", ROOT)
}

/// Runs `handler check` with these arguments in exactly this environment.
pub(crate) async fn check(environment: Environment, arguments: &[&str]) -> Output {
    let launch = Launch::new(environment).argument("check");
    arguments
        .iter()
        .fold(launch, |launch, argument| launch.argument(argument))
        .run()
        .await
}

/// The report of a `handler check` that finds no fault.
pub(crate) async fn report(environment: Environment, arguments: &[&str]) -> String {
    let output = check(environment, arguments).await;
    assert_eq!(output.code, Some(0), "{}", output.all());
    assert_eq!(output.stderr, "");
    output.stdout
}
