//! The names of all settings, and names that are nearly one of them.

use super::reader::Reader;

/// Every setting that is read, in the order of the contract's table.
pub const SETTINGS: [&str; 25] = [
    "KEY_VAULT_URL",
    "ALLOWED_SECRETS",
    "ALLOWED_ORIGINS",
    "ALLOW_CREDENTIALS",
    "ALLOWED_HEADERS",
    "EXPOSED_HEADERS",
    "PREFLIGHT_MAX_AGE_SECONDS",
    "REQUIRE_ORIGIN",
    "CACHE_TTL_SECONDS",
    "CACHE_STALE_SECONDS",
    "PREFETCH",
    "UPSTREAM_TIMEOUT_SECONDS",
    "AZURE_CLIENT_ID",
    "AZURE_TOKEN_CREDENTIALS",
    "ENTRA_TENANT_ID",
    "ENTRA_AUDIENCE",
    "ENTRA_REQUIRED_SCOPES",
    "ENTRA_REQUIRED_ROLES",
    "ENTRA_ALLOWED_CLIENTS",
    "ENTRA_AUTHORITY_HOST",
    "DANGEROUSLY_ALLOW_ANONYMOUS",
    "DANGEROUSLY_ALLOW_ANY_ORIGIN",
    "DANGEROUSLY_ALLOW_ANY_SECRET",
    "LOG_FORMAT",
    "RUST_LOG",
];

/// Beginnings of names that the platform makes up, or copies settings to.
const OF_THE_PLATFORM: [&str; 5] = ["APPSETTING_", "CORS_", "WEBSITE_", "FUNCTIONS_", "AZUREWEBJOBS"];
/// Shorter names are near too much to mean anything.
const MIN_LENGTH: usize = 8;
/// Insertions, deletions, substitutions and swaps of neighbours.
const MAX_DISTANCE: usize = 2;

/// Reports every name that was probably meant to be a setting: a typo would
/// otherwise leave that setting at its default.
pub(super) fn check(reader: &mut Reader<'_>, names: &[String]) {
    for name in names {
        if let Some(setting) = meant(name) {
            reader.fault(name, format!("there is no such setting; {setting} was probably meant"));
        }
    }
}

/// The setting that `name` is nearly, if it is none itself.
fn meant(name: &str) -> Option<&'static str> {
    let folded = name.to_ascii_uppercase();
    let passes = name.len() < MIN_LENGTH
        || SETTINGS.contains(&name)
        || OF_THE_PLATFORM.iter().any(|prefix| folded.starts_with(prefix));
    if passes {
        return None;
    }
    SETTINGS
        .into_iter()
        .map(|setting| (strsim::damerau_levenshtein(&folded, setting), setting))
        .min()
        .filter(|(distance, _)| *distance <= MAX_DISTANCE)
        .map(|(_, setting)| setting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_is_recognised_and_a_stranger_is_not() {
        for (name, setting) in [
            ("ALLOWED_ORIGIN", Some("ALLOWED_ORIGINS")),
            ("ALLOW_ORIGINS", Some("ALLOWED_ORIGINS")),
            ("allowed_origins", Some("ALLOWED_ORIGINS")),
            ("ALOWED_ORIGNS", Some("ALLOWED_ORIGINS")),
            ("ALLWOED_SECRETS", Some("ALLOWED_SECRETS")),
            ("KEYVAULT_URL", Some("KEY_VAULT_URL")),
            ("KEY_VAULT_URI", Some("KEY_VAULT_URL")),
            ("ENTRA_AUDIENCES", Some("ENTRA_AUDIENCE")),
            ("PREFETCH1", Some("PREFETCH")),
            ("ALLOWED_ORIGINS", None),
            ("AZURE_TENANT_ID", None),
            ("ORIGINS", None),
            ("PREFECH", None),
            ("APPSETTING_ALLOWED_ORIGIN", None),
            ("CORS_ALLOWED_ORIGINS", None),
            ("WEBSITE_HOSTNAME", None),
            ("AzureWebJobsStorage", None),
            ("PATH", None),
        ] {
            assert_eq!(meant(name), setting, "{name}");
        }
    }

    #[test]
    fn no_setting_is_nearly_another_one() {
        for setting in SETTINGS {
            assert_eq!(meant(setting), None);
        }
    }
}
