//! The way from a component to the service: senders with clocks of their own, batches, late ones, and a collector that
//! fails.
//!
//! A world's records are handed over in the order of what happened; they come out in the order of arrival, with the
//! event times that their senders wrote, cut at the time of arrival as the object does it. Nothing is lost: what an
//! outage held back arrives when it is over. Half of the worlds have a collector; the others write straight to the
//! service, so that its share of what goes wrong can be seen.

use crate::random::Random;
use crate::scenario::Happening;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
const SENDERS: u64 = 3;
/// Weekdays (from the world's start) on which an outage may fall, and how long they are at most.
const OUTAGE_DAY: i64 = 3;
const OUTAGE_MAX_MS: i64 = 20 * MINUTE_MS;

/// A collector, or none.
#[derive(Clone, Debug)]
pub struct Delivery {
    random: Random,
    is_direct: bool,
    /// Milliseconds that each sender's clock is ahead.
    skews: [i64; SENDERS as usize],
    /// Milliseconds between two batches of a sender.
    batch_ms: i64,
    /// Batches in ten thousand that are minutes late.
    late: u64,
    /// Of each week: begin and length of the outage.
    outage: Option<(i64, i64)>,
    /// When the batch of each sender that is being filled arrives.
    arrivals: [(i64, i64); SENDERS as usize],
    /// On their way: time of arrival, order, record.
    waiting: Vec<(i64, u64, Happening)>,
    handed: u64,
}

impl Delivery {
    /// Records arrive as they are written.
    pub fn direct() -> Self {
        Self {
            random: Random::new(0),
            is_direct: true,
            skews: [0; SENDERS as usize],
            batch_ms: 0,
            late: 0,
            outage: None,
            arrivals: [(i64::MIN, 0); SENDERS as usize],
            waiting: Vec::new(),
            handed: 0,
        }
    }

    /// The way of this seed's world.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed.wrapping_mul(0xd6e8_feb8) ^ 0x0de1_17e8);
        if random.permille(500) {
            return Self::direct();
        }
        let widest = *random.pick(&[200u64, 2_000, 20_000]);
        let outage = random.permille(500).then(|| {
            let at = OUTAGE_DAY * DAY_MS + random.below((DAY_MS - OUTAGE_MAX_MS) as u64) as i64;
            (at, random.between(5 * MINUTE_MS as u64, OUTAGE_MAX_MS as u64) as i64)
        });
        Self {
            skews: [0; SENDERS as usize].map(|_: i64| random.between(0, 2 * widest) as i64 - widest as i64),
            batch_ms: *random.pick(&[1, 5, 10]) * SECOND_MS,
            late: *random.pick(&[0, 5, 20]),
            outage,
            is_direct: false,
            random,
            ..Self::direct()
        }
    }

    /// Whether an outage begins or ends within this time.
    pub fn is_out(&self, from: i64, to: i64) -> bool {
        self.outage.is_some_and(|(at, length)| {
            let week = from.div_euclid(7 * DAY_MS) * 7 * DAY_MS;
            week + at < to && week + at + length + 2 * MINUTE_MS > from
        })
    }

    /// A record is written, at its own time.
    pub fn hand(&mut self, record: Happening) {
        self.handed += 1;
        if self.is_direct {
            self.waiting.push((record.at, self.handed, record));
            return;
        }
        let sender = self.random.below(SENDERS) as usize;
        let number = record.at.div_euclid(self.batch_ms.max(1));
        if self.arrivals[sender].0 != number {
            let mut at = (number + 1) * self.batch_ms + self.random.between(20, 400) as i64;
            if self.random.below(10_000) < self.late {
                at += self.random.between(MINUTE_MS as u64, 4 * MINUTE_MS as u64) as i64;
            }
            self.arrivals[sender] = (number, self.after_outage(at));
        }
        let own = Happening { at: record.at + self.skews[sender], ..record };
        self.waiting.push((self.arrivals[sender].1, self.handed, own));
    }

    /// A batch that would arrive in an outage arrives in the minute after it.
    fn after_outage(&mut self, at: i64) -> i64 {
        let Some((from, length)) = self.outage else { return at };
        let into = at.rem_euclid(7 * DAY_MS) - from;
        if (0..length).contains(&into) { at - into + length + self.random.below(30_000) as i64 } else { at }
    }

    /// What has arrived up to `now`, in order of arrival, each with that time.
    pub fn arrived(&mut self, now: i64, out: &mut Vec<(i64, Happening)>) {
        let mut here: Vec<_> = self.waiting.extract_if(.., |(at, _, _)| *at < now).collect();
        here.sort_by_key(|&(at, order, _)| (at, order));
        out.extend(here.into_iter().map(|(at, _, record)| (at, Happening { at: record.at.min(at), ..record })));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(at: i64) -> Happening {
        Happening { at, pattern: 1, is_new: false, is_error: false, duration_ms: 1.0 }
    }

    #[test]
    fn everything_arrives_once_and_never_before_it_was_written() {
        for seed in 0..20 {
            let (mut delivery, mut arrived) = (Delivery::new(seed), Vec::new());
            let count = 5 * DAY_MS / 10_000;
            for step in 0..count {
                delivery.hand(record(step * 10_000 + 5_000));
                delivery.arrived((step + 1) * 10_000, &mut arrived);
            }
            delivery.arrived(i64::MAX, &mut arrived);
            assert_eq!(arrived.len() as i64, count, "{seed}");
            assert!(arrived.iter().all(|(at, record)| record.at <= *at), "{seed}");
        }
    }

    #[test]
    fn an_outage_holds_back_and_then_brings_all() {
        let seed = (0..).find(|&seed| Delivery::new(seed).outage.is_some()).unwrap_or(0);
        let mut delivery = Delivery::new(seed);
        let (from, length) = delivery.outage.unwrap_or_default();
        assert!(delivery.is_out(from, from + 1) && !delivery.is_out(from - 3_600_000, from));
        let mut arrived = Vec::new();
        (0..length / 1_000).for_each(|second| delivery.hand(record(from + second * 1_000)));
        delivery.arrived(from + length, &mut arrived);
        assert!(arrived.len() <= 60, "{} came through", arrived.len());
        delivery.arrived(from + length + 10 * MINUTE_MS, &mut arrived);
        assert_eq!(arrived.len() as i64, length / 1_000);
    }
}
