//! What has to leave the object: delivered at least once, in order of due time, with an idempotency key, for as long as
//! it takes.
//!
//! The bodies are rows; the machine holds only when each is due. Nothing is given up because a target stays away: the
//! wait between tries grows to a cap and stays there. What cannot be held for lack of room is refused to the caller and
//! counted.

use crate::time::{Millis, Timestamp};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// How long to wait between tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Wait after the first failure.
    pub base: Millis,
    /// Longest wait.
    pub cap: Millis,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { base: Millis::from_secs(5), cap: Millis::from_hours(1) }
    }
}

impl RetryPolicy {
    /// The wait after failure number `attempts` (1 = the first): doubled each time up to the cap, then between 75 % and
    /// 100 % of that, by `seed`, so that many that failed together do not come back together.
    pub fn wait(&self, attempts: u32, seed: u64) -> Millis {
        let doubled = self.base.0.max(1).saturating_mul(1i64 << attempts.saturating_sub(1).min(40));
        let full = doubled.min(self.cap.0.max(self.base.0).max(1));
        let mut bytes = [0u8; 12];
        let (left, right) = bytes.split_at_mut(8);
        left.copy_from_slice(&seed.to_le_bytes());
        right.copy_from_slice(&attempts.to_le_bytes());
        let off = (xxh3_64(&bytes) % (full as u64 / 4 + 1)) as i64;
        Millis(full - off)
    }
}

/// When one message is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Not before.
    pub at: Timestamp,
    /// Tries that failed.
    pub attempts: u32,
    /// Position in the order of arrival.
    pub order: u64,
}

/// Due times by message id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outbox {
    due: BTreeMap<String, Due>,
    next_order: u64,
}

impl Outbox {
    /// An outbox from its rows.
    pub fn restore(rows: impl IntoIterator<Item = (String, Due)>) -> Self {
        let due: BTreeMap<_, _> = rows.into_iter().collect();
        let next_order = due.values().map(|due| due.order + 1).max().unwrap_or(0);
        Self { due, next_order }
    }

    /// Adds a message; `None` if its id is known already (it is not sent twice).
    pub fn add(&mut self, id: &str, now: Timestamp) -> Option<Due> {
        if self.due.contains_key(id) {
            return None;
        }
        let due = Due { at: now, attempts: 0, order: self.next_order };
        self.next_order += 1;
        self.due.insert(id.to_owned(), due);
        Some(due)
    }

    /// Ids due at `now`, in order of arrival, at most `room`.
    pub fn due(&self, now: Timestamp, room: usize) -> Vec<String> {
        let mut ready: Vec<_> = self.due.iter().filter(|(_, due)| due.at <= now).collect();
        ready.sort_by_key(|(_, due)| due.order);
        ready.into_iter().take(room).map(|(id, _)| id.clone()).collect()
    }

    /// A message has arrived, or never will: its row goes.
    pub fn remove(&mut self, id: &str) -> bool {
        self.due.remove(id).is_some()
    }

    /// A try failed: when to try again, not before `not_before` if the target said so. `None` for an unknown id.
    pub fn failed(
        &mut self,
        id: &str,
        now: Timestamp,
        policy: &RetryPolicy,
        not_before: Option<Timestamp>,
    ) -> Option<Due> {
        let due = self.due.get_mut(id)?;
        due.attempts = due.attempts.saturating_add(1);
        let next = now.plus(policy.wait(due.attempts, xxh3_64(id.as_bytes())));
        due.at = not_before.map_or(next, |at| at.max(next));
        Some(*due)
    }

    /// When the next message is due.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.due.values().map(|due| due.at).min()
    }

    /// When the next message is due, of those that `is_meant` picks by their id.
    pub fn wake_at_for(&self, is_meant: impl Fn(&str) -> bool) -> Option<Timestamp> {
        self.due.iter().filter(|(id, _)| is_meant(id)).map(|(_, due)| due.at).min()
    }

    /// Messages waiting.
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_with_at_most_a_quarter_off() {
        let policy = RetryPolicy { base: Millis(1_000), cap: Millis(60_000) };
        for attempts in 1..200 {
            let full = (1_000i64 << (attempts - 1).min(40)).min(60_000);
            let wait = policy.wait(attempts, 7).0;
            assert!(wait <= full && wait >= full * 3 / 4, "{attempts}: {wait}");
        }
        assert_ne!(policy.wait(10, 1), policy.wait(10, 2));
    }

    #[test]
    fn a_target_away_for_weeks_still_gets_its_message_once() {
        let policy = RetryPolicy::default();
        let mut outbox = Outbox::default();
        outbox.add("a", Timestamp(0));
        assert_eq!(outbox.add("a", Timestamp(1)), None);
        let mut now = Timestamp(0);
        let mut tries = 0;
        while now < Timestamp(0).plus(Millis::from_hours(24 * 30)) {
            assert_eq!(outbox.due(now, 10), ["a"]);
            now = outbox.failed("a", now, &policy, None).unwrap().at;
            tries += 1;
        }
        assert!(tries < 24 * 30 * 2, "{tries}");
        assert!(outbox.remove("a"));
        assert!(!outbox.remove("a"));
        assert_eq!((outbox.due(now, 10), outbox.wake_at()), (vec![], None));
    }

    #[test]
    fn order_is_kept_and_a_target_may_ask_for_more_time() {
        let mut outbox = Outbox::default();
        for id in ["z", "a", "m"] {
            outbox.add(id, Timestamp(5));
        }
        assert_eq!(outbox.due(Timestamp(4), 10), Vec::<String>::new());
        assert_eq!(outbox.due(Timestamp(5), 2), ["z", "a"]);
        let due = outbox.failed("z", Timestamp(5), &RetryPolicy::default(), Some(Timestamp(99_999))).unwrap();
        assert_eq!((due.at, due.attempts), (Timestamp(99_999), 1));
        let rows: Vec<_> = outbox.due.clone().into_iter().collect();
        assert_eq!(Outbox::restore(rows), outbox);
    }
}
