//! Names that are nearly a setting's: a mistyped name would leave the setting that was meant at its default.

use super::reader::Reader;
use super::rules;
use super::settings::SETTINGS;

/// Beginnings of names that the platform makes up, or copies settings to.
const OF_THE_PLATFORM: [&str; 5] = ["APPSETTING_", "CORS_", "WEBSITE_", "FUNCTIONS_", "AZUREWEBJOBS"];
/// Shorter names are within two edits of too many words.
const MIN_LENGTH: usize = 8;
/// Insertions, deletions, substitutions and swaps of neighbours.
const MAX_DISTANCE: usize = 2;
/// What a name may lack at its end.
const UNIT: &str = "_SECONDS";

/// Reports every name that was probably meant to be a setting's.
pub(super) fn check(reader: &mut Reader<'_>) {
    for name in reader.names() {
        if let Some(setting) = meant(name) {
            reader.fault(name, format!("there is no such setting; {setting} was probably meant"));
        }
    }
}

/// The setting that `name` is nearly, if it is none itself.
fn meant(name: &str) -> Option<&'static str> {
    let folded = name.to_ascii_uppercase();
    let passes = name.chars().count() < MIN_LENGTH
        || SETTINGS.iter().any(|setting| setting.name == name)
        || OF_THE_PLATFORM.iter().any(|prefix| folded.starts_with(prefix))
        || rules::is_part_name(&folded);
    if passes {
        return None;
    }
    let names = || SETTINGS.into_iter().map(|setting| setting.name);
    let nearest = names()
        .map(|setting| (strsim::damerau_levenshtein(&folded, setting), setting))
        .min()
        .filter(|(distance, _)| *distance <= MAX_DISTANCE)
        .map(|(_, setting)| setting);
    names().find(|setting| is_shortened(&folded, setting)).or(nearest)
}

/// Whether `name` is `setting` without its unit, its first word or both.
fn is_shortened(name: &str, setting: &str) -> bool {
    let behind_the_first_word = |text: &str| text.split_once('_').is_some_and(|(_, rest)| rest == name);
    let without_unit = setting.strip_suffix(UNIT).unwrap_or(setting);
    name == without_unit || behind_the_first_word(setting) || behind_the_first_word(without_unit)
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
            ("REQUIRE_TAG", Some("REQUIRED_TAG")),
            ("ALLOWED_ORIGINS", None),
            ("AZURE_TENANT_ID", None),
            ("AZURE_AUTHORITY_HOST", None),
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
    fn a_name_without_its_unit_or_first_word_is_recognised() {
        for (name, setting) in [
            ("CACHE_TTL", Some("CACHE_TTL_SECONDS")),
            ("cache_stale", Some("CACHE_STALE_SECONDS")),
            ("TTL_SECONDS", Some("CACHE_TTL_SECONDS")),
            ("UPSTREAM_TIMEOUT", Some("UPSTREAM_TIMEOUT_SECONDS")),
            ("TIMEOUT_SECONDS", Some("UPSTREAM_TIMEOUT_SECONDS")),
            ("PREFLIGHT_MAX_AGE", Some("PREFLIGHT_MAX_AGE_SECONDS")),
            ("MAX_AGE_SECONDS", Some("PREFLIGHT_MAX_AGE_SECONDS")),
            ("VAULT_URL", Some("KEY_VAULT_URL")),
            ("REQUIRED_SCOPES", Some("ENTRA_REQUIRED_SCOPES")),
            ("ALLOW_ANONYMOUS", Some("DANGEROUSLY_ALLOW_ANONYMOUS")),
            // Shorter than eight characters.
            ("MAX_AGE", None),
            ("TIMEOUT", None),
            ("SECRETS", None),
            ("CACHE_TTL_MINUTES", None),
        ] {
            assert_eq!(meant(name), setting, "{name}");
        }
    }

    #[test]
    fn no_setting_is_nearly_another_one() {
        for setting in SETTINGS {
            assert_eq!(meant(setting.name), None);
            assert!(
                !SETTINGS
                    .iter()
                    .any(|other| is_shortened(setting.name, other.name) && other.name != setting.name)
            );
        }
    }
}
