//! `sapwood baseline`: what is usual of a component's series, what came, and what was decided about it.

use crate::Verdict;
use crate::client::Client;
use crate::endpoint::{EndpointArgs, Scope};
use crate::fault::Fault;
use crate::render::{Style, Table, cut, printable, time_of_day};
use crate::replies::{BaselineReply, DecisionReply, Moment, PointReply, SeriesListReply, ValuesReply};
use crate::search::relative;
use std::io::{self, Write};
use std::path::PathBuf;

/// Arguments of `baseline`.
#[derive(clap::Args)]
pub(crate) struct Baseline {
    /// The component.
    component: String,
    /// total, errors, latency, or pattern: and the id of a pattern. Without it, the series are listed.
    #[arg(long)]
    series: Option<String>,
    /// From when: 15m, 2h, an epoch or an RFC 3339 time. Everything that is kept otherwise (four hours).
    #[arg(long)]
    since: Option<String>,
    /// Draw the series (all records, if none is named) into this file, as SVG.
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    chart: Option<PathBuf>,
    /// The answer as it came.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// Rows of the chart, at most: neighbouring minutes are put together.
const ROWS_MAX: usize = 40;

impl Baseline {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let client = Client::new(self.endpoint.resolve(Scope::Read)?);
        let path = format!("/api/components/{}/baseline", encoded(&self.component));
        let mut parameters = Vec::new();
        parameters.extend(self.series.clone().map(|series| ("series", series)));
        parameters.extend(self.since.as_deref().map(|since| ("from", relative(since))));
        if let Some(file) = &self.chart {
            let svg = client.read_text(&format!("{path}.svg"), &parameters)?;
            std::fs::write(file, svg)
                .map_err(|error| Fault::Request(format!("cannot write {}: {error}", file.display())))?;
            writeln!(out, "{}", file.display())?;
        } else if self.json {
            let reply: serde_json::Value = client.read(&path, &parameters)?;
            writeln!(out, "{reply}")?;
        } else if self.series.is_some() {
            write_one(&client.read(&path, &parameters)?, Style::of_stdout(), out)?;
        } else {
            write_list(&client.read(&path, &parameters)?, Style::of_stdout(), out)?;
        }
        Ok(Verdict::Good)
    }
}

/// A name as one segment of a path.
pub(crate) fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn write_list(reply: &SeriesListReply, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&["series", ">usual", ">learned", ">period", "open", "template"]);
    for series in &reply.series {
        table.row(vec![
            printable(&series.series),
            format!("{:.3}", series.usual),
            format!("{} min", series.learned_minutes),
            series.period_ms.map_or("-".to_owned(), |period| format!("{} s", period / 1_000)),
            printable(series.open.as_deref().unwrap_or("-")),
            printable(series.template.as_deref().unwrap_or("")),
        ]);
    }
    table.write(out, style)?;
    writeln!(
        out,
        "{} of {} series; usual is records a minute, of errors and latency a share",
        reply.series.len(),
        reply.series_total
    )?;
    write_decisions(&reply.decisions, style, out)
}

fn write_one(reply: &BaselineReply, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let template = reply.template.as_deref().map(|text| format!("  {}", printable(text))).unwrap_or_default();
    writeln!(out, "{}{template}", style.bold(&printable(&reply.series)))?;
    writeln!(
        out,
        "usual {:.3}, learned {} min, open {}",
        reply.usual,
        reply.learned_minutes,
        printable(reply.open.as_deref().unwrap_or("-"))
    )?;
    if let Some(values) = &reply.values {
        write_values(values, style, out)?;
    }
    write_chart(&reply.points, style, out)?;
    write_decisions(&reply.decisions, style, out)
}

/// What the values of a variable usually are, as shares.
fn write_values(values: &ValuesReply, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let hours = match values.rhythm.as_str() {
        "daily" => "in this half hour of the day",
        "weekly" => "in this half hour of the week",
        _ => "at any hour",
    };
    writeln!(out, "usual {hours}, from {}:", Moment::Millis(values.from_ms).to_second())?;
    let mut table = Table::new(&["values", ">usual %", ">remarkable below", ">and above"]);
    for class in &values.classes {
        let above = || class.above.map(|mark| format!("above {mark}"));
        let percent = |share: f64| format!("{:.1}", 100.0 * share);
        table.row(vec![
            class.value.as_deref().map(printable).or_else(above).unwrap_or_else(|| "-".to_owned()),
            percent(class.usual),
            percent(class.low),
            percent(class.high),
        ]);
    }
    table.write(out, style)
}

