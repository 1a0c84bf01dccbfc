//! From a file to records: one parser for all kinds of line, stack traces joined to the record they belong to.
//!
//! Bytes that are not UTF-8 are replaced, blank lines are skipped, and nothing else of a file is left out:
//! the lines of all records and the blank ones add up to the lines of the file.

use crate::fault::Fault;
use sapwood_engine::level::Level;
use sapwood_engine::parse::header::{ParsedLine, parse_line};
use sapwood_engine::time::Timestamp;
use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// One record as read from a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ReadRecord {
    /// When, as the line says; absent if it does not.
    pub at: Option<Timestamp>,
    pub level: Option<Level>,
    pub message: String,
    pub stack: Option<String>,
    /// `endpoint`, `context`, `duration_ms`, `attributes`: ready to be sent.
    pub rest: Map<String, Value>,
    /// Lines of the file that it takes, blank ones behind it included.
    pub lines: usize,
}

/// A file that is one component.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Source {
    pub path: PathBuf,
    pub component: String,
    pub lines: usize,
    pub records: Vec<ReadRecord>,
}

impl Source {
    /// Reads a file. `reference` supplies a missing year.
    pub(crate) fn read(path: &Path, reference: Timestamp) -> Result<Self, Fault> {
        let lines = read_lines(path)?;
        let records = records_of(&lines, reference);
        if records.is_empty() {
            return Err(Fault::Request(format!("{} holds no lines: name another file", path.display())));
        }
        Ok(Self { path: path.to_owned(), component: component_of(path), lines: lines.len(), records })
    }

    /// Records with a time of their own.
    pub(crate) fn with_time(&self) -> usize {
        self.records.iter().filter(|record| record.at.is_some()).count()
    }

    /// Records that are errors or worse.
    pub(crate) fn errors(&self) -> usize {
        self.records.iter().filter(|record| record.level.is_some_and(Level::is_error)).count()
    }
}

/// The clock of this machine.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)).clamped()
}

/// The lines of a file, without their ends.
pub(crate) fn read_lines(path: &Path) -> Result<Vec<String>, Fault> {
    let bytes = fs::read(path).map_err(|error| Fault::File(path.to_owned(), error))?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<String> = text.split('\n').map(|line| line.trim_end_matches('\r').to_owned()).collect();
    // What follows the last line feed is a line only if there is something.
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    Ok(lines)
}

/// The component of a file: its name up to the first dot, in lower case, with a dash for anything unusual.
pub(crate) fn component_of(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = name.trim_start_matches('.').split('.').next().unwrap_or_default().to_lowercase();
    let clean: String = stem
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' { c } else { '-' })
        .take(64)
        .collect();
    let clean = clean.trim_matches('-');
    if clean.is_empty() { "file".to_owned() } else { clean.to_owned() }
}

/// The records of a file's lines.
pub(crate) fn records_of<L: AsRef<str>>(lines: &[L], reference: Timestamp) -> Vec<ReadRecord> {
    let mut records: Vec<ReadRecord> = Vec::new();
    let mut blank_before = 0;
    for line in lines {
        let line = line.as_ref();
        match records.last_mut() {
            Some(last) if line.trim().is_empty() => last.lines += 1,
            None if line.trim().is_empty() => blank_before += 1,
            last => {
                let parsed = parse_line(line, reference);
                match last {
                    Some(last) if parsed.is_continuation => join(last, line),
                    _ => {
                        records.push(ReadRecord { lines: 1 + blank_before, ..record_of(&parsed) });
                        blank_before = 0;
                    }
                }
            }
        }
    }
    records
}

/// Adds a line that continues `record`: to its stack trace if it looks like one, else to its message.
fn join(record: &mut ReadRecord, line: &str) {
    record.lines += 1;
    let text = match &mut record.stack {
        Some(stack) => stack,
        None if is_of_trace(line) => record.stack.insert(String::new()),
        None => &mut record.message,
    };
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line.trim_end());
}

/// How traces begin in the runtimes that print them over several lines.
fn is_of_trace(line: &str) -> bool {
    let body = line.trim_start();
    ["at ", "File \"", "Traceback", "Caused by: ", "stack backtrace", "Stack trace", "goroutine ", "#0 ", "#1 "]
        .iter()
        .any(|opening| body.starts_with(opening))
}

