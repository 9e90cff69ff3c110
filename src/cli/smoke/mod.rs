//! `handler smoke`: asks a deployed app what a browser would ask, and what has to be refused, and says for each failure
//! what to change.
//!
//! It changes nothing, and shows no credential and no secret. It knows of the app only what its answers say.

mod answer;
mod browser;
mod checks;
mod differences;
mod options;
mod remedies;
mod report;

use std::io;

use keyvault_cors::outbound::OutboundError;
use keyvault_cors::secret::SecretName;
use thiserror::Error;
use tokio::runtime;
use uuid::Uuid;

use self::answer::{Answer, Outcome, Sender};
use self::browser::{Browser, Key, Read};
use self::checks::{Checks, NO_ORACLE};
pub(crate) use self::options::{Arguments, Credential};
use self::options::{Options, UsageError};
use self::report::{Check, Checked};

/// A version that no secret has: the vault's are random.
const NO_VERSION: &str = "00000000000000000000000000000000";

const NO_KEY: &str = "the host lets no request through without a valid key";

/// What `smoke` says.
#[derive(Debug)]
pub(crate) struct Report {
    /// For people; no credential is in it.
    pub(crate) text: String,
    /// Whether any check failed.
    pub(crate) has_failed: bool,
}

/// Why nothing was asked.
#[derive(Debug, Error)]
pub(crate) enum SmokeError {
    /// An argument cannot be used.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// No certificates can be loaded.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// The system gives no means to wait for the network.
    #[error("the network cannot be used: {0}")]
    Runtime(#[from] io::Error),
}

/// Asks, and judges what comes.
///
/// # Errors
/// When nothing can be asked.
pub(crate) fn run(arguments: Arguments) -> Result<Report, SmokeError> {
    let options = Options::read(arguments)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let checked = runtime.block_on(ask(&options));
    // A DNS look-up that still blocks a thread would keep the process from ending.
    runtime.shutdown_background();
    let checked = checked?;
    Ok(Report {
        text: checked.text(&options),
        has_failed: checked.has_failed(),
    })
}

async fn ask(options: &Options) -> Result<Checked, OutboundError> {
    let browser = Browser::new(options)?;
    let made_up = format!("smoke-{}", Uuid::new_v4());
    let first = browser.read(Read::new(&made_up, &options.origin)).await;
    let refused_preflight = browser.preflight(&made_up, &options.refused_origin).await;
    let session = Session {
        options,
        browser,
        checks: Checks::new(options, &refused_preflight),
        made_up: &made_up,
        first,
    };
    let mut report = Checked::default();
    report.add(session.checks.answers(&session.first));
    if report.has_failed() {
        report.add(Check::not_run("everything else", "it needs an app that answers"));
        return Ok(report);
    }
    let allowed_preflight = session.browser.preflight(&made_up, &options.origin).await;
    session.judge_preflights(&refused_preflight, &allowed_preflight, &mut report);
    let mut reads = session.ask_gates(&mut report).await;
    reads.extend(session.read_secret(&mut report).await);
    reads.extend(session.ask_without_credentials(&mut report).await);
    session.ask_over_http(&mut report).await;
    reads.push(session.first);
    let preflights = [refused_preflight, allowed_preflight];
    report.add(session.checks.common_headers(&reads, &preflights));
    Ok(report)
}

/// One run against an app that answers. The methods return the answers, whose common headers are judged together.
struct Session<'a> {
    options: &'a Options,
    browser: Browser<'a>,
    checks: Checks<'a>,
    /// A name that no secret has.
    made_up: &'a str,
    /// The answer to a GET of it.
    first: Outcome,
}

