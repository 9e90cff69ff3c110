//! Every rule of the supplier, on a paused clock.

use std::collections::VecDeque;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::source::Fetched;
use super::*;

const SCOPE: &str = "https://vault.azure.net/.default";
const DAY: Duration = Duration::from_hours(24);

/// What the source does with a try.
#[derive(Clone, Debug)]
enum Behaviour {
    /// Brings a token of this life, this much later.
    Bring {
        life: Duration,
        latency: Duration,
        refresh_in: Option<Duration>,
    },
    /// Fails at once.
    Fail(TokenError),
    Hang,
    Panic,
}

/// A token that is good for a day, at once.
fn for_a_day() -> Behaviour {
    living(DAY)
}

fn living(life: Duration) -> Behaviour {
    Behaviour::Bring {
        life,
        latency: Duration::ZERO,
        refresh_in: None,
    }
}

fn after(latency: Duration) -> Behaviour {
    Behaviour::Bring {
        life: DAY,
        latency,
        refresh_in: None,
    }
}

/// A source that does as it is told, the last thing again and again, and writes down when it was asked.
#[derive(Default)]
struct Script {
    behaviours: Mutex<VecDeque<Behaviour>>,
    tries: Mutex<Vec<(Instant, String)>>,
}

impl Script {
    fn new(behaviours: impl IntoIterator<Item = Behaviour>) -> Arc<Self> {
        Arc::new(Self {
            behaviours: Mutex::new(behaviours.into_iter().collect()),
            ..Self::default()
        })
    }

    fn tries(&self) -> usize {
        self.tries.lock().unwrap().len()
    }

    /// Seconds between the tries.
    fn gaps(&self) -> Vec<u64> {
        let tries = self.tries.lock().unwrap();
        tries.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_secs()).collect()
    }

    fn supplier(self: &Arc<Self>) -> Supplier {
        Supplier::new(Arc::clone(self) as Arc<dyn Source>, SCOPE)
    }
}

#[async_trait::async_trait]
impl Source for Script {
    async fn fetch(&self, scope: &str) -> Result<Fetched, TokenError> {
        let number = {
            let mut tries = self.tries.lock().unwrap();
            tries.push((Instant::now(), scope.to_owned()));
            tries.len()
        };
        let behaviour = {
            let mut behaviours = self.behaviours.lock().unwrap();
            let first = behaviours.front().cloned().unwrap();
            if behaviours.len() > 1 {
                behaviours.pop_front();
            }
            first
        };
        match behaviour {
            Behaviour::Bring {
                life,
                latency,
                refresh_in,
            } => {
                sleep(latency).await;
                Ok(Fetched {
                    bearer: Secret::new(number.to_string()),
                    life,
                    refresh_in,
                })
            }
            Behaviour::Fail(cause) => Err(cause),
            Behaviour::Hang => std::future::pending().await,
            Behaviour::Panic => panic!("told to"),
        }
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(30)
    }
}

/// The number of the try that brought the token, and how long that took.
async fn get(supplier: &Supplier) -> (Result<String, TokenError>, Duration) {
    let started = Instant::now();
    let token = supplier.token(SCOPE, started + Duration::from_secs(5)).await;
    let bearer = token.map(|token| token.bearer.secret().to_owned());
    (bearer.map_err(|none| none.cause), started.elapsed())
}

async fn current(supplier: &Supplier) -> Token {
    supplier
        .token(SCOPE, Instant::now() + Duration::from_secs(5))
        .await
        .unwrap()
}

fn at_once(number: u32) -> (Result<String, TokenError>, Duration) {
    (Ok(number.to_string()), Duration::ZERO)
}

