//! `sapwood import`: an export into a service, under another component's name if wanted.
//!
//! The file is read twice: first to see that it is whole, then to send it. Batches carry keys that follow from the file
//! and the target, and records their ids, so that an import that was broken off is simply done again.

use super::file;
use crate::Verdict;
use crate::client::Client;
use crate::endpoint::{EndpointArgs, Scope};
use crate::fault::Fault;
use crate::play::deliver::{Batch, Clock, SystemClock, compressed, deliver};
use crate::render::grouped;
use serde_json::{Map, Value};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

/// Records of one request.
const BATCH: u64 = 500;
/// What the service makes of a record, and would make again; what it shows beside it.
const DERIVED: [&str; 13] = [
    "time",
    "received_at",
    "level_number",
    "domain",
    "component_derived",
    "pattern_id",
    "pattern",
    "pattern_name",
    "triage",
    "defects",
    "redactions",
    "frames",
    "fault",
];

/// Arguments of `import`.
#[derive(clap::Args, Default)]
pub(crate) struct Import {
    /// A file that `sapwood export` wrote.
    file: PathBuf,
    /// The component to import into. Without it, each record goes to the component it came from.
    #[arg(long)]
    component: Option<String>,
    /// Only look whether the file is whole, and say what it holds.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// What came of all records.
#[derive(Debug, Default, PartialEq, Eq)]
struct Account {
    accepted: u64,
    duplicate: u64,
    counted_only: u64,
    rejected: u64,
}

impl Import {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let contents = file::read(&self.file, |_| Ok(()))?;
        if self.dry_run {
            let from = &contents.head.from;
            writeln!(out, "whole: {} records from {from}; nothing was sent", grouped(contents.records))?;
            return Ok(Verdict::Good);
        }
        let client = Client::new(self.endpoint.resolve(Scope::Admin)?);
        self.send(&client, &contents, &SystemClock, out)
    }

    fn send(
        &self,
        client: &Client,
        contents: &file::Contents,
        clock: &dyn Clock,
        out: &mut dyn Write,
    ) -> Result<Verdict, Fault> {
        let target = self.component.as_deref().unwrap_or("each its own");
        let note = format!("{} records of {}, into {target}", contents.records, contents.head.from);
        let mut account = Account::default();
        let (mut lines, mut count, mut part) = (Vec::new(), 0, 0u64);
        let mut flush = |lines: &mut Vec<u8>, count: &mut u64| -> Result<(), Fault> {
            if *count == 0 {
                return Ok(());
            }
            let key = format!("import-{:016x}-{target}-{part}", contents.sum).replace(' ', "_");
            let parameters = [("part", part.to_string()), ("note", note.chars().take(200).collect())];
            let batch = Batch { component: target.to_owned(), key, records: *count, body: compressed(lines) };
            let delivery = deliver(client, "/api/logs/import", &parameters, &batch, clock);
            let reply = delivery.outcome?;
            account.accepted += reply.accepted;
            account.duplicate += reply.duplicate;
            account.counted_only += reply.counted_only;
            account.rejected += reply.rejected;
            part += 1;
            progress(part * BATCH, contents.records);
            lines.clear();
            *count = 0;
            Ok(())
        };
        let mut number = 1;
        file::read(&self.file, |line| {
            number += 1;
            let record = self
                .sent_as(line)
                .map_err(|what| Fault::Request(format!("{}, line {number}: {what}", self.file.display())))?;
            lines.extend_from_slice(record.as_bytes());
            lines.push(b'\n');
            count += 1;
            if count >= BATCH { flush(&mut lines, &mut count) } else { Ok(()) }
        })?;
        flush(&mut lines, &mut count)?;
        let Account { accepted, duplicate, counted_only, rejected } = account;
        writeln!(
            out,
            "{} imported, {} known already, {} counted only, {} refused, of {} records",
            grouped(accepted),
            grouped(duplicate),
            grouped(counted_only),
            grouped(rejected),
            grouped(contents.records)
        )?;
        let is_all = accepted + duplicate == contents.records;
        Ok(if is_all { Verdict::Good } else { Verdict::Bad })
    }

