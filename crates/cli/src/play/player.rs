//! The play itself: a schedule of records in order of time, sent in batches of one component.
//!
//! What lies before the start is history and is sent at once; the rest is sent when its time has come. Every batch has
//! its own idempotency key, made of the run, the component and a number.

use crate::client::{Client, ClientFault};
use crate::fault::Fault;
use crate::play::account::Account;
use crate::play::deliver::{Batch, Clock, Delivery, compressed, deliver};
use crate::play::inject::Injection;
use crate::play::plan::{Pace, planned};
use crate::play::source::{ReadRecord, Source};
use sapwood_engine::time::{Millis, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often a live play looks at the clock: records wait at most this long for company.
const TICK: Duration = Duration::from_millis(100);

/// One record and its time.
struct Entry {
    at: Timestamp,
    source: usize,
    record: ReadRecord,
}

/// How far a play is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub sent: usize,
    pub total: usize,
    pub is_live: bool,
    /// Since the play began.
    pub elapsed: Millis,
}

/// A play under way.
pub(crate) struct Player<'a> {
    client: &'a Client,
    clock: &'a dyn Clock,
    components: Vec<String>,
    /// In order of time.
    entries: Vec<Entry>,
    sent: usize,
    start: Timestamp,
    batch_max: usize,
    run: String,
    next_batch: u64,
    pub(crate) account: Account,
}

/// How a play is to be done.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub pace: Pace,
    pub batch_max: usize,
    /// Part of every idempotency key.
    pub run: String,
}

impl<'a> Player<'a> {
    /// Plans a play that starts at `start`. A file without times cannot be played with its own.
    pub(crate) fn new(
        client: &'a Client,
        clock: &'a dyn Clock,
        sources: Vec<Source>,
        injections: &[Injection],
        start: Timestamp,
        options: &Options,
    ) -> Result<Self, Fault> {
        let mut entries = Vec::new();
        let mut components = Vec::new();
        for (place, source) in sources.into_iter().enumerate() {
            let times: Vec<_> = source.records.iter().map(|record| record.at).collect();
            let Some(times) = planned(&times, options.pace, start) else {
                return Err(Fault::Request(format!(
                    "{} says no times of its own: play it without --original-time",
                    source.path.display()
                )));
            };
            entries.extend(times.into_iter().zip(source.records).map(|(at, record)| Entry {
                at,
                source: place,
                record,
            }));
            components.push(source.component);
        }
        for injection in injections {
            entries.extend(injection.records().map(|(at, record)| Entry { at, source: injection.source, record }));
        }
        // Stable: lines of one instant keep their order.
        entries.sort_by_key(|entry| entry.at);
        Ok(Self {
            client,
            clock,
            components,
            entries,
            sent: 0,
            start,
            batch_max: options.batch_max.max(1),
            run: options.run.clone(),
            next_batch: 0,
            account: Account::default(),
        })
    }

    /// First and last time of the play, the last one exclusive.
    pub(crate) fn range(&self) -> (i64, i64) {
        let first = self.entries.first().map_or(self.start, |entry| entry.at);
        let last = self.entries.last().map_or(self.start, |entry| entry.at);
        (first.0, last.0 + 1)
    }

    /// Sends everything that lies before the start. Original times are history altogether.
    pub(crate) fn send_history(
        &mut self,
        pace: Pace,
        on_batch: &mut dyn FnMut(&Progress) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let start = self.start;
        let end = match pace {
            Pace::Original => self.entries.len(),
            _ => self.entries.partition_point(|entry| entry.at <= start),
        };
        self.send_until(end, false, on_batch)
    }

    /// Sends the rest, each record when its time has come.
    pub(crate) fn play_live(&mut self, on_tick: &mut dyn FnMut(&Progress) -> Result<(), Fault>) -> Result<(), Fault> {
        while self.sent < self.entries.len() {
            let now = self.clock.now();
            let due = self.entries.partition_point(|entry| entry.at <= now);
            self.send_until(due.max(self.sent), true, on_tick)?;
            if self.sent < self.entries.len() {
                self.clock.pause(TICK);
            }
            on_tick(&self.progress(true))?;
        }
        Ok(())
    }