/// A line for each minute, or for several: what came as a mark over the usual, which is drawn from its low to its high.
fn write_chart(points: &[PointReply], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let each = points.len().div_ceil(ROWS_MAX).max(1);
    let rows: Vec<Row> = points.chunks(each).filter_map(Row::of).collect();
    let most = rows.iter().map(|row| row.high.unwrap_or(0.0).max(row.seen)).fold(1.0, f64::max);
    let width = style.width.saturating_sub(34).max(10);
    let place = |value: f64| ((value / most * (width as f64 - 1.0)).round() as usize).min(width - 1);
    for row in rows {
        let mut line = vec![' '; width];
        if let (Some(low), Some(high)) = (row.low, row.high) {
            line.iter_mut().take(place(high) + 1).skip(place(low)).for_each(|mark| *mark = '░');
        }
        let is_usual = row.low.is_none_or(|low| row.seen >= low) && row.high.is_none_or(|high| row.seen <= high);
        if let Some(mark) = line.get_mut(place(row.seen)) {
            *mark = if is_usual { '●' } else { '◆' };
        }
        let line: String = line.into_iter().collect();
        let expected = row.expected.map_or("-".to_owned(), |expected| format!("{expected:.1}"));
        let text = format!("{} {:>9} {expected:>9}  {}", time_of_day(&row.at), row.seen, line.trim_end());
        writeln!(out, "{}", if is_usual { text } else { style.bad(&text) })?;
    }
    Ok(())
}

/// Minutes put together, as means of a minute.
struct Row {
    at: Moment,
    seen: f64,
    expected: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
}

impl Row {
    fn of(points: &[PointReply]) -> Option<Self> {
        let first = points.first()?;
        let mean = |of: &dyn Fn(&PointReply) -> Option<f64>| {
            let known: Vec<f64> = points.iter().filter_map(of).collect();
            (!known.is_empty()).then(|| (known.iter().sum::<f64>() / known.len() as f64 * 10.0).round() / 10.0)
        };
        Some(Self {
            at: Moment::Millis(first.time_ms),
            seen: mean(&|point| Some(point.seen as f64)).unwrap_or(0.0),
            expected: mean(&|point| point.expected),
            low: mean(&|point| point.low),
            high: mean(&|point| point.high),
        })
    }
}

fn write_decisions(decisions: &[DecisionReply], style: Style, out: &mut dyn Write) -> io::Result<()> {
    if decisions.is_empty() {
        return writeln!(out, "nothing was found that is not usual");
    }
    let mut table = Table::new(&["at", "found", "series", ">window", ">seen", ">expected", ">probability", "so"]);
    for one in decisions {
        table.row(vec![
            Moment::Millis(one.at_ms).to_second(),
            printable(&one.kind),
            cut(&printable(&one.series), 26),
            format!("{} s", one.window_ms / 1_000),
            one.seen.to_string(),
            format!("{:.1} ({:.1} to {:.1})", one.expected, one.expected_low, one.expected_high),
            format!("{:.1e}", one.probability),
            printable(&one.verdict),
        ]);
    }
    table.write(out, style)?;
    decisions.iter().filter_map(with_release).try_for_each(|line| writeln!(out, "{line}"))
}

