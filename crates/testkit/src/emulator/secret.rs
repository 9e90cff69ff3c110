//! A secret as the tests and the demo describe it.

use std::collections::BTreeMap;
use std::fmt;

/// What one version of a secret holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The value, at most 25 KiB in a real vault.
    pub value: String,
    /// The content type, free text.
    pub content_type: Option<String>,
    /// Whether the version may be read; true unless said otherwise.
    pub enabled: bool,
    /// `nbf` in Unix seconds. Key Vault shows it and does not enforce it.
    pub not_before: Option<i64>,
    /// `exp` in Unix seconds. Key Vault shows it and does not enforce it.
    pub expires: Option<i64>,
    /// Tags, name to value.
    pub tags: BTreeMap<String, String>,
    /// Whether a certificate owns the secret.
    pub managed: bool,
    /// The id of the key that belongs to a certificate's secret.
    pub kid: Option<String>,
}

impl Default for Secret {
    fn default() -> Self {
        Self {
            value: String::new(),
            content_type: None,
            enabled: true,
            not_before: None,
            expires: None,
            tags: BTreeMap::new(),
            managed: false,
            kid: None,
        }
    }
}

impl Secret {
    /// An enabled secret with this value and nothing else.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            ..Self::default()
        }
    }

    /// Sets the content type.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Disables the version: reading it is 403 `SecretDisabled`.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.enabled = false;
        self
    }

    /// Sets whether the version may be read.
    #[must_use]
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Sets `nbf`, in Unix seconds.
    #[must_use]
    pub fn not_before(mut self, unix_seconds: i64) -> Self {
        self.not_before = Some(unix_seconds);
        self
    }

    /// Sets `exp`, in Unix seconds.
    #[must_use]
    pub fn expires(mut self, unix_seconds: i64) -> Self {
        self.expires = Some(unix_seconds);
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(name.into(), value.into());
        self
    }

    /// Makes it a certificate's secret: managed, with this key id.
    #[must_use]
    pub fn certificate(mut self, kid: impl Into<String>) -> Self {
        self.managed = true;
        self.kid = Some(kid.into());
        self
    }

    /// Sets `managed` alone.
    #[must_use]
    pub fn managed(mut self, managed: bool) -> Self {
        self.managed = managed;
        self
    }

    /// Sets `kid` alone.
    #[must_use]
    pub fn kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }
}

/// Shows everything but the value, so that a failing test prints no secret and no test finds its own output.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("value", &"[hidden]")
            .field("content_type", &self.content_type)
            .field("enabled", &self.enabled)
            .field("not_before", &self.not_before)
            .field("expires", &self.expires)
            .field("tags", &self.tags)
            .field("managed", &self.managed)
            .field("kid", &self.kid)
            .finish()
    }
}