impl Session<'_> {
    /// A read of the name that no secret has.
    fn read(&self) -> Read<'_> {
        Read::new(self.made_up, &self.options.origin)
    }

    /// Whether the host lets a request with the key pass.
    fn is_handler_reached(&self) -> bool {
        self.first
            .as_ref()
            .is_ok_and(|answer| answer.sender() == Sender::Handler)
    }

    /// Whether the caller is let in: the name is what the handler refuses.
    fn is_let_in(&self) -> bool {
        let is_let_in = |answer: &Answer| !matches!(answer.status.as_u16(), 401 | 403);
        self.is_handler_reached() && self.first.as_ref().is_ok_and(is_let_in)
    }

    fn judge_preflights(&self, refused: &Outcome, allowed: &Outcome, report: &mut Checked) {
        report.add(self.checks.who_answers_preflights(refused));
        report.add(self.checks.allowed_preflight(allowed));
        report.add(self.checks.refused_preflight(refused));
        report.add(self.checks.credentials(allowed, &self.first));
        report.add(self.checks.unknown(&self.first));
    }

    /// What the handler refuses, whoever the caller is.
    async fn ask_gates(&self, report: &mut Checked) -> Vec<Outcome> {
        if !self.is_handler_reached() {
            report.add(Check::not_run("what the handler has to refuse", NO_KEY));
            return Vec::new();
        }
        let from = |origin| Read { origin, ..self.read() };
        let refused = self.browser.read(from(Some(&self.options.refused_origin))).await;
        report.add(self.checks.refused_read(&refused));
        let null = self.browser.read(from(Some("null"))).await;
        report.add(self.checks.null_read(&null));
        let without = self.browser.read(from(None)).await;
        report.add(self.checks.read_without_origin(&without));
        let navigation = Read {
            is_navigation: true,
            ..self.read()
        };
        let navigation = self.browser.read(navigation).await;
        report.add(self.checks.navigation(&navigation));
        vec![refused, null, without, navigation]
    }

    /// The secret, and a version that does not exist: of the secret, or of another made-up name.
    async fn read_secret(&self, report: &mut Checked) -> Vec<Outcome> {
        let name = self.options.secret.as_ref().map(SecretName::as_str);
        if !self.is_let_in() {
            for title in ["a secret is served", NO_ORACLE] {
                report.add(Check::not_run(title, "the caller is not let in, see above"));
            }
            return Vec::new();
        }
        let mut answers = Vec::new();
        if let Some(name) = name {
            let secret = self.browser.read(Read::new(name, &self.options.origin)).await;
            report.add(self.checks.secret(name, &secret));
            answers.push(secret);
        } else {
            report.add(Check::not_run("a secret is served", "there is no --secret"));
        }
        let path = format!("{}/{NO_VERSION}", name.unwrap_or("another-made-up-name"));
        let version = self.browser.read(Read::new(&path, &self.options.origin)).await;
        report.add(self.checks.no_name_oracle(&self.first, &version));
        answers.push(version);
        answers
    }

    /// The same request without the credentials that let it in.
    async fn ask_without_credentials(&self, report: &mut Checked) -> Vec<Outcome> {
        let mut answers = Vec::new();
        if self.options.key.is_some() {
            let [without, wrong] = [Key::None, Key::Wrong].map(|key| Read { key, ..self.read() });
            let (without, wrong) = (self.browser.read(without).await, self.browser.read(wrong).await);
            report.add(self.checks.key(&without, &wrong));
        } else if self.options.token.is_none() && self.is_let_in() && !self.options.is_loopback {
            report.add(self.checks.nothing_needed(&self.first));
        } else {
            report.add(Check::not_run(
                "a wrong function key is refused",
                "there is no --key and no SMOKE_KEY",
            ));
        }
        if self.options.token.is_none() {
            report.add(Check::not_run(
                "a token is required",
                "there is no --token and no SMOKE_TOKEN",
            ));
        } else if self.is_handler_reached() {
            let without = Read {
                with_token: false,
                ..self.read()
            };
            let without = self.browser.read(without).await;
            report.add(self.checks.token(&without));
            answers.push(without);
        } else {
            report.add(Check::not_run("a token is required", NO_KEY));
        }
        answers
    }

    async fn ask_over_http(&self, report: &mut Checked) {
        if self.options.is_https {
            let answer = self.browser.read_insecurely(self.made_up).await;
            report.add(self.checks.insecure(&answer));
        } else {
            report.add(Check::not_run(
                "http is redirected to https",
                "URL itself is http, on this machine",
            ));
        }
    }
}
