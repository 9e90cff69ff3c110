//! What a page gets for a secret: Key Vault's bundle as JSON with our own `id`, or a credential made from it.
//!
//! The only module that takes a secret's bytes out of their type. It knows neither the vault nor HTTP's status codes.

mod blob_sas;
mod bundle;
mod exchange;
mod give;
mod parameters;
mod pubsub_token;
mod speech_token;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

pub use self::blob_sas::BlobSas;
use self::bundle::{RenderedAttributes, RenderedBundle};
use self::exchange::Exchange;
pub use self::give::{Give, GiveFault, GiveWarning, Quoted};
use self::parameters::Unfit;
pub use self::pubsub_token::PubSubToken;
pub use self::speech_token::SpeechToken;
use crate::secret::{Attributes, Bundle, SecretKey, SecretName, SecretValue};

/// What answers carry.
#[derive(Clone, Debug)]
pub struct Options {
    /// The host in the `id` of a bundle: the app's own, so that the vault's
    /// name never leaves.
    pub public_host: String,
    /// The secrets that are keys, and what is given in their place.
    pub gives: HashMap<SecretName, Give>,
    /// Bound on having a credential made by its service, for which callers wait.
    pub timeout: Duration,
}

/// Why there is no credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GiveError {
    /// The secret is not a key of the credential's kind, or its service does not accept it.
    #[error("{0}")]
    Refused(&'static str),
    /// The credential's service cannot be had.
    #[error("{reason}")]
    Unavailable {
        /// When it is asked again.
        retry_after: Duration,
        /// What happened.
        reason: &'static str,
    },
    /// The credential names the caller, whose token names no user.
    #[error("the caller's token has no oid, which the credential would name")]
    NoUser,
}

/// Who gets it, and when.
#[derive(Clone, Copy, Debug)]
pub struct Recipient<'a> {
    /// The caller's object id, where that is known.
    pub oid: Option<&'a str>,
    /// Wall time in Unix seconds.
    pub now: i64,
}

/// A credential as the body of an answer, and what may be said of it.
#[derive(Clone)]
pub struct Given {
    /// The JSON, in Key Vault's shape. Its bytes are zeroed when the answer has been sent.
    pub body: Bytes,
    /// The kind's name.
    pub kind: &'static str,
    /// When it ends, in Unix seconds.
    pub ends: i64,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given")
            .field("kind", &self.kind)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

impl From<Unfit> for GiveError {
    fn from(unfit: Unfit) -> Self {
        Self::Refused(unfit.0)
    }
}

/// Turns bundles into what answers are made from; a clone shares its state.
#[derive(Clone, Debug)]
pub struct Renderer {
    public_host: Arc<str>,
    gives: Arc<HashMap<SecretName, Arc<Giver>>>,
}

/// What makes credentials of one key.
#[derive(Debug)]
struct Giver {
    give: Give,
    /// For a kind that its service makes.
    exchange: Arc<Exchange>,
}

impl Renderer {
    /// A renderer with these options.
    pub fn new(options: Options) -> Self {
        let giver = |give| Giver {
            give,
            exchange: Arc::new(Exchange::new(options.timeout)),
        };
        let keys = options.gives.into_iter();
        Self {
            public_host: options.public_host.into(),
            gives: Arc::new(keys.map(|(name, give)| (name, Arc::new(giver(give)))).collect()),
        }
    }