    /// A record as shown becomes a record as sent.
    fn sent_as(&self, line: &str) -> Result<String, String> {
        let mut record: Map<String, Value> =
            serde_json::from_str(line).map_err(|error| format!("this is no record: {error}"))?;
        for name in DERIVED {
            record.remove(name);
        }
        if let Some(component) = &self.component {
            record.insert("component".to_owned(), component.clone().into());
        }
        Ok(Value::Object(record).to_string())
    }
}

fn progress(done: u64, total: u64) {
    let mut err = std::io::stderr();
    if err.is_terminal() {
        // Whoever closed standard error does not want it.
        let _ = write!(err, "\r{} of {} records", grouped(done.min(total)), grouped(total));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::deliver::tests::TestClock;
    use crate::testing::{Answer, Folder, Server};
    use crate::transfer::file::{Head, Sink, Writing};

    const ACCEPTED: &str = r#"{"accepted":2,"duplicate":0,"counted_only":0,"rejected":0,"errors":[]}"#;

    fn exported(folder: &Folder) -> PathBuf {
        let path = folder.write("a.ndjson", "");
        let mut writing = Writing::begin(Sink::create(&path).unwrap(), &Head::new(&[], "http://a.example")).unwrap();
        for id in ["1", "2"] {
            let record = serde_json::json!({
                "id": id, "timestamp": 5, "time": "1970", "level": "warn", "level_number": 13, "message": "m",
                "domain": "a.example", "component": "shop", "pattern_id": "00", "context": {"url": "http://x/"},
                "triage": {"level": "low"}, "attributes": {"k": [1, 2]},
            });
            writing.record(&record).unwrap();
        }
        writing.end().unwrap().finish().unwrap();
        path
    }

    #[test]
    fn records_are_sent_as_they_were_sent_first_under_the_new_name_and_a_repetition_is_recognized() {
        let folder = Folder::new();
        let import = Import { file: exported(&folder), component: Some("copy".into()), ..Import::default() };
        let server = Server::scripted([Answer::new(503, ""), Answer::new(202, ACCEPTED)]);
        let contents = file::read(&import.file, |_| Ok(())).unwrap();
        let mut out = Vec::new();
        let verdict = import.send(&server.client(), &contents, &TestClock::at(0), &mut out).unwrap();
        assert_eq!(verdict, Verdict::Good);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("2 imported, 0 known already"), "{text}");
        let asked = server.asked();
        assert_eq!(asked.len(), 2, "what failed is sent again");
        assert_eq!(asked[0].header("idempotency-key"), asked[1].header("idempotency-key"));
        assert!(asked[0].path.starts_with("/api/logs/import?part=0&note=2%20records%20of%20"), "{}", asked[0].path);
        let first: Value = serde_json::from_str(asked[0].body.lines().next().unwrap()).unwrap();
        let expected = serde_json::json!({
            "id": "1", "timestamp": 5, "level": "warn", "message": "m", "component": "copy",
            "context": {"url": "http://x/"}, "attributes": {"k": [1, 2]},
        });
        assert_eq!(first, expected);
    }

    #[test]
    fn what_is_refused_is_no_success() {
        let folder = Folder::new();
        let import = Import { file: exported(&folder), ..Import::default() };
        let contents = file::read(&import.file, |_| Ok(())).unwrap();
        let server = Server::scripted([Answer::new(
            202,
            r#"{"accepted":1,"duplicate":0,"counted_only":0,"rejected":1,"errors":[]}"#,
        )]);
        let verdict = import.send(&server.client(), &contents, &TestClock::at(0), &mut Vec::new()).unwrap();
        assert_eq!(verdict, Verdict::Bad);
    }

    #[test]
    fn a_dry_run_needs_no_service() {
        let folder = Folder::new();
        let import = Import { file: exported(&folder), dry_run: true, ..Import::default() };
        let mut out = Vec::new();
        assert_eq!(import.run(&mut out).unwrap(), Verdict::Good);
        assert!(String::from_utf8(out).unwrap().starts_with("whole: 2 records"));
    }
}
