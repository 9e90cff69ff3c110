//! What a page gets in place of a key: a short-lived credential that is made from it.
//!
//! `KIND NAME=VALUE …` becomes a [`Give`] when the configuration is read, so that a request cannot meet a bad rule.

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

use super::blob_sas::BlobSas;
use super::pubsub_token::PubSubToken;
use super::speech_token::SpeechToken;

/// Shortest and longest life of a credential, in seconds.
const TTL_SECONDS: std::ops::RangeInclusive<u32> = 60..=3600;
/// Longest name that a fault repeats: what is longer may be a key in the wrong place.
const LONGEST_REPEATED: usize = 20;

/// A credential of one kind, with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Give {
    /// An access token of Azure AI Speech.
    SpeechToken(SpeechToken),
    /// A client access token of Azure Web PubSub.
    PubSubToken(PubSubToken),
    /// A service SAS of Azure Blob Storage.
    BlobSas(BlobSas),
}

/// What is wrong with a `GIVE`. Values are not repeated: one of them may be the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GiveFault {
    /// There is nothing.
    #[error("is empty; write `KIND NAME=VALUE …` with one of the kinds {}", known(Kind::NAMES))]
    Empty,
    /// There is no such kind.
    #[error(
        "{given} is no kind; the nearest is `{nearest}`, the kinds are {}",
        known(Kind::NAMES)
    )]
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
    /// A parameter stands twice.
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

/// What is allowed and unwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GiveWarning {
    /// Writing for everybody who can send an `Origin`.
    #[error("`allow` lets every page and program that is let in write blobs, because Entra is off")]
    AnonymousWrite,
    /// Nothing asks who calls.
    #[error("everybody who can reach this app gets credentials: neither Entra nor a function key is asked for")]
    Anonymous,
    /// A role for every group of the hub.
    #[error("a role without a group holds for every group of the hub; write `{0}.GROUP`")]
    EveryGroup(&'static str),
}

/// Text from a setting that a fault names, unless it could be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted(Option<String>);

impl Quoted {
    fn new(text: &str) -> Self {
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

/// The kinds, before their parameters are read.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    SpeechToken,
    PubSubToken,
    BlobSas,
}

impl Kind {
    const NAMES: &'static [&'static str] = &[SpeechToken::KIND, PubSubToken::KIND, BlobSas::KIND];

    fn named(name: &str) -> Option<Self> {
        [Self::SpeechToken, Self::PubSubToken, Self::BlobSas]
            .into_iter()
            .find(|kind| kind.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::SpeechToken => SpeechToken::KIND,
            Self::PubSubToken => PubSubToken::KIND,
            Self::BlobSas => BlobSas::KIND,
        }
    }

    fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::SpeechToken => SpeechToken::PARAMETERS,
            Self::PubSubToken => PubSubToken::PARAMETERS,
            Self::BlobSas => BlobSas::PARAMETERS,
        }
    }
}

impl Give {
    /// Reads `KIND NAME=VALUE …`.
    ///
    /// # Errors
    /// Every fault of the text at once.
    pub fn parse(text: &str) -> Result<Self, Vec<GiveFault>> {
        let mut words = text.split_ascii_whitespace();
        let Some(word) = words.next() else {
            return Err(vec![GiveFault::Empty]);
        };
        let Some(kind) = Kind::named(word) else {
            return Err(vec![GiveFault::UnknownKind {
                given: Quoted::new(word),
                nearest: nearest(word, Kind::NAMES),
            }]);
        };
        let mut parameters = Parameters::read(kind, words);
        let give = match kind {
            Kind::SpeechToken => SpeechToken::read(&mut parameters).map(Self::SpeechToken),
            Kind::PubSubToken => PubSubToken::read(&mut parameters).map(Self::PubSubToken),
            Kind::BlobSas => BlobSas::read(&mut parameters).map(Self::BlobSas),
        };
        match give {
            Some(give) if parameters.faults.is_empty() => Ok(give),
            _ => Err(parameters.faults),
        }
    }

    /// The kind's name, as it is configured and logged.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SpeechToken(_) => SpeechToken::KIND,
            Self::PubSubToken(_) => PubSubToken::KIND,
            Self::BlobSas(_) => BlobSas::KIND,
        }
    }

    /// `contentType` of the credential.
    pub(super) fn content_type(&self) -> &'static str {
        match self {
            Self::SpeechToken(_) | Self::PubSubToken(_) => "application/jwt",
            // Key Vault's own, for the SAS of a managed storage account.
            Self::BlobSas(_) => "application/vnd.ms-sastoken-storage",
        }
    }

    /// What cannot be given as the app is set up; `entra` says whether callers are asked for a token.
    ///
    /// # Errors
    /// [`GiveFault::NeedsEntra`].
    pub fn check(&self, entra: bool) -> Result<(), GiveFault> {
        match self {
            Self::PubSubToken(token) if token.names_the_caller() && !entra => Err(GiveFault::NeedsEntra),
            _ => Ok(()),
        }
    }

    /// What is unwise as the app is set up: whether callers are asked for a token (`entra`), and whether the posture is
    /// anonymous: neither that nor a function key.
    pub fn warnings(&self, entra: bool, anonymous: bool) -> Vec<GiveWarning> {
        let mut warnings = Vec::new();
        match self {
            Self::BlobSas(sas) if sas.writes() && !entra => warnings.push(GiveWarning::AnonymousWrite),
            Self::PubSubToken(token) => warnings.extend(token.roles_for_every_group().map(GiveWarning::EveryGroup)),
            _ => {}
        }
        if anonymous {
            warnings.push(GiveWarning::Anonymous);
        }
        warnings
    }
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
    kind: Kind,
    values: Vec<(&'static str, &'a str)>,
    faults: Vec<GiveFault>,
}

impl<'a> Parameters<'a> {
    fn read(kind: Kind, words: impl Iterator<Item = &'a str>) -> Self {
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
            let Some(name) = kind.parameters().iter().copied().find(|known| *known == name) else {
                read.faults.push(GiveFault::UnknownParameter {
                    kind: kind.name(),
                    given: Quoted::new(name),
                    nearest: nearest(name, kind.parameters()),
                    parameters: kind.parameters(),
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
                kind: self.kind.name(),
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
fn nearest(text: &str, names: &[&'static str]) -> &'static str {
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

#[cfg(test)]
mod tests;
