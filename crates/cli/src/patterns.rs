//! `sapwood patterns`: the shapes that lines have, most frequent first; or one of them, with what stands in its places.

use crate::Verdict;
use crate::client::Client;
use crate::endpoint::{EndpointArgs, Scope};
use crate::fault::Fault;
use crate::render::{Style, Table, bar, cut, grouped, printable, time_of_day};
use crate::replies::{PatternComponent, PatternReply, PatternsReply, ValueReply, VariableReply};
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
    /// Only this pattern (16 hex digits), with what stands in its places.
    #[arg(long, value_name = "ID")]
    pattern: Option<String>,
    /// With their ids, by which `sapwood teach` knows them.
    #[arg(long)]
    ids: bool,
    /// The answer as it came.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Patterns {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let client = Client::new(self.endpoint.resolve(Scope::Read)?);
        let mut asked = parameters(self.limit, self.component.as_deref());
        if let Some(id) = &self.pattern {
            asked.extend([("pattern", id.clone()), ("variables", "true".to_owned())]);
        }
        if self.json {
            let reply: serde_json::Value = client.read(PATH, &asked)?;
            writeln!(out, "{reply}")?;
            return Ok(Verdict::Good);
        }
        if self.pattern.is_some() {
            let reply: PatternsReply = client.read(PATH, &asked)?;
            let Some(pattern) = reply.patterns.first() else {
                writeln!(out, "no pattern has this id")?;
                return Ok(Verdict::Bad);
            };
            write_table(&reply.patterns, Style::of_stdout(), out)?;
            write_variables(&pattern.variables, Style::of_stdout(), out)?;
            return Ok(Verdict::Good);
        }
        let reply = read(&client, self.limit, self.component.as_deref())?;
        if reply.patterns.is_empty() {
            writeln!(out, "no patterns yet: send some lines first (sapwood play FILE)")?;
        }
        if self.ids {
            write_ids(&reply.patterns, Style::of_stdout(), out)?;
        } else {
            write_table(&reply.patterns, Style::of_stdout(), out)?;
        }
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
            shown(pattern),
        ]);
    }
    table.write(out, style)
}

/// Count, id and template.
fn write_ids(patterns: &[PatternReply], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&[">count", "id", "template"]);
    for pattern in patterns {
        table.row(vec![grouped(pattern.count), printable(&pattern.id), shown(pattern)]);
    }
    table.write(out, style)
}

/// Place, kind, how many values and different ones, how numbers are distributed, and the most frequent values.
fn write_variables(variables: &[VariableReply], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&[">place", "kind", ">values", ">distinct", "min..p50..p90..p99..max", "most frequent"]);
    for variable in variables {
        let about = if variable.distinct_is_exact { "" } else { "~" };
        let numbers = variable.numbers.as_ref().map_or(String::new(), |numbers| {
            let steps = [numbers.min, numbers.p50, numbers.p90, numbers.p99, numbers.max].map(short);
            format!("{} {}", steps.join(".."), numbers.unit.as_deref().unwrap_or_default())
        });
        let value = |value: &ValueReply| {
            let about = if value.error == 0 { "" } else { "~" };
            format!("{} {about}{}", cut(&printable(&value.value), 24), grouped(value.count))
        };
        let top: Vec<_> = variable.top.iter().take(if variable.is_enumeration { 8 } else { 3 }).map(value).collect();
        table.row(vec![
            (variable.place + 1).to_string(),
            printable(&variable.kind),
            grouped(variable.count),
            format!("{about}{}", grouped(variable.distinct)),
            numbers.trim_end().to_owned(),
            top.join(if variable.is_enumeration { " | " } else { ", " }),
        ]);
    }
    table.write(out, style)
}

/// The template, behind the name if people gave it one.
fn shown(pattern: &PatternReply) -> String {
    match pattern.name.as_str() {
        "" => told(pattern),
        name => format!("{}: {}", printable(name), told(pattern)),
    }
}

/// The template, with where a fault arose behind it.
fn told(pattern: &PatternReply) -> String {
    printable(&[pattern.template.as_str(), &culprit(pattern)].concat())
}

/// A number with four digits at least, and no more behind the point than they need.
fn short(number: f64) -> String {
    let decimals = match number.abs() {
        magnitude if number.fract() == 0.0 || magnitude >= 1_000.0 => 0,
        100.0.. => 1,
        10.0.. => 2,
        _ => 3,
    };
    format!("{number:.decimals$}")
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
        {"id":"1","template":"rare <*>","name":"Rare","count":3,"level":"error","last_seen":0,"components":[{"component":"cart","count":3}]},
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
        assert!(lines[2].ends_with("Rare: rare <*>"), "{text}");
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
        let server = Server::scripted([
            Answer::new(200, "{}"),
            Answer::new(200, REPLY),
            Answer::new(200, REPLY),
            Answer::new(200, REPLY),
        ]);
        let endpoint = EndpointArgs { url: Some(server.url()), key: Some("k".into()), ..EndpointArgs::default() };
        let run = |json, ids| {
            let mut out = Vec::new();
            let command = Patterns { limit: 5, component: None, pattern: None, ids, json, endpoint: endpoint.clone() };
            command.run(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert!(run(false, false).contains("sapwood play"));
        assert!(run(true, false).starts_with(r#"{"patterns":"#));
        assert!(run(false, false).ends_with("2 of 9\n"));
        let text = run(false, true);
        assert!(text.contains("1,200  2   often <*>"), "{text}");
    }

    #[test]
    fn one_pattern_is_shown_with_what_stands_in_its_places() {
        const ONE: &str = r#"{"patterns":[{"id":"1","template":"took <*> link=<*>","count":1200,"variables":[
            {"place":0,"kind":"duration","count":1200,"distinct":310,"distinct_is_exact":false,"is_enumeration":false,
             "top":[{"value":"1 ms","count":9,"error":2}],
             "numbers":{"unit":"ms","min":0.25,"max":40000,"p50":15.75,"p90":390.5,"p99":1234.5}},
            {"place":1,"kind":"word","count":1200,"distinct":2,"distinct_is_exact":true,"is_enumeration":true,
             "top":[{"value":"up","count":1199,"error":0},{"value":"down","count":1,"error":0}]}]}],"total":1}"#;
        let server = Server::scripted([Answer::new(200, ONE), Answer::new(200, "{}")]);
        let endpoint = EndpointArgs { url: Some(server.url()), key: Some("k".into()), ..EndpointArgs::default() };
        let command = || Patterns {
            limit: 1,
            component: None,
            pattern: Some("00000000000000aa".into()),
            ids: false,
            json: false,
            endpoint: endpoint.clone(),
        };
        let mut out = Vec::new();
        assert!(matches!(command().run(&mut out), Ok(Verdict::Good)));
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("~310") && text.contains("0.250..15.75..390.5..1234..40000 ms"), "{text}");
        assert!(text.contains("1 ms ~9") && text.contains("up 1,199 | down 1"), "{text}");
        assert!(server.asked()[0].path.ends_with("?limit=1&pattern=00000000000000aa&variables=true"));
        assert!(matches!(command().run(&mut Vec::new()), Ok(Verdict::Bad)));
    }
}
