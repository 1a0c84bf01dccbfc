//! From what a reader may ask over HTTP to what the engine looks for, and from a record as it is shown back to what a
//! filter needs of it.

use crate::cursor::Cursor;
use crate::query::{RecordFilter, SearchQuery};
use sapwood_engine::level::{Level, LevelClass};
use sapwood_engine::pattern::PatternId;
use sapwood_engine::query::{Filter, Position, Subject};
use sapwood_engine::time::Timestamp;
use serde::Deserialize;
use std::borrow::Cow;
use std::cmp::Ordering;

impl RecordFilter {
    /// The engine's filter. Components are not in it: they are addresses, which the caller selects objects by.
    pub fn to_filter(&self) -> Filter {
        let level_min = self.level_number_min.and_then(Level::from_number);
        let wants = |class: LevelClass| {
            self.levels.is_none_or(|levels| levels.contains(class))
                && level_min.is_none_or(|level_min| class >= level_min.class())
        };
        let asks_level = self.levels.is_some() || level_min.is_some();
        let levels = LevelClass::ALL.into_iter().filter(|class| wants(*class)).map(Filter::level_bit);
        // A class begins at every fourth number; only a level inside a class needs more than the class.
        let is_inside_class = |level: &Level| !(level.number() - 1).is_multiple_of(4);
        let list = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
        Filter {
            from: None,
            to: None,
            levels: if asks_level { levels.fold(0, |mask, bit| mask | bit) } else { 0 },
            level_min: level_min.filter(is_inside_class),
            environments: self.environments.clone(),
            // An id that is none matches nothing, as it should.
            patterns: self.pattern_ids.iter().map(|id| PatternId::parse(id).unwrap_or(PatternId(u64::MAX))).collect(),
            texts: self.terms.clone(),
            endpoints: list(&self.endpoint),
            categories: list(&self.category),
            user_id: self.user_id.clone(),
            session_id: self.session_id.clone(),
            request_id: self.request_id.clone(),
            trace_id: self.trace_id.clone(),
        }
    }

    /// Whether records of the component at this address are wanted.
    pub fn wants_component(&self, component: &str) -> bool {
        self.components.is_empty() || self.components.iter().any(|wanted| wanted == component)
    }

    /// Whether any level is left that could match: `level=info&min_level=error` leaves none.
    pub fn can_match(&self) -> bool {
        let filter = self.to_filter();
        filter.levels != 0 || (self.levels.is_none() && self.level_number_min.is_none())
    }
}

impl SearchQuery {
    /// The engine's filter, with the span of time.
    pub fn to_filter(&self) -> Filter {
        Filter { from: self.from_ms.map(Timestamp), to: self.to_ms.map(Timestamp), ..self.filter.to_filter() }
    }
}

impl Cursor {
    /// The position after which the records of a shard of `component` come, in the order of event time, then component,
    /// then shard, then place: objects before the cursor's (in that order) are past this instant, those behind it are not.
    pub fn position_for(&self, component: &str, shard: u16) -> Position {
        let timestamp = Timestamp(self.timestamp_ms);
        let here = Position { timestamp, seq: self.seq, index: u16::try_from(self.index).unwrap_or(u16::MAX) };
        let before_all = Position { timestamp, seq: 0, index: 0 };
        let behind_all = Position { timestamp, seq: u64::MAX, index: u16::MAX };
        // Descending pages take what is smaller than the position, and go through the objects backwards; ascending ones
        // the other way round. So an earlier object lies before the cursor in both.
        match (component, shard).cmp(&(self.component.as_str(), self.shard)) {
            Ordering::Equal => here,
            Ordering::Less => behind_all,
            Ordering::Greater => before_all,
        }
    }
}

/// A record as it is shown, as far as filters look at it.
#[derive(Debug, Deserialize)]
pub struct ShownRecord<'a> {
    timestamp: i64,
    level_number: u8,
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(borrow, default)]
    pattern_id: Cow<'a, str>,
    #[serde(borrow, default)]
    environment: Cow<'a, str>,
    #[serde(borrow, default)]
    category: Cow<'a, str>,
    #[serde(borrow, default)]
    error_code: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    stack_trace: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    endpoint: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    user_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    session_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    request_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    trace_id: Option<Cow<'a, str>>,
}

