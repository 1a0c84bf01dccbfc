//! `sapwood summary`: levels, minute by minute, as a chart.

use crate::Verdict;
use crate::client::Client;
use crate::endpoint::{EndpointArgs, Scope};
use crate::fault::Fault;
use crate::render::{Style, grouped, sparkline, time_of_day};
use crate::replies::SummaryReply;
use crate::search::relative;
use sapwood_engine::time::Timestamp;
use std::io::{self, Write};

/// Arguments of `summary`.
#[derive(clap::Args)]
pub(crate) struct Summary {
    /// From when: 15m, 2h, an epoch or an RFC 3339 time. The service's own default otherwise.
    #[arg(long)]
    since: Option<String>,
    /// The answer as it came.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

const PATH: &str = "/api/logs/analytics/summary";
const LEVELS: [&str; 6] = ["fatal", "error", "warn", "info", "debug", "trace"];

impl Summary {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let client = Client::new(self.endpoint.resolve(Scope::Read)?);
        let parameters: Vec<_> = self.since.as_deref().map(|since| ("from", relative(since))).into_iter().collect();
        if self.json {
            let reply: serde_json::Value = client.read(PATH, &parameters)?;
            writeln!(out, "{reply}")?;
        } else {
            write_chart(&client.read(PATH, &parameters)?, Style::of_stdout(), out)?;
        }
        Ok(Verdict::Good)
    }
}

/// The summary from `from_ms` to `to_ms`.
pub(crate) fn read(client: &Client, from_ms: i64, to_ms: i64) -> Result<SummaryReply, Fault> {
    Ok(client.read(PATH, &[("from", Timestamp(from_ms).to_string()), ("to", Timestamp(to_ms).to_string())])?)
}

/// One sparkline for each level that occurs; where there are more intervals than room, neighbours are summed.
pub(crate) fn write_chart(summary: &SummaryReply, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let room = style.width.saturating_sub(20).max(10);
    let each = summary.timeline.len().div_ceil(room).max(1);
    let columns: Vec<_> = summary.timeline.chunks(each).collect();
    for level in LEVELS {
        let total = summary.by_level.get(level).copied().unwrap_or(0);
        let values: Vec<u64> =
            columns.iter().map(|column| column.iter().filter_map(|point| point.by_level.get(level)).sum()).collect();
        if total > 0 || values.iter().any(|&value| value > 0) {
            let line = format!("{level:<5} {:>11}  {}", grouped(total), sparkline(&values));
            writeln!(out, "{}", style.level(level, line.trim_end()))?;
        }
    }
    if let (Some(first), Some(last)) = (summary.timeline.first(), summary.timeline.last()) {
        let gap = columns.len().saturating_sub(16);
        let axis = format!("{:19}{}{:gap$}{}", "", time_of_day(&first.time), "", time_of_day(&last.time));
        writeln!(out, "{}", style.dim(&axis))?;
    }
    writeln!(out, "total {:>11}", grouped(summary.total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replies::{Moment, TimelinePoint};
    use crate::testing::{Answer, Server};
    use std::collections::BTreeMap;

    fn summary(points: usize) -> SummaryReply {
        let by_level = |n: u64| BTreeMap::from([("info".to_owned(), n), ("error".to_owned(), n / 4)]);
        let point = |i: usize| TimelinePoint {
            time: Moment::Millis(i as i64 * 60_000),
            total: i as u64,
            by_level: by_level(i as u64),
        };
        SummaryReply { total: 1_234, by_level: by_level(1_000), timeline: (0..points).map(point).collect() }
    }

    fn chart(points: usize, width: usize) -> String {
        let mut out = Vec::new();
        write_chart(&summary(points), Style { has_colour: false, width }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn levels_that_occur_have_a_line_and_the_worst_stands_first() {
        let text = chart(8, 80);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "error         250      ▇▇▇▇".replace('▇', "█").as_str());
        assert!(lines[1].starts_with("info        1,000   ▁▂▃▅▆▇█") || lines[1].contains('█'), "{text}");
        assert!(lines[2].trim_start().starts_with("00:00:00") && lines[2].ends_with("00:07:00"), "{text}");
        assert_eq!(lines[3], "total       1,234");
    }

    #[test]
    fn a_long_range_fits_the_screen_and_an_empty_one_is_no_error() {
        assert!(chart(1_000, 80).lines().all(|line| line.chars().count() <= 80));
        let mut out = Vec::new();
        write_chart(&SummaryReply::default(), Style { has_colour: false, width: 80 }, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "total           0\n");
    }

    #[test]
    fn the_range_is_asked_for() {
        let server = Server::scripted([Answer::new(200, "{}"), Answer::new(200, "{}"), Answer::new(200, "{}")]);
        read(&server.client(), 5, 9).unwrap();
        let endpoint = EndpointArgs { url: Some(server.url()), key: Some("k".into()), ..EndpointArgs::default() };
        for json in [false, true] {
            let mut out = Vec::new();
            Summary { since: Some("2h".into()), json, endpoint: endpoint.clone() }.run(&mut out).unwrap();
            assert!(!out.is_empty());
        }
        let paths: Vec<_> = server.asked().into_iter().map(|asked| asked.path).collect();
        assert_eq!(paths[0], format!("{PATH}?from=1970-01-01T00%3A00%3A00.005Z&to=1970-01-01T00%3A00%3A00.009Z"));
        assert_eq!(paths[2], format!("{PATH}?from=-2h"));
    }
}
