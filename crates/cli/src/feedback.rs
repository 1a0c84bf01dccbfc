//! `sapwood feedback`: say of an incident that it was noise, or real; take it back; list what was said.

use crate::Verdict;
use crate::client::Client;
use crate::endpoint::{EndpointArgs, Scope};
use crate::fault::Fault;
use crate::render::{Style, Table, cut, printable};
use crate::replies::Moment;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Write;

/// Arguments of `feedback`.
#[derive(clap::Args)]
pub(crate) struct Feedback {
    /// The incident's id, as alerts show it. Without it, all that was said is listed.
    incident: Option<String>,
    /// noise: nobody wanted to be told. real: somebody was glad to be.
    #[arg(value_parser = ["noise", "real"])]
    verdict: Option<String>,
    /// Why.
    #[arg(long, requires = "verdict")]
    note: Option<String>,
    /// Take back what was said of the incident.
    #[arg(long, requires = "incident", conflicts_with = "verdict")]
    undo: bool,
    /// The answer as it came.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

#[derive(Deserialize)]
struct Taken {
    component: String,
    step_before: i64,
    threshold: Threshold,
}

#[derive(Deserialize)]
struct Threshold {
    series: String,
    kind: String,
    step: i64,
    probability_below: Option<f64>,
    wait_times: Option<f64>,
    errors_times: Option<u64>,
    records: Option<u64>,
}

#[derive(Deserialize)]
struct List {
    feedback: Vec<Given>,
    #[serde(default)]
    failed_components: Vec<String>,
}

#[derive(Deserialize)]
struct Given {
    component: String,
    incident_id: String,
    verdict: String,
    #[serde(default)]
    note: String,
    by: String,
    at_ms: i64,
    threshold: Threshold,
}

impl Feedback {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let Some(incident) = &self.incident else { return self.list(out) };
        let client = Client::new(self.endpoint.resolve(Scope::Admin)?);
        let path = format!("/api/incidents/{}/feedback", crate::baseline::encoded(incident));
        let reply: Value = match &self.verdict {
            Some(verdict) => client.post(&path, &json!({"verdict": verdict, "note": self.note}))?,
            None if self.undo => client.delete(&path, &[])?,
            None => return Err(Fault::Request("say noise or real, or --undo".to_owned())),
        };
        if self.json {
            writeln!(out, "{reply}")?;
            return Ok(Verdict::Good);
        }
        let taken: Taken = serde_json::from_value(reply)
            .map_err(|error| Fault::Request(format!("the answer cannot be read: {error}")))?;
        let Taken { component, step_before, threshold } = taken;
        let moved = match threshold.step - step_before {
            0 => "still (it stands at the end of its scale, or was said before)",
            1.. => "from now on",
            _ => "again",
        };
        writeln!(
            out,
            "{}: people are told of {} of {} {moved}: {}",
            printable(&component),
            printable(&threshold.kind),
            printable(&threshold.series),
            threshold.demand()
        )?;
        Ok(Verdict::Good)
    }

    fn list(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let client = Client::new(self.endpoint.resolve(Scope::Read)?);
        let path = "/api/incidents/feedback";
        if self.json {
            let reply: Value = client.read(path, &[])?;
            writeln!(out, "{reply}")?;
            return Ok(Verdict::Good);
        }
        let list: List = client.read(path, &[])?;
        if list.feedback.is_empty() {
            writeln!(out, "nothing was said of any incident")?;
        } else {
            let mut table = Table::new(&["at", "component", "kind", "series", "so", "told", "by", "incident", "note"]);
            for one in &list.feedback {
                table.row(vec![
                    Moment::Millis(one.at_ms).to_second(),
                    printable(&one.component),
                    printable(&one.threshold.kind),
                    cut(&printable(&one.threshold.series), 26),
                    printable(&one.verdict),
                    one.threshold.demand(),
                    printable(&one.by),
                    printable(&one.incident_id),
                    cut(&printable(&one.note), 40),
                ]);
            }
            table.write(out, Style::of_stdout())?;
        }
        if !list.failed_components.is_empty() {
            writeln!(out, "no answer from {}", printable(&list.failed_components.join(", ")))?;
            return Ok(Verdict::Bad);
        }
        Ok(Verdict::Good)
    }
}

