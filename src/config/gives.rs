//! `RULES__NAME__GIVE`: the credential that is given in place of a rule's secret.

use super::reader::Reader;
use crate::access::AllowList;
use crate::deliver::Give;
use crate::secret::SecretName;

/// Who can call at all.
#[derive(Clone, Copy)]
pub(super) struct Callers {
    /// Callers are asked for a token.
    pub(super) has_entra: bool,
    /// Callers are asked for nothing, not even a function key.
    pub(super) is_anonymous: bool,
}

/// What `value` gives in place of the one secret that its rule is about.
pub(super) fn read(
    reader: &mut Reader<'_>,
    variable: &str,
    value: &str,
    secrets: Option<&AllowList>,
    callers: Callers,
) -> Option<(SecretName, Give)> {
    let name = secrets.and_then(|secrets| {
        let name = only_name(secrets);
        if name.is_none() {
            reader.fault(
                variable,
                "a credential is made from one secret, so the rule's SECRETS is one exact name, without `*`; give each \
                 key a rule of its own",
            );
        }
        name
    });
    let give = match Give::parse(value) {
        Ok(give) => give,
        Err(faults) => {
            for fault in faults {
                reader.fault(variable, fault.to_string());
            }
            return None;
        }
    };
    if let Err(fault) = give.check(callers.has_entra) {
        reader.fault(variable, fault.to_string());
    }
    for warning in give.warnings(callers.has_entra, callers.is_anonymous) {
        reader.warn(variable, warning.to_string());
    }
    Some((name?, give))
}

fn only_name(secrets: &AllowList) -> Option<SecretName> {
    let mut names = secrets.names();
    let name = names.next().filter(|_| names.next().is_none())?;
    secrets.prefixes().next().is_none().then(|| name.clone())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::config::{AppFiles, Config, Finding};
    use crate::secret::SecretName;

    const SAS: &str = "blob-sas account=contoso path=photos allow=r";
    const TOKEN: &str = "pubsub-token host=h.example hub=chat";

    /// A configuration with one rule about these secrets that gives this; what the functions ask for is `level`.
    fn config(secrets: &str, give: &str, level: &str, entra: bool) -> Result<Config, Vec<Finding>> {
        let mut settings = BTreeMap::from([
            ("KEY_VAULT_URL", "https://kv.vault.azure.net"),
            ("ALLOWED_SECRETS", "storage-key,maps-*"),
            ("ALLOWED_ORIGINS", "https://contoso.com"),
            ("FUNCTIONS_CUSTOMHANDLER_PORT", "1234"),
            (
                "DANGEROUSLY_ALLOW_ANONYMOUS",
                if level == "anonymous" { "true" } else { "false" },
            ),
            ("RULES__STORAGE__SECRETS", secrets),
            ("RULES__STORAGE__GIVE", give),
        ]);
        if entra {
            settings.extend([
                ("ENTRA_TENANT_ID", "11111111-2222-3333-4444-555555555555"),
                ("ENTRA_AUDIENCE", "api://app"),
                ("ENTRA_REQUIRED_SCOPES", "Secrets.Read"),
            ]);
        }
        let settings = settings
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let function = |level: &str, methods: &str| {
            let text = format!(
                r#"{{"bindings":[{{"type":"httpTrigger","authLevel":"{level}","methods":{methods},"route":"secrets/{{name}}/{{version?}}"}}]}}"#
            );
            Ok(text.into_bytes())
        };
        let files = AppFiles::from([
            (
                "GetSecret/function.json".to_owned(),
                function(level, r#"["get","head"]"#),
            ),
            (
                "Preflight/function.json".to_owned(),
                function("anonymous", r#"["options"]"#),
            ),
        ]);
        Config::read(&settings.collect(), &files).map_err(|findings| findings.faults)
    }

    fn faults(secrets: &str, give: &str) -> Vec<String> {
        let faults = config(secrets, give, "function", false).unwrap_err();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_rule_that_gives_is_about_one_name_and_its_current_version() {
        let config = config("Storage-Key", SAS, "function", false).unwrap();
        let names: Vec<_> = config.deliver.gives.keys().map(SecretName::as_str).collect();
        assert_eq!(names, ["storage-key"]);
        assert!(config.access.rules[0].current_version_only);
        for secrets in ["maps-*", "storage-key,maps-key", "storage-key,maps-*"] {
            let all = faults(secrets, SAS);
            assert!(
                all.iter().any(|fault| fault.contains("one exact name")),
                "{secrets}: {all:?}"
            );
        }
    }

    #[test]
    fn a_fault_names_the_variable_and_not_the_value() {
        let all = faults("storage-key", "blob-sas account=Canary path=photos allow=canary");
        assert_eq!(all.len(), 2, "{all:?}");
        assert!(
            all.iter().all(|fault| fault.contains("RULES__STORAGE__GIVE")),
            "{all:?}"
        );
        assert!(!all.iter().any(|fault| fault.contains("allow=canary")), "{all:?}");
        assert_eq!(faults("storage-key", "").len(), 1);
    }

    #[test]
    fn a_token_for_a_user_needs_entra() {
        assert_eq!(faults("storage-key", TOKEN).len(), 1);
        assert!(config("storage-key", TOKEN, "function", true).is_ok());
        assert!(config("storage-key", &format!("{TOKEN} user=none"), "function", false).is_ok());
    }

    #[test]
    fn giving_to_everybody_is_a_warning() {
        for (level, entra, warned) in [
            ("anonymous", false, true),
            ("function", false, false),
            ("anonymous", true, false),
        ] {
            let config = config("storage-key", SAS, level, entra).unwrap();
            let is_warned = config
                .warnings
                .iter()
                .any(|warning| warning.setting == "RULES__STORAGE__GIVE");
            assert_eq!(is_warned, warned, "{level} {entra}");
        }
    }
}
