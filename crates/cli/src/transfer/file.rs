//! The file of an export: head, records, foot.

use crate::fault::Fault;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use xxhash_rust::xxh3::Xxh3;

/// Version of the file's form.
const VERSION: u32 = 1;
/// Bytes of the longest line that is read: a record and its JSON.
const LINE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The form of the file.
    pub(super) sapwood_export: u32,
    /// Components that were asked for; none means all.
    pub(super) components: Vec<String>,
    /// From which service.
    pub(super) from: String,
}

impl Head {
    pub(super) fn new(components: &[String], from: &str) -> Self {
        Self { sapwood_export: VERSION, components: components.to_vec(), from: from.to_owned() }
    }
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Foot {
    records: u64,
    /// XXH3-64 of all record lines, with their ends.
    xxh3: String,
}

/// A file that is being written.
pub(super) struct Writing<W: Write> {
    out: W,
    sum: Xxh3,
    pub(super) records: u64,
}

impl<W: Write> Writing<W> {
    pub(super) fn begin(mut out: W, head: &Head) -> io::Result<Self> {
        writeln!(out, "{}", serde_json::to_string(head)?)?;
        Ok(Self { out, sum: Xxh3::new(), records: 0 })
    }

    pub(super) fn record(&mut self, record: &Value) -> io::Result<()> {
        let line = format!("{record}\n");
        self.sum.update(line.as_bytes());
        self.records += 1;
        self.out.write_all(line.as_bytes())
    }

    /// Writes the foot; hands back what was written to.
    pub(super) fn end(mut self) -> io::Result<W> {
        let foot = Foot { records: self.records, xxh3: format!("{:016x}", self.sum.digest()) };
        writeln!(self.out, "{}", serde_json::to_string(&foot)?)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// A file to write to, compressed if its name says so. What is written must be ended with [`Sink::finish`].
pub(super) enum Sink {
    Plain(BufWriter<File>),
    Packed(GzEncoder<BufWriter<File>>),
}

impl Sink {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        let is_packed = path.extension().is_some_and(|extension| extension == "gz");
        Ok(if is_packed { Self::Packed(GzEncoder::new(file, Compression::default())) } else { Self::Plain(file) })
    }

    pub(super) fn finish(self) -> io::Result<()> {
        let file = match self {
            Self::Plain(file) => file,
            Self::Packed(encoder) => encoder.finish()?,
        };
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.write(bytes),
            Self::Packed(encoder) => encoder.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.flush(),
            Self::Packed(encoder) => encoder.flush(),
        }
    }
}

/// What a whole file holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) head: Head,
    pub(super) records: u64,
    /// The checksum that the foot names, and that was found.
    pub(super) sum: u64,
}

/// Reads a file to its end and hands over each record's line; says what is wrong with it, and where.
pub(super) fn read(path: &Path, mut visit: impl FnMut(&str) -> Result<(), Fault>) -> Result<Contents, Fault> {
    let unreadable = |error: io::Error| Fault::File(path.to_owned(), error);
    let broken = |line: u64, what: &str| Fault::Request(format!("{}, line {line}: {what}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    let is_packed = path.extension().is_some_and(|extension| extension == "gz");
    let input: Box<dyn Read> = if is_packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut input = BufReader::new(input);
    let mut line = String::new();
    let mut number = 0;
    let mut next = |line: &mut String| -> Result<bool, Fault> {
        line.clear();
        number += 1;
        let read = input.by_ref().take(LINE_BYTES_MAX).read_line(line).map_err(unreadable)?;
        if read as u64 == LINE_BYTES_MAX {
            return Err(broken(number, "this line is longer than any record"));
        }
        Ok(read > 0)
    };
    next(&mut line)?;
    let head: Head = serde_json::from_str(&line)
        .map_err(|_| broken(1, "this is no export of Sapwood: its first line should say so"))?;
    if head.sapwood_export != VERSION {
        return Err(broken(1, "this export has a form that a newer version made; use that version"));
    }
    let (mut sum, mut records) = (Xxh3::new(), 0);
    let mut pending = String::new();
    while next(&mut line)? {
        if !pending.is_empty() {
            sum.update(pending.as_bytes());
            records += 1;
            visit(pending.trim_end())?;
        }
        std::mem::swap(&mut pending, &mut line);
    }
    let foot: Foot = serde_json::from_str(&pending)
        .map_err(|_| broken(records + 2, "the file ends early: its last line should give the number of records"))?;
    if (foot.records, &foot.xxh3) != (records, &format!("{:016x}", sum.digest())) {
        let what = format!("the file is damaged: {records} records were read, {} are promised", foot.records);
        return Err(broken(records + 2, &what));
    }
    Ok(Contents { head, records, sum: sum.digest() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;
    use serde_json::json;
    use std::path::PathBuf;

    fn written(folder: &Folder, name: &str, count: u64) -> PathBuf {
        let path = folder.write(name, "");
        let head = Head::new(&["shop".to_owned()], "http://a.example");
        let mut writing = Writing::begin(Sink::create(&path).unwrap(), &head).unwrap();
        for number in 0..count {
            writing.record(&json!({"message": format!("m {number}")})).unwrap();
        }
        writing.end().unwrap().finish().unwrap();
        path
    }

    fn lines(path: &Path) -> Result<(Contents, Vec<String>), String> {
        let mut found = Vec::new();
        let contents = read(path, |line| {
            found.push(line.to_owned());
            Ok(())
        });
        contents.map(|contents| (contents, found)).map_err(|fault| fault.to_string())
    }

    #[test]
    fn what_is_written_is_read_plain_and_packed() {
        let folder = Folder::new();
        for (name, count) in [("a.ndjson", 3), ("b.ndjson.gz", 1_000), ("empty.ndjson", 0)] {
            let (contents, found) = lines(&written(&folder, name, count)).unwrap();
            assert_eq!((contents.records, found.len() as u64), (count, count), "{name}");
            assert_eq!(contents.head.components, ["shop"]);
        }
    }

    #[test]
    fn a_file_that_is_not_whole_or_not_ours_is_refused_with_the_place() {
        let folder = Folder::new();
        let whole = std::fs::read_to_string(written(&folder, "a.ndjson", 3)).unwrap();
        let cut: String = whole.lines().take(3).map(|line| format!("{line}\n")).collect();
        for (text, expected) in [
            (cut, "line 3: the file ends early"),
            (whole.replace("m 1", "m 9"), "the file is damaged: 3 records were read, 3 are promised"),
            (whole.replace("\"sapwood_export\":1", "\"sapwood_export\":2"), "line 1: this export has a form"),
            ("{\"message\":\"x\"}\n".to_owned(), "line 1: this is no export"),
            (String::new(), "line 1: this is no export"),
        ] {
            let refusal = lines(&folder.write("bad.ndjson", &text)).unwrap_err();
            assert!(refusal.contains(expected), "{refusal}");
        }
    }
}
