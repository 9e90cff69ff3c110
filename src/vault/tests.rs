use super::*;

#[test]
fn jitter_takes_at_most_half_of_a_wait_away() {
    let backoff = Duration::from_millis(200);
    for _ in 0..1000 {
        let wait = jittered(backoff);
        assert!(wait >= backoff / 2 && wait <= backoff, "{wait:?}");
    }
}
