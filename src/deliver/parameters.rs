//! The words of a `GIVE`, what can be wrong with them, and what every kind of credential is made of.

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

/// The names of the kinds.
pub(super) const KINDS: &[&str] = &["speech-token", "pubsub-token", "blob-sas"];
/// Shortest and longest life of a credential, in seconds.
const TTL_SECONDS: std::ops::RangeInclusive<u32> = 60..=3600;
/// Longest name that a fault repeats: what is longer may be a key in the wrong place.
const LONGEST_REPEATED: usize = 20;

/// What is wrong with a `GIVE`. Values are not repeated: one of them may be the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GiveFault {
    /// There is nothing.
    #[error("is empty; write `KIND NAME=VALUE …` with one of the kinds {}", known(KINDS))]
    Empty,
    /// There is no such kind.
    #[error("{given} is no kind; the nearest is `{nearest}`, the kinds are {}", known(KINDS))]
    UnknownKind {
        /// What is written, where it may be repeated.
        given: Quoted,
        /// The most similar kind.
        nearest: &'static str,
    },
    /// A word without `=`.
    #[error("{given} is no `NAME=VALUE`; white space ends a value")]
    NoValue {
        /// What is written, where it may be repeated.
        given: Quoted,
    },
    /// The kind has no such parameter.
    #[error("{given} is no parameter of {kind}; the nearest is `{nearest}`, it takes {}", known(.parameters))]
    UnknownParameter {
        /// The kind.
        kind: &'static str,
        /// What is written, where it may be repeated.
        given: Quoted,
        /// The most similar parameter.
        nearest: &'static str,
        /// All that the kind takes.
        parameters: &'static [&'static str],
    },
    /// A parameter is given twice.
    #[error("`{0}` is repeated")]
    Repeated(&'static str),
    /// A parameter is needed.
    #[error("{kind} needs {parameter}")]
    Missing {
        /// The kind.
        kind: &'static str,
        /// What is missing, as it would be written.
        parameter: &'static str,
    },
    /// Two parameters exclude each other.
    #[error("`{0}` and `{1}` exclude each other; remove one of them")]
    Both(&'static str, &'static str),
    /// A parameter's value is not of its form.
    #[error("`{parameter}` is not valid: {form}{}", correction(.parameter, .corrected.as_deref()))]
    Invalid {
        /// The parameter.
        parameter: &'static str,
        /// What is expected.
        form: &'static str,
        /// The value that was probably meant.
        corrected: Option<String>,
    },
    /// The token is for a caller, and callers are not asked who they are.
    #[error(
        "pubsub-token names the caller, who is known with Entra only; set ENTRA_TENANT_ID and ENTRA_AUDIENCE, or add \
         `user=none` for tokens without a user"
    )]
    NeedsEntra,
}

/// Text from a setting that a fault names, unless it could be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted(Option<String>);

impl Quoted {
    pub(super) fn new(text: &str) -> Self {
        let is_word = text.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-' || b == b'_');
        Self((is_word && (1..=LONGEST_REPEATED).contains(&text.len())).then(|| text.to_owned()))
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(text) => write!(f, "`{text}`"),
            None => f.write_str("what is written (not repeated here)"),
        }
    }
}

fn known(names: &[&str]) -> String {
    names.join(", ")
}

fn correction(parameter: &str, corrected: Option<&str>) -> String {
    corrected.map_or_else(String::new, |value| format!("; write `{parameter}={value}`"))
}

/// A derived credential. It is as secret as any: zeroed when dropped, and not shown.
pub(super) struct Credential {
    /// What the page gets as `value`.
    pub(super) value: Zeroizing<String>,
    /// When it ends, in Unix seconds.
    pub(super) ends: i64,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

/// A key that does not have the form that its kind needs; says what it is not, and nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub(super) struct Unfit(pub(super) &'static str);

/// `NAME=VALUE …` of one kind, and what is wrong with it.
pub(super) struct Parameters<'a> {
    kind: &'static str,
    values: Vec<(&'static str, &'a str)>,
    faults: Vec<GiveFault>,
}

