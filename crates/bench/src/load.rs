//! The load itself: connections, each a thread with one kept connection, taking the next batch in turn.

use crate::journal::Journal;
use crate::payload::{Batch, Payload};
use hdrhistogram::Histogram;
use serde::Deserialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use ureq::Agent;

/// Largest latency that is told apart, in microseconds; longer ones count as this.
const LATENCY_US_MAX: u64 = 120_000_000;
/// Keys and reasons kept as examples.
const EXAMPLES_MAX: usize = 1_000;

/// What load, on what.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where batches go: `http://127.0.0.1:8787`.
    pub url: String,
    /// A key with the scope ingest.
    pub key: String,
    /// Kept connections, 1 to 1,024.
    pub connections: usize,
    /// Requests a second, over all connections; `None`: as fast as answers come.
    pub rate: Option<u64>,
    /// Records of a batch.
    pub records: usize,
    /// How long batches are begun.
    pub duration: Duration,
    /// Batches at most.
    pub batches_max: u64,
    /// Components that take turns.
    pub components: u64,
    /// Further attempts after a temporary failure, with the same key.
    pub retries: u32,
    /// How long an answer may take.
    pub timeout: Duration,
    /// The service does not read records (a floor): its success is taken for all of them.
    pub is_unread: bool,
}

/// Fates of records by the service's own words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Fates {
    /// Durable.
    pub accepted: u64,
    /// Known before.
    pub duplicate: u64,
    /// Counted, text dropped.
    pub counted_only: u64,
    /// Refused.
    pub rejected: u64,
}

impl Fates {
    /// Records with a fate.
    pub fn total(&self) -> u64 {
        self.accepted + self.duplicate + self.counted_only + self.rejected
    }

    fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.duplicate += other.duplicate;
        self.counted_only += other.counted_only;
        self.rejected += other.rejected;
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Latency of every answered or failed batch, in microseconds.
    pub latencies: Histogram<u64>,
    /// Batches acknowledged.
    pub acknowledged: u64,
    /// Batches that failed for good.
    pub errors: u64,
    /// Attempts beyond the first.
    pub repeated: u64,
    /// Records by fate.
    pub fates: Fates,
    /// Records sent in acknowledged batches.
    pub records: u64,
    /// Keys of batches without an acknowledgement, with the last reason; the first thousand.
    pub unacknowledged: Vec<(String, String)>,
    /// From the first batch to the last answer.
    pub elapsed: Duration,
}

impl Outcome {
    fn empty() -> Self {
        let mut latencies = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)
            .expect("three digits from 1 us to 2 min is a valid histogram");
        latencies.auto(false);
        Self {
            latencies,
            acknowledged: 0,
            errors: 0,
            repeated: 0,
            fates: Fates::default(),
            records: 0,
            unacknowledged: Vec::new(),
            elapsed: Duration::ZERO,
        }
    }

    fn absorb(&mut self, other: Self) {
        self.latencies.add(&other.latencies).expect("both histograms have the same bounds");
        self.acknowledged += other.acknowledged;
        self.errors += other.errors;
        self.repeated += other.repeated;
        self.fates.add(&other.fates);
        self.records += other.records;
        self.unacknowledged.extend(other.unacknowledged);
        self.unacknowledged.truncate(EXAMPLES_MAX);
    }
}

/// When batch `number` is to be sent, counted from the start. Exact over any number of batches: no step is rounded.
fn intended(number: u64, rate: u64) -> Duration {
    Duration::from_nanos((u128::from(number) * 1_000_000_000 / u128::from(rate.max(1))) as u64)
}