    /// Makes `bundle` ready for answers to requests for `key`.
    pub fn render(&self, key: &SecretKey, bundle: Bundle) -> Delivery {
        let id = bundle::id(&self.public_host, key, bundle.version.as_ref());
        let content = match self.gives.get(&key.name) {
            Some(giver) => Content::Key(Key {
                giver: Arc::clone(giver),
                value: bundle.value,
                id,
            }),
            None => Content::Bundle(
                RenderedBundle {
                    value: text(&bundle.value),
                    id: &id,
                    content_type: bundle.content_type.as_deref(),
                    attributes: bundle.attributes.into(),
                }
                .into_body(),
            ),
        };
        Delivery {
            attributes: bundle.attributes,
            content,
        }
    }
}

/// A secret's bytes. This is the one place outside tests where they come out of their type: for the body of an answer,
/// and for what makes a credential of them; the gates are in front of every use.
fn text(value: &SecretValue) -> &str {
    value.expose()
}

/// A secret, ready to be served.
pub struct Delivery {
    attributes: Attributes,
    content: Content,
}

enum Content {
    /// Rendered once, shared by every answer.
    Bundle(Bytes),
    /// Never rendered: there is no body that could carry it.
    Key(Key),
}

struct Key {
    giver: Arc<Giver>,
    value: SecretValue,
    id: String,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("attributes", &self.attributes)
            .finish_non_exhaustive()
    }
}

impl Delivery {
    /// What decides whether it may be served at a time.
    pub fn attributes(&self) -> Attributes {
        self.attributes
    }

    /// The JSON of a secret that is served itself, sharing its bytes with every other answer. A key has none: what is
    /// given in its place is made by [`Self::give`].
    pub fn body(&self) -> Option<Bytes> {
        match &self.content {
            Content::Bundle(body) => Some(body.clone()),
            Content::Key(_) => None,
        }
    }

    /// The credential that is given in place of this key. `read_again` reads the key from the vault once more, in case
    /// the service that makes the credential does not know it any more.
    ///
    /// # Errors
    /// [`GiveError`]; a secret that is no key is refused.
    pub async fn give<F, R>(self: &Arc<Self>, to: Recipient<'_>, read_again: F) -> Result<Given, GiveError>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = Option<Arc<Self>>> + Send,
    {
        match &self.content {
            Content::Bundle(_) => Err(GiveError::Refused("nothing is given in place of this secret")),
            Content::Key(key) => key.give(self, to, read_again).await,
        }
    }

    /// The key in it, where it is one.
    fn key(&self) -> Option<&str> {
        match &self.content {
            Content::Bundle(_) => None,
            Content::Key(key) => Some(text(&key.value)),
        }
    }

    /// The `id` of the key in it, by which versions are told apart.
    fn key_id(&self) -> Option<&str> {
        match &self.content {
            Content::Bundle(_) => None,
            Content::Key(key) => Some(&key.id),
        }
    }
}

impl Key {
    async fn give<F, R>(&self, delivery: &Arc<Delivery>, to: Recipient<'_>, again: F) -> Result<Given, GiveError>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = Option<Arc<Delivery>>> + Send,
    {
        let key_ends = delivery.attributes.expires;
        match &self.giver.give {
            Give::BlobSas(sas) => {
                let credential = sas.make(text(&self.value), to.now, key_ends)?;
                Ok(self.given(&self.id, &credential.value, credential.ends))
            }
            Give::PubSubToken(token) => {
                if token.names_the_caller() && to.oid.is_none() {
                    return Err(GiveError::NoUser);
                }
                let credential = token.make(text(&self.value), to.oid, to.now, key_ends)?;
                Ok(self.given(&self.id, &credential.value, credential.ends))
            }
            Give::SpeechToken(service) => {
                let token = self.giver.exchange.token(service, delivery, to.now, again).await?;
                let ends = token.credential.ends;
                // The key's end may have been moved since the token was made.
                let ends = key_ends.map_or(ends, |key_ends| ends.min(key_ends));
                Ok(self.given(&token.key_id, &token.credential.value, ends))
            }
        }
    }

    /// A credential made from the key `id`.
    fn given(&self, id: &str, value: &str, ends: i64) -> Given {
        let give = &self.giver.give;
        let rendered = RenderedBundle {
            value,
            id,
            content_type: Some(give.content_type()),
            attributes: RenderedAttributes::from(Attributes {
                enabled: Some(true),
                expires: Some(ends),
                ..Attributes::default()
            }),
        };
        Given {
            body: rendered.into_body(),
            kind: give.kind(),
            ends,
        }
    }
}

#[cfg(test)]
mod tests;
