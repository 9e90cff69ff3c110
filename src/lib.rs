//! Serves allowed Key Vault secrets to allowed origins.