fn record_of(parsed: &ParsedLine<'_>) -> ReadRecord {
    let mut rest = Map::new();
    let mut context = Map::new();
    let mut attributes: Map<String, Value> =
        parsed.fields.iter().map(|(key, value)| ((*key).to_owned(), value.as_ref().into())).collect();
    let named = [
        ("host", parsed.host),
        ("process", parsed.process),
        ("pid", parsed.pid),
        ("thread", parsed.thread),
        ("logger", parsed.logger),
    ];
    attributes.extend(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
    attributes.extend(parsed.status.map(|status| ("status".to_owned(), status.into())));
    attributes.extend(parsed.bytes.map(|bytes| ("bytes".to_owned(), bytes.into())));
    context.extend(parsed.method.map(|method| ("method".to_owned(), method.into())));
    context.extend(parsed.client_ip.map(|ip| ("ip".to_owned(), ip.into())));
    match parsed.path {
        Some(path) if path.starts_with('/') => drop(rest.insert("endpoint".to_owned(), path.into())),
        Some(url) => drop(context.insert("url".to_owned(), url.into())),
        None => {}
    }
    rest.extend(parsed.duration_ms.map(|duration| ("duration_ms".to_owned(), duration.into())));
    for (name, map) in [("context", context), ("attributes", attributes)] {
        if !map.is_empty() {
            rest.insert(name.to_owned(), Value::Object(map));
        }
    }
    ReadRecord {
        at: parsed.timestamp.map(|time| time.timestamp),
        level: parsed.level,
        message: parsed.message.as_ref().to_owned(),
        stack: None,
        rest,
        lines: 1,
    }
}

impl ReadRecord {
    /// The record as it is sent, at `at`, as one line of JSON. The time is text: the unit of a number is told by its
    /// size, and a number of milliseconds before 1973 would pass for seconds.
    pub(crate) fn write_json(&self, at: Timestamp, component: &str, out: &mut Vec<u8>) {
        let mut object = self.rest.clone();
        object.insert("timestamp".to_owned(), at.to_string().into());
        object.insert("component".to_owned(), component.into());
        object.insert("message".to_owned(), self.message.as_str().into());
        object.extend(self.level.map(|level| ("level".to_owned(), level.to_string().into())));
        object.extend(self.stack.as_ref().map(|stack| ("stack_trace".to_owned(), stack.as_str().into())));
        out.extend_from_slice(Value::Object(object).to_string().as_bytes());
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    const REFERENCE: Timestamp = Timestamp(1_795_132_800_000);

    #[test]
    fn a_trace_is_joined_to_its_record_and_every_line_is_counted() {
        let lines = [
            "",
            "2026-11-20 10:00:00 ERROR [w-1] a.B - boom",
            "\tat a.B.c(B.java:1)",
            "Caused by: x",
            "",
            "2026-11-20 10:00:01 INFO [w-1] a.B - select",
            "    from orders",
        ];
        let records = records_of(&lines, REFERENCE);
        assert_eq!(records.iter().map(|record| record.lines).collect::<Vec<_>>(), [5, 2]);
        assert_eq!(records[0].stack.as_deref(), Some("\tat a.B.c(B.java:1)\nCaused by: x"));
        assert_eq!(records[1].message, "select\n    from orders");
        assert_eq!((records[0].level, records[1].stack.as_ref()), (Some(Level::ERROR), None));
    }

    #[test]
    fn what_a_header_says_is_sent_in_fields() {
        let line = r#"10.0.0.9 - - [20/Nov/2026:10:00:00 +0000] "GET /users/7 HTTP/1.1" 503 12"#;
        let mut out = Vec::new();
        records_of(&[line], REFERENCE)[0].write_json(Timestamp(5), "web", &mut out);
        let sent: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            (&sent["timestamp"], &sent["component"], &sent["endpoint"]),
            (&"1970-01-01T00:00:00.005Z".into(), &"web".into(), &"/users/7".into())
        );
        assert_eq!((&sent["context"]["ip"], &sent["attributes"]["status"]), (&"10.0.0.9".into(), &503.into()));
        assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 1);
    }

    #[test]
    fn names_of_files_become_names_of_components() {
        for (path, expected) in [
            ("/x/Apache.raw.log", "apache"),
            ("Ünder score_1.log", "nder-score_1"),
            ("..", "file"),
            (".hidden.log", "hidden"),
            ("---.log", "file"),
        ] {
            assert_eq!(component_of(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_an_empty_file_is_refused() {
        let folder = Folder::new();
        let file = folder.write("a.log", "");
        fs::write(&file, b"first \xff line\r\nsecond\n").unwrap();
        assert_eq!(read_lines(&file).unwrap(), ["first \u{fffd} line", "second"]);
        let source = Source::read(&file, REFERENCE).unwrap();
        assert_eq!((source.lines, source.records.len(), source.with_time(), source.errors()), (2, 2, 0, 0));
        let empty = folder.write("b.log", "\n\n");
        assert!(Source::read(&empty, REFERENCE).unwrap_err().to_string().contains("name another file"));
    }
}
