//! A handler that wants Entra access tokens, and the requests that carry them.

use testkit::{Emulator, Secret};

use super::client::{Answer, Request};
use super::expect::Headers;
use super::handler::{Environment, Handler};
use super::{ORIGIN, PATH, Rig, SECRET, VALUE};

/// What the usual Entra configuration asks of a token.
pub(crate) const AUDIENCE: &str = "api://keyvault-cors-tests";
pub(crate) const SCOPE: &str = "secrets.read";
pub(crate) const ROLE: &str = "Secrets.Read.All";

/// The usual configuration with Entra on.
pub(crate) fn environment(emulator: &Emulator) -> Environment {
    Environment::of(emulator)
        .with("ENTRA_TENANT_ID", emulator.tenant())
        .with("ENTRA_AUDIENCE", AUDIENCE)
        .with("ENTRA_REQUIRED_SCOPES", SCOPE)
        .with("ENTRA_REQUIRED_ROLES", ROLE)
        .with("ENTRA_AUTHORITY_HOST", emulator.authority())
}

/// One handler with Entra on in front of an emulator that a test has prepared, and these settings over it.
pub(crate) async fn rig_with(emulator: Emulator, settings: &[(&str, &str)]) -> Rig {
    emulator.put(SECRET, Secret::new(VALUE));
    let environment = settings
        .iter()
        .fold(environment(&emulator), |environment, (name, value)| {
            environment.with(name, value)
        });
    let handler = Handler::start(environment).await;
    Rig { emulator, handler }
}

/// One emulator with one handler that has Entra on.
pub(crate) async fn rig() -> Rig {
    rig_with(Emulator::start().await.unwrap(), &[]).await
}

impl Rig {
    /// GET of the usual secret from the allowed origin with this token.
    pub(crate) async fn get_as(&self, token: &str) -> Answer {
        self.send(Request::get(PATH).origin(ORIGIN).bearer(token)).await
    }

    /// A token that the usual Entra configuration lets in.
    pub(crate) fn good_token(&self) -> String {
        self.emulator.mint(&self.emulator.user_claims(AUDIENCE, SCOPE))
    }

    /// The header set of a 401: the common one with the challenge.
    pub(crate) fn challenged(&self) -> Headers {
        let (authority, tenant) = (self.emulator.authority(), self.emulator.tenant());
        let challenge = format!("Bearer authorization=\"{authority}/{tenant}\", resource=\"{AUDIENCE}\"");
        Headers::json().readable_by(ORIGIN).with("www-authenticate", &challenge)
    }

    /// Fails unless the answer is the 401, whole.
    pub(crate) fn must_challenge(&self, label: &str, answer: &Answer) {
        answer.must_refuse(label, 401, ("Unauthorized", None), &self.challenged());
    }

    /// How often the authority was asked for metadata and for keys since the last reset of the counters.
    pub(crate) fn authority_requests(&self) -> (u64, u64) {
        let counters = self.emulator.counters();
        (counters.metadata, counters.keys)
    }
}

/// Fails unless the answer is the 403 for a caller who is known and not let in.
pub(crate) fn must_bar(label: &str, answer: &Answer) {
    let error = ("Forbidden", Some("CallerNotAllowed"));
    answer.must_refuse(label, 403, error, &Headers::json().readable_by(ORIGIN));
}

/// Fails unless the answer is the secret.
pub(crate) fn must_serve(label: &str, answer: &Answer) {
    answer.must_be(label, 200, &Headers::json().readable_by(ORIGIN));
    assert_eq!(answer.json()["value"], VALUE, "{label}");
}

/// A token, or a part of one, with another character at this place.
pub(crate) fn changed_at(text: &str, place: usize) -> String {
    assert!(place < text.len(), "{place} is behind the end of {text}");
    let other = |character| if character == 'A' { 'B' } else { 'A' };
    let characters = text.chars().enumerate();
    characters
        .map(|(at, character)| if at == place { other(character) } else { character })
        .collect()
}
