//! `sapwood deployed`: say that a release began to run, or list the deployments that are known.

use crate::Verdict;
use crate::client::Client;
use crate::endpoint::{EndpointArgs, Scope};
use crate::fault::Fault;
use crate::render::{Style, Table, printable};
use crate::replies::Moment;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::io::Write;

/// Arguments of `deployed`.
#[derive(clap::Args)]
pub(crate) struct Deployed {
    /// The release that began to run. Without it, the deployments that are known are listed.
    release: Option<String>,
    /// A component it runs in; may be repeated. Without it, all components of the domain.
    #[arg(long = "component", value_name = "COMPONENT")]
    components: Vec<String>,
    /// When: an epoch in ms, an RFC 3339 time, or such as -5m. Now otherwise.
    #[arg(long, requires = "release", allow_hyphen_values = true)]
    at: Option<String>,
    /// The answer as it came.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

#[derive(Deserialize)]
struct Announced {
    release: String,
    widened_until_ms: i64,
    components: Vec<String>,
    #[serde(default)]
    failed_components: Vec<String>,
}

#[derive(Deserialize)]
struct List {
    deployments: Vec<Known>,
    #[serde(default)]
    failed_components: Vec<String>,
}

#[derive(Deserialize)]
struct Known {
    component: String,
    release: String,
    at_ms: i64,
    source: String,
    by: Option<String>,
}

const PATH: &str = "/api/deployments";

impl Deployed {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let reply = self.ask()?;
        if self.json {
            writeln!(out, "{reply}")?;
            return Ok(Verdict::Good);
        }
        let unreadable = |error: serde_json::Error| Fault::Request(format!("the answer cannot be read: {error}"));
        let failed = if self.release.is_some() {
            let Announced { release, widened_until_ms, components, failed_components } =
                serde_json::from_value(reply).map_err(unreadable)?;
            writeln!(
                out,
                "{} runs in {}; counts and durations may wander until {}",
                printable(&release),
                printable(&components.join(", ")),
                Moment::Millis(widened_until_ms).to_second()
            )?;
            failed_components
        } else {
            let list: List = serde_json::from_value(reply).map_err(unreadable)?;
            write_list(&list.deployments, out)?;
            list.failed_components
        };
        if failed.is_empty() {
            return Ok(Verdict::Good);
        }
        writeln!(out, "no answer from {}", printable(&failed.join(", ")))?;
        Ok(Verdict::Bad)
    }

    fn ask(&self) -> Result<Value, Fault> {
        let Some(release) = &self.release else {
            let client = Client::new(self.endpoint.resolve(Scope::Read)?);
            let parameters: Vec<_> = self.components.iter().map(|name| ("component", name.clone())).collect();
            return Ok(client.read(PATH, &parameters)?);
        };
        let mut body = Map::from_iter([("release".to_owned(), Value::from(release.clone()))]);
        if !self.components.is_empty() {
            body.insert("components".to_owned(), self.components.clone().into());
        }
        if let Some(at) = &self.at {
            body.insert("at".to_owned(), at.clone().into());
        }
        Ok(Client::new(self.endpoint.resolve(Scope::Ingest)?).post(PATH, &Value::Object(body))?)
    }
}

fn write_list(known: &[Known], out: &mut dyn Write) -> std::io::Result<()> {
    if known.is_empty() {
        return writeln!(out, "no deployment is known");
    }
    let mut table = Table::new(&["at", "release", "component", "how"]);
    for one in known {
        let how = one.by.as_deref().map_or_else(|| one.source.clone(), |by| format!("{} by {by}", one.source));
        table.row(vec![
            Moment::Millis(one.at_ms).to_second(),
            printable(&one.release),
            printable(&one.component),
            printable(&how),
        ]);
    }
    table.write(out, Style::of_stdout())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Answer, Asked, Server};
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        command: Deployed,
    }

    fn run(line: &str, answer: &str) -> (Verdict, String, Asked) {
        let server = Server::scripted([Answer::new(201, answer)]);
        let words = format!("x {line} --url {} --key k", server.url());
        let mut out = Vec::new();
        let verdict = Line::parse_from(words.split(' ').filter(|word| !word.is_empty())).command.run(&mut out).unwrap();
        (verdict, String::from_utf8(out).unwrap(), server.asked().remove(0))
    }

    #[test]
    fn a_release_is_announced_for_components_or_for_all() {
        let answer = r#"{"release":"1.2","widened_until_ms":900000,"components":["a","b"],"failed_components":["c"]}"#;
        let (verdict, text, asked) = run("1.2 --component a --component b --at -5m", answer);
        assert_eq!(verdict, Verdict::Bad, "not everybody heard of it");
        assert!(text.starts_with("1.2 runs in a, b; counts and durations may wander until "), "{text}");
        assert!(text.ends_with("no answer from c\n"), "{text}");
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        assert_eq!(body, serde_json::json!({"release": "1.2", "components": ["a", "b"], "at": "-5m"}));
        assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", PATH));
        let (verdict, _, asked) = run("1.2", r#"{"release":"1.2","widened_until_ms":1,"components":[]}"#);
        assert_eq!((verdict, asked.body.as_str()), (Verdict::Good, r#"{"release":"1.2"}"#));
    }

    #[test]
    fn what_is_known_is_listed() {
        let answer = r#"{"deployments":[{"component":"a","release":"1.2","at_ms":0,"source":"announced","by":"ci"},
            {"component":"b","release":"1.1","at_ms":0,"source":"seen"}]}"#;
        let (_, text, asked) = run("--component a", answer);
        assert!(text.contains("announced by ci") && text.contains("seen"), "{text}");
        assert_eq!(asked.path, "/api/deployments?component=a");
        assert_eq!(run("", r#"{"deployments":[]}"#).1, "no deployment is known\n");
    }
}
