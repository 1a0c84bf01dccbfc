//! What several shards of a component say of the same thing, as one object would say it.

use super::{CleanupAnswer, PatternView, SinkView, StatusAnswer};
use sapwood_engine::limits::{PATTERN_EXEMPLARS_MAX, PATTERN_FACETS_MAX};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// States of a sink, the worse ones later.
const SINK_STATES: [&str; 5] = ["off", "closed", "retrying", "open", "stopped"];

impl SinkView {
    /// Adds how it fares in another shard of the component: the worse state, and the error that goes with it.
    fn merge(&mut self, other: Self) {
        let rank = |state: &str| SINK_STATES.iter().position(|known| *known == state);
        self.rows_behind = self.rows_behind.saturating_add(other.rows_behind);
        self.delivered = self.delivered.saturating_add(other.delivered);
        self.undeliverable = self.undeliverable.saturating_add(other.undeliverable);
        if rank(&other.state) > rank(&self.state) {
            self.state = other.state;
            self.last_error = other.last_error.or(self.last_error.take());
        } else {
            self.last_error = self.last_error.take().or(other.last_error);
        }
    }
}

impl StatusAnswer {
    /// Adds what another shard of the component knows about itself. The shards know mostly the same patterns, so that of
    /// patterns the most that one of them holds are said and not the sum.
    pub fn merge(&mut self, other: Self) {
        for (sum, more) in [
            (&mut self.accepted, other.accepted),
            (&mut self.duplicate, other.duplicate),
            (&mut self.counted_only, other.counted_only),
            (&mut self.rejected, other.rejected),
            (&mut self.incidents_open, other.incidents_open),
            (&mut self.alerts_waiting, other.alerts_waiting),
            (&mut self.last_seq, other.last_seq),
            (&mut self.folded_seq, other.folded_seq),
            (&mut self.database_bytes, other.database_bytes),
            (&mut self.blocks, other.blocks),
            (&mut self.block_records, other.block_records),
            (&mut self.block_bytes, other.block_bytes),
            (&mut self.rows_written, other.rows_written),
            (&mut self.append_calls, other.append_calls),
            (&mut self.commits, other.commits),
            (&mut self.alarms, other.alarms),
            (&mut self.damaged_rows, other.damaged_rows),
            (&mut self.keys_crowded_out, other.keys_crowded_out),
        ] {
            *sum = sum.saturating_add(more);
        }
        for (level, count) in other.levels {
            let sum = self.levels.entry(level).or_insert(0);
            *sum = sum.saturating_add(count);
        }
        self.patterns = self.patterns.max(other.patterns);
        self.last_seen_ms = self.last_seen_ms.max(other.last_seen_ms);
        self.d1.merge(other.d1);
        self.data_service.merge(other.data_service);
        match (&mut self.lead, other.lead) {
            (Some(lead), Some(other)) => lead.merge(other),
            (lead @ None, other) => *lead = other,
            (Some(_), None) => {}
        }
    }
}

impl CleanupAnswer {
    /// Adds what was removed from another shard of the component.
    pub fn merge(&mut self, other: Self) {
        self.rows = self.rows.saturating_add(other.rows);
        self.records = self.records.saturating_add(other.records);
        self.copies = self.copies.saturating_add(other.copies);
        self.is_complete &= other.is_complete;
    }
}

impl PatternView {
    /// What tells it apart, what it is called and how often it came.
    pub fn in_brief(self) -> Self {
        Self {
            levels: BTreeMap::new(),
            endpoints: Vec::new(),
            environments: Vec::new(),
            releases: Vec::new(),
            exemplars: Vec::new(),
            ..self
        }
    }

    /// Adds what another shard of the component knows of the same pattern, within the bounds of one object. Template, name,
    /// fault and parent stay, where they are known.
    pub fn unite(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        for (level, count) in other.levels {
            let sum = self.levels.entry(level).or_insert(0);
            *sum = sum.saturating_add(count);
        }
        self.first_seen_ms = self.first_seen_ms.min(other.first_seen_ms);
        self.last_seen_ms = self.last_seen_ms.max(other.last_seen_ms);
        for (known, more) in [
            (&mut self.endpoints, other.endpoints),
            (&mut self.environments, other.environments),
            (&mut self.releases, other.releases),
        ] {
            add_new(known, more, PATTERN_FACETS_MAX);
        }
        self.exemplars.extend(other.exemplars);
        self.exemplars.sort_by_key(|exemplar| Reverse(exemplar.timestamp_ms));
        // An object holds the first ones, and the last beside them.
        self.exemplars.truncate(PATTERN_EXEMPLARS_MAX + 1);
        self.was_alerted |= other.was_alerted;
        let own = std::iter::once(other.id).chain(other.aliases).filter(|id| *id != self.id).collect();
        add_new(&mut self.aliases, own, usize::MAX);
        add_new(&mut self.children, other.children, usize::MAX);
        self.fault = self.fault.take().or(other.fault);
        self.naming = self.naming.take().or(other.naming);
        self.parent = self.parent.take().or(other.parent);
    }
}

/// Adds those that are not there yet, as far as there is room.
fn add_new(known: &mut Vec<String>, more: Vec<String>, room: usize) {
    for text in more {
        if known.len() < room && !known.contains(&text) {
            known.push(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processors::calls::{NamingView, PatternsCall};

    #[test]
    fn an_edge_that_says_nothing_means_whole_patterns() {
        let read =
            |body: &str| serde_json::from_str::<Option<PatternsCall>>(body).unwrap().unwrap_or_default().is_brief;
        assert!(!read("null") && !read(r#"{"is_brief":false}"#) && read(r#"{"is_brief":true}"#));
        let whole = PatternView {
            id: "p".into(),
            template: "t".into(),
            count: 3,
            endpoints: vec!["/a".into()],
            aliases: vec!["q".into()],
            called: vec!["r".into()],
            naming: Some(NamingView { name: "T".into(), ..NamingView::default() }),
            ..PatternView::default()
        };
        let brief = whole.in_brief();
        assert_eq!((brief.count, brief.endpoints.len(), brief.aliases.len(), brief.called.len()), (3, 0, 1, 1));
        assert_eq!(brief.naming.map(|naming| naming.name), Some("T".to_owned()));
    }
}
