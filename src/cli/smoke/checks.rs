//! The expected answers, check by check. Pure: each check takes answers that have already arrived.

use std::collections::HashSet;

use url::Url;

use super::answer::{Answer, Outcome, Sender, describe};
use super::differences::{Differences, PREFLIGHT_VARY, REQUEST_ID};
use super::options::Options;
use super::remedies::{NO_KEY_NEEDED, Remedies};
use super::report::Check;

const ALLOW_CREDENTIALS: &str = "access-control-allow-credentials";
const ALLOW_ORIGIN: &str = "access-control-allow-origin";

/// The title of a check.
pub(super) const NO_ORACLE: &str = "an answer does not tell whether a secret exists";
const NOBODY: &str = "nobody answers preflights, see above";

/// The checks of one app.
#[derive(Debug)]
pub(super) struct Checks<'a> {
    options: &'a Options,
    remedies: Remedies<'a>,
    /// Who answers preflights, as far as it is known.
    preflights: Option<Sender>,
}

impl<'a> Checks<'a> {
    /// Takes the answer to a preflight of the origin to be refused, because a refusal shows who answers preflights: the
    /// handler with a 403 in its own format, the platform without an error body.
    pub(super) fn new(options: &'a Options, refused_preflight: &Outcome) -> Self {
        let preflights = match refused_preflight {
            Ok(answer) if answer.preflight_sender() == Sender::Handler => Some(Sender::Handler),
            Ok(answer) if matches!(answer.status.as_u16(), 200 | 204 | 400) => Some(Sender::Host),
            _ => None,
        };
        Self {
            options,
            remedies: Remedies::new(options),
            preflights,
        }
    }

    /// The app answers at all: the handler, or the host that wants a key.
    pub(super) fn answers(&self, first: &Outcome) -> Check {
        let answers = |answer: &Answer| answer.sender() == Sender::Handler || answer.status == 401;
        let mut differences = Differences::default();
        if !first.as_ref().is_ok_and(answers) {
            differences.add("an answer of the handler, or 401 of the host", describe(first));
        }
        let title = format!("the app answers at {}", self.options.base);
        Check::new(title, differences, |_| self.remedies.explain(first))
    }

    pub(super) fn who_answers_preflights(&self, refused: &Outcome) -> Check {
        let mut differences = Differences::default();
        let title = match self.preflights {
            Some(Sender::Handler) => "preflights are answered by the handler",
            Some(Sender::Host) => "preflights are answered by the platform, from its own CORS list",
            None => {
                differences.add("403 of the handler, or 204 of the platform", describe(refused));
                "preflights are answered by the handler or the platform"
            }
        };
        Check::new(title, differences, |_| self.remedies.preflight(refused))
    }

    pub(super) fn refused_preflight(&self, outcome: &Outcome) -> Check {
        let title = format!("a preflight of {} is refused", self.options.refused_origin);
        let (Some(sender), Ok(answer)) = (self.preflights, outcome) else {
            return Check::not_run(title, NOBODY);
        };
        let mut differences = Differences::default();
        if sender == Sender::Handler {
            differences.want_error(answer, "403 Forbidden/OriginNotAllowed");
            differences.want_members(answer, "vary", &PREFLIGHT_VARY);
        }
        differences.want_unreadable(answer);
        let allowed = answer.header(ALLOW_ORIGIN);
        Check::new(title, differences, |_| match (sender, allowed.as_deref()) {
            (Sender::Host, Some(origin)) => self.remedies.platform_lists(origin),
            (Sender::Handler, Some("*")) => self.remedies.any_origin(),
            (Sender::Handler, _) if answer.status == 204 => self.remedies.refuse_origin(),
            _ => self.remedies.changed(),
        })
    }

    pub(super) fn allowed_preflight(&self, outcome: &Outcome) -> Check {
        let names = self.options.credential_headers();
        let with = if names.is_empty() { "" } else { ", with " };
        let title = format!(
            "a preflight of {} is allowed{with}{}",
            self.options.origin,
            names.join(" and ")
        );
        let Some(sender) = self.preflights else {
            return Check::not_run(title, NOBODY);
        };
        let mut differences = Differences::default();
        let answer = match outcome {
            Ok(answer) if matches!(answer.status.as_u16(), 200 | 204) => answer,
            _ => {
                differences.add("204", describe(outcome));
                return Check::new(title, differences, |_| self.remedies.preflight(outcome));
            }
        };
        differences.want(answer, ALLOW_ORIGIN, &self.options.origin);
        differences.want_members(answer, "access-control-allow-headers", &names);
        differences.want_credentials_of_form(answer);
        if sender == Sender::Handler {
            differences.want_full_lists(answer);
        }
        let is_bare = !answer.headers.contains_key(ALLOW_ORIGIN);
        Check::new(title, differences, |differences| match sender {
            Sender::Host if is_bare => self.remedies.platform_lacks(),
            _ => self.remedies.headers(differences, answer, self.preflights),
        })
    }