/// Runs the load to its end.
pub fn run(plan: &Plan, payload: &Payload, journal: Option<&Journal>) -> Outcome {
    let next = AtomicU64::new(0);
    let start = Instant::now();
    let mut outcome = Outcome::empty();
    std::thread::scope(|scope| {
        let connection = || Connection { plan, payload, journal, next: &next, start }.run();
        let threads: Vec<_> = (0..plan.connections.clamp(1, 1_024)).map(|_| scope.spawn(connection)).collect();
        for thread in threads {
            match thread.join() {
                Ok(part) => outcome.absorb(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    outcome.elapsed = start.elapsed();
    outcome
}

struct Connection<'a> {
    plan: &'a Plan,
    payload: &'a Payload,
    journal: Option<&'a Journal>,
    next: &'a AtomicU64,
    start: Instant,
}

/// One attempt.
enum Answer {
    Acknowledged(Fates),
    Temporary(String),
    Final(String),
}

impl Connection<'_> {
    fn run(&self) -> Outcome {
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(self.plan.timeout))
            // The load is for this machine unless said otherwise; a proxy would be measured instead.
            .proxy(None)
            .max_idle_connections(1)
            .user_agent("sapwood-load")
            .build()
            .into();
        let mut outcome = Outcome::empty();
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.plan.batches_max {
                return outcome;
            }
            let Some(from) = self.wait_for(number) else { return outcome };
            let component = format!("load-{}", number % self.plan.components.max(1));
            let batch = self.payload.batch(number, self.plan.records, component, now_ms());
            self.send(&agent, &batch, &mut outcome);
            let latency = from.elapsed().as_micros().clamp(1, u128::from(LATENCY_US_MAX)) as u64;
            outcome.latencies.saturating_record(latency);
        }
    }

    /// Waits for the turn of batch `number` and says from when its latency counts; `None` when the time is over.
    fn wait_for(&self, number: u64) -> Option<Instant> {
        let Some(rate) = self.plan.rate else {
            let now = Instant::now();
            return (now - self.start < self.plan.duration).then_some(now);
        };
        let at = intended(number, rate);
        if at >= self.plan.duration {
            return None;
        }
        let due = self.start + at;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        Some(due)
    }

    fn send(&self, agent: &Agent, batch: &Batch, outcome: &mut Outcome) {
        let mut wait = Duration::from_millis(50);
        for attempt in 0..=self.plan.retries {
            outcome.repeated += u64::from(attempt > 0);
            let reason = match self.attempt(agent, batch) {
                Answer::Acknowledged(fates) => {
                    let noted = self.journal.map_or(Ok(()), |journal| journal.enter(batch, &fates));
                    outcome.acknowledged += 1;
                    outcome.records += batch.records as u64;
                    outcome.fates.add(&fates);
                    if let Err(error) = noted {
                        // Without its entry the audit would be wrong: as bad as no answer.
                        outcome.errors += 1;
                        outcome.unacknowledged.push((batch.key.clone(), format!("journal: {error}")));
                    }
                    return;
                }
                Answer::Temporary(_) if attempt < self.plan.retries => {
                    std::thread::sleep(wait);
                    wait = (wait * 2).min(Duration::from_secs(2));
                    continue;
                }
                Answer::Temporary(reason) | Answer::Final(reason) => reason,
            };
            outcome.errors += 1;
            if outcome.unacknowledged.len() < EXAMPLES_MAX {
                outcome.unacknowledged.push((batch.key.clone(), reason));
            }
            return;
        }
    }

    fn attempt(&self, agent: &Agent, batch: &Batch) -> Answer {
        let sent = agent
            .post(format!("{}/api/logs", self.plan.url))
            .header("X-API-Key", &self.plan.key)
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", &batch.key)
            .send(batch.body.as_slice());
        let mut response = match sent {
            Ok(response) => response,
            Err(error) => return Answer::Temporary(error.to_string()),
        };
        let status = response.status().as_u16();
        // Read to the end in any case, or the connection cannot be kept.
        let text = match response.body_mut().read_to_string() {
            Ok(text) => text,
            Err(error) => return Answer::Temporary(error.to_string()),
        };
        if status >= 500 || status == 429 {
            return Answer::Temporary(format!("{status}: {text}"));
        }
        if self.plan.is_unread && status < 300 {
            return Answer::Acknowledged(Fates { accepted: batch.records as u64, ..Fates::default() });
        }
        match serde_json::from_str::<Fates>(&text) {
            Ok(fates) if status < 300 && fates.total() == batch.records as u64 => Answer::Acknowledged(fates),
            _ => Answer::Final(format!("{status}: {text}")),
        }
    }
}

/// The clock of this machine, in milliseconds since the epoch.
fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intended_starts_do_not_drift() {
        assert_eq!(intended(0, 7), Duration::ZERO);
        assert_eq!(intended(7_000_000, 7), Duration::from_secs(1_000_000));
        assert_eq!(intended(1, 3), Duration::from_nanos(333_333_333));
    }
}
