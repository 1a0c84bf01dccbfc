//! One JSON value of unknown shape, read into the engine's [`Value`] under two bounds: depth and number of values.
//!
//! Invariants: never more than `limits::NESTING_DEPTH_MAX` calls deep, since what lies deeper is skipped by the JSON
//! reader's own skipping, which keeps its place in a buffer and not on the stack; never more values than the budget,
//! since what comes after is skipped the same way. Both leave a mark in the [`Budget`] and never fail, so that one
//! odd record cannot take its neighbours with it.

use crate::limits::{NESTING_DEPTH_MAX, VALUES_PER_RECORD_MAX, VALUES_PER_REQUEST_MAX};
use sapwood_engine::value::{Fields, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// What may still be read, and what went wrong within the bounds.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    request_left: usize,
    record_left: usize,
    /// Something lay deeper than is followed.
    pub(super) too_deep: bool,
    /// Values were skipped because the budget was used up.
    pub(super) cut: bool,
    /// A map held a key twice.
    pub(super) duplicate: bool,
    /// The key whose value could not be read, set only on failure.
    pub(super) failed_key: Option<String>,
}

impl Budget {
    /// The budget of one request.
    pub(super) fn for_request() -> Self {
        Self {
            request_left: VALUES_PER_REQUEST_MAX,
            record_left: 0,
            too_deep: false,
            cut: false,
            duplicate: false,
            failed_key: None,
        }
    }

    /// Starts the next record with a full share and no marks.
    pub(super) fn start_record(&mut self) {
        self.record_left = VALUES_PER_RECORD_MAX;
        self.too_deep = false;
        self.cut = false;
        self.duplicate = false;
        self.failed_key = None;
    }

    /// Whether one more value may be read.
    pub(super) fn has_room(&self) -> bool {
        self.record_left > 0 && self.request_left > 0
    }

    /// Counts one value as read.
    pub(super) fn spend(&mut self) {
        self.record_left = self.record_left.saturating_sub(1);
        self.request_left = self.request_left.saturating_sub(1);
    }
}

/// Reads one value that lies `depth` containers deep in its record.
pub(super) struct ValueSeed<'b> {
    pub(super) budget: &'b mut Budget,
    pub(super) depth: usize,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Float(value as f64), Value::Int))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        if self.depth >= NESTING_DEPTH_MAX {
            self.budget.too_deep = true;
            skip_items(&mut items)?;
            return Ok(Value::Null);
        }
        let mut list = Vec::new();
        while self.budget.has_room() {
            let seed = ValueSeed { budget: self.budget, depth: self.depth + 1 };
            let Some(item) = items.next_element_seed(seed)? else {
                return Ok(Value::List(list));
            };
            self.budget.spend();
            list.push(item);
        }
        self.budget.cut |= skip_items(&mut items)?;
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        if self.depth >= NESTING_DEPTH_MAX {
            self.budget.too_deep = true;
            skip_entries(&mut entries)?;
            return Ok(Value::Null);
        }
        let mut fields = Fields::new();
        while self.budget.has_room() {
            let Some(key) = entries.next_key::<String>()? else {
                self.budget.duplicate |= keep_last_of_each(&mut fields);
                return Ok(Value::Map(fields));
            };
            let value = entries.next_value_seed(ValueSeed { budget: self.budget, depth: self.depth + 1 })?;
            self.budget.spend();
            fields.push((key, value));
        }
        self.budget.cut |= skip_entries(&mut entries)?;
        self.budget.duplicate |= keep_last_of_each(&mut fields);
        Ok(Value::Map(fields))
    }
}

/// Reads past the rest of a list; true if there was any.
pub(super) fn skip_items<'de, A: SeqAccess<'de>>(items: &mut A) -> Result<bool, A::Error> {
    let mut any = false;
    while items.next_element::<IgnoredAny>()?.is_some() {
        any = true;
    }
    Ok(any)
}

/// Reads past the rest of a map; true if there was any.
pub(super) fn skip_entries<'de, A: MapAccess<'de>>(entries: &mut A) -> Result<bool, A::Error> {
    let mut any = false;
    while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
        any = true;
    }
    Ok(any)
}