    fn progress(&self, is_live: bool) -> Progress {
        let elapsed = self.clock.now().since(self.start);
        Progress { sent: self.sent, total: self.entries.len(), is_live, elapsed }
    }

    /// Sends the entries up to `end`, component by component within each stretch, so that batches fill and components
    /// advance together.
    fn send_until(
        &mut self,
        end: usize,
        is_live: bool,
        on_batch: &mut dyn FnMut(&Progress) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let stretch = self.batch_max * self.components.len().max(1);
        while self.sent < end {
            let until = end.min(self.sent + stretch);
            let mut by_source: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            for place in self.sent..until {
                by_source.entry(self.entries[place].source).or_default().push(place);
            }
            for (source, places) in by_source {
                for chunk in places.chunks(self.batch_max) {
                    let batch = self.batch(source, chunk);
                    let delivery = deliver(self.client, "/api/logs", &[], &batch, self.clock);
                    self.enter(&batch, delivery)?;
                    self.sent += chunk.len();
                    on_batch(&self.progress(is_live))?;
                }
            }
        }
        Ok(())
    }

    fn batch(&mut self, source: usize, places: &[usize]) -> Batch {
        let component = self.components[source].clone();
        let mut lines = Vec::new();
        for &place in places {
            let entry = &self.entries[place];
            entry.record.write_json(entry.at, &component, &mut lines);
        }
        let key = format!("play-{}-{component}-{}", self.run, self.next_batch);
        self.next_batch += 1;
        Batch { component, key, records: places.len() as u64, body: compressed(&lines) }
    }

