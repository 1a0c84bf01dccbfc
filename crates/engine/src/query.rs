//! What a reader asks for, and whether a record is it. The same filter serves search and live tail.
//!
//! All conditions must hold. Text is matched as people expect of a log search: every word (or quoted phrase) must occur
//! somewhere in the message, the stack trace or the error code, whatever its case.

use crate::level::{Level, LevelClass};
use crate::machine::row::{HUSKS, Row};
use crate::pattern::PatternId;
use crate::record::Record;
use crate::time::Timestamp;

/// Conditions on a record. Empty lists and `None` ask nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Event time, from (inclusive).
    pub from: Option<Timestamp>,
    /// Event time, to (exclusive).
    pub to: Option<Timestamp>,
    /// One bit per level class; zero asks nothing.
    pub levels: u8,
    /// This severity number and above, where the classes are too coarse.
    pub level_min: Option<Level>,
    /// Environments.
    pub environments: Vec<String>,
    /// Patterns.
    pub patterns: Vec<PatternId>,
    /// Words or phrases, lower case.
    pub texts: Vec<String>,
    /// Endpoint templates.
    pub endpoints: Vec<String>,
    /// Categories.
    pub categories: Vec<String>,
    /// User.
    pub user_id: Option<String>,
    /// Session.
    pub session_id: Option<String>,
    /// Request.
    pub request_id: Option<String>,
    /// Trace.
    pub trace_id: Option<String>,
}

impl Filter {
    /// The bit of a level class in `levels`.
    pub const fn level_bit(class: LevelClass) -> u8 {
        1 << class.index()
    }

    /// Whether a row can hold a match, by what its columns tell.
    pub fn may_match_row(&self, row: &RowSummary) -> bool {
        row.count > 0
            && self.from.is_none_or(|from| row.time_max >= from)
            && self.to.is_none_or(|to| row.time_min < to)
            && (self.levels == 0 || self.levels & row.levels != 0)
    }

    /// Whether every record of a row matches, by what its columns tell: then its count is enough.
    pub fn matches_whole_row(&self, row: &RowSummary) -> bool {
        row.levels & HUSKS == 0
            && self.asks_only_time_and_level()
            && self.from.is_none_or(|from| row.time_min >= from)
            && self.to.is_none_or(|to| row.time_max < to)
            && (self.levels == 0 || row.levels & !self.levels == 0)
    }

    fn asks_only_time_and_level(&self) -> bool {
        let bare = Self { from: self.from, to: self.to, levels: self.levels, ..Self::default() };
        *self == bare
    }

    /// Whether a record is what is asked for.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let is_one_of = |wanted: &[String], value: &str| wanted.is_empty() || wanted.iter().any(|w| w == value);
        let is = |wanted: &Option<String>, value: Option<&str>| wanted.is_none() || wanted.as_deref() == value;
        self.from.is_none_or(|from| subject.timestamp >= from)
            && self.to.is_none_or(|to| subject.timestamp < to)
            && (self.levels == 0 || self.levels & Self::level_bit(subject.level.class()) != 0)
            && self.level_min.is_none_or(|min| subject.level >= min)
            && (self.patterns.is_empty() || self.patterns.contains(&subject.pattern))
            && is_one_of(&self.environments, subject.environment)
            && is_one_of(&self.categories, subject.category)
            && (self.endpoints.is_empty() || subject.endpoint.is_some_and(|e| self.endpoints.iter().any(|w| w == e)))
            && is(&self.user_id, subject.user_id)
            && is(&self.session_id, subject.session_id)
            && is(&self.request_id, subject.request_id)
            && is(&self.trace_id, subject.trace_id)
            && self.texts.iter().all(|text| subject.contains(text))
    }
}

/// What a filter looks at: a stored record, or one on its way to a viewer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subject<'a> {
    /// Event time.
    pub timestamp: Timestamp,
    /// Level.
    pub level: Level,
    /// Pattern.
    pub pattern: PatternId,
    /// Message.
    pub message: &'a str,
    /// Error code.
    pub error_code: Option<&'a str>,
    /// Stack trace.
    pub stack_trace: Option<&'a str>,
    /// Environment.
    pub environment: &'a str,
    /// Category.
    pub category: &'a str,
    /// Endpoint.
    pub endpoint: Option<&'a str>,
    /// User.
    pub user_id: Option<&'a str>,
    /// Session.
    pub session_id: Option<&'a str>,
    /// Request.
    pub request_id: Option<&'a str>,
    /// Trace.
    pub trace_id: Option<&'a str>,
}

