//! What a secret is here: its name, its version, its bytes and the bundle that
//! travels from the vault to a browser. This module knows no network, no HTTP
//! and no configuration; untrusted text is parsed into one of these types once,
//! and not checked again.

use std::fmt;

use thiserror::Error;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Longest name of a secret, in characters (Key Vault's own limit).
pub const MAX_NAME: usize = 127;
/// Characters of a secret's version, as Key Vault makes them.
const VERSION_LENGTH: usize = 32;

/// Text that is not a secret's name or version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Not `^[0-9A-Za-z-]{1,127}$`.
    #[error("the name of a secret is 1 to 127 letters, digits and hyphens")]
    Name,
    /// Not `^[0-9A-Fa-f]{32}$`.
    #[error("the version of a secret is 32 hexadecimal digits")]
    Version,
}

/// A secret's name: `^[0-9A-Za-z-]{1,127}$`, folded to lower case because Key
/// Vault's names are case-insensitive.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretName(Box<str>);

impl SecretName {
    /// Reads a name as a client wrote it; nothing is percent-decoded.
    ///
    /// # Errors
    /// [`Malformed::Name`] when it is not of the form above.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.is_empty() || text.len() > MAX_NAME || !is_name_text(text) {
            return Err(Malformed::Name);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// True when `text` has only the characters of a secret's name; the empty
/// text has.
pub fn is_name_text(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// An entry of a list of names as a message shows it: quoted, unless it may be a key in place of its name.
pub fn shown(entry: &str) -> String {
    if looks_like_a_key(entry) {
        "an entry that looks like a key and is not repeated".to_owned()
    } else {
        format!("`{entry}`")
    }
}

/// Whether text may be a key that somebody pasted where it does not belong. The keys of Azure's services are 32 hexadecimal
/// digits, 43 or more letters and digits, or a GUID, so that most have the form of a secret's name.
pub fn looks_like_a_key(text: &str) -> bool {
    const LONG_WORD: usize = 20;
    let has_digit = |word: &str| word.contains(|c: char| c.is_ascii_digit());
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    Uuid::try_parse(text).is_ok() || words.any(|word| word.len() >= LONG_WORD && has_digit(word))
}

/// One version of a secret: `^[0-9A-Fa-f]{32}$`, folded to lower case. Nothing
/// else is one: `GET /secrets/NAME/versions` is another operation of the vault.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretVersion(Box<str>);

impl SecretVersion {
    /// Reads a version as a client or the vault wrote it.
    ///
    /// # Errors
    /// [`Malformed::Version`] when it is not of the form above.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.len() != VERSION_LENGTH || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Malformed::Version);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The version in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a caller asks for: a name, and a version or the current one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretKey {
    /// The secret's name.
    pub name: SecretName,
    /// The version asked for; `None` is the current one.
    pub version: Option<SecretVersion>,
}

impl SecretKey {
    /// Reads what a request asks for.
    ///
    /// # Errors
    /// What is malformed first, the name or the version.
    pub fn parse(name: &str, version: Option<&str>) -> Result<Self, Malformed> {
        Ok(Self {
            name: SecretName::parse(name)?,
            version: version.map(SecretVersion::parse).transpose()?,
        })
    }
}

/// A secret's value: zeroed when dropped, without `Debug`, `Display` or
/// `Clone`, so that it cannot reach a log by accident.
pub struct SecretValue(Zeroizing<String>);

impl SecretValue {
    /// Takes the value over; `text` must be its only copy for the zeroing to
    /// mean anything.
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The value itself. Only `deliver` may call this.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(hidden)")
    }
}

/// The attributes of a secret that a browser may see. Times are Unix seconds;
/// what the vault did not send is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Whether the secret may be read at all; an absent flag means yes.
    pub enabled: Option<bool>,
    /// Not to be served before this time.
    pub not_before: Option<i64>,
    /// Not to be served from this time on.
    pub expires: Option<i64>,
    /// When this version was created.
    pub created: Option<i64>,
    /// When this version was last changed.
    pub updated: Option<i64>,
}

