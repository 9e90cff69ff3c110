//! Every rule of the pace, on a paused clock.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::*;
use crate::vault::VaultError;

/// What a caller for a secret that was good once asks for.
fn reasonable() -> Try {
    Try {
        deadline: Instant::now() + Duration::from_secs(5),
        budget: Charge::Free,
        is_guess: false,
        is_retry: false,
    }
}

fn guess() -> Try {
    Try {
        budget: Charge::OrRefuse,
        is_guess: true,
        ..reasonable()
    }
}

fn retry() -> Try {
    Try {
        is_retry: true,
        ..reasonable()
    }
}

/// Makes one try, which says this about the vault.
async fn make(pace: &Pace, verdict: Verdict) {
    pace.admit(reasonable()).await.expect("permission").settle(verdict);
}

async fn fail(pace: &Pace, times: u32) {
    for _ in 0..times {
        make(pace, Verdict::Fails).await;
    }
}

/// What a caller is told now, with the seconds to wait.
fn told(pace: &Pace) -> Option<VaultError> {
    pace.refusal().map(|refusal| refusal.error())
}

fn throttled(seconds: u64) -> VaultError {
    VaultError::Throttled {
        retry_after: Some(Duration::from_secs(seconds)),
    }
}

fn unavailable(seconds: u64) -> VaultError {
    VaultError::Unavailable {
        retry_after: Some(Duration::from_secs(seconds)),
    }
}

