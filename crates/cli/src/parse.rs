//! `sapwood parse`: what the header parser sees in each line of a file. Nothing is sent.

use crate::Verdict;
use crate::fault::Fault;
use crate::play::source::{now, read_lines};
use crate::render::{Style, Table, cut, printable};
use sapwood_engine::parse::header::{ParsedLine, parse_line};
use serde_json::{Map, Value};
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `parse`.
#[derive(clap::Args)]
pub(crate) struct Parse {
    /// The file.
    file: PathBuf,
    /// One JSON object a line, with everything that was found.
    #[arg(long)]
    json: bool,
    /// Only the first N lines.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

impl Parse {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let lines = read_lines(&self.file)?;
        let reference = now();
        let parsed = lines.iter().take(self.limit.unwrap_or(usize::MAX)).map(|line| parse_line(line, reference));
        if self.json {
            for line in parsed {
                writeln!(out, "{}", as_json(&line))?;
            }
        } else {
            self.write_table(&parsed.collect::<Vec<_>>(), out, Style::of_stdout())?;
        }
        Ok(Verdict::Good)
    }

    fn write_table(&self, lines: &[ParsedLine<'_>], out: &mut dyn Write, style: Style) -> Result<(), Fault> {
        let mut table = Table::new(&[">line", "time", "level", "origin", "message"]);
        for (number, line) in lines.iter().enumerate() {
            let origin = line.logger.or(line.process).or(line.host).unwrap_or("");
            table.row(vec![
                (number + 1).to_string(),
                line.timestamp.map_or("-".to_owned(), |time| {
                    let mark = if time.year_assumed { "?year" } else { "" };
                    format!("{}{mark}", time.timestamp)
                }),
                line.level.map_or("-".to_owned(), |level| level.to_string()),
                cut(&printable(origin), 28),
                if line.is_continuation { "  ↳ ".to_owned() } else { String::new() } + &printable(&line.message),
            ]);
        }
        table.write(out, style)?;
        let count = |found: fn(&ParsedLine<'_>) -> bool| lines.iter().filter(|line| found(line)).count();
        writeln!(
            out,
            "\n{} lines: {} with a time, {} with a level, {} continue the line before",
            lines.len(),
            count(|line| line.timestamp.is_some()),
            count(|line| line.level.is_some()),
            count(|line| line.is_continuation)
        )?;
        Ok(())
    }
}

/// Everything that was found, absent things left out.
fn as_json(line: &ParsedLine<'_>) -> Value {
    let mut object = Map::new();
    if let Some(time) = line.timestamp {
        object.insert("timestamp".into(), time.timestamp.0.into());
        object.insert("time".into(), time.timestamp.to_string().into());
        object.insert("zone_assumed".into(), time.zone_assumed.into());
        object.insert("year_assumed".into(), time.year_assumed.into());
    }
    object.insert("message".into(), line.message.as_ref().into());
    let texts = [
        ("header", Some(line.header).filter(|header| !header.is_empty())),
        ("host", line.host),
        ("process", line.process),
        ("pid", line.pid),
        ("thread", line.thread),
        ("logger", line.logger),
        ("client_ip", line.client_ip),
        ("method", line.method),
        ("path", line.path),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            object.insert(name.into(), value.into());
        }
    }
    let numbers: [(&str, Option<Value>); 4] = [
        ("level", line.level.map(|level| level.to_string().into())),
        ("status", line.status.map(Into::into)),
        ("bytes", line.bytes.map(Into::into)),
        ("duration_ms", line.duration_ms.map(Into::into)),
    ];
    for (name, value) in numbers {
        if let Some(value) = value {
            object.insert(name.into(), value);
        }
    }
    if !line.fields.is_empty() {
        let fields = line.fields.iter().map(|(key, value)| ((*key).to_owned(), value.as_ref().into()));
        object.insert("fields".into(), Value::Object(fields.collect()));
    }
    object.insert("is_continuation".into(), line.is_continuation.into());
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    const LINES: &str = "2026-11-20 10:00:00,123 ERROR [exec-1] shop.Cart - cart 7 is closed\n\tat shop.Cart.add(Cart.java:9)\n\
        10.0.0.1 - - [20/Nov/2026:10:00:00 +0000] \"GET /a HTTP/1.1\" 500 12\nplain words\nNov 20 10:00:00 box cron[7]: done\n";

    fn shown(json: bool) -> String {
        let folder = Folder::new();
        let file = folder.write("a.raw.log", LINES);
        let mut out = Vec::new();
        assert_eq!(Parse { file, json, limit: None }.run(&mut out).unwrap(), Verdict::Good);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_table_shows_time_level_and_message_of_every_line() {
        let text = shown(false);
        let first: Vec<_> = text.lines().nth(1).unwrap().split_whitespace().take(3).collect();
        assert_eq!(first, ["1", "2026-11-20T10:00:00.123Z", "error"]);
        assert!(text.contains("↳") && text.contains("?year"), "{text}");
        assert!(text.contains("5 lines: 3 with a time, "), "{text}");
    }

    #[test]
    fn json_holds_what_was_found() {
        let lines: Vec<Value> = shown(true).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[0]["level"], &lines[0]["message"]), (&"error".into(), &"cart 7 is closed".into()));
        assert_eq!(lines[1]["is_continuation"], true);
        assert_eq!((&lines[2]["status"], &lines[2]["method"]), (&500.into(), &"GET".into()));
        assert!(lines[3].get("timestamp").is_none());
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let fault = Parse { file: "no/such.log".into(), json: false, limit: None }.run(&mut Vec::new()).unwrap_err();
        assert!(fault.to_string().starts_with("cannot read no/such.log"), "{fault}");
    }
}
