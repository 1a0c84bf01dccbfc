//! `sapwood components`: the components of the domain with what they hold.

use crate::Verdict;
use crate::client::Client;
use crate::endpoint::{EndpointArgs, Scope};
use crate::fault::Fault;
use crate::render::{Style, Table, bar, grouped, printable, time_of_day};
use crate::replies::{ComponentReply, ComponentsReply};
use std::io::{self, Write};

/// Arguments of `components`.
#[derive(clap::Args)]
pub(crate) struct Components {
    /// The answer as it came.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

const PATH: &str = "/api/components";

impl Components {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let client = Client::new(self.endpoint.resolve(Scope::Read)?);
        if self.json {
            let reply: serde_json::Value = client.read(PATH, &[])?;
            writeln!(out, "{reply}")?;
            return Ok(Verdict::Good);
        }
        let components = read(&client)?;
        if components.is_empty() {
            writeln!(out, "no components yet: send some lines first (sapwood play FILE)")?;
        }
        write_table(&components, Style::of_stdout(), out)?;
        Ok(Verdict::Good)
    }
}

/// All components.
pub(crate) fn read(client: &Client) -> Result<Vec<ComponentReply>, Fault> {
    Ok(client.read::<ComponentsReply>(PATH, &[])?.components)
}

/// Records, levels, patterns and incidents, one line for each component.
pub(crate) fn write_table(components: &[ComponentReply], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let max = components.iter().map(|component| component.records).max().unwrap_or(0);
    let mut table =
        Table::new(&["component", ">records", "", ">info", ">warn", ">error", ">patterns", ">incidents", "last"]);
    for component in components {
        let count = |words: &[&str]| words.iter().filter_map(|word| component.levels.get(*word)).sum::<u64>();
        table.row(vec![
            match component.shards {
                Some(shards) => format!("{} ({shards} shards)", printable(&component.component)),
                None => printable(&component.component),
            },
            grouped(component.records),
            format!("{:<12}", bar(component.records, max, 12)),
            grouped(count(&["trace", "debug", "info"])),
            grouped(count(&["warn"])),
            grouped(count(&["error", "fatal"])),
            grouped(component.patterns),
            grouped(component.incidents_open),
            time_of_day(&component.last_seen),
        ]);
    }
    table.write(out, style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Answer, Server};

    #[test]
    fn levels_are_summed_in_three_classes() {
        let reply = r#"{"components":[{"component":"cart","records":14,"levels":{"info":5,"debug":2,"warn":1,"error":4,
            "fatal":2},"patterns":3,"last_seen":"2026-11-20T10:00:00.000Z","incidents_open":1}]}"#;
        let server = Server::scripted([Answer::new(200, reply)]);
        let mut out = Vec::new();
        write_table(&read(&server.client()).unwrap(), Style { has_colour: false, width: 100 }, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let cells: Vec<_> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(cells, ["cart", "14", "████████████", "7", "1", "6", "3", "1", "10:00:00"]);
    }

    #[test]
    fn a_component_that_is_split_says_into_how_many() {
        let reply = r#"{"components":[{"component":"cart","records":14,"shards":4},{"component":"pay","records":1}]}"#;
        let server = Server::scripted([Answer::new(200, reply)]);
        let mut out = Vec::new();
        write_table(&read(&server.client()).unwrap(), Style { has_colour: false, width: 100 }, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert!(lines[0].starts_with("cart (4 shards)  ") && lines[1].starts_with("pay   "), "{text}");
    }

    #[test]
    fn both_forms_of_output_are_given() {
        let server = Server::scripted([Answer::new(200, "{}"), Answer::new(200, r#"{"components":[]}"#)]);
        let endpoint = EndpointArgs { url: Some(server.url()), key: Some("k".into()), ..EndpointArgs::default() };
        for (json, word) in [(false, "sapwood play"), (true, r#"{"components":[]}"#)] {
            let mut out = Vec::new();
            Components { json, endpoint: endpoint.clone() }.run(&mut out).unwrap();
            assert!(String::from_utf8(out).unwrap().contains(word));
        }
    }
}