impl Threshold {
    /// What it takes to tell people, in words.
    fn demand(&self) -> String {
        match (self.probability_below, self.wait_times, self.errors_times, self.records) {
            (Some(below), ..) => format!("below {below:.0e}"),
            (_, Some(times), ..) => format!("after {times} times the wait"),
            (_, _, Some(times), _) => format!("from {times} times the errors on"),
            (_, _, _, Some(1)) => "at first sight".to_owned(),
            (_, _, _, Some(records)) => format!("from {records} records on"),
            _ => format!("step {}", self.step),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Answer, Server};
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        command: Feedback,
    }

    fn run(line: &str, answer: &str) -> (Result<Verdict, Fault>, String, Vec<crate::testing::Asked>) {
        let server = Server::scripted([Answer::new(200, answer)]);
        let url = server.url();
        let words = format!("x {line} --url {url} --key k");
        let mut out = Vec::new();
        let verdict = Line::parse_from(words.split(' ').filter(|word| !word.is_empty())).command.run(&mut out);
        (verdict, String::from_utf8(out).unwrap(), server.asked())
    }

    const MOVED: &str = r#"{"component":"shop","incident_id":"burst-total-1","verdict":"noise","step_before":0,
        "threshold":{"series":"total","kind":"burst","step":1,"probability_below":1e-12}}"#;

    #[test]
    fn an_opinion_is_sent_and_its_effect_is_told() {
        let (verdict, text, asked) = run("burst-total-1 noise --note why", MOVED);
        assert_eq!(verdict.unwrap(), Verdict::Good);
        assert_eq!(text, "shop: people are told of burst of total from now on: below 1e-12\n");
        assert_eq!(
            (asked[0].method.as_str(), asked[0].path.as_str()),
            ("POST", "/api/incidents/burst-total-1/feedback")
        );
        let body: Value = serde_json::from_str(&asked[0].body).unwrap();
        assert_eq!(body, json!({"verdict": "noise", "note": "why"}));
    }

    #[test]
    fn it_is_taken_back() {
        let back = MOVED.replace("\"step_before\":0", "\"step_before\":2");
        let (verdict, text, asked) = run("burst-total-1 --undo", &back);
        assert_eq!(verdict.unwrap(), Verdict::Good);
        assert!(text.contains(" again: below 1e-12"), "{text}");
        assert_eq!(asked[0].method, "DELETE");
    }

    #[test]
    fn what_was_said_is_listed_by_whom_and_with_what_follows() {
        let given = |threshold: &str| {
            format!(
                r#"{{"component":"shop","incident_id":"i-1","verdict":"noise","note":"a test","by":"key1","at_ms":0,
                "threshold":{{"series":"total","kind":"silence","step":1,{threshold}}}}}"#
            )
        };
        let all =
            [r#""wait_times":1.5"#, r#""errors_times":2"#, r#""records":3"#, r#""records":1"#].map(given).join(",");
        let (verdict, text, asked) = run("", &format!("{{\"feedback\":[{all}],\"failed_components\":[\"pay\"]}}"));
        assert_eq!(verdict.unwrap(), Verdict::Bad);
        for part in [
            "after 1.5 times the wait",
            "from 2 times the errors on",
            "from 3 records on",
            "at first sight",
            "key1",
            "a test",
            "no answer from pay",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(asked[0].path, "/api/incidents/feedback");
        let (_, text, _) = run("", r#"{"feedback":[]}"#);
        assert_eq!(text, "nothing was said of any incident\n");
    }

    #[test]
    fn an_incident_alone_is_no_opinion() {
        let (verdict, _, asked) = run("burst-total-1", "{}");
        assert!(verdict.is_err() && asked.is_empty());
        assert!(Line::try_parse_from(["x", "i-1", "perhaps"]).is_err());
        assert!(Line::try_parse_from(["x", "i-1", "noise", "--undo"]).is_err());
    }
}