impl<'a> Subject<'a> {
    /// A stored record with its pattern.
    pub fn of(record: &'a Record, pattern: PatternId) -> Self {
        Self {
            timestamp: record.timestamp,
            level: record.level,
            pattern,
            message: &record.message,
            error_code: record.error_code.as_deref(),
            stack_trace: record.stack_trace.as_deref(),
            environment: &record.environment,
            category: &record.category,
            endpoint: record.endpoint.as_deref(),
            user_id: record.user_id.as_deref(),
            session_id: record.session_id.as_deref(),
            request_id: record.request_id.as_deref(),
            trace_id: record.trace_id.as_deref(),
        }
    }

    fn contains(&self, text: &str) -> bool {
        contains_ignoring_case(self.message, text)
            || self.error_code.is_some_and(|code| contains_ignoring_case(code, text))
            || self.stack_trace.is_some_and(|stack| contains_ignoring_case(stack, text))
    }
}

/// Whether `text` holds `wanted` (lower case), whatever the case of `text`.
fn contains_ignoring_case(text: &str, wanted: &str) -> bool {
    if text.is_ascii() {
        let wanted = wanted.as_bytes();
        return wanted.is_empty()
            || text.as_bytes().windows(wanted.len()).any(|window| window.eq_ignore_ascii_case(wanted));
    }
    text.to_lowercase().contains(wanted)
}

/// What the columns of a row tell without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowSummary {
    /// Sequence.
    pub seq: u64,
    /// Receive time.
    pub at: Timestamp,
    /// Smallest event time.
    pub time_min: Timestamp,
    /// Largest event time.
    pub time_max: Timestamp,
    /// Records.
    pub count: u32,
    /// One bit per level class.
    pub levels: u8,
}

impl From<&Row> for RowSummary {
    fn from(row: &Row) -> Self {
        Self {
            seq: row.seq,
            at: row.at,
            time_min: row.time_min,
            time_max: row.time_max,
            count: row.count,
            levels: row.levels,
        }
    }
}

/// In which order a reader wants records: by event time, then by place in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Newest first.
    #[default]
    Descending,
    /// Oldest first.
    Ascending,
}

/// Position of a record in the order of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Event time.
    pub timestamp: Timestamp,
    /// Row.
    pub seq: u64,
    /// Index in the row.
    pub index: u16,
}

/// A record found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Where it stands.
    pub position: Position,
    /// Receive time of its row.
    pub received_at: Timestamp,
    /// Its pattern.
    pub pattern: PatternId,
    /// The record.
    pub record: Record,
}

/// Collects one page of one object's matches: the first `limit` after `after`, and the total of all.
#[derive(Clone, Debug)]
pub struct Page {
    filter: Filter,
    order: Order,
    after: Option<Position>,
    limit: usize,
    hits: Vec<Hit>,
    total: u64,
}

impl Page {
    /// An empty page.
    pub fn new(filter: Filter, order: Order, after: Option<Position>, limit: usize) -> Self {
        Self { filter, order, after, limit, hits: Vec::new(), total: 0 }
    }

    /// Whether the row has to be opened; if not, its records are counted here as far as they match.
    pub fn wants(&mut self, row: &RowSummary) -> bool {
        if !self.filter.may_match_row(row) {
            return false;
        }
        if self.filter.matches_whole_row(row) && !self.can_reach_page(row) {
            self.total += u64::from(row.count);
            return false;
        }
        true
    }

    /// Whether a record of this row could be on the page.
    fn can_reach_page(&self, row: &RowSummary) -> bool {
        let (best, worst) = match self.order {
            Order::Descending => (row.time_max, row.time_min),
            Order::Ascending => (row.time_min, row.time_max),
        };
        let comes_before = |left: Timestamp, right: Timestamp| match self.order {
            Order::Descending => left > right,
            Order::Ascending => left < right,
        };
        if self.after.is_some_and(|after| comes_before(worst, after.timestamp)) {
            return false;
        }
        let is_full = self.hits.len() > self.limit.saturating_mul(2);
        !is_full || !self.last_kept().is_some_and(|last| comes_before(last, best))
    }

    /// Event time of the last record that would be kept now.
    fn last_kept(&self) -> Option<Timestamp> {
        self.hits.get(self.limit.checked_sub(1)?).map(|hit| hit.position.timestamp)
    }

    /// Offers a record of an opened row.
    pub fn offer(&mut self, record: Record, position: Position, received_at: Timestamp, pattern: PatternId) {
        if !self.filter.matches(&Subject::of(&record, pattern)) {
            return;
        }
        self.total += 1;
        let is_after = match (self.after, self.order) {
            (None, _) => true,
            (Some(after), Order::Descending) => position < after,
            (Some(after), Order::Ascending) => position > after,
        };
        if !is_after || self.limit == 0 {
            return;
        }
        self.hits.push(Hit { position, received_at, pattern, record });
        if self.hits.len() > self.limit.saturating_mul(4) {
            self.trim();
        }
    }

