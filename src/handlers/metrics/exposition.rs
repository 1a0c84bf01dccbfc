//! Prometheus text exposition 0.0.4 and OpenMetrics 1.0: one table of metrics, one line a series. The two differ in
//! how a counter's family is named, and in how the page ends.

use crate::processors::calls::{DomainStatus, SinkView, StatusAnswer};
use std::fmt::Write;

/// States of a sink, each a series that is 1 for the state it is in.
const SINK_STATES: [&str; 5] = ["off", "closed", "retrying", "open", "stopped"];

/// A metric with one number for each object.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    value: fn(&StatusAnswer) -> u64,
}

/// Name, kind, help and value of a number that each sink has.
type SinkMetric = (&'static str, &'static str, &'static str, fn(&SinkView) -> u64);

const fn counter(name: &'static str, help: &'static str, value: fn(&StatusAnswer) -> u64) -> Metric {
    Metric { name, kind: "counter", help, value }
}

const fn gauge(name: &'static str, help: &'static str, value: fn(&StatusAnswer) -> u64) -> Metric {
    Metric { name, kind: "gauge", help, value }
}

#[rustfmt::skip]
const METRICS: &[Metric] = &[
    gauge("sapwood_patterns", "Patterns held.", |it| it.patterns),
    gauge("sapwood_incidents_open", "Incidents that are open.", |it| it.incidents_open),
    gauge("sapwood_alerts_waiting", "Alerts waiting for the domain object.", |it| it.alerts_waiting),
    gauge("sapwood_object_rows", "Newest row of the journal.", |it| it.last_seq),
    gauge("sapwood_object_rows_unfolded", "Rows behind the checkpoint.", |it| it.last_seq.saturating_sub(it.folded_seq)),
    gauge("sapwood_object_database_bytes", "Bytes of the object's database.", |it| it.database_bytes),
    gauge("sapwood_object_blocks", "Blocks that old rows of the journal became.", |it| it.blocks),
    gauge("sapwood_object_block_records", "Records in blocks.", |it| it.block_records),
    gauge("sapwood_object_block_bytes", "Bytes of the blocks.", |it| it.block_bytes),
    counter("sapwood_object_rows_written_total", "Rows written since this instance of the object started.", |it| it.rows_written),
    counter("sapwood_object_append_calls_total", "Calls to append since this instance of the object started.", |it| it.append_calls),
    counter("sapwood_object_alarms_total", "Alarms worked off since this instance of the object started.", |it| it.alarms),
    counter("sapwood_object_commits_total", "Commits of appends since this instance of the object started.", |it| it.commits),
    counter("sapwood_object_damaged_rows_total", "Rows that could not be read.", |it| it.damaged_rows),
    counter("sapwood_object_keys_crowded_out_total", "Batch keys and record ids forgotten before their time.", |it| it.keys_crowded_out),
];

/// The page. `failed` is how many objects did not answer.
pub(super) fn exposition(
    objects: &[StatusAnswer],
    domain: Option<&DomainStatus>,
    failed: usize,
    is_open_metrics: bool,
) -> String {
    let mut page = Page { text: String::with_capacity(4096 + objects.len() * 2048), is_open_metrics };
    page.head("sapwood_records_total", "counter", "Records by fate since the beginning.");
    for object in objects {
        let outcomes = [
            ("accepted", object.accepted),
            ("duplicate", object.duplicate),
            ("counted_only", object.counted_only),
            ("rejected", object.rejected),
        ];
        for (outcome, count) in outcomes {
            page.line("sapwood_records_total", object, &[("outcome", outcome)], count);
        }
    }
    page.head("sapwood_records_by_level_total", "counter", "Records by level since the beginning.");
    for object in objects {
        for (level, count) in &object.levels {
            page.line("sapwood_records_by_level_total", object, &[("level", level)], *count);
        }
    }
    for metric in METRICS {
        page.head(metric.name, metric.kind, metric.help);
        for object in objects {
            page.line(metric.name, object, &[], (metric.value)(object));
        }
    }
    sinks(&mut page, objects);
    page.head("sapwood_objects_unanswered", "gauge", "Components that did not answer this scrape.");
    page.bare("sapwood_objects_unanswered", failed as u64);
    if let Some(domain) = domain {
        deliveries(&mut page, domain);
    }
    if is_open_metrics {
        page.text.push_str("# EOF\n");
    }
    page.text
}

fn sinks(page: &mut Page, objects: &[StatusAnswer]) {
    let sinks = |object: &StatusAnswer| -> Vec<(&'static str, SinkView)> {
        let lead = object.lead.clone().map(|view| ("lead", view));
        [("d1", object.d1.clone()), ("data_service", object.data_service.clone())].into_iter().chain(lead).collect()
    };
    page.head("sapwood_sink_state", "gauge", "1 for the state that a sink is in.");
    for object in objects {
        for (sink, view) in sinks(object) {
            for state in SINK_STATES {
                let is_in = u64::from(view.state == state);
                page.line("sapwood_sink_state", object, &[("sink", sink), ("state", state)], is_in);
            }
        }
    }
    let numbers: [SinkMetric; 3] = [
        ("sapwood_sink_rows_behind", "gauge", "Rows of the journal that a sink does not have yet.", |it| {
            it.rows_behind
        }),
        ("sapwood_sink_records_delivered_total", "counter", "Records that a sink took.", |it| it.delivered),
        ("sapwood_sink_records_undeliverable_total", "counter", "Records that a sink will never take.", |it| {
            it.undeliverable
        }),
    ];
    for (name, kind, help, value) in numbers {
        page.head(name, kind, help);
        for object in objects {
            for (sink, view) in sinks(object) {
                page.line(name, object, &[("sink", sink)], value(&view));
            }
        }
    }
}

fn deliveries(page: &mut Page, domain: &DomainStatus) {
    for (name, kind, help, value) in [
        ("sapwood_outbox_messages", "gauge", "Messages waiting for their targets.", domain.outbox),
        ("sapwood_alerts_dropped_total", "counter", "Alerts that found no room.", domain.alerts_dropped),
        (
            "sapwood_messages_delivered_total",
            "counter",
            "Messages delivered since this instance started.",
            domain.delivered,
        ),
        ("sapwood_tail_viewers", "gauge", "Viewers of the live tail.", domain.viewers),
        (
            "sapwood_records_granted_today",
            "gauge",
            "Records granted today, if the domain has a quota.",
            domain.granted_today,
        ),
        (
            "sapwood_targets_disabled",
            "gauge",
            "Targets that take nothing any more.",
            domain.disabled_targets.len() as u64,
        ),
    ] {
        page.head(name, kind, help);
        page.bare(name, value);
    }
}

struct Page {
    text: String,
    is_open_metrics: bool,
}

impl Page {
    /// OpenMetrics names a counter's family without the suffix that its series have.
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let family = if self.is_open_metrics { name.trim_end_matches("_total") } else { name };
        // Writing into a String cannot fail.
        let _infallible = write!(self.text, "# HELP {family} {help}\n# TYPE {family} {kind}\n");
    }

    fn bare(&mut self, name: &str, value: u64) {
        let _infallible = writeln!(self.text, "{name} {value}");
    }

    fn line(&mut self, name: &str, object: &StatusAnswer, labels: &[(&str, &str)], value: u64) {
        self.text.push_str(name);
        self.text.push_str("{component=\"");
        escape(&mut self.text, &object.component);
        let _infallible = write!(self.text, "\",shard=\"{}\"", object.shard);
        for (label, text) in labels {
            let _infallible = write!(self.text, ",{label}=\"");
            escape(&mut self.text, text);
            self.text.push('"');
        }
        let _infallible = writeln!(self.text, "}} {value}");
    }
}

