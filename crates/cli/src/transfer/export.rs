//! `sapwood export`: the records of a component, or of the domain, as one file.

use super::file::{Head, Sink, Writing};
use crate::Verdict;
use crate::client::Client;
use crate::endpoint::{EndpointArgs, Scope};
use crate::fault::Fault;
use crate::render::grouped;
use crate::replies::SearchReply;
use crate::search::relative;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

/// Records of one page; the service gives at most this many.
const PAGE: usize = 1_000;

/// Arguments of `export`.
#[derive(clap::Args, Default)]
pub(crate) struct Export {
    /// The file to write; compressed if its name ends in .gz. It must not be there yet.
    file: PathBuf,
    /// Only this component; may be repeated. Without it, all of the domain.
    #[arg(long)]
    component: Vec<String>,
    /// From when: 15m, 2h, an epoch or an RFC 3339 time.
    #[arg(long)]
    since: Option<String>,
    /// Until when, exclusive. Without it, until this moment.
    #[arg(long)]
    until: Option<String>,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Export {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let endpoint = self.endpoint.resolve(Scope::Admin)?;
        let url = endpoint.url.clone();
        self.write(&Client::new(endpoint), &url, out)
    }

    fn write(&self, client: &Client, url: &str, out: &mut dyn Write) -> Result<Verdict, Fault> {
        if self.file.exists() {
            let path = self.file.display();
            return Err(Fault::Request(format!("{path} is there already: name another file, or remove it")));
        }
        let unwritable = |error| Fault::File(self.file.clone(), error);
        let mut writing: Option<Writing<Sink>> = None;
        let mut cursor: Option<String> = None;
        loop {
            let page = self.page(client, cursor.take())?;
            if page.partial {
                let silent = page.failed_components.join(", ");
                drop(writing);
                let what = format!("no answer from {silent}: an export is whole or it is none; try again");
                return self.give_up(Fault::Request(what));
            }
            // The file is made when there is something to put into it.
            let file = match writing.as_mut() {
                Some(file) => file,
                None => writing.insert(
                    Sink::create(&self.file)
                        .and_then(|sink| Writing::begin(sink, &Head::new(&self.component, url)))
                        .map_err(unwritable)?,
                ),
            };
            page.records.iter().try_for_each(|record| file.record(record)).map_err(unwritable)?;
            self.progress(file.records, page.total);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        let Some(writing) = writing else { return Ok(Verdict::Good) };
        let records = writing.records;
        writing.end().and_then(Sink::finish).map_err(unwritable)?;
        writeln!(out, "{} records in {}", grouped(records), self.file.display())?;
        Ok(Verdict::Good)
    }

    /// Half an export would be taken for a whole one.
    fn give_up(&self, fault: Fault) -> Result<Verdict, Fault> {
        match std::fs::remove_file(&self.file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Fault::File(self.file.clone(), error)),
            _ => Err(fault),
        }
    }

    fn page(&self, client: &Client, cursor: Option<String>) -> Result<SearchReply, Fault> {
        let mut parameters = vec![("limit", PAGE.to_string())];
        parameters.extend(self.component.iter().map(|component| ("component", component.clone())));
        parameters.extend(self.since.as_deref().map(|since| ("from", relative(since))));
        parameters.extend(self.until.as_deref().map(|until| ("to", relative(until))));
        parameters.extend(cursor.map(|cursor| ("cursor", cursor)));
        match client.read("/api/logs/export", &parameters) {
            Ok(page) => Ok(page),
            Err(fault) => self.give_up(fault.into()).and_then(|_| Err(Fault::Request(String::new()))),
        }
    }

    fn progress(&self, done: u64, total: u64) {
        let mut err = std::io::stderr();
        if err.is_terminal() {
            // Whoever closed standard error does not want it.
            let _ = write!(err, "\r{} of {} records", grouped(done), grouped(total.max(done)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Answer, Folder, Server};
    use crate::transfer::file;

    fn page(messages: &[&str], rest: &str) -> Answer {
        let records: Vec<_> = messages.iter().map(|m| serde_json::json!({"message": m, "level": "error"})).collect();
        Answer::new(200, format!(r#"{{"records":{},"total":3{rest}}}"#, serde_json::Value::from(records)))
    }

    #[test]
    fn pages_become_one_whole_file() {
        let folder = Folder::new();
        let server = Server::scripted([page(&["a", "b"], r#","next_cursor":"x y""#), page(&["c"], "")]);
        let path = folder.write("seed", "").with_file_name("out.ndjson.gz");
        let export = Export { file: path.clone(), component: vec!["shop".into()], ..Export::default() };
        let mut out = Vec::new();
        assert_eq!(export.write(&server.client(), "http://s.example", &mut out).unwrap(), Verdict::Good);
        assert!(String::from_utf8(out).unwrap().starts_with("3 records in "));
        let mut found = Vec::new();
        let contents = file::read(&path, |line| {
            found.push(line.to_owned());
            Ok(())
        });
        assert_eq!((contents.unwrap().records, found.len()), (3, 3));
        let asked = server.asked();
        assert_eq!(asked[0].path, "/api/logs/export?limit=1000&component=shop");
        assert_eq!(asked[1].path, "/api/logs/export?limit=1000&component=shop&cursor=x%20y");
        let again = export.write(&server.client(), "http://s.example", &mut Vec::new()).unwrap_err().to_string();
        assert!(again.contains("is there already"), "{again}");
    }

    #[test]
    fn an_export_that_breaks_off_leaves_no_file() {
        for second in [page(&["c"], r#","partial":true,"failed_components":["shop"]"#), Answer::new(500, "")] {
            let folder = Folder::new();
            let server = Server::scripted([page(&["a", "b"], r#","next_cursor":"x""#), second]);
            let path = folder.write("seed", "").with_file_name("out.ndjson");
            let export = Export { file: path.clone(), ..Export::default() };
            assert!(export.write(&server.client(), "http://s.example", &mut Vec::new()).is_err());
            assert!(!path.exists());
        }
    }
}