    /// A page that sends cookies needs the permission in both answers.
    pub(super) fn credentials(&self, preflight: &Outcome, read: &Outcome) -> Check {
        let title = "a preflight and a GET agree on credentials";
        let (Some(sender), Ok(preflight), Ok(read)) = (self.preflights, preflight, read) else {
            return Check::not_run(title, NOBODY);
        };
        let is_granted = |answer: &Answer| answer.headers.contains_key(ALLOW_ORIGIN);
        if !is_granted(preflight) || !is_granted(read) || read.sender() == Sender::Host {
            return Check::not_run(title, "one of the two is not allowed, see above");
        }
        let [asked, given] = [preflight, read].map(|answer| answer.headers.contains_key(ALLOW_CREDENTIALS));
        let mut differences = Differences::default();
        if asked != given {
            let word = |has: bool| if has { ALLOW_CREDENTIALS } else { "none" };
            differences.add(
                format!("{} in the preflight, as in the answer to a GET", word(given)),
                word(asked),
            );
        }
        Check::new(title, differences, |_| self.remedies.credentials(given, sender))
    }

    /// A name that nobody gave is not found, and the page can read that.
    pub(super) fn unknown(&self, outcome: &Outcome) -> Check {
        let origin = &self.options.origin;
        let title = format!("a made-up secret is not found, and {origin} can read that");
        self.refusal(title, outcome, "404 SecretNotFound", Some(origin), || {
            self.remedies.explain(outcome)
        })
    }

    pub(super) fn refused_read(&self, outcome: &Outcome) -> Check {
        let title = format!("a GET from {} is refused", self.options.refused_origin);
        self.refusal(title, outcome, "403 Forbidden/OriginNotAllowed", None, || {
            self.remedies.not_refused(outcome)
        })
    }

    pub(super) fn null_read(&self, outcome: &Outcome) -> Check {
        let title = "a GET from the origin null (a sandboxed frame, a file) is refused";
        self.refusal(
            title.to_owned(),
            outcome,
            "403 Forbidden/OriginNotAllowed",
            None,
            || self.remedies.not_refused(outcome),
        )
    }

    pub(super) fn read_without_origin(&self, outcome: &Outcome) -> Check {
        match outcome {
            Ok(answer) if answer.sender() == Sender::Handler && answer.code() != "OriginNotAllowed" => {
                let mut differences = Differences::default();
                differences.want_unreadable(answer);
                let title = "a GET without an origin is answered: REQUIRE_ORIGIN is false";
                Check::new(title, differences, |_| self.remedies.changed())
            }
            _ => {
                let title = "a GET without an origin is refused".to_owned();
                self.refusal(title, outcome, "403 Forbidden/OriginNotAllowed", None, || {
                    self.remedies.not_refused(outcome)
                })
            }
        }
    }

    pub(super) fn navigation(&self, outcome: &Outcome) -> Check {
        let title = "a navigation to a secret is refused".to_owned();
        // The origin comes first, whatever the navigation.
        if outcome.as_ref().is_ok_and(|answer| answer.code() == "OriginNotAllowed") {
            return Check::not_run(title, "the origin is not allowed, see above");
        }
        self.refusal(
            title,
            outcome,
            "403 Forbidden/FetchMetadata",
            Some(&self.options.origin),
            || self.remedies.not_refused(outcome),
        )
    }

    /// `unknown` is the refusal of a made-up name, `other` that of a version that does not exist, of a name that may
    /// exist: the two must be the same except for their ids.
    pub(super) fn no_name_oracle(&self, unknown: &Outcome, other: &Outcome) -> Check {
        let mut differences = Differences::default();
        match (unknown, other) {
            (Ok(_), Ok(other)) if matches!(other.status.as_u16(), 429 | 502 | 503) => {
                return Check::not_run(NO_ORACLE, "the vault cannot be read");
            }
            (Ok(unknown), Ok(other)) if unknown.status == other.status => {
                differences.want_same(unknown, other);
            }
            _ => differences.add(
                format!("{} for an unknown version, as for a made-up name", describe(unknown)),
                describe(other),
            ),
        }
        Check::new(NO_ORACLE, differences, |_| self.remedies.changed())
    }

    pub(super) fn secret(&self, name: &str, outcome: &Outcome) -> Check {
        let title = format!("the secret {name} is served to {}", self.options.origin);
        let mut differences = Differences::default();
        let answer = match outcome {
            Ok(answer) if answer.status == 200 => answer,
            _ => {
                differences.add("200 with a secret", describe(outcome));
                return Check::new(title, differences, |_| self.remedies.explain(outcome));
            }
        };
        if answer.bundle().is_none_or(|bundle| !is_id_of(&bundle.id, name)) {
            differences.add(
                "a secret bundle with value and id, and no other vault's fields",
                "200 with another body",
            );
        }
        differences.want_readable_by(answer, &self.options.origin);
        Check::new(title, differences, |differences| {
            self.remedies.headers(differences, answer, self.preflights)
        })
    }

