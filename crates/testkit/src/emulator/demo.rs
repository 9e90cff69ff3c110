//! The secrets of the demo: one for each thing that can be said about a secret.

use super::clock::now;
use super::names::EMULATED_VAULT;
use super::run::Emulator;
use super::secret::Secret;

/// `ALLOWED_SECRETS` for the demo: everything that [`seed_demo`] stores except `database-password`.
pub const DEMO_ALLOWED_SECRETS: &str = "maps-key,telemetry-key,expired-key,disabled-key,tls-cert";

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Stores the demo's secrets: two good ones, an expired one, a disabled one, a certificate's, and one that no allow-list
/// should have.
pub fn seed_demo(emulator: &Emulator) {
    let today = now();
    let maps_key = Secret::new("demo-maps-key-5f1d3c")
        .content_type("text/plain")
        .tag("team", "frontend");
    emulator.put("maps-key", maps_key.expires(today + 365 * DAY_SECONDS));
    emulator.put(
        "telemetry-key",
        Secret::new("InstrumentationKey=00000000-0000-0000-0000-000000000000"),
    );
    emulator.put(
        "expired-key",
        Secret::new("demo-expired-key").expires(today - DAY_SECONDS),
    );
    emulator.put("disabled-key", Secret::new("demo-disabled-key").disabled());
    let kid = format!("https://{EMULATED_VAULT}.vault.azure.net/keys/tls-cert/0123456789abcdef0123456789abcdef");
    let certificate = Secret::new("not really a private key")
        .content_type("application/x-pkcs12")
        .certificate(kid);
    emulator.put("tls-cert", certificate);
    emulator.put("database-password", Secret::new("demo-database-password"));
}
