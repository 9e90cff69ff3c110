#![no_main]
//! Any lines of `NAME=VALUE` as the settings of rules: no panic, and no rule that allows more than the settings do.

use std::collections::BTreeMap;

use keyvault_cors::access;
use keyvault_cors::config::{AppFiles, Config};

const SETTINGS: [(&str, &str); 3] = [
    ("KEY_VAULT_URL", "https://kv.vault.azure.net"),
    ("ALLOWED_SECRETS", "maps-key,geo-*"),
    ("ALLOWED_ORIGINS", "https://contoso.com,https://*.fabrikam.com"),
];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let rules = text.lines().filter_map(|line| line.split_once('='));
    let settings: BTreeMap<_, _> = rules
        .map(|(name, value)| (format!("RULES__{name}"), value.to_owned()))
        .chain(SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect();
    if let Ok(config) = Config::read(&settings, &AppFiles::new()) {
        let access = &config.access;
        let faults = access::faults(&access.rules, &access.secrets, &config.cors.origins);
        assert!(faults.is_empty(), "{faults:?}");
    }
});
