//! `sapwood replay`: what a component would have raised under other settings, beside what it raises under its own.

use crate::Verdict;
use crate::client::Client;
use crate::endpoint::{EndpointArgs, Scope};
use crate::fault::Fault;
use crate::render::{Style, Table, cut, grouped, printable, time_of_day};
use crate::replies::Moment;
use crate::search::relative;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::io::Write;

/// Arguments of `replay`.
#[derive(clap::Args)]
pub(crate) struct Replay {
    /// The component.
    component: String,
    /// What would be different, such as CRITICAL_THRESHOLD=50; may be repeated.
    #[arg(long = "set", value_name = "NAME=VALUE", required = true)]
    settings: Vec<String>,
    /// From when (receive time): 15m, 2h, an epoch or an RFC 3339 time. Without it, from the first record kept.
    #[arg(long)]
    since: Option<String>,
    /// Until when, exclusive.
    #[arg(long)]
    until: Option<String>,
    /// The answer as it came.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

#[derive(Deserialize)]
struct Reply {
    records: u64,
    complete: bool,
    until_ms: i64,
    now: Side,
    asked: Side,
}

#[derive(Deserialize)]
struct Side {
    incidents: Vec<Incident>,
    told: u64,
}

#[derive(Clone, Deserialize)]
struct Incident {
    id: String,
    kind: String,
    series: String,
    template: Option<String>,
    count: u64,
    first_seen_ms: i64,
}

impl Replay {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let client = Client::new(self.endpoint.resolve(Scope::Read)?);
        let body = self.body()?;
        if self.json {
            let reply: Value = client.post("/api/detectors/replay", &body)?;
            writeln!(out, "{reply}")?;
            return Ok(Verdict::Good);
        }
        self.show(&client.post("/api/detectors/replay", &body)?, Style::of_stdout(), out)
    }

    fn body(&self) -> Result<Value, Fault> {
        let mut settings = Map::new();
        for pair in &self.settings {
            let Some((name, value)) = pair.split_once('=') else {
                return Err(Fault::Request(format!("{pair} is no setting: write NAME=VALUE")));
            };
            settings.insert(name.trim().to_owned(), value.trim().into());
        }
        let mut body = Map::new();
        body.insert("component".into(), self.component.clone().into());
        body.insert("settings".into(), settings.into());
        for (name, time) in [("from", &self.since), ("to", &self.until)] {
            body.extend(time.as_deref().map(|time| (name.to_owned(), relative(time).into())));
        }
        Ok(body.into())
    }

    fn show(&self, reply: &Reply, style: Style, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let mut all: Vec<(&Incident, bool, bool)> = Vec::new();
        let has = |side: &Side, id: &str| side.incidents.iter().any(|incident| incident.id == id);
        for incident in &reply.now.incidents {
            all.push((incident, true, has(&reply.asked, &incident.id)));
        }
        let new = reply.asked.incidents.iter().filter(|incident| !has(&reply.now, &incident.id));
        all.extend(new.map(|incident| (incident, false, true)));
        all.sort_by_key(|(incident, ..)| incident.first_seen_ms);
        let mut table = Table::new(&["now", "asked", "first seen", "kind", "series", ">count", "template"]);
        let mark = |is_there: bool| if is_there { "yes" } else { "-" }.to_owned();
        for (incident, now, asked) in all {
            table.row(vec![
                mark(now),
                mark(asked),
                time_of_day(&Moment::Millis(incident.first_seen_ms)),
                printable(&incident.kind),
                cut(&printable(&incident.series), 24),
                grouped(incident.count),
                printable(incident.template.as_deref().unwrap_or_default()),
            ]);
        }
        table.write(out, style)?;
        let (now, asked) = (&reply.now, &reply.asked);
        writeln!(
            out,
            "{} records; now {} incidents, {} told; with {} {} incidents, {} told",
            grouped(reply.records),
            now.incidents.len(),
            now.told,
            printable(&self.settings.join(" ")),
            asked.incidents.len(),
            asked.told
        )?;
        if reply.complete {
            return Ok(Verdict::Good);
        }
        let until = Moment::Millis(reply.until_ms);
        writeln!(out, "{}", style.bad(&format!("not all: up to {until}; go on with --since {}", reply.until_ms)))?;
        Ok(Verdict::Bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Answer, Server};

    const REPLY: &str = r#"{"records":12,"complete":false,"until_ms":5000,
        "now":{"incidents":[{"id":"b","kind":"burst","series":"errors","template":null,"count":8,"first_seen_ms":2000},
            {"id":"n","kind":"new_pattern","series":"pattern:00","template":"pay <*>","count":12,"first_seen_ms":1000}],"told":2},
        "asked":{"incidents":[{"id":"n","kind":"new_pattern","series":"pattern:00","template":"pay <*>","count":12,"first_seen_ms":1000}],"told":1}}"#;

    fn command(server: &Server, settings: &[&str]) -> Replay {
        Replay {
            component: "till".into(),
            settings: settings.iter().map(|setting| (*setting).to_owned()).collect(),
            since: Some("2h".into()),
            until: None,
            json: false,
            endpoint: EndpointArgs { url: Some(server.url()), key: Some("k".into()), ..EndpointArgs::default() },
        }
    }

    #[test]
    fn both_sides_are_told_apart_and_what_is_missing_is_said() {
        let server = Server::scripted([Answer::new(200, REPLY)]);
        let mut out = Vec::new();
        let verdict = command(&server, &["CRITICAL_THRESHOLD=100"]).run(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(verdict, Verdict::Bad, "it is not all");
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().take(2).collect()).collect();
        assert_eq!((&rows[1], &rows[2]), (&vec!["yes", "yes"], &vec!["yes", "-"]), "{text}");
        assert!(text.contains("now 2 incidents, 2 told; with CRITICAL_THRESHOLD=100 1 incidents, 1 told"), "{text}");
        assert!(text.contains("--since 5000"), "{text}");
        let asked: Value = serde_json::from_str(&server.asked()[0].body).unwrap();
        let expected = serde_json::json!({
            "component": "till", "settings": {"CRITICAL_THRESHOLD": "100"}, "from": "-2h",
        });
        assert_eq!(asked, expected);
    }

    #[test]
    fn what_is_no_setting_is_refused_before_anything_is_asked() {
        let server = Server::scripted([]);
        let refusal = command(&server, &["CRITICAL_THRESHOLD"]).run(&mut Vec::new()).unwrap_err().to_string();
        assert!(refusal.contains("NAME=VALUE"), "{refusal}");
        assert!(server.asked().is_empty());
    }
}