    /// Call after each row, so that [`Page::wants`] can tell what is out of reach.
    pub fn trim(&mut self) {
        let order = self.order;
        self.hits.sort_by(|left, right| match order {
            Order::Descending => right.position.cmp(&left.position),
            Order::Ascending => left.position.cmp(&right.position),
        });
        self.hits.truncate(self.limit.saturating_mul(2).saturating_add(1));
    }

    /// The page in order, and the number of all matches.
    pub fn finish(mut self) -> (Vec<Hit>, u64) {
        self.trim();
        self.hits.truncate(self.limit);
        (self.hits, self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(at: i64, level: Level, message: &str) -> Record {
        Record { timestamp: Timestamp(at), level, message: message.into(), ..Record::default() }
    }

    #[test]
    fn every_word_must_occur_in_any_case() {
        let filter = |texts: &[&str]| Filter {
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
            ..Filter::default()
        };
        let it = record(1, Level::INFO, "Payment FAILED for Größe");
        assert!(filter(&["failed", "payment"]).matches(&Subject::of(&it, PatternId(1))));
        assert!(filter(&["größe"]).matches(&Subject::of(&it, PatternId(1))));
        assert!(!filter(&["failed", "refund"]).matches(&Subject::of(&it, PatternId(1))));
        let stack = Record { stack_trace: Some("at Cart.pay".into()), ..record(1, Level::INFO, "x") };
        assert!(filter(&["cart.pay"]).matches(&Subject::of(&stack, PatternId(1))));
    }

    type Line = (i64, u8, u8);

    /// All matches, sorted: what the page must agree with.
    fn naive(rows: &[Vec<Line>], filter: &Filter, order: Order) -> Vec<Position> {
        let mut all = Vec::new();
        for (seq, lines) in rows.iter().enumerate() {
            for (index, &(at, level, word)) in lines.iter().enumerate() {
                let record = record(at, Level::from_number(level).unwrap(), &format!("word{word}"));
                if filter.matches(&Subject::of(&record, PatternId(word.into()))) {
                    all.push(Position { timestamp: Timestamp(at), seq: seq as u64 + 1, index: index as u16 });
                }
            }
        }
        all.sort();
        if order == Order::Descending {
            all.reverse();
        }
        all
    }

    fn page(
        rows: &[Vec<Line>],
        filter: &Filter,
        order: Order,
        after: Option<Position>,
        limit: usize,
    ) -> (Vec<Position>, u64) {
        let mut page = Page::new(filter.clone(), order, after, limit);
        for (seq, lines) in rows.iter().enumerate().rev() {
            let times = || lines.iter().map(|line| Timestamp(line.0));
            let summary = RowSummary {
                seq: seq as u64 + 1,
                at: Timestamp(0),
                time_min: times().min().unwrap_or_default(),
                time_max: times().max().unwrap_or_default(),
                count: lines.len() as u32,
                levels: lines.iter().fold(0, |m, l| m | Filter::level_bit(Level::from_number(l.1).unwrap().class())),
            };
            if !page.wants(&summary) {
                continue;
            }
            for (index, &(at, level, word)) in lines.iter().enumerate() {
                let position = Position { timestamp: Timestamp(at), seq: seq as u64 + 1, index: index as u16 };
                let it = record(at, Level::from_number(level).unwrap(), &format!("word{word}"));
                page.offer(it, position, Timestamp(0), PatternId(word.into()));
            }
            page.trim();
        }
        let (hits, total) = page.finish();
        (hits.into_iter().map(|hit| hit.position).collect(), total)
    }

    proptest! {
        #[test]
        fn paging_through_gives_every_match_once_in_order_and_the_exact_total(
            rows in proptest::collection::vec(proptest::collection::vec((0i64..60, 1u8..=24, 0u8..3), 0..6), 0..12),
            from in proptest::option::of(0i64..60), to in proptest::option::of(0i64..60), levels in 0u8..64,
            word in proptest::option::of(0u8..3), is_ascending: bool, limit in 1usize..5,
        ) {
            let filter = Filter {
                from: from.map(Timestamp), to: to.map(Timestamp), levels,
                patterns: word.into_iter().map(|w| PatternId(w.into())).collect(), ..Filter::default()
            };
            let order = if is_ascending { Order::Ascending } else { Order::Descending };
            let expected = naive(&rows, &filter, order);
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let (positions, total) = page(&rows, &filter, order, after, limit);
                prop_assert_eq!(total, expected.len() as u64);
                let Some(last) = positions.last() else { break };
                after = Some(*last);
                found.extend(positions);
            }
            prop_assert_eq!(found, expected);
        }
    }
}
