//! Lessons about patterns as JSON: what may be taught, how lessons are listed, and the file they are exported as.
//!
//! A pattern is named by its id, or by an object with `id`, `template` or both. The file is the list with a format and
//! a version; it says the template of every pattern it names, so that it means something in another domain. A reader
//! ignores what it does not know of a file, and refuses what it does not know of a request.

use crate::reply::FieldError;
use sapwood_engine::limits;
use sapwood_engine::pattern::PatternId;
use sapwood_engine::pattern::lesson::{Lesson, Naming, Reference, Teaching};
use serde_json::{Map, Value, json};

/// `format` of an exported file.
pub const FILE_FORMAT: &str = "sapwood-lessons";
/// `version` of an exported file.
pub const FILE_VERSION: u64 = 1;

/// What somebody wants to teach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TeachRequest {
    /// The facts, in order; a reference by template alone has the id of that template.
    pub teachings: Vec<Teaching>,
    /// Why, of each.
    pub notes: Vec<String>,
    /// Only say what would come of it.
    pub is_dry_run: bool,
    /// Whether it is an exported file: its patterns need not be known.
    pub is_file: bool,
    /// Where each teaching stands in the body: `""`, or `/lessons/3`.
    pub pointers: Vec<String>,
}

const NAMING_FIELDS: [&str; 5] = ["name", "description", "type", "owner", "link"];
/// Fields of a listed lesson that say who taught it: not part of what is taught.
const HISTORY_FIELDS: [&str; 3] = ["id", "by", "at"];

/// Reads the body of a request to teach: one lesson, a list of them under `lessons`, or an exported file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read_request(body: &Map<String, Value>) -> Result<TeachRequest, Vec<FieldError>> {
    let mut request = TeachRequest { is_file: body.contains_key("format"), ..TeachRequest::default() };
    let mut errors = Vec::new();
    if request.is_file && body.get("format").and_then(Value::as_str) != Some(FILE_FORMAT) {
        errors.push(error("/format", "unknown_format", format!("a file of lessons has the format {FILE_FORMAT}")));
    }
    if request.is_file && body.get("version").and_then(Value::as_u64) != Some(FILE_VERSION) {
        errors.push(error("/version", "unknown_version", format!("this build reads version {FILE_VERSION}")));
    }
    match body.get("dry_run").unwrap_or(&Value::Bool(false)) {
        Value::Bool(is_dry_run) => request.is_dry_run = *is_dry_run,
        _ => errors.push(error("/dry_run", "wrong_type", "true or false is expected")),
    }
    let common = read_note(body, "", &mut errors).unwrap_or_default();
    match body.get("lessons") {
        None => {
            if let Some(teaching) = read_teaching(body, "", request.is_file, &mut errors) {
                request.teachings.push(teaching);
                request.notes.push(common);
                request.pointers.push(String::new());
            }
        }
        Some(Value::Array(list)) if list.len() <= limits::LESSONS_MAX => {
            let accepted = ["lessons", "note", "dry_run", "format", "version"];
            for field in body.keys().filter(|field| !request.is_file && !accepted.contains(&field.as_str())) {
                errors.push(error(&pointer("", field), "unknown_field", "accepted are lessons, note, dry_run"));
            }
            for (index, item) in list.iter().enumerate() {
                let at = format!("/lessons/{index}");
                match item.as_object() {
                    Some(item) => {
                        request.notes.push(read_note(item, &at, &mut errors).unwrap_or_else(|| common.clone()));
                        request.teachings.extend(read_teaching(item, &at, request.is_file, &mut errors));
                    }
                    None => errors.push(error(&at, "wrong_type", "a lesson is an object")),
                }
                request.pointers.push(at);
            }
            if list.is_empty() {
                errors.push(error("/lessons", "empty", "there is nothing to learn"));
            }
        }
        Some(Value::Array(_)) => errors.push(error("/lessons", "too_many_lessons", "at most 1,000 at once")),
        Some(_) => errors.push(error("/lessons", "wrong_type", "a list of lessons is expected")),
    }
    if errors.is_empty() { Ok(request) } else { Err(errors) }
}

