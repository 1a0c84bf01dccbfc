//! `sapwood patterns`: the shapes that lines have, most frequent first.

use crate::Verdict;
use crate::client::Client;
use crate::endpoint::{EndpointArgs, Scope};
use crate::fault::Fault;
use crate::render::{Style, Table, bar, cut, grouped, printable, time_of_day};
use crate::replies::{PatternComponent, PatternReply, PatternsReply};
use std::io::{self, Write};

/// Arguments of `patterns`.
#[derive(clap::Args)]
pub(crate) struct Patterns {
    /// How many.
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// Only this component.
    #[arg(long)]
    component: Option<String>,
    /// The answer as it came.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Patterns {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let client = Client::new(self.endpoint.resolve(Scope::Read)?);
        if self.json {
            let reply: serde_json::Value = client.read(PATH, &parameters(self.limit, self.component.as_deref()))?;
            writeln!(out, "{reply}")?;
            return Ok(Verdict::Good);
        }
        let reply = read(&client, self.limit, self.component.as_deref())?;
        if reply.patterns.is_empty() {
            writeln!(out, "no patterns yet: send some lines first (sapwood play FILE)")?;
        }
        write_table(&reply.patterns, Style::of_stdout(), out)?;
        writeln!(out, "{} of {}", reply.patterns.len(), grouped(reply.total.max(reply.patterns.len() as u64)))?;
        Ok(Verdict::Good)
    }
}

const PATH: &str = "/api/logs/analytics/patterns";

fn parameters(limit: usize, component: Option<&str>) -> Vec<(&'static str, String)> {
    let mut parameters = vec![("limit", limit.to_string())];
    parameters.extend(component.map(|component| ("component", component.to_owned())));
    parameters
}

/// The most frequent patterns, of one component or of all.
pub(crate) fn read(client: &Client, limit: usize, component: Option<&str>) -> Result<PatternsReply, Fault> {
    let mut reply: PatternsReply = client.read(PATH, &parameters(limit, component))?;
    reply.patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.count));
    reply.patterns.truncate(limit);
    Ok(reply)
}

/// Count, share, level, when last, where and the template.
pub(crate) fn write_table(patterns: &[PatternReply], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let max = patterns.iter().map(|pattern| pattern.count).max().unwrap_or(0);
    let mut table = Table::new(&[">count", "", "level", "last", "component", "template"]);
    for pattern in patterns {
        table.row(vec![
            grouped(pattern.count),
            format!("{:<12}", bar(pattern.count, max, 12)),
            printable(&pattern.level),
            time_of_day(&pattern.last_seen),
            cut(&printable(&places(&pattern.components)), 18),
            printable(&[pattern.template.as_str(), &culprit(pattern)].concat()),
        ]);
    }
    table.write(out, style)
}

/// Where a fault arose, behind its template.
fn culprit(pattern: &PatternReply) -> String {
    let Some(fault) = &pattern.fault else { return String::new() };
    match (&fault.function, &fault.file) {
        (Some(function), Some(file)) => format!("  in {function} ({file})"),
        (Some(place), None) | (None, Some(place)) => format!("  in {place}"),
        (None, None) => String::new(),
    }
}

/// The components, the most frequent first, as the service sends them.
fn places(components: &[PatternComponent]) -> String {
    let names: Vec<_> = components.iter().map(|place| place.component.as_str()).collect();
    names.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replies::FaultReply;
    use crate::testing::{Answer, Server};

    const REPLY: &str = r#"{"patterns":[
        {"id":"1","template":"rare <*>","count":3,"level":"error","last_seen":0,"components":[{"component":"cart","count":3}]},
        {"id":"2","template":"often <*>","count":1200,"level":"info","components":[{"component":"web","count":1100},{"component":"cart","count":100}]}],"total":9}"#;

    #[test]
    fn the_most_frequent_stands_first() {
        let server = Server::scripted([Answer::new(200, REPLY)]);
        let reply = read(&server.client(), 10, Some("cart")).unwrap();
        let mut out = Vec::new();
        write_table(&reply.patterns, Style { has_colour: false, width: 100 }, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(
            lines[1].starts_with("1,200  ████████████  info") && lines[1].ends_with("web,cart   often <*>"),
            "{text}"
        );
        assert!(lines[2].contains("error  00:00:00  cart"), "{text}");
        assert_eq!(server.asked()[0].path, "/api/logs/analytics/patterns?limit=10&component=cart");
    }

    #[test]
    fn a_fault_is_shown_with_its_culprit() {
        let with = |fault| culprit(&PatternReply { fault, ..PatternReply::default() });
        let fault = |function: Option<&str>, file: Option<&str>| {
            Some(FaultReply { function: function.map(str::to_owned), file: file.map(str::to_owned) })
        };
        assert_eq!(with(fault(Some("add"), Some("cart.js"))), "  in add (cart.js)");
        assert_eq!(with(fault(None, Some("cart.js"))), "  in cart.js");
        assert_eq!(with(fault(None, None)), "");
        assert_eq!(with(None), "");
    }

    #[test]
    fn nothing_yet_is_said_with_the_way_on() {
        let server = Server::scripted([Answer::new(200, "{}"), Answer::new(200, REPLY), Answer::new(200, REPLY)]);
        let endpoint = EndpointArgs { url: Some(server.url()), key: Some("k".into()), ..EndpointArgs::default() };
        let run = |json| {
            let mut out = Vec::new();
            let command = Patterns { limit: 5, component: None, json, endpoint: endpoint.clone() };
            command.run(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert!(run(false).contains("sapwood play"));
        assert!(run(true).starts_with(r#"{"patterns":"#));
        assert!(run(false).ends_with("2 of 9\n"));
    }
}
