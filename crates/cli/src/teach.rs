//! `sapwood teach`: what people know about patterns and the service cannot.
//!
//! Each lesson is in force for the whole domain with the next line, and `undo` takes it back. `export` writes a file that
//! `import` teaches elsewhere.

use crate::Verdict;
use crate::client::Client;
use crate::endpoint::{EndpointArgs, Scope};
use crate::fault::Fault;
use crate::render::{Style, Table, cut, grouped, printable};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Arguments of `teach`.
#[derive(clap::Args)]
pub(crate) struct Teach {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

#[derive(clap::Subcommand)]
enum What {
    /// Give a pattern a name.
    Name {
        /// The pattern's id (see `sapwood patterns --ids`).
        pattern: String,
        /// The name.
        name: String,
        /// What it means.
        #[arg(long)]
        description: Option<String>,
        /// What kind of thing it is.
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
        /// Whose business it is.
        #[arg(long)]
        owner: Option<String>,
        /// Where more is written.
        #[arg(long)]
        link: Option<String>,
        #[command(flatten)]
        how: How,
    },
    /// Make several patterns one.
    Merge {
        /// The ids of those that go into it.
        #[arg(required = true)]
        from: Vec<String>,
        /// The id of the one that stays.
        #[arg(long)]
        into: String,
        #[command(flatten)]
        how: How,
    },
    /// Make values at a place of a pattern patterns of their own.
    Split {
        /// The pattern's id.
        pattern: String,
        /// Which <*> of its template, from 0.
        #[arg(long)]
        place: u16,
        /// The values that part.
        #[arg(required = true)]
        values: Vec<String>,
        #[command(flatten)]
        how: How,
    },
    /// Say that a place of a pattern is no variable: each value is a pattern.
    Constant {
        /// The pattern's id.
        pattern: String,
        /// Which <*> of its template, from 0.
        #[arg(long)]
        place: u16,
        #[command(flatten)]
        how: How,
    },
    /// Write a pattern: it takes over every pattern that it describes.
    Template {
        /// Words and <*>.
        template: String,
        /// What it is called.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        how: How,
    },
    /// Undo a lesson.
    Undo {
        /// Its id (see `sapwood teach list`).
        lesson: u64,
    },
    /// Show what was taught.
    List {
        /// The answer as it came.
        #[arg(long)]
        json: bool,
    },
    /// Write everything taught to a file, or to the standard output.
    Export {
        /// The file.
        file: Option<PathBuf>,
    },
    /// Teach what is in an exported file.
    Import {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        how: How,
    },
}

#[derive(clap::Args)]
struct How {
    /// Why, for those who come after.
    #[arg(long)]
    note: Option<String>,
    /// Only say what it would touch.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TaughtReply {
    dry_run: bool,
    lessons: Vec<TaughtLesson>,
    pending_components: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TaughtLesson {
    id: Option<u64>,
    kind: String,
    patterns: u64,
    records: u64,
}

const LEARN: &str = "/api/logs/patterns/learn";
const LESSONS: &str = "/api/logs/patterns/lessons";

impl Teach {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let client = |scope| Ok::<_, Fault>(Client::new(self.endpoint.resolve(scope)?));
        match &self.what {
            What::Undo { lesson } => {
                let _: Value = client(Scope::Admin)?.delete(&format!("{LESSONS}/{lesson}"), &[])?;
                writeln!(out, "lesson {lesson} is undone")?;
            }
            What::List { json } => {
                let reply: Value = client(Scope::Read)?.read(LESSONS, &[])?;
                if *json {
                    writeln!(out, "{reply}")?;
                } else {
                    list(&reply, out)?;
                }
            }
            What::Export { file } => {
                let reply: Value = client(Scope::Read)?.read(LESSONS, &[("format", "file".to_owned())])?;
                let text = format!("{reply:#}\n");
                match file {
                    None => out.write_all(text.as_bytes())?,
                    Some(file) => {
                        std::fs::write(file, text)
                            .map_err(|error| Fault::Request(format!("cannot write {}: {error}", file.display())))?;
                        writeln!(out, "{} lessons in {}", lessons_of(&reply).len(), file.display())?;
                    }
                }
            }
            _ => {
                let body = self.what.body()?;
                tell(&client(Scope::Admin)?.post::<TaughtReply>(LEARN, &body)?, out)?;
            }
        }
        Ok(Verdict::Good)
    }
}

impl What {
    /// The body of the request that teaches it.
    fn body(&self) -> Result<Value, Fault> {
        let (lesson, how) = match self {
            Self::Name { pattern, name, description, kind, owner, link, how } => {
                let lesson = json!({
                    "kind": "name", "pattern": pattern, "name": name, "description": description, "type": kind,
                    "owner": owner, "link": link,
                });
                (lesson, how)
            }
            Self::Merge { from, into, how } => (json!({"kind": "merge", "from": from, "into": into}), how),
            Self::Split { pattern, place, values, how } => {
                (json!({"kind": "split", "pattern": pattern, "place": place, "values": values}), how)
            }
            Self::Constant { pattern, place, how } => {
                (json!({"kind": "constant", "pattern": pattern, "place": place}), how)
            }
            Self::Template { template, name, how } => {
                (json!({"kind": "template", "template": template, "name": name}), how)
            }
            Self::Import { file, how } => (read(file)?, how),
            Self::Undo { .. } | Self::List { .. } | Self::Export { .. } => (Value::Null, &How::NONE),
        };
        let mut body: Map<String, Value> = match lesson {
            Value::Object(fields) => fields.into_iter().filter(|(_, value)| !value.is_null()).collect(),
            _ => return Err(Fault::Request("an exported file holds a JSON object".to_owned())),
        };
        if let Some(note) = &how.note {
            body.insert("note".to_owned(), note.clone().into());
        }
        if how.dry_run {
            body.insert("dry_run".to_owned(), true.into());
        }
        Ok(Value::Object(body))
    }
}

impl How {
    const NONE: Self = Self { note: None, dry_run: false };
}

fn read(file: &Path) -> Result<Value, Fault> {
    let text = std::fs::read_to_string(file).map_err(|error| Fault::File(file.to_owned(), error))?;
    serde_json::from_str(&text).map_err(|error| Fault::Request(format!("{} is not JSON: {error}", file.display())))
}

fn lessons_of(reply: &Value) -> &[Value] {
    reply["lessons"].as_array().map_or(&[], Vec::as_slice)
}

fn tell(reply: &TaughtReply, out: &mut dyn Write) -> Result<(), Fault> {
    for lesson in &reply.lessons {
        let touched = format!("{} patterns, {} records", grouped(lesson.patterns), grouped(lesson.records));
        match lesson.id {
            Some(id) => writeln!(out, "lesson {id}: {} ({touched})", printable(&lesson.kind))?,
            None => writeln!(out, "would {}: {touched}", printable(&lesson.kind))?,
        }
    }
    if reply.dry_run {
        writeln!(out, "nothing was taught")?;
    }
    if !reply.pending_components.is_empty() {
        let names = printable(&reply.pending_components.join(", "));
        writeln!(out, "not in force yet, but soon, in {names}")?;
    }
    Ok(())
}

fn list(reply: &Value, out: &mut dyn Write) -> Result<(), Fault> {
    let lessons = lessons_of(reply);
    if lessons.is_empty() {
        writeln!(out, "nothing was taught yet: sapwood teach --help")?;
        return Ok(());
    }
    let mut table = Table::new(&[">id", "kind", "what", "by", "note"]);
    for lesson in lessons {
        let text = |field: &str| printable(lesson[field].as_str().unwrap_or_default());
        table.row(vec![
            lesson["id"].to_string(),
            text("kind"),
            cut(&printable(&what(lesson)), 80),
            text("by"),
            cut(&text("note"), 40),
        ]);
    }
    table.write(out, Style::of_stdout())?;
    Ok(())
}

/// A lesson in a line.
fn what(lesson: &Value) -> String {
    let shown = |pattern: &Value| {
        let word = |field: &str| pattern[field].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        word("template").or_else(|| word("id")).unwrap_or_default()
    };
    let texts = |list: &Value| -> String {
        let items = list.as_array().into_iter().flatten();
        items.map(|item| item.as_str().map_or_else(|| shown(item), str::to_owned)).collect::<Vec<_>>().join(", ")
    };
    let name = lesson["name"].as_str().unwrap_or_default();
    match lesson["kind"].as_str().unwrap_or_default() {
        "merge" => format!("{} into {}", texts(&lesson["from"]), shown(&lesson["into"])),
        "split" => format!("{} at {}: {}", shown(&lesson["pattern"]), lesson["place"], texts(&lesson["values"])),
        "constant" => format!("{} at {}", shown(&lesson["pattern"]), lesson["place"]),
        "template" => format!("{} {name}", lesson["template"].as_str().unwrap_or_default()).trim_end().to_owned(),
        _ => format!("{} is {name}", shown(&lesson["pattern"])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Answer, Folder, Server};
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        teach: Teach,
    }

    const TAUGHT: &str = r#"{"dry_run":false,"lessons":[{"id":3,"kind":"merge","patterns":1,"records":1200}],"version":3,"partial":false,"pending_components":["cart"]}"#;

    fn run(server: &Server, words: &[&str]) -> Result<String, String> {
        let url = server.url();
        let line = [&["teach", "--url", url.as_str(), "--key", "k"], words].concat();
        let mut out = Vec::new();
        Line::parse_from(line).teach.run(&mut out).map_err(|fault| fault.to_string())?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn sent(words: &[&str]) -> Value {
        let server = Server::scripted([Answer::new(201, TAUGHT)]);
        run(&server, words).unwrap();
        let asked = server.asked().remove(0);
        assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", LEARN));
        serde_json::from_str(&asked.body).unwrap()
    }

    #[test]
    fn every_lesson_is_sent_as_it_was_said() {
        assert_eq!(
            sent(&["name", "aa", "Lost", "--owner", "pay", "--type", "fault", "--note", "why"]),
            json!({"kind": "name", "pattern": "aa", "name": "Lost", "owner": "pay", "type": "fault", "note": "why"})
        );
        assert_eq!(
            sent(&["merge", "aa", "bb", "--into", "cc", "--dry-run"]),
            json!({"kind": "merge", "from": ["aa", "bb"], "into": "cc", "dry_run": true})
        );
        assert_eq!(
            sent(&["split", "aa", "--place", "1", "x", "y"]),
            json!({"kind": "split", "pattern": "aa", "place": 1, "values": ["x", "y"]})
        );
        assert_eq!(sent(&["constant", "aa", "--place", "0"]), json!({"kind": "constant", "pattern": "aa", "place": 0}));
        assert_eq!(
            sent(&["template", "order <*>", "--name", "Order"]),
            json!({"kind": "template", "template": "order <*>", "name": "Order"})
        );
    }

    #[test]
    fn what_came_of_it_is_told() {
        let dry = r#"{"dry_run":true,"lessons":[{"kind":"merge","patterns":2,"records":5}],"version":3}"#;
        let server = Server::scripted([Answer::new(201, TAUGHT), Answer::new(200, dry)]);
        let told = run(&server, &["merge", "aa", "--into", "cc"]).unwrap();
        assert_eq!(told, "lesson 3: merge (1 patterns, 1,200 records)\nnot in force yet, but soon, in cart\n");
        let told = run(&server, &["merge", "aa", "--into", "cc", "--dry-run"]).unwrap();
        assert_eq!(told, "would merge: 2 patterns, 5 records\nnothing was taught\n");
    }

    #[test]
    fn a_refusal_names_the_field() {
        let problem = r#"{"title":"The lesson cannot stand","code":"lesson_refused","detail":"no","errors":[{"pointer":"/into","detail":"a pattern cannot be merged into itself"}]}"#;
        let server = Server::scripted([Answer::new(422, problem)]);
        let told = run(&server, &["merge", "aa", "--into", "aa"]).unwrap_err();
        assert!(told.contains("/into: a pattern cannot be merged into itself"), "{told}");
    }

    #[test]
    fn lessons_are_listed_undone_exported_and_imported() {
        let lessons = json!([
            {"id": 1, "kind": "merge", "from": [{"id": "aa", "template": "a <*>"}], "into": {"id": "bb"}, "by": "ann", "note": "why"},
            {"id": 2, "kind": "split", "pattern": {"id": "cc"}, "place": 0, "values": ["x", "y"]},
            {"id": 3, "kind": "constant", "pattern": {"id": "cc"}, "place": 1},
            {"id": 4, "kind": "template", "template": "order <*>"},
            {"id": 5, "kind": "name", "pattern": {"id": "cc"}, "name": "Sea"},
        ]);
        let listed = json!({"version": 5, "lessons": lessons}).to_string();
        let file = json!({"format": "sapwood-lessons", "version": 1, "lessons": lessons}).to_string();
        let server = Server::scripted([
            Answer::new(200, listed.as_str()),
            Answer::new(200, listed.as_str()),
            Answer::new(200, r#"{"lessons":[]}"#),
            Answer::new(200, r#"{"undone":true}"#),
            Answer::new(200, file.as_str()),
            Answer::new(200, file.as_str()),
            Answer::new(201, TAUGHT),
        ]);
        let text = run(&server, &["list"]).unwrap();
        for line in ["a <*> into bb", "cc at 0: x, y", "cc at 1", "order <*>", "cc is Sea"] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert_eq!(run(&server, &["list", "--json"]).unwrap().trim(), listed);
        assert!(run(&server, &["list"]).unwrap().contains("nothing was taught yet"));
        assert_eq!(run(&server, &["undo", "7"]).unwrap(), "lesson 7 is undone\n");
        let folder = Folder::new();
        let path = folder.path("lessons.json");
        let shown = path.display().to_string();
        assert!(run(&server, &["export"]).unwrap().contains("sapwood-lessons"));
        assert!(run(&server, &["export", &shown]).unwrap().starts_with("5 lessons in"));
        run(&server, &["import", &shown]).unwrap();
        let asked = server.asked();
        assert_eq!((asked[3].method.as_str(), asked[3].path.as_str()), ("DELETE", "/api/logs/patterns/lessons/7"));
        assert_eq!(asked[4].path, "/api/logs/patterns/lessons?format=file");
        assert_eq!(serde_json::from_str::<Value>(&asked[6].body).unwrap()["lessons"], lessons);
    }

    #[test]
    fn a_file_that_is_none_is_said_to_be_none() {
        let folder = Folder::new();
        let server = Server::scripted([]);
        let import = |name: &str, text: &str| {
            run(&server, &["import", &folder.write(name, text).display().to_string()]).unwrap_err()
        };
        assert!(import("a.json", "{").contains("is not JSON"));
        assert!(import("b.json", "[]").contains("a JSON object"));
        assert!(run(&server, &["import", "no/such/file"]).unwrap_err().contains("cannot read"));
    }
}