fn read_note(body: &Map<String, Value>, at: &str, errors: &mut Vec<FieldError>) -> Option<String> {
    match body.get("note")? {
        Value::String(note) if note.len() <= limits::LESSON_TEXT_BYTES_MAX => return Some(note.clone()),
        _ => errors.push(error(&pointer(at, "note"), "invalid_value", "a note is a text of at most 1,024 bytes")),
    }
    None
}

fn read_teaching(body: &Map<String, Value>, at: &str, is_file: bool, errors: &mut Vec<FieldError>) -> Option<Teaching> {
    let before = errors.len();
    let kind = body.get("kind").and_then(Value::as_str).unwrap_or_default();
    let own: &[&str] = match kind {
        "name" => &["pattern"],
        "merge" => &["from", "into"],
        "split" => &["pattern", "place", "values"],
        "constant" => &["pattern", "place"],
        "template" => &["template"],
        _ => {
            let detail = "a lesson has a kind: name, merge, split, constant or template";
            errors.push(error(&pointer(at, "kind"), "unknown_kind", detail));
            return None;
        }
    };
    let naming_fields: &[&str] = if matches!(kind, "name" | "template") { &NAMING_FIELDS } else { &[] };
    for field in body.keys().map(String::as_str) {
        let is_known = own.contains(&field) || naming_fields.contains(&field) || matches!(field, "kind" | "note");
        let is_outer = at.is_empty() && field == "dry_run" || is_file;
        if !is_known && !is_outer && !HISTORY_FIELDS.contains(&field) {
            let detail = format!("accepted are kind, {}, note", [own, naming_fields].concat().join(", "));
            errors.push(error(&pointer(at, field), "unknown_field", detail));
        }
    }
    let mut read = Fields { body, at, errors };
    let teaching = match kind {
        "name" => Teaching::Name { pattern: read.reference("pattern"), naming: read.naming() },
        "merge" => Teaching::Merge { from: read.references("from"), into: read.reference("into") },
        "split" => Teaching::Split { pattern: read.reference("pattern"), place: read.place(), values: read.values() },
        "constant" => Teaching::Constant { pattern: read.reference("pattern"), place: read.place() },
        _ => Teaching::Template { template: read.text("template", true), naming: read.naming() },
    };
    (errors.len() == before).then_some(teaching)
}

/// Reads fields of one lesson; what is wrong is noted, and something harmless returned.
struct Fields<'a> {
    body: &'a Map<String, Value>,
    at: &'a str,
    errors: &'a mut Vec<FieldError>,
}

impl Fields<'_> {
    fn refuse(&mut self, field: &str, code: &str, detail: &str) {
        self.errors.push(error(&pointer(self.at, field), code, detail));
    }

    fn text(&mut self, field: &str, is_needed: bool) -> String {
        match self.body.get(field) {
            Some(Value::String(text)) => return text.trim().to_owned(),
            None | Some(Value::Null) if !is_needed => {}
            None | Some(Value::Null) => self.refuse(field, "missing_field", "a text is expected"),
            Some(_) => self.refuse(field, "wrong_type", "a text is expected"),
        }
        String::new()
    }

    fn naming(&mut self) -> Naming {
        let [name, description, kind, owner, link] = NAMING_FIELDS.map(|field| self.text(field, false));
        let is_web = link.is_empty() || link.starts_with("https://") || link.starts_with("http://");
        if !is_web {
            self.refuse("link", "invalid_value", "a link begins with https:// or http://");
        }
        Naming { name, description, kind, owner, link }
    }

    fn place(&mut self) -> u16 {
        let place = self.body.get("place").and_then(Value::as_u64).and_then(|place| u16::try_from(place).ok());
        if place.is_none() {
            self.refuse("place", "invalid_value", "which <*> of the template, from 0");
        }
        place.unwrap_or(0)
    }

    fn values(&mut self) -> Vec<String> {
        let list = self.body.get("values").and_then(Value::as_array);
        let texts: Option<Vec<_>> =
            list.map(|list| list.iter().map(|value| value.as_str().map(str::to_owned)).collect()).unwrap_or_default();
        if texts.is_none() {
            self.refuse("values", "invalid_value", "a list of texts is expected; for any value teach constant");
        }
        texts.unwrap_or_default()
    }

    fn references(&mut self, field: &str) -> Vec<Reference> {
        match self.body.get(field) {
            Some(Value::Array(list)) => {
                let found: Vec<_> = list.iter().map(reference).collect();
                for (index, _) in found.iter().enumerate().filter(|(_, found)| found.is_none()) {
                    self.refuse(&format!("{field}/{index}"), "invalid_pattern", PATTERN_WANTED);
                }
                found.into_iter().flatten().collect()
            }
            _ => vec![self.reference(field)],
        }
    }

    fn reference(&mut self, field: &str) -> Reference {
        match self.body.get(field).map(reference) {
            Some(Some(found)) => return found,
            Some(None) => self.refuse(field, "invalid_pattern", PATTERN_WANTED),
            None => self.refuse(field, "missing_field", PATTERN_WANTED),
        }
        Reference::default()
    }
}

