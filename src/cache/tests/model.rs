//! Random interleavings of requests, time, failures and revocations, and what
//! may never happen in any of them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::runtime::Builder;

use super::*;

/// One step of a run.
#[derive(Clone, Debug)]
enum Step {
    /// This many callers ask for a key at once.
    Ask(usize, usize),
    /// Time passes, in milliseconds.
    Pass(u64),
    /// The vault behaves otherwise, for one key or for all that have no
    /// behaviour of their own.
    Behave(Option<usize>, Behaviour),
    /// The vault would refuse every read, or none any more.
    Refuse(bool),
}

/// An answer, and when it was asked for and given.
#[derive(Debug)]
struct Given {
    key: SecretKey,
    asked: Instant,
    at: Instant,
    result: Result<usize, VaultError>,
}

fn keys() -> [SecretKey; 4] {
    [key("a"), version("a", 1), version("a", 2), key("b")]
}

fn step() -> impl Strategy<Value = Step> {
    let behaviours = select(vec![
        Behaviour::Serve,
        Behaviour::Serve,
        Behaviour::Serve,
        Behaviour::Fail(NOT_FOUND),
        Behaviour::Fail(VaultError::Disabled),
        Behaviour::Fail(VaultError::AccessDenied),
        Behaviour::Fail(UNAVAILABLE),
        Behaviour::Fail(VaultError::Throttled {
            retry_after: Some(Duration::from_secs(3)),
        }),
        Behaviour::Hang,
    ]);
    prop_oneof![
        4 => (0..4_usize, 1..4_usize).prop_map(|(key, callers)| Step::Ask(key, callers)),
        3 => select(vec![1, 100, 900, 1_000, 4_000, 8_000, 20_000]).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Refuse),
        2 => (proptest::option::of(0..4_usize), behaviours).prop_map(|(key, behaviour)| Step::Behave(key, behaviour)),
    ]
}

/// Runs the steps on a paused clock; returns the answers and the reads.
fn run(ttl: Duration, stale: Duration, latency: u64, steps: &[Step]) -> (Vec<Given>, Vec<fake::Read>) {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let vault = Fake::with_latency(Duration::from_millis(latency));
        let cache = cache_of(&vault, stale);
        let keys = keys();
        let mut callers = JoinSet::new();
        for step in steps {
            match step {
                Step::Ask(index, count) => {
                    for _ in 0..*count {
                        let (cache, key) = (cache.clone(), keys[*index].clone());
                        callers.spawn(async move {
                            let asked = Instant::now();
                            let result = cache
                                .get(&key, lookup(ttl))
                                .await
                                .result
                                .map(|delivery| number(&delivery));
                            Given {
                                key,
                                asked,
                                at: Instant::now(),
                                result,
                            }
                        });
                    }
                    tokio::task::yield_now().await;
                }
                Step::Pass(milliseconds) => sleep(Duration::from_millis(*milliseconds)).await,
                Step::Behave(Some(index), behaviour) => vault.behave_for(&keys[*index], *behaviour),
                Step::Behave(None, behaviour) => vault.behave(*behaviour),
                Step::Refuse(refuses) => vault.refuse(refuses.then_some(UNAVAILABLE)),
            }
        }
        let given = callers.join_all().await;
        // Refreshes may still be under way.
        pass(60).await;
        (given, vault.ended())
    })
}

/// Whether `read` told the cache that values of `key` must not be served.
fn revokes(read: &fake::Read, key: &SecretKey) -> bool {
    let whole_name = match read.outcome {
        Err(VaultError::AccessDenied) => true,
        Err(VaultError::NotFound(_) | VaultError::Disabled) => read.key.version.is_none(),
        Ok(_) | Err(_) => return false,
    };
    read.key == *key || (whole_name && read.key.name == key.name)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    // That two fetches for one key never run at once, the vault asserts itself.
    #[test]
    fn what_may_never_happen_does_not(
        ttl in select(vec![0, 1, 10, 60]),
        stale in select(vec![0, 5, 120]),
        latency in select(vec![0, 20, 1_500]),
        steps in vec(step(), 1..60),
    ) {
        let (ttl, stale) = (Duration::from_secs(ttl), Duration::from_secs(stale));
        let (answers, reads) = run(ttl, stale, latency, &steps);
        for answer in &answers {
            prop_assert!(answer.at - answer.asked <= TIMEOUT, "an answer after the deadline: {answer:?}");
            let Ok(value) = answer.result else { continue };
            let read = reads.iter().find(|read| read.outcome == Ok(value));
            let Some(read) = read else { return Err(TestCaseError::fail(format!("a value from nowhere: {answer:?}"))) };
            prop_assert_eq!(&read.key, &answer.key);
            // Nothing is older than the bounds allow.
            let oldest = if ttl.is_zero() { TIMEOUT * 2 } else { ttl + stale + TIMEOUT * 2 };
            prop_assert!(answer.at - read.began <= oldest, "too old: {answer:?} {read:?}");
            if ttl.is_zero() {
                prop_assert!(read.ended >= answer.asked, "kept although nothing may be: {answer:?}");
            }
            // Nothing is served once its revocation is known.
            for revocation in reads.iter().filter(|later| revokes(later, &answer.key)) {
                let known_before = revocation.ended < answer.at && revocation.ended > read.began;
                prop_assert!(!known_before, "served after its revocation: {answer:?} {read:?} {revocation:?}");
            }
        }
    }
}