/// Why a secret that the vault has may not be served now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unusable {
    /// `enabled` is false.
    #[error("the secret is disabled")]
    Disabled,
    /// `exp` has come.
    #[error("the secret has expired")]
    Expired,
    /// `nbf` has not come yet.
    #[error("the secret is not valid yet")]
    NotYetValid,
}

impl Attributes {
    /// Whether the secret may be served at `now` (Unix seconds). The vault
    /// itself returns expired and not yet valid secrets with 200, so this is
    /// asked at every answer, a cached one included.
    ///
    /// # Errors
    /// The first of disabled, expired, not yet valid that holds.
    pub fn usable_at(&self, now: i64) -> Result<(), Unusable> {
        if self.enabled == Some(false) {
            Err(Unusable::Disabled)
        } else if self.expires.is_some_and(|expires| now >= expires) {
            Err(Unusable::Expired)
        } else if self.not_before.is_some_and(|start| now < start) {
            Err(Unusable::NotYetValid)
        } else {
            Ok(())
        }
    }
}

/// A secret as the vault returned it, without what never leaves (`tags`,
/// `kid`, `recoveryLevel`, the vault's name).
#[derive(Debug)]
pub struct Bundle {
    /// The secret's bytes.
    pub value: SecretValue,
    /// The version that the vault says this is; `None` when it did not say.
    pub version: Option<SecretVersion>,
    /// `contentType`, as whoever set the secret wrote it.
    pub content_type: Option<String>,
    /// The attributes that may be seen.
    pub attributes: Attributes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_and_bounded() {
        let cases = [
            ("Maps-Key", Some("maps-key")),
            ("0", Some("0")),
            ("-", Some("-")),
            ("", None),
            ("a_b", None),
            ("a.b", None),
            ("a%62", None),
            ("a b", None),
            ("ключ", None),
        ];
        for (text, folded) in cases {
            let name = SecretName::parse(text);
            assert_eq!(name.ok().as_ref().map(SecretName::as_str), folded, "{text}");
        }
        assert!(SecretName::parse(&"a".repeat(127)).is_ok());
        assert!(SecretName::parse(&"a".repeat(128)).is_err());
    }

    #[test]
    fn versions_are_32_hexadecimal_digits_folded_to_lower_case() {
        let version = SecretVersion::parse("0123456789ABCDEFabcdef0123456789").unwrap();
        assert_eq!(version.as_str(), "0123456789abcdefabcdef0123456789");
        for text in [
            "",
            "versions",
            "0",
            &"a".repeat(31),
            &"a".repeat(33),
            &"g".repeat(32),
            &"-".repeat(32),
            &"é".repeat(16),
        ] {
            assert_eq!(SecretVersion::parse(text), Err(Malformed::Version), "{text}");
        }
    }

    #[test]
    fn a_secret_is_usable_from_nbf_until_just_before_exp() {
        let window = Attributes {
            not_before: Some(100),
            expires: Some(200),
            ..Attributes::default()
        };
        assert_eq!(window.usable_at(99), Err(Unusable::NotYetValid));
        assert_eq!(window.usable_at(100), Ok(()));
        assert_eq!(window.usable_at(199), Ok(()));
        assert_eq!(window.usable_at(200), Err(Unusable::Expired));

        let disabled = Attributes {
            enabled: Some(false),
            ..window
        };
        assert_eq!(disabled.usable_at(150), Err(Unusable::Disabled));
        assert_eq!(Attributes::default().usable_at(i64::MAX), Ok(()));
    }

    #[test]
    fn a_value_does_not_show_in_debug() {
        let bundle = Bundle {
            value: SecretValue::new(Zeroizing::new("canary".into())),
            version: None,
            content_type: None,
            attributes: Attributes::default(),
        };
        assert!(!format!("{bundle:?}").contains("canary"));
    }
}
