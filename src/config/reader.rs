//! Reads single settings and collects what is wrong with them, so that every
//! fault is reported at once.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Something wrong with a setting, or worth a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The setting's name.
    pub setting: String,
    /// The rule, and where it can be given the corrected value. Never the
    /// value of a setting that could hold a secret.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.message)
    }
}

/// What an empty value means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    Unset,
    Kept,
    Fault,
}

/// Values that App Service and App Configuration put in place of a reference
/// that they could not resolve.
const UNRESOLVED: [&str; 2] = ["@Microsoft.KeyVault(", "@Microsoft.AppConfiguration("];

/// Looks settings up and keeps a list of findings.
pub(super) struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    faults: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            lookup,
            faults: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The faults and the warnings so far.
    pub(super) fn take_findings(&mut self) -> (Vec<Finding>, Vec<Finding>) {
        (std::mem::take(&mut self.faults), std::mem::take(&mut self.warnings))
    }

    pub(super) fn fault(&mut self, setting: &str, message: impl Into<String>) {
        self.faults.push(Finding {
            setting: setting.into(),
            message: message.into(),
        });
    }

    pub(super) fn warn(&mut self, setting: &str, message: impl Into<String>) {
        self.warnings.push(Finding {
            setting: setting.into(),
            message: message.into(),
        });
    }

    /// A value that the platform sets, not the operator: empty is unset.
    pub(super) fn platform(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// Whether this process runs in App Service. The consumption plans set
    /// `CONTAINER_NAME` instead of an instance id.
    pub(super) fn is_deployed(&self) -> bool {
        ["WEBSITE_INSTANCE_ID", "CONTAINER_NAME"]
            .iter()
            .any(|name| self.platform(name).is_some())
    }

    fn value(&mut self, name: &str, empty: Empty) -> Option<String> {
        let value = (self.lookup)(name)?;
        if UNRESOLVED.iter().any(|prefix| value.starts_with(prefix)) {
            self.fault(
                name,
                "the platform did not resolve this reference; check that it names an existing secret or key and \
                 that the app's identity may read it",
            );
            return None;
        }
        if !value.is_empty() {
            return Some(value);
        }
        match empty {
            Empty::Unset => None,
            Empty::Kept => Some(value),
            Empty::Fault => {
                self.fault(name, "it is set but empty; give it a value or remove it");
                None
            }
        }
    }

    /// A setting without which nothing can be served.
    pub(super) fn required(&mut self, name: &str, example: &str) -> Option<String> {
        if !self.is_set(name) {
            self.fault(name, format!("it is required, for example {example}"));
            return None;
        }
        self.value(name, Empty::Fault)
    }

    /// A text setting for which empty is a fault.
    pub(super) fn nonempty(&mut self, name: &str) -> Option<String> {
        self.value(name, Empty::Fault)
    }

    /// Whether a setting is there at all, empty or not.
    pub(super) fn is_set(&self, name: &str) -> bool {
        (self.lookup)(name).is_some()
    }

    /// A text setting for which empty means unset.
    pub(super) fn optional(&mut self, name: &str) -> Option<String> {
        self.value(name, Empty::Unset)
    }

    /// A text setting with a meaning of its own for empty.
    pub(super) fn text_or_empty(&mut self, name: &str) -> Option<String> {
        self.value(name, Empty::Kept)
    }

    /// `true` or `false`, in any case: templates write `True`.
    pub(super) fn boolean(&mut self, name: &str, default: bool) -> bool {
        let Some(value) = self.value(name, Empty::Fault) else {
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
            self.fault(name, format!("it is neither true nor false{meant}"));
            default
        }
    }

    /// Whole seconds within `range`.
    pub(super) fn seconds(&mut self, name: &str, default: u32, range: RangeInclusive<u32>) -> Duration {
        let value = self.value(name, Empty::Fault);
        let seconds = value.and_then(|value| self.number(name, &value, range));
        Duration::from_secs(seconds.unwrap_or(default).into())
    }

    /// A whole number within `range`, in plain decimal digits.
    pub(super) fn number(&mut self, name: &str, value: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        let number = value.parse().ok().filter(|number| digits && range.contains(number));
        if number.is_none() {
            let trimmed = value.trim();
            let hint = match trimmed.parse::<u32>() {
                Ok(number) if trimmed != value && range.contains(&number) => {
                    format!("; write {number} without spaces")
                }
                _ => String::new(),
            };
            self.fault(
                name,
                format!(
                    "it is not a whole number from {} to {}{hint}",
                    range.start(),
                    range.end()
                ),
            );
        }
        number
    }

    /// One of some words, compared exactly.
    pub(super) fn choice<T: Copy>(&mut self, name: &str, value: &str, choices: &[(&str, T)]) -> Option<T> {
        let found = choices.iter().find(|(word, _)| *word == value);
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            let near = words.iter().find(|word| word.eq_ignore_ascii_case(value.trim()));
            let hint = near.map_or(String::new(), |word| format!("; write {word}"));
            self.fault(name, format!("it is none of: {}{hint}", words.join(", ")));
        }
        found.map(|(_, choice)| *choice)
    }

    /// `text` or `json`-like words with a default when unset.
    pub(super) fn choice_or<T: Copy>(&mut self, name: &str, default: T, choices: &[(&str, T)]) -> T {
        let value = self.value(name, Empty::Fault);
        value
            .and_then(|value| self.choice(name, &value, choices))
            .unwrap_or(default)
    }
}

/// The elements of a comma-separated list, each with its place from 1 and
/// without the white space around it.
pub(super) fn elements(list: &str) -> impl Iterator<Item = (usize, &str)> {
    list.split(',')
        .enumerate()
        .map(|(index, element)| (index + 1, element.trim()))
}