/// With which release something came that never was before.
fn with_release(one: &DecisionReply) -> Option<String> {
    let (release, before) = (printable(one.new_in_release.as_deref()?), one.before_release.as_ref()?);
    let value = before.value.as_deref().map(|value| format!(" at {}", printable(value))).unwrap_or_default();
    let had = match &before.release {
        Some(name) => format!("{} had {} records there and none of it", printable(name), before.records),
        None => "never before".to_owned(),
    };
    Some(format!("{}{value}: first seen with release {release}; {had}", printable(&one.series)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Answer, Folder, Server};

    fn shown(answer: &str, series: Option<&str>) -> (String, String) {
        let server = Server::scripted([Answer::new(200, answer)]);
        let endpoint = EndpointArgs { url: Some(server.url()), key: Some("k".into()), ..EndpointArgs::default() };
        let mut out = Vec::new();
        let command = Baseline {
            component: "a b".into(),
            series: series.map(str::to_owned),
            since: Some("2h".into()),
            chart: None,
            json: false,
            endpoint,
        };
        command.run(&mut out).unwrap();
        (String::from_utf8(out).unwrap(), server.asked()[0].path.clone())
    }

    #[test]
    fn a_series_is_drawn_with_what_was_usual_and_what_was_decided() {
        let answer = r#"{"series":"total","usual":12.5,"learned_minutes":70,"open":"burst","points":[
            {"time_ms":0,"seen":12,"expected":12.5,"low":6,"high":20},
            {"time_ms":60000,"seen":90,"expected":12.5,"low":6,"high":20},
            {"time_ms":120000,"seen":3}],
            "decisions":[{"kind":"burst","series":"total","at_ms":70000,"window_ms":10000,"seen":60,"expected":2,
            "expected_low":0,"expected_high":7.5,"probability":1e-10,"verdict":"opened"}]}"#;
        let (text, path) = shown(answer, Some("total"));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1], "usual 12.500, learned 70 min, open burst");
        assert!(lines[2].starts_with("00:00:00        12      12.5  ") && lines[2].contains("░●░"), "{text}");
        assert!(lines[3].ends_with('◆') && lines[4].contains('●') && !lines[4].contains('░'), "{text}");
        assert!(text.contains("2.0 (0.0 to 7.5)") && text.contains("1.0e-10") && text.contains("opened"), "{text}");
        assert_eq!(path, "/api/components/a%20b/baseline?series=total&from=-2h");
    }

    #[test]
    fn what_came_with_a_release_says_so_and_what_there_was_before_it() {
        let decided = |before: &str| {
            let one =
                r#"{"kind":"rare_combination","series":"facet:00000000000000ff:endpoint","new_in_release":"2.4.1""#;
            shown(&format!(r#"{{"series":"total","decisions":[{one}{before}}}]}}"#), Some("total")).0
        };
        let text = decided(r#","before_release":{"release":"2.4.0","value":"/cart","records":1200}"#);
        let told = "facet:00000000000000ff:endpoint at /cart: first seen with release 2.4.1; \
                    2.4.0 had 1200 records there and none of it";
        assert!(text.contains(told), "{text}");
        assert!(decided(r#","before_release":{"release":null,"records":0}"#).contains("2.4.1; never before"));
        assert!(!decided("").contains("first seen"));
    }

    #[test]
    fn a_variable_has_the_shares_that_its_hour_usually_has() {
        let answer = r#"{"series":"variable:00000000000000ff:0","template":"queue of <*>","values":{"from_ms":7200000,
            "rhythm":"daily","classes":[{"above":17.5,"usual":0.96,"low":0.9,"high":1},
            {"value":"up","usual":0.5,"low":0.25,"high":0.75}]}}"#;
        let (text, _) = shown(answer, Some("variable:00000000000000ff:0"));
        assert!(text.contains("usual in this half hour of the day, from 1970-01-01"), "{text}");
        let row =
            |name: &str| text.lines().find(|line| line.contains(name)).unwrap().split_whitespace().collect::<Vec<_>>();
        assert_eq!(row("above 17.5"), ["above", "17.5", "96.0", "90.0", "100.0"]);
        assert_eq!(row("up "), ["up", "50.0", "25.0", "75.0"]);
    }

    #[test]
    fn a_chart_is_written_as_the_service_draws_it() {
        let folder = Folder::new();
        let file = folder.path("chart.svg");
        let server = Server::scripted([Answer::new(200, "<svg/>"), Answer::new(404, r#"{"title":"Not found"}"#)]);
        let endpoint = EndpointArgs { url: Some(server.url()), key: Some("k".into()), ..EndpointArgs::default() };
        let command = Baseline {
            component: "shop".into(),
            series: Some("errors".into()),
            since: None,
            chart: Some(file.clone()),
            json: false,
            endpoint,
        };
        let mut out = Vec::new();
        command.run(&mut out).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "<svg/>");
        assert_eq!(String::from_utf8(out).unwrap().trim_end(), file.display().to_string());
        assert_eq!(server.asked()[0].path, "/api/components/shop/baseline.svg?series=errors");
        assert!(command.run(&mut Vec::new()).unwrap_err().to_string().contains("Not found"));
    }

    #[test]
    fn series_are_listed_and_many_minutes_fit_the_screen() {
        let answer = r#"{"series":[{"series":"total","usual":3.25,"learned_minutes":9},
            {"series":"pattern:00000000000000ff","template":"job done","period_ms":300000,"open":"missed"}],"series_total":5}"#;
        let (text, _) = shown(answer, None);
        assert!(
            text.contains("3.250") && text.contains("300 s") && text.contains("missed") && text.contains("job done"),
            "{text}"
        );
        assert!(text.contains("2 of 5 series") && text.contains("nothing was found"), "{text}");
        let points: Vec<_> =
            (0..240).map(|minute| PointReply { time_ms: minute * 60_000, seen: 5, ..PointReply::default() }).collect();
        let mut out = Vec::new();
        write_chart(&points, Style { has_colour: false, width: 80 }, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 40);
        assert!(text.lines().all(|line| line.chars().count() <= 80));
    }
}