#[tokio::test(start_paused = true)]
async fn nobody_asks_nothing_is_fetched_and_one_token_serves_all() {
    let source = Script::new([after(Duration::from_secs(1))]);
    let supplier = Arc::new(source.supplier());
    sleep(DAY).await;
    assert_eq!(source.tries(), 0);
    let mut callers = JoinSet::new();
    for _ in 0..100 {
        let supplier = Arc::clone(&supplier);
        callers.spawn(async move { get(&supplier).await });
    }
    for answer in callers.join_all().await {
        assert_eq!(answer, (Ok("1".to_owned()), Duration::from_secs(1)));
    }
    assert_eq!(get(&supplier).await, at_once(1));
    assert_eq!(source.tries(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_token_outlives_those_who_wait_for_it() {
    let source = Script::new([after(Duration::from_secs(15))]);
    let supplier = source.supplier();
    for _ in 0..2 {
        assert_eq!(get(&supplier).await, (Err(TokenError::Timeout), Duration::from_secs(5)));
    }
    drop(timeout(Duration::from_secs(1), get(&supplier)).await);
    assert_eq!(get(&supplier).await, (Ok("1".to_owned()), Duration::from_secs(4)));
    assert_eq!(source.tries(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_try_ends_after_its_limit_and_the_next_one_follows() {
    let source = Script::new([Behaviour::Hang, for_a_day()]);
    let supplier = source.supplier();
    supplier.prepare();
    sleep(Duration::from_secs(32)).await;
    assert_eq!(get(&supplier).await, at_once(2));
    assert_eq!(source.gaps(), [31]);
}

#[tokio::test(start_paused = true)]
async fn failed_tries_are_1_s_apart_doubling_to_30() {
    let source = Script::new([Behaviour::Fail(TokenError::Status(500))]);
    let supplier = source.supplier();
    supplier.prepare();
    sleep(Duration::from_mins(3)).await;
    assert_eq!(source.gaps()[..7], [1, 2, 4, 8, 16, 30, 30]);
    // Who would have to wait past the deadline is told at once, and for how long.
    let none = supplier.token(SCOPE, Instant::now() + Duration::from_secs(5)).await;
    let none = none.expect_err("no token");
    assert_eq!(supplier.refusal(Duration::from_secs(5)), Some(none.clone()));
    assert_eq!(supplier.refusal(Duration::from_secs(31)), None);
    assert_eq!(none.cause, TokenError::Status(500));
    assert!(
        none.retry_after.is_some_and(|wait| wait > Duration::from_secs(5)),
        "{none:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_gets_the_token_of_the_next_try() {
    let failure = Behaviour::Fail(TokenError::Unreachable);
    let source = Script::new([failure.clone(), failure, for_a_day()]);
    let supplier = source.supplier();
    assert_eq!(get(&supplier).await, (Ok("3".to_owned()), Duration::from_secs(3)));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_in_the_background_while_the_old_one_serves() {
    for (life, refresh_in, renewed_after) in [
        (Duration::from_hours(1), None, Duration::from_mins(55)),
        (Duration::from_mins(10), None, Duration::from_mins(5)),
        (Duration::from_mins(9), None, Duration::from_secs(270)),
        (Duration::from_secs(6), None, Duration::from_secs(3)),
        (DAY, Some(Duration::from_hours(12)), Duration::from_hours(12)),
        (
            Duration::from_secs(100),
            Some(Duration::from_secs(200)),
            Duration::from_secs(50),
        ),
    ] {
        let first = Behaviour::Bring {
            life,
            latency: Duration::ZERO,
            refresh_in,
        };
        let source = Script::new([first, after(Duration::from_millis(200))]);
        let supplier = source.supplier();
        assert_eq!(get(&supplier).await, at_once(1));
        sleep(renewed_after.saturating_sub(Duration::from_millis(1))).await;
        assert_eq!(source.tries(), 1, "{life:?}");
        sleep(Duration::from_millis(2)).await;
        assert_eq!(source.tries(), 2, "{life:?}");
        if renewed_after < life {
            assert_eq!(get(&supplier).await, at_once(1), "{life:?}");
        }
        sleep(Duration::from_millis(200)).await;
        assert_eq!(get(&supplier).await, at_once(2), "{life:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_leaves_the_old_token_until_its_end() {
    let source = Script::new([
        living(Duration::from_secs(100)),
        Behaviour::Fail(TokenError::Status(503)),
    ]);
    let supplier = source.supplier();
    assert_eq!(get(&supplier).await, at_once(1));
    sleep(Duration::from_secs(99)).await;
    assert!(source.tries() > 3);
    assert_eq!(get(&supplier).await, at_once(1));
    sleep(Duration::from_secs(1)).await;
    assert!(get(&supplier).await.0.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_expired_on_arrival_serves_those_who_waited() {
    let source = Script::new([living(Duration::ZERO)]);
    let supplier = source.supplier();
    for number in 1..4 {
        assert_eq!(get(&supplier).await, at_once(number));
    }
    // Nobody asks: there is nothing to renew.
    sleep(DAY).await;
    assert_eq!(source.tries(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_replaced_once_in_30_s() {
    let source = Script::new([for_a_day()]);
    let supplier = source.supplier();
    let first = current(&supplier).await;
    assert!(supplier.refuse(&first));
    let second = current(&supplier).await;
    assert_eq!(second.bearer.secret(), "2");
    // A late refusal of the first one: there is another already.
    assert!(supplier.refuse(&first));
    assert_eq!(get(&supplier).await, at_once(2));

    assert!(!supplier.refuse(&second));
    assert_eq!(get(&supplier).await, at_once(2));
    sleep(Duration::from_secs(30)).await;
    assert!(supplier.refuse(&second));
    assert_eq!(get(&supplier).await, at_once(3));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_while_the_replacement_is_on_its_way_waits_for_it() {
    let source = Script::new([for_a_day(), after(Duration::from_secs(2))]);
    let supplier = source.supplier();
    let first = current(&supplier).await;
    assert!(supplier.refuse(&first));
    assert!(supplier.refuse(&first));
    assert_eq!(get(&supplier).await, (Ok("2".to_owned()), Duration::from_secs(2)));
    assert_eq!(source.tries(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_challenge_for_something_else_has_the_last_word() {
    let source = Script::new([after(Duration::from_secs(1))]);
    let supplier = source.supplier();
    supplier.prepare();
    sleep(Duration::from_millis(100)).await;
    let other = "https://vault.example/.default";
    let token = supplier
        .token(other, Instant::now() + Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!((&*token.scope, token.bearer.secret()), (other, "2"));
    let scopes: Vec<_> = source
        .tries
        .lock()
        .unwrap()
        .iter()
        .map(|(_, scope)| scope.clone())
        .collect();
    assert_eq!(scopes, [SCOPE, other]);
}

#[tokio::test(start_paused = true)]
async fn a_defect_in_a_try_does_not_end_the_supply() {
    let source = Script::new([Behaviour::Panic, for_a_day()]);
    let supplier = source.supplier();
    assert_eq!(get(&supplier).await, (Ok("2".to_owned()), Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_the_supplier() {
    let source = Script::new([Behaviour::Fail(TokenError::Unreachable)]);
    let supplier = source.supplier();
    supplier.prepare();
    sleep(Duration::from_secs(1)).await;
    drop(supplier);
    sleep(DAY).await;
    assert!(source.tries() <= 2);
}

#[test]
fn a_token_does_not_show_in_debug() {
    let token = Token {
        scope: SCOPE.into(),
        bearer: Secret::new("canary"),
        generation: 1,
    };
    assert!(!format!("{token:?}").contains("canary"));
}
