//! `sapwood search`: records that match, oldest first, the newest page unless more is asked for.

use crate::Verdict;
use crate::client::Client;
use crate::endpoint::{EndpointArgs, Scope};
use crate::fault::Fault;
use crate::render::{Style, grouped, printable, value_line};
use crate::replies::SearchReply;
use serde_json::Value;
use std::io::Write;

/// Records of one page; the service gives at most this many.
const PAGE: usize = 1_000;

/// Arguments of `search`.
#[derive(clap::Args, Default)]
pub(crate) struct Search {
    /// Words that must all occur in the message; "a phrase" in quotes.
    query: Option<String>,
    /// Only this component; may be repeated.
    #[arg(long)]
    component: Vec<String>,
    /// Only these levels: error,fatal.
    #[arg(long)]
    level: Option<String>,
    /// From when: 15m, 2h, an epoch or an RFC 3339 time.
    #[arg(long)]
    since: Option<String>,
    /// Until when, exclusive.
    #[arg(long)]
    until: Option<String>,
    /// How many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Records as JSON, one a line, newest first.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Search {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let client = Client::new(self.endpoint.resolve(Scope::Read)?);
        self.show(&client, Style::of_stdout(), out)
    }

    fn show(&self, client: &Client, style: Style, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let (records, last) = self.pages(client)?;
        if self.json {
            for record in &records {
                writeln!(out, "{record}")?;
            }
        } else {
            for record in records.iter().rev() {
                writeln!(out, "{}", value_line(record, style))?;
            }
            let at_least = if last.total_is_exact == Some(false) { "at least " } else { "" };
            let note = format!("{} shown of {at_least}{}", grouped(records.len() as u64), grouped(last.total));
            writeln!(out, "{}", style.dim(&note))?;
        }
        if !last.partial {
            return Ok(Verdict::Good);
        }
        let silent = printable(&last.failed_components.join(", "));
        let note = format!("not all: no answer from {silent}; try again");
        // Standard output stays clean for whoever reads the JSON.
        if self.json {
            writeln!(std::io::stderr(), "sapwood: {note}")?
        } else {
            writeln!(out, "{}", style.bad(&note))?
        }
        Ok(Verdict::Bad)
    }

    /// Newest first, page by page up to the limit; and the last page's word on totals.
    fn pages(&self, client: &Client) -> Result<(Vec<Value>, SearchReply), Fault> {
        let mut records = Vec::new();
        let mut cursor = None;
        let mut is_partial = false;
        loop {
            let mut parameters = self.parameters(PAGE.min(self.limit.saturating_sub(records.len())));
            parameters.extend(cursor.map(|cursor| ("cursor", cursor)));
            let mut page: SearchReply = client.read("/api/logs/search", &parameters)?;
            records.append(&mut page.records);
            is_partial |= page.partial;
            cursor = page.next_cursor.take();
            if cursor.is_none() || records.len() >= self.limit {
                return Ok((records, SearchReply { partial: is_partial, ..page }));
            }
        }
    }

    fn parameters(&self, limit: usize) -> Vec<(&'static str, String)> {
        let mut parameters = vec![("limit", limit.max(1).to_string())];
        parameters.extend(self.query.clone().map(|query| ("q", query)));
        parameters.extend(self.component.iter().map(|component| ("component", component.clone())));
        parameters.extend(self.level.clone().map(|level| ("level", level)));
        parameters.extend(self.since.as_deref().map(|since| ("from", relative(since))));
        parameters.extend(self.until.as_deref().map(|until| ("to", relative(until))));
        parameters
    }
}

/// `15m` means 15 minutes ago; everything else is as the service reads it.
pub(crate) fn relative(time: &str) -> String {
    let is_span = time.starts_with(|c: char| c.is_ascii_digit()) && time.ends_with(['s', 'm', 'h', 'd']);
    if is_span { format!("-{time}") } else { time.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Answer, Server};

    const PLAIN: Style = Style { has_colour: false, width: 100 };

    fn page(messages: &[&str], rest: &str) -> Answer {
        let records: Vec<Value> =
            messages.iter().map(|m| serde_json::json!({"message": m, "level": "error"})).collect();
        Answer::new(200, format!(r#"{{"records":{},"total":3{rest}}}"#, Value::from(records)))
    }

    fn shown(search: &Search, server: &Server) -> (String, Verdict) {
        let mut out = Vec::new();
        let verdict = search.show(&server.client(), PLAIN, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), verdict)
    }

    #[test]
    fn pages_are_joined_and_the_newest_stands_last() {
        let server = Server::scripted([page(&["c", "b"], r#","next_cursor":"x y""#), page(&["a"], "")]);
        let search = Search { query: Some("disk".into()), since: Some("15m".into()), limit: 50, ..Search::default() };
        let (text, verdict) = shown(&search, &server);
        let order: Vec<_> = text.lines().filter_map(|line| line.chars().last()).collect();
        assert_eq!((order, verdict), (vec!['a', 'b', 'c', '3'], Verdict::Good));
        let asked = server.asked();
        assert_eq!(asked[0].path, "/api/logs/search?limit=50&q=disk&from=-15m");
        assert_eq!(asked[1].path, "/api/logs/search?limit=48&q=disk&from=-15m&cursor=x%20y");
    }

    #[test]
    fn an_incomplete_answer_is_said_and_is_no_success() {
        let partial = r#","partial":true,"failed_components":["cart"],"total_is_exact":false"#;
        let server = Server::scripted([page(&["a"], partial), page(&["a"], partial)]);
        let search = Search { limit: 1, component: vec!["cart".into(), "web".into()], ..Search::default() };
        let (text, verdict) = shown(&search, &server);
        assert!(text.contains("no answer from cart") && text.contains("at least 3"), "{text}");
        assert_eq!(verdict, Verdict::Bad);
        assert!(server.asked()[0].path.contains("component=cart&component=web"));
        let (text, verdict) = shown(&Search { limit: 1, json: true, ..Search::default() }, &server);
        assert_eq!((text.lines().count(), verdict), (1, Verdict::Bad));
        assert!(serde_json::from_str::<Value>(&text).is_ok());
    }

    #[test]
    fn spans_are_ago_and_times_stay() {
        for (said, sent) in [("15m", "-15m"), ("2h", "-2h"), ("1763632800", "1763632800"), ("now-1h", "now-1h")] {
            assert_eq!(relative(said), sent);
        }
    }
}
