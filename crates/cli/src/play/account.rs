//! The account of a play: what became of every record sent, by the service's own words.

use crate::render::{Style, Table, grouped};
use crate::replies::IngestReply;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Refusals kept as examples.
const EXAMPLES_MAX: usize = 5;

/// Fates of the records of one component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub sent: u64,
    pub accepted: u64,
    pub duplicate: u64,
    pub counted_only: u64,
    pub rejected: u64,
    /// Of the duplicates, those of batches that had to be sent again: an answer of ours was lost, not the records.
    pub stored_before: u64,
}

impl Tally {
    /// Records of which the service said what became of them.
    pub(crate) fn answered(&self) -> u64 {
        self.accepted + self.duplicate + self.counted_only + self.rejected
    }

    /// Records of this play that a search must find.
    pub(crate) fn stored(&self) -> u64 {
        self.accepted + self.stored_before
    }

    /// Whether every record sent has exactly one fate.
    pub(crate) fn balances(&self) -> bool {
        self.sent == self.answered()
    }

    fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.accepted += other.accepted;
        self.duplicate += other.duplicate;
        self.counted_only += other.counted_only;
        self.rejected += other.rejected;
        self.stored_before += other.stored_before;
    }

    fn as_json(&self) -> Value {
        json!({"sent": self.sent, "accepted": self.accepted, "duplicate": self.duplicate,
            "counted_only": self.counted_only, "rejected": self.rejected, "stored_before": self.stored_before})
    }
}

/// The whole account.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Account {
    pub components: BTreeMap<String, Tally>,
    /// Batches that were sent more than once.
    pub batches_repeated: u64,
    /// The first refusals, as the service words them.
    pub examples: Vec<String>,
}

impl Account {
    /// Enters the answer to a batch of `records` records that took `attempts` attempts.
    pub(crate) fn enter(&mut self, component: &str, records: u64, attempts: u32, reply: &IngestReply) {
        let tally = self.components.entry(component.to_owned()).or_default();
        tally.sent += records;
        tally.accepted += reply.accepted;
        tally.duplicate += reply.duplicate;
        tally.counted_only += reply.counted_only;
        tally.rejected += reply.rejected;
        if attempts > 1 {
            tally.stored_before += reply.duplicate;
            self.batches_repeated += 1;
        }
        for error in &reply.errors {
            self.note(format!("{component}: {error}"));
        }
    }

    /// Enters a batch that the service refused as a whole: sent, and without a fate.
    pub(crate) fn enter_refused(&mut self, component: &str, records: u64, reason: String) {
        self.components.entry(component.to_owned()).or_default().sent += records;
        self.note(format!("{component}: {reason}"));
    }

    fn note(&mut self, example: String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(example);
        }
    }

    /// The sum over all components.
    pub(crate) fn total(&self) -> Tally {
        let mut total = Tally::default();
        self.components.values().for_each(|tally| total.add(tally));
        total
    }

    pub(crate) fn as_json(&self) -> Value {
        let components: BTreeMap<_, _> = self.components.iter().map(|(name, tally)| (name, tally.as_json())).collect();
        json!({"total": self.total().as_json(), "components": components, "batches_repeated": self.batches_repeated,
            "examples": self.examples})
    }

    /// One line for each component and the sum.
    pub(crate) fn write(&self, style: Style, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new(&["component", ">sent", ">accepted", ">duplicate", ">counted_only", ">rejected"]);
        let mut row = |name: &str, tally: &Tally| {
            let numbers = [tally.sent, tally.accepted, tally.duplicate, tally.counted_only, tally.rejected];
            table.row(std::iter::once(name.to_owned()).chain(numbers.map(grouped)).collect());
        };
        self.components.iter().for_each(|(name, tally)| row(name, tally));
        row("all", &self.total());
        table.write(out, style)?;
        for example in &self.examples {
            writeln!(out, "refused: {}", crate::render::printable(example))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(accepted: u64, duplicate: u64, rejected: u64) -> IngestReply {
        IngestReply { accepted, duplicate, rejected, ..IngestReply::default() }
    }

    #[test]
    fn duplicates_of_our_own_retries_are_stored_and_those_of_others_are_not_ours() {
        let mut account = Account::default();
        account.enter("a", 10, 1, &reply(8, 2, 0));
        account.enter("a", 10, 3, &reply(0, 10, 0));
        let tally = account.components["a"];
        assert_eq!((tally.stored(), tally.answered(), account.batches_repeated), (18, 20, 1));
        assert!(tally.balances());
    }

    #[test]
    fn a_record_without_a_fate_is_seen() {
        let mut account = Account::default();
        account.enter("a", 10, 1, &reply(9, 0, 0));
        account.enter_refused("b", 5, "413 too large".into());
        assert!(!account.components["a"].balances() && !account.total().balances());
        let mut out = Vec::new();
        account.write(Style { has_colour: false, width: 100 }, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let sum: Vec<_> = text.lines().nth(3).unwrap().split_whitespace().collect();
        assert_eq!(sum, ["all", "15", "9", "0", "0", "0"]);
        assert!(text.contains("refused: b: 413 too large"), "{text}");
        assert_eq!(account.as_json()["total"]["sent"], 15);
    }

    #[test]
    fn only_a_few_examples_are_kept() {
        let mut account = Account::default();
        let many = IngestReply { errors: vec![json!({"code": "x"}); 50], rejected: 50, ..IngestReply::default() };
        account.enter("a", 50, 1, &many);
        assert_eq!(account.examples.len(), EXAMPLES_MAX);
    }
}