impl ShownRecord<'_> {
    /// What a filter looks at.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            timestamp: Timestamp(self.timestamp),
            level: Level::from_number(self.level_number).unwrap_or_default(),
            pattern: PatternId::parse(&self.pattern_id).unwrap_or(PatternId::OVERFLOW),
            message: &self.message,
            error_code: self.error_code.as_deref(),
            stack_trace: self.stack_trace.as_deref(),
            environment: &self.environment,
            category: &self.category,
            endpoint: self.endpoint.as_deref(),
            user_id: self.user_id.as_deref(),
            session_id: self.session_id.as_deref(),
            request_id: self.request_id.as_deref(),
            trace_id: self.trace_id.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::Order;
    use crate::query::parse_search;
    use crate::record_view::{PatternRef, RecordView};
    use sapwood_engine::record::Record;

    fn query(parameters: &[(&str, &str)]) -> SearchQuery {
        parse_search(parameters.iter().copied(), 0).unwrap()
    }

    fn level_matches(parameters: &[(&str, &str)], number: u8) -> bool {
        let record = Record { level: Level::from_number(number).unwrap(), ..Record::default() };
        query(parameters).to_filter().matches(&Subject::of(&record, PatternId(1)))
    }

    #[test]
    fn levels_are_exact_classes_or_a_number_and_above() {
        assert!(level_matches(&[("level", "error")], 18) && !level_matches(&[("level", "error")], 21));
        assert!(level_matches(&[("level", "error,fatal")], 21));
        assert!(level_matches(&[("min_level", "warn")], 17) && !level_matches(&[("min_level", "warn")], 12));
        assert!(level_matches(&[("min_level", "18")], 18) && !level_matches(&[("min_level", "18")], 17));
        assert!(level_matches(&[], 1));
        assert!(!query(&[("level", "info"), ("min_level", "error")]).filter.can_match());
    }

    #[test]
    fn a_cursor_puts_each_object_before_or_behind_its_instant() {
        let cursor = |order| Cursor { order, timestamp_ms: 5, component: "m".into(), shard: 2, seq: 7, index: 3 };
        let here = Position { timestamp: Timestamp(5), seq: 7, index: 3 };
        for order in [Order::Desc, Order::Asc] {
            assert_eq!(cursor(order).position_for("m", 2), here);
        }
        // Newest first, objects backwards: "z" of this instant was shown, "a" was not, nor were the shards below.
        for (component, shard) in [("z", 0), ("m", 3)] {
            assert!(cursor(Order::Desc).position_for(component, shard) < here);
        }
        for (component, shard) in [("a", 9), ("m", 1)] {
            assert!(cursor(Order::Desc).position_for(component, shard) > here);
        }
        // Oldest first, objects forwards: "a" was shown, "z" was not, nor were the shards above.
        for (component, shard) in [("a", 9), ("m", 0)] {
            assert!(cursor(Order::Asc).position_for(component, shard) > here);
        }
        for (component, shard) in [("z", 0), ("m", 3)] {
            assert!(cursor(Order::Asc).position_for(component, shard) < here);
        }
    }

    #[test]
    fn a_shown_record_matches_as_the_stored_one_does() {
        let record = Record {
            message: "Payment \"x\" failed".into(),
            level: Level::ERROR,
            environment: "production".into(),
            user_id: Some("u1".into()),
            ..Record::default()
        };
        let id = PatternId(77).to_string();
        let view = RecordView {
            record: &record,
            id: "i",
            domain: "d",
            component: "c",
            received_at_ms: 1,
            pattern: Some(PatternRef { id: &id, template: None, name: None }),
        };
        let mut json = Vec::new();
        view.write_json(&mut json);
        let shown: ShownRecord<'_> = serde_json::from_slice(&json).unwrap();
        for parameters in [
            &[("q", "payment failed")][..],
            &[("q", "refund")],
            &[("user_id", "u1"), ("level", "error")],
            &[("pattern", id.as_str())],
            &[("environment", "staging")],
        ] {
            let filter = query(parameters).to_filter();
            let stored = filter.matches(&Subject::of(&record, PatternId(77)));
            assert_eq!(filter.matches(&shown.subject()), stored, "{parameters:?}");
        }
    }
}