/// Of keys that were sent twice, keeps the last; true if there were any. Sorts positions above a handful of keys, so
/// that a thousand keys cost ten thousand comparisons and not half a million.
pub(super) fn keep_last_of_each(fields: &mut Fields) -> bool {
    const HANDFUL: usize = 12;
    if fields.len() <= HANDFUL {
        let repeated = |at: usize, key: &str| fields.iter().skip(at + 1).any(|(later, _)| later == key);
        if !fields.iter().enumerate().any(|(at, (key, _))| repeated(at, key)) {
            return false;
        }
    }
    let mut order: Vec<(&str, usize)> = fields.iter().enumerate().map(|(at, (key, _))| (key.as_str(), at)).collect();
    order.sort_unstable();
    let mut overruled: Vec<usize> = order
        .iter()
        .zip(order.iter().skip(1))
        .filter(|((key, _), (next, _))| key == next)
        .map(|((_, at), _)| *at)
        .collect();
    if overruled.is_empty() {
        return false;
    }
    overruled.sort_unstable();
    let mut overruled = overruled.into_iter().peekable();
    let mut at = 0;
    fields.retain(|_| {
        let keep = overruled.next_if_eq(&at).is_none();
        at += 1;
        keep
    });
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> (Value, Budget) {
        let mut budget = Budget::for_request();
        budget.start_record();
        let mut reader = serde_json::Deserializer::from_str(json);
        let value = ValueSeed { budget: &mut budget, depth: 1 }.deserialize(&mut reader).unwrap();
        reader.end().unwrap();
        (value, budget)
    }

    #[test]
    fn numbers_keep_64_bits_and_become_floats_beyond() {
        let (value, _) = read("[9223372036854775807, 9223372036854775808, -9223372036854775808, 1.5, true, null]");
        let expected = vec![
            Value::Int(i64::MAX),
            Value::Float(9_223_372_036_854_775_808.0),
            Value::Int(i64::MIN),
            Value::Float(1.5),
            Value::Bool(true),
            Value::Null,
        ];
        assert_eq!(value, Value::List(expected));
    }

    #[test]
    fn a_million_levels_are_skipped_and_marked() {
        for levels in [10_000, 1_000_000] {
            for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
                let json = format!("{}1{}", open.repeat(levels), close.repeat(levels));
                assert!(read(&json).1.too_deep, "{levels} x {open}");
            }
        }
        let allowed = NESTING_DEPTH_MAX - 1;
        assert!(!read(&format!("{}{}", "[".repeat(allowed), "]".repeat(allowed))).1.too_deep);
        assert!(read(&format!("{}{}", "[".repeat(allowed + 1), "]".repeat(allowed + 1))).1.too_deep);
    }

    #[test]
    fn values_beyond_the_budget_are_skipped_and_marked() {
        let exact = format!("[{}]", vec!["0"; VALUES_PER_RECORD_MAX].join(","));
        let (value, budget) = read(&exact);
        assert!(!budget.cut);
        assert!(matches!(value, Value::List(items) if items.len() == VALUES_PER_RECORD_MAX));
        let more = format!("{{\"first\":{exact},\"second\":[1,2]}}");
        let (value, budget) = read(&more);
        assert!(budget.cut);
        assert!(matches!(value, Value::Map(fields) if fields.len() == 1));
    }

    #[test]
    fn the_last_of_equal_keys_stays_in_small_and_large_maps() {
        for extra in [0, 40] {
            let padding: String = (0..extra).map(|n| format!("\"k{n}\":0,")).collect();
            let (value, budget) = read(&format!("{{\"a\":1,{padding}\"b\":2,\"a\":3,\"a\":4}}"));
            assert!(budget.duplicate);
            let Value::Map(fields) = value else { panic!("a map was sent") };
            assert_eq!(fields.len(), extra + 2);
            assert_eq!(fields.last(), Some(&("a".to_owned(), Value::Int(4))));
        }
        assert!(!read("{\"a\":1,\"b\":2}").1.duplicate);
        let distinct: String = (0..40).map(|n| format!("\"k{n}\":0,")).collect();
        assert!(!read(&format!("{{{distinct}\"z\":0}}")).1.duplicate);
    }
}
