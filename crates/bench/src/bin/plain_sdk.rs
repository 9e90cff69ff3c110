//! One secret with the SDK, as its own samples read it: what the handler's first secret is compared with.
//!
//! `KEY_VAULT_URL=… IDENTITY_ENDPOINT=… IDENTITY_HEADER=… plain_sdk NAME` writes the secret's value.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints, reads its environment, and stops at the first surprise"
)]

use std::env;

use azure_identity::ManagedIdentityCredential;
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};

#[tokio::main]
async fn main() {
    let name = env::args().nth(1).unwrap();
    let credential = ManagedIdentityCredential::new(None).unwrap();
    let options = SecretClientOptions {
        // The emulated vault is not below vault.azure.net, which its challenge names.
        verify_challenge_resource: Some(false),
        ..SecretClientOptions::default()
    };
    let client = SecretClient::new(&env::var("KEY_VAULT_URL").unwrap(), credential, Some(options)).unwrap();
    let secret = client.get_secret(&name, None).await.unwrap().into_model().unwrap();
    println!("{}", secret.value.unwrap());
}