impl<'a> Parameters<'a> {
    /// Reads the words behind `kind`, which takes the parameters `known`.
    pub(super) fn read(
        kind: &'static str,
        known: &'static [&'static str],
        words: impl Iterator<Item = &'a str>,
    ) -> Self {
        let mut read = Self {
            kind,
            values: Vec::new(),
            faults: Vec::new(),
        };
        for word in words {
            let Some((name, value)) = word.split_once('=') else {
                read.faults.push(GiveFault::NoValue {
                    given: Quoted::new(word),
                });
                continue;
            };
            let Some(name) = known.iter().copied().find(|known| *known == name) else {
                read.faults.push(GiveFault::UnknownParameter {
                    kind,
                    given: Quoted::new(name),
                    nearest: nearest(name, known),
                    parameters: known,
                });
                continue;
            };
            if read.get(name).is_some() {
                read.faults.push(GiveFault::Repeated(name));
            } else {
                read.values.push((name, value));
            }
        }
        read
    }

    /// What is made of the parameters, or everything that is wrong with them.
    pub(super) fn finish<T>(self, made: Option<T>) -> Result<T, Vec<GiveFault>> {
        made.filter(|_| self.faults.is_empty()).ok_or(self.faults)
    }

    /// Whether there is a word without `=`, which may be the rest of a value with white space in it.
    pub(super) fn has_stray_word(&self) -> bool {
        let is_stray = |fault: &GiveFault| matches!(fault, GiveFault::NoValue { .. });
        self.faults.iter().any(is_stray)
    }

    /// The value of a parameter that may be absent.
    pub(super) fn get(&self, name: &'static str) -> Option<&'a str> {
        let given = self.values.iter().find(|(known, _)| *known == name);
        given.map(|(_, value)| *value)
    }

    /// The value of a parameter that must be there.
    pub(super) fn required(&mut self, name: &'static str, written: &'static str) -> Option<&'a str> {
        let value = self.get(name);
        if value.is_none() {
            self.fault(GiveFault::Missing {
                kind: self.kind,
                parameter: written,
            });
        }
        value
    }

    /// `ttl`, in seconds.
    pub(super) fn ttl(&mut self, default: u32) -> Option<i64> {
        let Some(text) = self.get("ttl") else {
            return Some(default.into());
        };
        let is_number = text.bytes().all(|b| b.is_ascii_digit());
        let seconds = text.parse().ok().filter(|ttl| is_number && TTL_SECONDS.contains(ttl));
        self.valid("ttl", seconds.map(i64::from), "60 to 3600 seconds", None)
    }

    /// `value`, or a fault of `parameter` where there is none.
    pub(super) fn valid<T>(
        &mut self,
        parameter: &'static str,
        value: Option<T>,
        form: &'static str,
        corrected: Option<String>,
    ) -> Option<T> {
        if value.is_none() {
            self.fault(GiveFault::Invalid {
                parameter,
                form,
                corrected,
            });
        }
        value
    }

    pub(super) fn fault(&mut self, fault: GiveFault) {
        self.faults.push(fault);
    }
}

/// The one of `names` that is most like `text`.
pub(super) fn nearest(text: &str, names: &[&'static str]) -> &'static str {
    // A key in the wrong place may be long, and the comparison is quadratic.
    let text: String = text
        .chars()
        .take(2 * LONGEST_REPEATED)
        .collect::<String>()
        .to_ascii_lowercase();
    let distance = |name: &&&str| strsim::damerau_levenshtein(&text, name);
    names.iter().min_by_key(distance).copied().unwrap_or_default()
}

/// Whether `text` is one label of a DNS name: 1 to 63 lower-case letters, digits and inner hyphens.
pub(super) fn is_label(text: &str) -> bool {
    let has_form = text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    (1..=63).contains(&text.len()) && has_form && !text.starts_with('-') && !text.ends_with('-')
}

/// Whether `text` is a DNS name of at least two labels in canonical form, without a port or a final dot.
pub(super) fn is_dns_name(text: &str) -> bool {
    let is_domain = matches!(url::Host::parse(text), Ok(url::Host::Domain(canonical)) if canonical == text);
    is_domain && text.len() <= 253 && text.contains('.') && text.split('.').all(is_label)
}

/// The host that `text` was probably meant to name: without scheme, port, path, in lower case.
pub(super) fn host_in(text: &str) -> String {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = text.split(['/', ':', '?', '#']).next().unwrap_or_default();
    host.trim_end_matches('.').to_ascii_lowercase()
}