    /// A batch that is refused for what it holds is entered as such and the play goes on; anything else ends it.
    fn enter(&mut self, batch: &Batch, delivery: Delivery) -> Result<(), Fault> {
        match delivery.outcome {
            Ok(reply) => {
                self.account.enter(&batch.component, batch.records, delivery.attempts, &reply);
                if reply.total() != batch.records {
                    self.account.examples.push(format!(
                        "{}: {} records sent, {} answered for (batch {})",
                        batch.component,
                        batch.records,
                        reply.total(),
                        batch.key
                    ));
                }
                Ok(())
            }
            Err(fault @ ClientFault::Refused { status: 400 | 413 | 415 | 422, .. }) => {
                self.account.enter_refused(&batch.component, batch.records, fault.to_string());
                Ok(())
            }
            Err(fault) => Err(fault.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::deliver::tests::TestClock;
    use crate::play::inject::injections;
    use crate::testing::{Answer, Server};
    use serde_json::Value;
    use std::path::PathBuf;

    /// Accepts every record.
    fn accepting() -> Server {
        Server::answering(|asked| Answer::new(202, format!(r#"{{"accepted":{}}}"#, asked.body.lines().count())))
    }

    fn source(component: &str, times: impl Iterator<Item = i64>) -> Source {
        let record = |at| ReadRecord { at: Some(Timestamp(at)), message: format!("at {at}"), ..ReadRecord::default() };
        Source { path: PathBuf::new(), component: component.into(), lines: 0, records: times.map(record).collect() }
    }

    fn options(pace: Pace) -> Options {
        Options { pace, batch_max: 10, run: "r1".into() }
    }

    const WINDOW: Pace = Pace::Window { history: Millis(60_000), live: Millis(10_000) };

    #[test]
    fn history_goes_at_once_and_the_rest_when_its_time_has_come() {
        let server = accepting();
        let (client, clock) = (server.client(), TestClock::at(1_000_000));
        let sources = vec![source("a", 0..=70), source("b", 0..=35)];
        let mut player = Player::new(&client, &clock, sources, &[], Timestamp(1_000_000), &options(WINDOW)).unwrap();
        assert_eq!(player.range(), (940_000, 1_010_001));
        player.send_history(WINDOW, &mut |_| Ok(())).unwrap();
        assert!(clock.pauses.borrow().is_empty());
        let history = player.account.total().sent;
        assert_eq!(history, 61 + 31);
        let mut seen = Vec::new();
        player
            .play_live(&mut |progress| {
                seen.push(*progress);
                Ok(())
            })
            .unwrap();
        assert_eq!(player.account.total().sent, 71 + 36);
        assert!(player.account.total().balances());
        assert!(clock.now().0 >= 1_010_000);
        assert!(seen.iter().all(|progress| progress.is_live && progress.total == 107));
        let requests = server.asked();
        let keys: std::collections::BTreeSet<_> =
            requests.iter().filter_map(|asked| asked.header("idempotency-key").map(str::to_owned)).collect();
        assert_eq!(keys.len(), requests.len(), "every batch has a key of its own");
        for asked in &requests {
            assert!(asked.body.lines().count() <= 10);
            let records: Vec<Value> = asked.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert!(records.iter().all(|record| record["component"] == records[0]["component"]));
        }
    }

    #[test]
    fn injected_errors_come_at_their_time() {
        let server = accepting();
        let (client, clock) = (server.client(), TestClock::at(0));
        let sources = vec![source("a", 0..3), source("b", 0..3)];
        let injected = injections(&sources, 1, Timestamp(0), Millis(10_000));
        let mut player = Player::new(&client, &clock, sources, &injected, Timestamp(0), &options(WINDOW)).unwrap();
        player.send_history(WINDOW, &mut |_| Ok(())).unwrap();
        player.play_live(&mut |_| Ok(())).unwrap();
        assert_eq!(player.account.total().sent, 6 + 61);
        let sent: String = server.asked().into_iter().map(|asked| asked.body).collect();
        assert!(sent.contains(&injected[0].message) && sent.contains(r#""timestamp":"1970-01-01T00:00:05.000Z""#));
    }

    #[test]
    fn original_times_are_all_history() {
        let server = accepting();
        let (client, clock) = (server.client(), TestClock::at(50));
        let sources = vec![source("a", 0..100)];
        let mut player = Player::new(&client, &clock, sources, &[], Timestamp(50), &options(Pace::Original)).unwrap();
        assert_eq!(player.range(), (0, 100));
        player.send_history(Pace::Original, &mut |_| Ok(())).unwrap();
        player.play_live(&mut |_| Ok(())).unwrap();
        assert_eq!((player.account.total().accepted, clock.pauses.borrow().len()), (100, 0));
        let timeless = Source { records: vec![ReadRecord::default()], ..source("b", 0..0) };
        let fault = Player::new(&client, &clock, vec![timeless], &[], Timestamp(0), &options(Pace::Original));
        assert!(fault.err().unwrap().to_string().contains("without --original-time"));
    }

    #[test]
    fn a_batch_refused_for_its_content_is_entered_and_a_wrong_key_ends_the_play() {
        let server = Server::scripted([
            Answer::new(413, r#"{"title":"too large"}"#),
            Answer::new(202, r#"{"accepted":9}"#),
            Answer::new(401, ""),
        ]);
        let (client, clock) = (server.client(), TestClock::at(0));
        let sources = vec![source("a", 0..30)];
        let mut player = Player::new(&client, &clock, sources, &[], Timestamp(0), &options(Pace::Original)).unwrap();
        let fault = player.send_history(Pace::Original, &mut |_| Ok(())).unwrap_err();
        assert!(fault.to_string().contains("401"), "{fault}");
        let total = player.account.total();
        assert_eq!((total.sent, total.answered(), total.balances()), (20, 9, false));
        assert!(player.account.examples.iter().any(|text| text.contains("10 records sent, 9 answered")));
    }
}