const PATTERN_WANTED: &str = "a pattern's id has 16 hex digits; or name it by an object with its template";

fn reference(value: &Value) -> Option<Reference> {
    if let Value::String(id) = value {
        return PatternId::parse(id).map(|id| Reference { id, template: String::new() });
    }
    let object = value.as_object()?;
    let template = match object.get("template") {
        None | Some(Value::Null) => "",
        Some(template) => template.as_str().filter(|it| it.len() <= limits::TEMPLATE_BYTES_MAX)?,
    };
    match object.get("id") {
        Some(id) => Some(Reference { id: PatternId::parse(id.as_str()?)?, template: template.to_owned() }),
        None if template.is_empty() => None,
        None => Some(Reference::of_template(template)),
    }
}

/// What is taught, as JSON: what [`read_request`] reads.
pub fn teaching_json(teaching: &Teaching) -> Map<String, Value> {
    let mut out = Map::new();
    let shown = |reference: &Reference| match reference.template.is_empty() {
        true => json!({ "id": reference.id.to_string() }),
        false => json!({ "id": reference.id.to_string(), "template": reference.template }),
    };
    let mut put = |field: &str, value: Value| drop(out.insert(field.to_owned(), value));
    put("kind", teaching.word().into());
    match teaching {
        Teaching::Name { pattern, .. } => put("pattern", shown(pattern)),
        Teaching::Merge { from, into } => {
            put("from", from.iter().map(shown).collect());
            put("into", shown(into));
        }
        Teaching::Split { pattern, place, values } => {
            put("pattern", shown(pattern));
            put("place", (*place).into());
            put("values", values.clone().into());
        }
        Teaching::Constant { pattern, place } => {
            put("pattern", shown(pattern));
            put("place", (*place).into());
        }
        Teaching::Template { template, .. } => put("template", template.clone().into()),
    }
    if let Teaching::Name { naming, .. } | Teaching::Template { naming, .. } = teaching {
        let texts = [&naming.name, &naming.description, &naming.kind, &naming.owner, &naming.link];
        for (field, text) in NAMING_FIELDS.into_iter().zip(texts).filter(|(_, text)| !text.is_empty()) {
            put(field, text.clone().into());
        }
    }
    out
}

/// A lesson as it is listed and exported.
pub fn lesson_json(lesson: &Lesson) -> Value {
    let mut out = Map::new();
    out.insert("id".to_owned(), lesson.id.into());
    out.extend(teaching_json(&lesson.teaching));
    out.insert("by".to_owned(), lesson.by.clone().into());
    out.insert("at".to_owned(), lesson.at.0.into());
    if !lesson.note.is_empty() {
        out.insert("note".to_owned(), lesson.note.clone().into());
    }
    Value::Object(out)
}

fn pointer(at: &str, field: &str) -> String {
    // Of `from/3` the slash is ours.
    match field.split_once('/') {
        Some((field, index)) if index.bytes().all(|byte| byte.is_ascii_digit()) => format!("{at}/{field}/{index}"),
        _ => format!("{at}/{}", field.replace('~', "~0").replace('/', "~1")),
    }
}

