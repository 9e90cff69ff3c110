//! What a page gets in place of a key: a short-lived credential that is made from it.
//!
//! `KIND NAME=VALUE …` becomes a [`Give`] when the configuration is read, so that a request cannot meet a bad rule.

use thiserror::Error;

use super::blob_sas::BlobSas;
pub use super::parameters::{GiveFault, Quoted};
use super::parameters::{KINDS, Parameters, nearest};
use super::pubsub_token::PubSubToken;
use super::speech_token::SpeechToken;

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

/// What is allowed and unwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GiveWarning {
    /// Writing for everybody who can send an `Origin`.
    #[error("`allow` lets every page and program that is let in write blobs, because Entra is off")]
    AnonymousWrite,
    /// Nothing asks who calls.
    #[error("everybody who can reach this app gets credentials: neither an Entra token nor a function key is required")]
    Anonymous,
    /// A role for every group of the hub.
    #[error("a role without a group holds for every group of the hub; write `{0}.GROUP`")]
    EveryGroup(&'static str),
}

/// The kinds, before their parameters are read.
#[derive(Clone, Copy)]
enum Kind {
    SpeechToken,
    PubSubToken,
    BlobSas,
}

impl Kind {
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
                nearest: nearest(word, KINDS),
            }]);
        };
        let mut parameters = Parameters::read(kind.name(), kind.parameters(), words);
        let give = match kind {
            Kind::SpeechToken => SpeechToken::read(&mut parameters).map(Self::SpeechToken),
            Kind::PubSubToken => PubSubToken::read(&mut parameters).map(Self::PubSubToken),
            Kind::BlobSas => BlobSas::read(&mut parameters).map(Self::BlobSas),
        };
        parameters.finish(give)
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

#[cfg(test)]
mod tests;
