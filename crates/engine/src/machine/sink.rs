//! One place outside to which records flow (D1, the data service): how far it got, and when to try again.
//!
//! `cursor` is the last journal row of which everything arrived; `index` counts the records of the next row that did.
//! A breaker opens after a number of failures in a row and lets one try through after a while; a refusal that no retry
//! can mend (a wrong key) stops the sink until somebody configures it, which costs one try an hour.

use super::outbox::RetryPolicy;
use crate::bytes::{ReadError, Reader, Writer};
use crate::time::{Millis, Timestamp};

/// How a sink behaves when things go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkPolicy {
    /// Waits between tries.
    pub retry: RetryPolicy,
    /// Failures in a row that open the breaker.
    pub breaker_failures: u32,
    /// How long an open breaker lets nothing through.
    pub breaker_open: Millis,
}

impl Default for SinkPolicy {
    fn default() -> Self {
        Self {
            retry: RetryPolicy { base: Millis::from_secs(1), cap: Millis::from_mins(5) },
            breaker_failures: 5,
            breaker_open: Millis::from_secs(60),
        }
    }
}

/// Progress and health of one sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sink {
    /// Last row that arrived whole.
    pub cursor: u64,
    /// Records of the row after it that arrived.
    pub index: u32,
    /// Failures in a row.
    pub failures: u32,
    /// Not before.
    pub retry_at: Timestamp,
    /// Why it stands still, if it was refused for good.
    pub stopped: Option<String>,
    /// Last error, for people.
    pub last_error: Option<String>,
    /// Records that arrived.
    pub delivered: u64,
    /// Records that the other side will never take, or that left before they could be sent.
    pub undeliverable: u64,
    /// Until when the batch route is known to be absent.
    pub no_batch_until: Timestamp,
    /// Identity of the configuration under which it was last used.
    pub configured_as: u64,
}

/// A state that people and `/health` understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkHealth {
    /// Working.
    Closed,
    /// Failing, still trying.
    Retrying,
    /// The breaker is open.
    Open,
    /// Refused for good.
    Stopped,
}

impl Sink {
    /// Whether a try may be made at `now`.
    pub fn is_due(&self, now: Timestamp) -> bool {
        now >= self.retry_at
    }

    /// Progress was made: everything up to `cursor`, and `index` records of the next row.
    pub fn advanced(&mut self, cursor: u64, index: u32, delivered: u64, undeliverable: u64) {
        self.cursor = self.cursor.max(cursor);
        self.index = index;
        self.delivered += delivered;
        self.undeliverable += undeliverable;
        self.failures = 0;
        self.retry_at = Timestamp(0);
        self.stopped = None;
        self.last_error = None;
    }

    /// A try failed; when to try again.
    pub fn failed(&mut self, now: Timestamp, error: &str, policy: &SinkPolicy, seed: u64) {
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(error.chars().take(300).collect());
        let wait = policy.retry.wait(self.failures, seed);
        let wait =
            if self.failures >= policy.breaker_failures { Millis(wait.0.max(policy.breaker_open.0)) } else { wait };
        self.retry_at = now.plus(wait);
    }

    /// The other side refused for good.
    pub fn stopped(&mut self, now: Timestamp, why: &str) {
        self.failures = self.failures.saturating_add(1);
        self.stopped = Some(why.chars().take(300).collect());
        self.last_error = self.stopped.clone();
        self.retry_at = now.plus(Millis::from_hours(1));
    }

    /// The sink is used under this configuration; a new one deserves a new try, whatever the old one came to.
    pub fn configured(&mut self, identity: u64) {
        if self.configured_as != identity {
            self.configured_as = identity;
            self.stopped = None;
            self.failures = 0;
            self.retry_at = Timestamp(0);
            self.no_batch_until = Timestamp(0);
        }
    }

    /// Its state at `now`.
    pub fn health(&self, now: Timestamp, policy: &SinkPolicy) -> SinkHealth {
        if self.stopped.is_some() {
            SinkHealth::Stopped
        } else if self.failures == 0 {
            SinkHealth::Closed
        } else if self.failures >= policy.breaker_failures && now < self.retry_at {
            SinkHealth::Open
        } else {
            SinkHealth::Retrying
        }
    }

    /// Its row.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(1);
        out.uint(self.cursor);
        out.uint(u64::from(self.index));
        out.uint(u64::from(self.failures));
        out.int(self.retry_at.0);
        out.optional_text(self.stopped.as_deref());
        out.optional_text(self.last_error.as_deref());
        out.uint(self.delivered);
        out.uint(self.undeliverable);
        out.int(self.no_batch_until.0);
        out.u64_fixed(self.configured_as);
        out.into_bytes()
    }

    /// Reads its row.
    ///
    /// # Errors
    /// Damaged bytes or a version of a later build.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut input = Reader::new(bytes);
        if input.u8()? != 1 {
            return Err(ReadError::Unknown("sink version"));
        }
        Ok(Self {
            cursor: input.uint()?,
            index: input.u32()?,
            failures: input.u32()?,
            retry_at: Timestamp(input.int()?),
            stopped: input.optional_text()?.map(str::to_owned),
            last_error: input.optional_text()?.map(str::to_owned),
            delivered: input.uint()?,
            undeliverable: input.uint()?,
            no_batch_until: Timestamp(input.int()?),
            configured_as: input.u64_fixed()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_breaker_opens_after_its_failures_and_one_success_closes_it() {
        let policy = SinkPolicy::default();
        let mut sink = Sink::default();
        let mut now = Timestamp(0);
        for failure in 1..=5 {
            assert!(sink.is_due(now));
            sink.failed(now, "500", &policy, 1);
            assert!(!sink.is_due(now));
            let expected = if failure < 5 { SinkHealth::Retrying } else { SinkHealth::Open };
            assert_eq!(sink.health(now, &policy), expected);
            if failure == 5 {
                assert!(sink.retry_at.since(now) >= policy.breaker_open);
            }
            now = sink.retry_at;
        }
        assert_eq!(sink.health(now, &policy), SinkHealth::Retrying);
        sink.advanced(7, 3, 100, 1);
        assert_eq!(sink.health(now, &policy), SinkHealth::Closed);
        assert_eq!((sink.cursor, sink.index, sink.delivered, sink.undeliverable), (7, 3, 100, 1));
    }

    #[test]
    fn a_refusal_stops_it_visibly_and_it_asks_again_after_an_hour() {
        let mut sink = Sink::default();
        sink.stopped(Timestamp(0), "401 Invalid service key");
        assert_eq!(sink.health(Timestamp(1), &SinkPolicy::default()), SinkHealth::Stopped);
        assert!(!sink.is_due(Timestamp(3_599_999)));
        assert!(sink.is_due(Timestamp(3_600_000)));
        assert_eq!(Sink::decode(&sink.encode()).as_ref(), Ok(&sink));
        sink.configured(7);
        assert!(sink.is_due(Timestamp(2)), "a new configuration is tried at once");
        sink.stopped(Timestamp(2), "401");
        sink.configured(7);
        assert!(!sink.is_due(Timestamp(3)), "the same one is not");
    }
}