fn error(pointer: &str, code: &str, detail: impl Into<String>) -> FieldError {
    FieldError {
        pointer: Some(pointer.to_owned()),
        code: code.to_owned(),
        detail: detail.into(),
        ..FieldError::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sapwood_engine::time::Timestamp;

    const ID: &str = "00000000000000aa";

    fn read(body: Value) -> Result<TeachRequest, Vec<String>> {
        let told = |errors: Vec<FieldError>| {
            let words = errors.into_iter().map(|it| format!("{} {}", it.pointer.unwrap_or_default(), it.code));
            words.collect::<Vec<_>>()
        };
        read_request(body.as_object().unwrap()).map_err(told)
    }

    fn refused(body: Value, expected: &[&str]) {
        assert_eq!(read(body.clone()).unwrap_err(), expected, "{body}");
    }

    #[test]
    fn every_kind_is_read_and_comes_out_as_it_went_in() {
        let pattern = json!({"id": ID, "template": "to <*>"});
        let bodies = [
            json!({"kind": "name", "pattern": pattern, "name": "N", "description": "d", "type": "t", "owner": "o", "link": "https://x"}),
            json!({"kind": "merge", "from": [pattern, {"id": "00000000000000bb"}], "into": {"id": ID}}),
            json!({"kind": "split", "pattern": pattern, "place": 0, "values": ["a", "b"]}),
            json!({"kind": "constant", "pattern": pattern, "place": 0}),
            json!({"kind": "template", "template": "order <*> failed", "name": "N"}),
        ];
        for body in bodies {
            let request = read(body.clone()).unwrap();
            assert_eq!(Value::Object(teaching_json(&request.teachings[0])), body);
            assert_eq!((request.is_dry_run, request.is_file, request.pointers), (false, false, vec![String::new()]));
        }
    }

    #[test]
    fn a_file_is_what_is_listed_and_its_history_is_passed_by() {
        let teaching = read(json!({"kind": "name", "pattern": ID, "name": "N"})).unwrap().teachings.remove(0);
        let lesson =
            Lesson { id: 3, teaching: teaching.clone(), by: "ann".into(), at: Timestamp(5), note: "why".into() };
        let file = json!({"format": FILE_FORMAT, "version": 1, "exported_at": 7, "lessons": [lesson_json(&lesson)]});
        let request = read(file).unwrap();
        assert_eq!((request.teachings, request.notes, request.is_file), (vec![teaching], vec!["why".into()], true));
        refused(
            json!({"format": "x", "version": 2, "lessons": []}),
            &["/format unknown_format", "/version unknown_version", "/lessons empty"],
        );
    }

    #[test]
    fn a_pattern_can_be_named_by_its_template_alone() {
        let request = read(json!({"kind": "name", "pattern": {"template": "to <*>"}, "name": "N"})).unwrap();
        assert_eq!(*request.teachings[0].references()[0], Reference::of_template("to <*>"));
    }

    #[test]
    fn everything_that_is_wrong_is_named_with_its_place() {
        refused(json!({}), &["/kind unknown_kind"]);
        refused(
            json!({"kind": "name", "name": 7, "colour": 1}),
            &["/colour unknown_field", "/pattern missing_field", "/name wrong_type"],
        );
        refused(
            json!({"kind": "name", "pattern": "zz", "name": "n", "link": "javascript:x"}),
            &["/pattern invalid_pattern", "/link invalid_value"],
        );
        let lessons = json!([{"kind": "merge", "from": [ID, 3], "into": {}}, 7]);
        refused(
            json!({"lessons": lessons, "x/y": 1, "dry_run": "yes", "note": 3}),
            &[
                "/dry_run wrong_type",
                "/note invalid_value",
                "/x~1y unknown_field",
                "/lessons/0/from/1 invalid_pattern",
                "/lessons/0/into invalid_pattern",
                "/lessons/1 wrong_type",
            ],
        );
        refused(
            json!({"kind": "split", "pattern": ID, "place": -1, "values": [1]}),
            &["/place invalid_value", "/values invalid_value"],
        );
        refused(json!({"kind": "split", "pattern": ID, "place": 0}), &["/values invalid_value"]);
        refused(json!({"kind": "template"}), &["/template missing_field"]);
        refused(json!({"lessons": {}}), &["/lessons wrong_type"]);
        refused(json!({"lessons": vec![json!({}); 1_001]}), &["/lessons too_many_lessons"]);
    }
}