/// A label's value: backslash, quote and line feed are escaped, and nothing else.
fn escape(out: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn object(component: &str) -> StatusAnswer {
        StatusAnswer {
            component: component.into(),
            accepted: 5,
            rejected: 2,
            levels: BTreeMap::from([("error".to_owned(), 3)]),
            last_seq: 9,
            folded_seq: 4,
            rows_written: 11,
            d1: SinkView { state: "open".into(), rows_behind: 6, ..SinkView::default() },
            ..StatusAnswer::default()
        }
    }

    #[test]
    fn a_page_reads_like_prometheus_text() {
        let domain = DomainStatus { outbox: 3, ..DomainStatus::default() };
        let lead = SinkView { state: "retrying".into(), rows_behind: 4, undeliverable: 3, ..SinkView::default() };
        let shard = StatusAnswer { shard: 1, lead: Some(lead), ..object("cart") };
        let text = exposition(&[object("cart"), shard, object("a\"b\\c")], Some(&domain), 1, false);
        for line in [
            r#"sapwood_records_total{component="cart",shard="0",outcome="accepted"} 5"#,
            r#"sapwood_records_total{component="a\"b\\c",shard="0",outcome="rejected"} 2"#,
            r#"sapwood_records_by_level_total{component="cart",shard="0",level="error"} 3"#,
            r#"sapwood_object_rows_unfolded{component="cart",shard="0"} 5"#,
            r#"sapwood_object_rows_written_total{component="cart",shard="0"} 11"#,
            r#"sapwood_sink_state{component="cart",shard="0",sink="d1",state="open"} 1"#,
            r#"sapwood_sink_state{component="cart",shard="0",sink="d1",state="closed"} 0"#,
            r#"sapwood_sink_rows_behind{component="cart",shard="0",sink="d1"} 6"#,
            r#"sapwood_sink_rows_behind{component="cart",shard="1",sink="lead"} 4"#,
            r#"sapwood_sink_records_undeliverable_total{component="cart",shard="1",sink="lead"} 3"#,
            "sapwood_objects_unanswered 1",
            "sapwood_outbox_messages 3",
        ] {
            assert!(text.lines().any(|known| known == line), "{line}\n{text}");
        }
        assert!(!text.contains(r#"shard="0",sink="lead""#), "a lead tells nobody");
    }

    #[test]
    fn every_series_is_described_once_and_said_once() {
        let shard = StatusAnswer { shard: 1, ..object("cart") };
        let text = exposition(&[object("cart"), shard, object("pay")], Some(&DomainStatus::default()), 0, false);
        let described: Vec<_> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        assert_eq!(described.len(), described.iter().collect::<BTreeSet<_>>().len());
        let series: Vec<_> =
            text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap().0).collect();
        assert_eq!(series.len(), series.iter().collect::<BTreeSet<_>>().len());
        for line in series {
            let name = line.split('{').next().unwrap();
            assert!(described.contains(&name), "{name}");
        }
    }

    #[test]
    fn open_metrics_names_families_without_their_suffix_and_ends_the_page() {
        let text = exposition(&[object("cart")], None, 0, true);
        assert!(text.ends_with("\n# EOF\n"));
        assert!(text.contains("# TYPE sapwood_records counter\n") && text.contains("\nsapwood_records_total{"));
        assert!(!text.lines().any(|line| line.starts_with("# TYPE") && line.contains("_total")), "{text}");
    }

    #[test]
    fn a_domain_without_objects_has_a_page_too() {
        let text = exposition(&[], None, 0, false);
        assert!(text.contains("sapwood_objects_unanswered 0\n") && !text.contains("sapwood_outbox"));
    }
}
