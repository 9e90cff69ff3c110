//! Reads single settings and collects what is wrong with them, so that every fault is reported at once.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use uuid::Uuid;

use super::settings::{Empty, Fallback, Kind, Setting};

/// Something wrong with a setting, or worth a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The setting's name, or the file's.
    pub setting: String,
    /// The rule, and where it can be given the corrected value. Never the value of a setting that could hold a secret.
    pub message: String,
}

impl Finding {
    /// A finding about `setting`.
    pub fn new(setting: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            setting: setting.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.message)
    }
}

/// All that is wrong with a configuration, and what is worth a warning beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What must be changed before anything is served.
    pub faults: Vec<Finding>,
    /// What works, but should be looked at.
    pub warnings: Vec<Finding>,
}

/// What App Service and App Configuration leave in place of a reference that they could not resolve begins with one
/// of these.
const UNRESOLVED: [&str; 2] = ["@Microsoft.KeyVault(", "@Microsoft.AppConfiguration("];

/// Looks settings up and collects findings.
pub(super) struct Reader<'a> {
    settings: &'a BTreeMap<String, String>,
    findings: Findings,
}

impl<'a> Reader<'a> {
    pub(super) fn new(settings: &'a BTreeMap<String, String>) -> Self {
        Self {
            settings,
            findings: Findings::default(),
        }
    }

    pub(super) fn into_findings(self) -> Findings {
        self.findings
    }

    /// The names of all variables, settings or not.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.settings.keys().map(String::as_str)
    }

    /// All variables, settings or not, with their values.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn fault(&mut self, setting: &str, message: impl Into<String>) {
        self.findings.faults.push(Finding::new(setting, message));
    }

    pub(super) fn warn(&mut self, setting: &str, message: impl Into<String>) {
        self.findings.warnings.push(Finding::new(setting, message));
    }

    /// A value that the platform sets, not the operator: empty is unset.
    pub(super) fn platform(&self, name: &str) -> Option<&'a str> {
        let value = self.settings.get(name)?;
        (!value.is_empty()).then_some(value)
    }

    /// Whether the platform has set `name` to what it writes for "on".
    pub(super) fn platform_is_on(&self, name: &str) -> bool {
        self.platform(name)
            .is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
    }

    /// Whether this process runs in App Service. Linux Consumption sets a container's name instead of an instance id;
    /// alone that name says nothing, because development containers set it too.
    pub(super) fn is_deployed(&self) -> bool {
        let is_set = |name| self.platform(name).is_some();
        is_set("WEBSITE_INSTANCE_ID") || is_set("CONTAINER_NAME") && is_set("WEBSITE_SITE_NAME")
    }

    /// A setting's own value as it stands, for comparisons between settings: no finding comes of it.
    pub(super) fn own_text(&self, setting: &Setting) -> Option<&'a str> {
        self.settings.get(setting.name).map(String::as_str)
    }

    /// Whether a setting is there at all, empty or not.
    pub(super) fn is_set(&self, setting: &Setting) -> bool {
        self.settings.contains_key(setting.name)
    }

    /// A setting's value or its default's; empty only where that has a meaning. `None` where there is neither, or the
    /// value is at fault.
    pub(super) fn text(&mut self, setting: &Setting) -> Option<&'a str> {
        let default = match setting.default {
            Fallback::Value(default) => Some(default),
            Fallback::Required(_) | Fallback::Without(_) => None,
        };
        match self.settings.get(setting.name).map(String::as_str) {
            Some("") if setting.empty == Empty::Unset => default,
            Some(value) => self.own_value(setting.name, value, setting.empty),
            None => {
                if let Fallback::Required(example) = setting.default {
                    self.fault(setting.name, format!("it is required, for example {example}"));
                }
                default
            }
        }
    }

    /// The value of a variable that is set, unless that is at fault.
    pub(super) fn own_value<'v>(&mut self, name: &str, value: &'v str, empty: Empty) -> Option<&'v str> {
        let begins = |prefix: &&str| {
            let beginning = value.get(..prefix.len());
            beginning.is_some_and(|text| text.eq_ignore_ascii_case(prefix))
        };
        if UNRESOLVED.iter().any(begins) {
            self.fault(
                name,
                "the platform did not resolve this reference; check that it names an existing secret or key and that \
                 the app's identity may read it",
            );
            return None;
        }
        if value.is_empty() && empty == Empty::Fault {
            self.fault(name, "it is set but empty; give it a value or remove it");
            return None;
        }
        Some(value)
    }

    /// `true` or `false`, in any case: templates write `True`. A value at fault reads as the default, which is the safe
    /// one.
    pub(super) fn boolean(&mut self, setting: &Setting) -> bool {
        let default = setting.default == Fallback::Value("true");
        let Some(value) = self.text(setting) else {
            return default;
        };
        if value.eq_ignore_ascii_case("true") {
            true
        } else if value.eq_ignore_ascii_case("false") {
            false
        } else {
            let meant = match value.trim().to_ascii_lowercase().as_str() {
                "1" | "yes" | "on" | "true" => "; write true",
                "0" | "no" | "off" | "false" => "; write false",
                _ => "",
            };
            self.fault(setting.name, format!("it is neither true nor false{meant}"));
            default
        }
    }

    /// Whole seconds; zero for a value at fault.
    pub(super) fn seconds(&mut self, setting: &Setting) -> Duration {
        let number = self.text(setting).and_then(|value| self.number(setting, value));
        Duration::from_secs(number.unwrap_or_default().into())
    }

    /// A whole number within the setting's range.
    pub(super) fn number(&mut self, setting: &Setting, value: &str) -> Option<u32> {
        self.number_of(setting.name, setting.kind, value)
    }

    /// A whole number in plain decimal digits, within the range of `kind`.
    pub(super) fn number_of(&mut self, name: &str, kind: Kind, value: &str) -> Option<u32> {
        let Kind::Number(min, max) = kind else {
            return None;
        };
        let in_range = |number: &u32| (min..=max).contains(number);
        let has_digits_alone = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        let number = value.parse().ok().filter(|number| has_digits_alone && in_range(number));
        if number.is_none() {
            let trimmed = value.trim();
            let hint = match trimmed.parse::<u32>() {
                Ok(number) if trimmed != value && in_range(&number) => format!("; write {number} without spaces"),
                _ => String::new(),
            };
            self.fault(name, format!("it is not a whole number from {min} to {max}{hint}"));
        }
        number
    }

    /// One of the setting's words, compared exactly.
    pub(super) fn choice(&mut self, setting: &Setting) -> Option<&'static str> {
        let value = self.text(setting)?;
        let Kind::Choice(words) = setting.kind else {
            return None;
        };
        let found = words.iter().find(|word| **word == value);
        if found.is_none() {
            let near = words.iter().find(|word| word.eq_ignore_ascii_case(value.trim()));
            let hint = near.map_or(String::new(), |word| format!("; write {word}"));
            self.fault(setting.name, format!("it is not one of: {}{hint}", words.join(", ")));
        }
        found.copied()
    }
}

/// The elements of a comma-separated list, each with its place from 1 and without the white space around it.
pub(super) fn elements(list: &str) -> impl Iterator<Item = (usize, &str)> {
    list.split(',')
        .enumerate()
        .map(|(index, element)| (index + 1, element.trim()))
}

/// Whether `text` is a GUID in the form of 8-4-4-4-12 hexadecimal digits.
pub(super) fn is_guid(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}