    /// Without a key, and with one that no function has.
    pub(super) fn key(&self, without: &Outcome, wrong: &Outcome) -> Check {
        let mut differences = Differences::default();
        let mut unexpected = without;
        for (label, outcome) in [("without", without), ("wrong", wrong)] {
            let is_refused = |answer: &Answer| answer.sender() == Sender::Host && answer.status == 401;
            if !outcome.as_ref().is_ok_and(is_refused) {
                differences.add("401 of the host", format!("{label}: {}", describe(outcome)));
                unexpected = outcome;
            }
        }
        let title = "a GET without the function key, or with a wrong one, is refused by the host";
        Check::new(title, differences, |_| match unexpected {
            Ok(answer) if answer.sender() == Sender::Handler => NO_KEY_NEEDED.to_owned(),
            _ => self.remedies.explain(unexpected),
        })
    }

    pub(super) fn token(&self, without: &Outcome) -> Check {
        let title = "a GET without a token is refused with a challenge";
        let mut differences = Differences::default();
        if let Ok(answer) = without
            && answer.status == 401
            && answer.sender() == Sender::Handler
        {
            let is_challenge = |value: &str| {
                let resource = value
                    .strip_prefix("Bearer authorization=\"")
                    .and_then(|rest| rest.split_once("\", resource=\""));
                resource.is_some_and(|(authority, rest)| {
                    authority.starts_with("http") && rest.len() > 1 && rest.ends_with('"')
                })
            };
            let form = "Bearer authorization=\"…\", resource=\"…\"";
            differences.want_form(answer, "www-authenticate", is_challenge, form);
            differences.want_readable_by(answer, &self.options.origin);
            return Check::new(title, differences, |differences| {
                self.remedies.headers(differences, answer, self.preflights)
            });
        }
        differences.add("401 Unauthorized", describe(without));
        Check::new(title, differences, |_| match without {
            Ok(answer) if answer.sender() == Sender::Handler => self.remedies.no_token_needed(),
            _ => self.remedies.explain(without),
        })
    }

    /// For a run that has neither key nor token and is let in nevertheless.
    pub(super) fn nothing_needed(&self, first: &Outcome) -> Check {
        let differences = Differences::of("401 for a caller without key and token", describe(first));
        let title = "a GET without a key and a token is refused";
        Check::new(title, differences, |_| self.remedies.nothing_needed())
    }

    pub(super) fn insecure(&self, outcome: &Outcome) -> Check {
        let is_secure = |answer: &Answer| {
            let location = answer.header("location").unwrap_or_default();
            matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) && location.starts_with("https://")
        };
        let mut differences = Differences::default();
        if outcome.as_ref().is_ok_and(|answer| !is_secure(answer)) {
            differences.add("a redirect to https, or no answer", describe(outcome));
        }
        let title = format!("http://{} serves nothing", self.options.host);
        Check::new(title, differences, |_| self.remedies.insecure())
    }

    /// What every answer of the handler must have, whatever its status.
    pub(super) fn common_headers(&self, outcomes: &[Outcome], preflights: &[Outcome]) -> Check {
        let reads = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok());
        let reads = reads.filter(|answer| answer.sender() == Sender::Handler);
        let by_handler = self.preflights == Some(Sender::Handler);
        let preflights = preflights.iter().filter_map(|outcome| outcome.as_ref().ok());
        let title = "every answer has the common headers, and an id of its own";
        let mut differences = Differences::default();
        let mut ids = HashSet::new();
        let mut count = 0;
        for answer in reads.chain(preflights.filter(|_| by_handler)) {
            count += 1;
            differences.want_common_headers(answer);
            let id = answer.header(REQUEST_ID);
            if id.is_some_and(|id| !ids.insert(id)) {
                differences.add(format!("{REQUEST_ID}: a fresh one"), format!("{REQUEST_ID}: one twice"));
            }
        }
        if count == 0 {
            return Check::not_run(title, "the handler answers nothing, see above");
        }
        Check::new(title, differences, |_| self.remedies.changed())
    }

    /// The handler's refusal, readable by one origin or by none.
    fn refusal(
        &self,
        title: String,
        outcome: &Outcome,
        error: &str,
        reader: Option<&str>,
        remedy: impl FnOnce() -> String,
    ) -> Check {
        let mut differences = Differences::default();
        let answer = match outcome {
            Ok(answer) if answer.describe() == error => answer,
            _ => {
                differences.add(error, describe(outcome));
                return Check::new(title, differences, |_| remedy());
            }
        };
        match reader {
            Some(origin) => differences.want_readable_by(answer, origin),
            None => differences.want_unreadable(answer),
        }
        Check::new(title, differences, |differences| {
            self.remedies.headers(differences, answer, self.preflights)
        })
    }
}

/// Whether `id` is the identifier of a version of the secret.
fn is_id_of(id: &str, name: &str) -> bool {
    let url = Url::parse(id).ok();
    let segments: Vec<_> = url.iter().filter_map(Url::path_segments).flatten().collect();
    matches!(&segments[..], ["secrets", own, version] if *own == name && !version.is_empty())
}