async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_429_pauses_everything_for_its_time_within_a_minute() {
    for (asked, kept) in [(7, 7), (60, 60), (3600, 60), (1, 1)] {
        let pace = Pace::new(true);
        make(&pace, Verdict::Throttles(Some(Duration::from_secs(asked)))).await;
        assert_eq!(told(&pace), Some(throttled(kept)));
        for request in [reasonable(), guess()] {
            let refused = pace.admit(request).await.map(drop).expect_err("a pause");
            assert_eq!(refused.error(), throttled(kept));
        }
        pass(kept).await;
        assert_eq!(told(&pace), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_429_without_a_time_pauses_for_1_s_doubling_to_16() {
    for none in [None, Some(Duration::ZERO)] {
        let pace = Pace::new(true);
        for seconds in [1, 2, 4, 8, 16, 16] {
            make(&pace, Verdict::Throttles(none)).await;
            assert_eq!(told(&pace), Some(throttled(seconds)));
            pass(seconds).await;
        }
        make(&pace, Verdict::Answers).await;
        make(&pace, Verdict::Throttles(none)).await;
        assert_eq!(told(&pace), Some(throttled(1)));
    }
}

#[tokio::test(start_paused = true)]
async fn tries_that_were_under_way_together_make_one_pause() {
    let pace = Pace::new(true);
    let mut under_way = Vec::new();
    for _ in 0..10 {
        under_way.push(pace.admit(reasonable()).await.expect("permission"));
    }
    for permit in under_way {
        permit.settle(Verdict::Throttles(None));
    }
    assert_eq!(told(&pace), Some(throttled(1)));
    pass(1).await;
    make(&pace, Verdict::Throttles(None)).await;
    assert_eq!(told(&pace), Some(throttled(2)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_before_a_pause_does_not_end_it() {
    let pace = Pace::new(true);
    let early = pace.admit(reasonable()).await.expect("permission");
    make(&pace, Verdict::Throttles(None)).await;
    early.settle(Verdict::Answers);
    assert_eq!(told(&pace), Some(throttled(1)));
}

#[tokio::test(start_paused = true)]
async fn whoever_met_the_429_waits_for_the_end_of_the_pause_within_the_deadline() {
    let pace = Pace::new(true);
    make(&pace, Verdict::Throttles(Some(Duration::from_secs(3)))).await;
    let started = Instant::now();
    assert!(pace.admit(retry()).await.is_ok());
    assert_eq!(started.elapsed(), Duration::from_secs(3));

    make(&pace, Verdict::Throttles(Some(Duration::from_secs(5)))).await;
    let started = Instant::now();
    let refused = pace.admit(retry()).await.map(drop).expect_err("past the deadline");
    assert_eq!((refused.error(), started.elapsed()), (throttled(5), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn five_failures_in_a_row_leave_one_probe_at_a_time() {
    let pace = Pace::new(true);
    fail(&pace, 4).await;
    make(&pace, Verdict::Answers).await;
    fail(&pace, 4).await;
    // Neither of them says that the vault answers, or that it fails.
    make(&pace, Verdict::Unknown).await;
    make(&pace, Verdict::Throttles(None)).await;
    pass(1).await;
    assert_eq!(told(&pace), None);
    fail(&pace, 1).await;
    assert_eq!(told(&pace), Some(unavailable(1)));

    let mut shortest = 1.0;
    for longest in [1, 2, 4, 8, 16, 16, 16] {
        sleep(Duration::from_secs_f64(shortest - 0.001)).await;
        assert!(told(&pace).is_some(), "probed before {shortest} s");
        sleep(Duration::from_secs_f64(f64::from(longest) - shortest + 0.001)).await;
        let probe = pace.admit(reasonable()).await.expect("a probe");
        // While it is under way nobody else may ask, however long it takes.
        pass(20).await;
        assert_eq!(told(&pace), Some(unavailable(1)));
        assert!(pace.admit(reasonable()).await.is_err());
        probe.settle(Verdict::Fails);
        shortest = (f64::from(longest) * 2.0).min(16.0) * 0.75;
    }
    pass(16).await;
    make(&pace, Verdict::Answers).await;
    fail(&pace, 4).await;
    assert_eq!(told(&pace), None);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_given_up_leaves_room_for_the_next() {
    let pace = Pace::new(true);
    fail(&pace, 5).await;
    pass(1).await;
    drop(pace.admit(reasonable()).await.expect("a probe"));
    assert_eq!(told(&pace), None);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_throttled_begins_a_pause() {
    let pace = Pace::new(true);
    fail(&pace, 5).await;
    pass(1).await;
    make(&pace, Verdict::Throttles(Some(Duration::from_secs(30)))).await;
    assert_eq!(told(&pace), Some(throttled(30)));
    pass(30).await;
    let probe = pace.admit(reasonable()).await.expect("still a probe");
    assert_eq!(told(&pace), Some(unavailable(1)));
    probe.settle(Verdict::Answers);
    assert_eq!(told(&pace), None);
}

#[tokio::test(start_paused = true)]
async fn tries_for_unknown_keys_have_a_budget_and_those_for_known_ones_none() {
    let pace = Pace::new(true);
    let mut refused = 0;
    for _ in 0..1000 {
        match pace.admit(guess()).await {
            Ok(permit) => permit.settle(Verdict::Answers),
            Err(failure) => {
                assert_eq!(failure.error(), unavailable(1));
                refused += 1;
            }
        }
        make(&pace, Verdict::Answers).await;
    }
    assert_eq!(refused, 900);
}

#[tokio::test(start_paused = true)]
async fn a_configured_name_waits_for_the_budget_that_made_up_ones_have_spent() {
    let pace = Pace::new(true);
    while pace.admit(guess()).await.is_ok() {}
    let started = Instant::now();
    let configured = Try {
        budget: Charge::OrWait,
        ..reasonable()
    };
    assert!(pace.admit(configured).await.is_ok());
    assert_eq!(started.elapsed(), Duration::from_millis(20));
    let hurried = Try {
        deadline: Instant::now() + Duration::from_millis(19),
        ..configured
    };
    let refused = pace.admit(hurried).await.map(drop).expect_err("past the deadline");
    assert_eq!(refused.error(), unavailable(1));
}

#[tokio::test(start_paused = true)]
async fn guesses_take_half_of_the_permits_where_names_are_configured() {
    for (has_exact_names, guesses) in [(true, 16), (false, 32)] {
        let pace = Arc::new(Pace::new(has_exact_names));
        let mut held = JoinSet::new();
        for _ in 0..40 {
            let pace = Arc::clone(&pace);
            held.spawn(async move {
                let permit = pace.admit(guess()).await;
                pass(60).await;
                permit.is_ok()
            });
        }
        pass(1).await;
        assert_eq!(32 - pace.tries.available_permits(), guesses);
        let named = pace.admit(reasonable()).await.map(drop);
        assert_eq!(named.is_ok(), has_exact_names);
        assert_eq!(held.join_all().await.into_iter().filter(|held| *held).count(), guesses);
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_holds_no_permit_and_is_refused_when_a_pause_begins() {
    let pace = Arc::new(Pace::new(true));
    let mut held = Vec::new();
    for _ in 0..32 {
        held.push(pace.admit(reasonable()).await.expect("permission"));
    }
    let wait = |request| {
        let pace = Arc::clone(&pace);
        tokio::spawn(async move { pace.admit(request).await.map(drop) })
    };
    let (waiting, retrying) = (wait(reasonable()), wait(retry()));
    pass(1).await;
    for permit in held {
        permit.settle(Verdict::Throttles(Some(Duration::from_secs(3))));
    }
    let refused = waiting.await.unwrap().expect_err("a pause");
    assert_eq!(refused.error(), throttled(3));
    // Whoever has met a failure already waits for its end instead.
    let began = Instant::now();
    assert!(retrying.await.unwrap().is_ok());
    assert_eq!(began.elapsed(), Duration::from_secs(3));

    make(&pace, Verdict::Throttles(Some(Duration::from_secs(3)))).await;
    let mut retries = JoinSet::new();
    for _ in 0..100 {
        let pace = Arc::clone(&pace);
        retries.spawn(async move { pace.admit(retry()).await.map(drop).is_ok() });
    }
    pass(1).await;
    assert_eq!(pace.tries.available_permits(), 32);
    assert!(retries.join_all().await.into_iter().all(|made| made));
}

#[tokio::test(start_paused = true)]
async fn a_try_that_gets_no_permit_by_its_deadline_is_told_so() {
    let pace = Pace::new(true);
    let mut held = Vec::new();
    for _ in 0..32 {
        held.push(pace.admit(reasonable()).await.expect("permission"));
    }
    let started = Instant::now();
    let busy = pace.admit(reasonable()).await.map(drop).expect_err("no permit");
    assert_eq!(
        (busy.cause(), started.elapsed()),
        (&Cause::Busy, Duration::from_secs(5))
    );
}
