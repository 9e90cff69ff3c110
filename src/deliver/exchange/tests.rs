use std::collections::HashMap;

use tokio::time::advance;
use zeroize::Zeroizing;

use super::*;
use crate::deliver::{Give, Options, Renderer};
use crate::secret::{Attributes, Bundle, SecretKey, SecretValue, SecretVersion};

const NOW: i64 = 1_800_000_000;
const UNAVAILABLE: GiveError = GiveError::Unavailable {
    retry_after: FIRST_PAUSE,
    reason: "the service fails",
};

/// A key's version, which ends at `expires`.
fn delivery(version: char, expires: Option<i64>) -> Arc<Delivery> {
    let key = SecretKey::parse("speech", None).unwrap();
    let renderer = Renderer::new(Options {
        public_host: "h".to_owned(),
        gives: HashMap::from([(key.name.clone(), Give::parse("speech-token region=r").unwrap())]),
        timeout: Duration::from_secs(5),
    });
    let bundle = Bundle {
        value: SecretValue::new(Zeroizing::new("canary".to_owned())),
        version: Some(SecretVersion::parse(&version.to_string().repeat(32)).unwrap()),
        content_type: None,
        attributes: Attributes {
            expires,
            ..Attributes::default()
        },
    };
    Arc::new(renderer.render(&key, bundle))
}

fn credential(ends: i64) -> Credential {
    Credential {
        value: Zeroizing::new(format!("token until {ends}")),
        ends,
    }
}

/// What requests get, and how many fetches they began.
#[derive(Default)]
struct Service {
    state: State,
    fetches: Vec<watch::Sender<Option<Outcome>>>,
}

impl Service {
    fn ask(&mut self, delivery: &Delivery, now: i64) -> NextStep {
        let fetches = &mut self.fetches;
        self.state.next_step(delivery, now, || {
            let (sender, receiver) = watch::channel(None);
            fetches.push(sender);
            receiver
        })
    }

    /// The end of the token that is at hand; the error; or `None` where the request waits.
    fn ends(&mut self, delivery: &Delivery, now: i64) -> Option<Result<i64, GiveError>> {
        match self.ask(delivery, now) {
            NextStep::Answer(outcome) => Some(outcome.map(|token| token.credential.ends)),
            NextStep::Wait(_) => None,
        }
    }

    fn bring(&mut self, delivery: &Delivery, now: i64, ends: i64) {
        let token = Token::new(credential(ends), delivery, now);
        assert!(self.state.store(token, Instant::now()).is_ok());
    }

    fn fail(&mut self, error: GiveError) -> Option<GiveError> {
        self.state.store(Err(error), Instant::now()).err()
    }
}

#[tokio::test(start_paused = true)]
async fn one_fetch_serves_everybody_and_the_next_begins_at_half_the_life() {
    let (mut service, key) = (Service::default(), delivery('1', None));
    assert_eq!(service.ends(&key, NOW), None);
    assert_eq!(service.ends(&key, NOW), None);
    assert_eq!(service.fetches.len(), 1);
    service.bring(&key, NOW, NOW + 600);
    assert_eq!(service.ends(&key, NOW + 299), Some(Ok(NOW + 600)));
    assert_eq!(service.fetches.len(), 1);
    // In the background: the old one still serves.
    assert_eq!(service.ends(&key, NOW + 300), Some(Ok(NOW + 600)));
    assert_eq!(service.ends(&key, NOW + 301), Some(Ok(NOW + 600)));
    assert_eq!(service.fetches.len(), 2);
    service.bring(&key, NOW + 301, NOW + 901);
    assert_eq!(service.ends(&key, NOW + 302), Some(Ok(NOW + 901)));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_not_served_past_its_end() {
    let (mut service, key) = (Service::default(), delivery('1', None));
    service.ends(&key, NOW);
    service.bring(&key, NOW, NOW + 600);
    assert_eq!(service.ends(&key, NOW + 400), Some(Ok(NOW + 600)));
    service.fail(UNAVAILABLE);
    assert_eq!(service.ends(&key, NOW + 599), Some(Ok(NOW + 600)));
    assert_eq!(service.ends(&key, NOW + 600), Some(Err(UNAVAILABLE)));
}

#[tokio::test(start_paused = true)]
async fn a_token_ends_with_its_key_and_is_not_renewed_for_that() {
    let (mut service, key) = (Service::default(), delivery('1', Some(NOW + 20)));
    service.ends(&key, NOW);
    service.bring(&key, NOW, NOW + 600);
    assert_eq!(service.ends(&key, NOW + 19), Some(Ok(NOW + 20)));
    assert_eq!(service.fetches.len(), 1);
    let ended = Token::new(credential(NOW), &key, NOW).map(|token| token.credential.ends);
    assert_eq!(ended, Err(unavailable(ENDED, FIRST_PAUSE)));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_remembered_twice_as_long_each_time_up_to_30_s() {
    let (mut service, key) = (Service::default(), delivery('1', None));
    for (tries, seconds) in [1, 2, 4, 8, 16, 30, 30].into_iter().enumerate() {
        assert_eq!(service.ends(&key, NOW), None);
        assert_eq!(service.fetches.len(), tries + 1);
        let pause = Duration::from_secs(seconds);
        assert_eq!(service.fail(UNAVAILABLE), Some(unavailable("the service fails", pause)));
        advance(pause.saturating_sub(Duration::from_millis(1))).await;
        let left = unavailable("the service fails", Duration::from_millis(1));
        assert_eq!(service.ends(&key, NOW), Some(Err(left)));
        advance(Duration::from_millis(1)).await;
    }
    service.ends(&key, NOW);
    service.bring(&key, NOW, NOW + 1);
    assert_eq!(service.ends(&key, NOW + 1), None);
    assert_eq!(service.fail(UNAVAILABLE), Some(UNAVAILABLE));
}

#[tokio::test(start_paused = true)]
async fn the_services_own_time_to_retry_holds_up_to_a_minute() {
    let (mut service, key) = (Service::default(), delivery('1', None));
    for (asked, held) in [(0, 1), (20, 20), (3600, 60)] {
        service.ends(&key, NOW);
        let throttled = |seconds| unavailable(THROTTLED, Duration::from_secs(seconds));
        assert_eq!(service.fail(throttled(asked)), Some(throttled(held)));
        advance(Duration::from_mins(1)).await;
    }
    service.ends(&key, NOW);
    assert_eq!(
        service.fail(GiveError::Refused(REFUSED)),
        Some(GiveError::Refused(REFUSED))
    );
    assert_eq!(service.ends(&key, NOW), Some(Err(GiveError::Refused(REFUSED))));
}

#[tokio::test(start_paused = true)]
async fn another_version_of_the_key_has_tokens_of_its_own() {
    let (mut service, old, new) = (Service::default(), delivery('1', None), delivery('2', None));
    service.ends(&old, NOW);
    service.bring(&old, NOW, NOW + 600);
    assert_eq!(service.ends(&new, NOW + 1), None);
    assert_eq!(service.fetches.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_broke_off_is_begun_again() {
    let (mut service, key) = (Service::default(), delivery('1', None));
    assert_eq!(service.ends(&key, NOW), None);
    service.fetches.clear();
    assert_eq!(service.ends(&key, NOW), None);
    assert_eq!(service.fetches.len(), 1);
}
