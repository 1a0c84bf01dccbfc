//! `POST /api/logs/patterns/learn`, `GET /api/logs/patterns/lessons`, `DELETE /api/logs/patterns/lessons/{id}`: what
//! people teach about patterns.
//!
//! What a lesson names must be known to some component of the domain, unless it comes from an exported file: such a
//! lesson waits for its patterns. A dry run says what a lesson would touch and leaves everything as it is. The domain
//! object has the last word, because only it knows the other lessons.

use super::fan_out::{Gathered, ask_objects};
use super::json_body;
use super::kinship;
use super::lists::parameter_error;
use super::{Answer, Call, Outcome, Refusal, invalid_query, json, require_whole_domain};
use crate::edge::domain_view;
use crate::processors::calls::{LessonRefusal, LessonsAnswer, PatternView, TeachAnswer, TeachCall};
use sapwood_engine::limits::LESSONS_BYTES_MAX;
use sapwood_engine::pattern::lesson::{Reference, Teaching};
use sapwood_engine::pattern::{PatternId, extract};
use sapwood_wire::lesson::{FILE_FORMAT, FILE_VERSION, TeachRequest, read_request, teaching_json};
use sapwood_wire::problem::{Problem, ProblemCode};
use sapwood_wire::reply::FieldError;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use worker::Request;

/// Bytes of a body: all lessons of a domain as a file, which takes about twice the room.
const BODY_BYTES_MAX: usize = 4 * LESSONS_BYTES_MAX;

#[derive(Debug, Serialize)]
struct Taught {
    dry_run: bool,
    lessons: Vec<TaughtLesson>,
    /// Grows with every change of the domain's lessons.
    version: u64,
    /// Components where they are not in force yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pending_components: Vec<String>,
    partial: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_components: Vec<String>,
}

/// A lesson, and what it touches now.
#[derive(Debug, Serialize, PartialEq, Eq)]
struct TaughtLesson {
    /// Absent in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    kind: &'static str,
    /// Patterns that it names and that are known.
    patterns: u64,
    /// Records counted under them since the beginning.
    records: u64,
}

#[derive(Serialize)]
struct LessonList {
    lessons: Vec<Value>,
    version: u64,
}

#[derive(Serialize)]
struct LessonFile<'a> {
    format: &'static str,
    version: u64,
    exported_at: i64,
    domain: &'a str,
    lessons: Vec<Value>,
}

/// Teaches, or says what would come of it.
pub async fn teach(call: &Call<'_>, request: &mut Request) -> Outcome {
    require_whole_domain(&call.principal)?;
    let declared = call.head.header("Content-Length");
    let body = json_body::object_within(request, declared.as_deref(), BODY_BYTES_MAX).await?;
    let mut wanted = read_request(&body).map_err(invalid_query)?;
    let gathered = ask_objects(call, &[], |stubs, address| async move { stubs.patterns(&address).await }).await?;
    let (kinship, gathered) = kinship::together(gathered);
    let known = Known::new(&gathered);
    known.complete(&mut wanted, !gathered.failed.is_empty())?;
    let lessons: Vec<_> = wanted.teachings.iter().map(|teaching| known.touched(teaching)).collect();
    name_kin(&mut wanted, &kinship.others());
    let asked = TeachCall { lessons: sent(&wanted), is_dry_run: wanted.is_dry_run };
    let answer = call.stubs().teach(call.domain(), &call.actor(), &asked).await?;
    if let Some(refusal) = answer.refused {
        return Err(refused(&wanted, refusal));
    }
    let reply = json(&reply(&wanted, lessons, answer, gathered.failed))?;
    Ok(if wanted.is_dry_run { Answer::Json(reply) } else { Answer::Created(reply) })
}

/// Lists everything taught; with `format=file` as a file that can be taught elsewhere.
pub async fn list(call: &Call<'_>) -> Outcome {
    require_whole_domain(&call.principal)?;
    let is_file = wants_file(&call.head.query()).map_err(invalid_query)?;
    domain_view::directory(call).await?;
    let LessonsAnswer { version, lessons } = call.stubs().lessons(call.domain()).await?;
    Ok(Answer::Json(if is_file {
        let (format, exported_at, domain) = (FILE_FORMAT, call.now.0, call.domain());
        json(&LessonFile { format, version: FILE_VERSION, exported_at, domain, lessons })?
    } else {
        json(&LessonList { lessons, version })?
    }))
}

/// Undoes a lesson.
pub async fn undo(call: &Call<'_>, id: &str) -> Outcome {
    require_whole_domain(&call.principal)?;
    domain_view::directory(call).await?;
    let unknown = || Refusal::from(Problem::new(ProblemCode::NotFound, "no lesson has this id"));
    let id: u64 = id.parse().map_err(|_| unknown())?;
    let answer = call.stubs().undo_lesson(call.domain(), &call.actor(), id).await?;
    match answer.refused {
        Some(refusal) if refusal.code == "unknown_lesson" => Err(unknown()),
        Some(refusal) => Err(Problem::new(ProblemCode::LessonRefused, refusal.detail).into()),
        None => {
            let undone = serde_json::json!({
                "id": id, "undone": true, "version": answer.version, "pending_components": answer.pending,
            });
            Ok(Answer::Json(json(&undone)?))
        }
    }
}

fn wants_file(query: &[(String, String)]) -> Result<bool, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut is_file = false;
    for (name, value) in query {
        match (name.as_str(), value.as_str()) {
            ("format", "file") => is_file = true,
            ("format", "json" | "") => {}
            ("format", _) => errors.push(parameter_error(name, "invalid_value", "json or file".to_owned())),
            _ => errors.push(parameter_error(name, "unknown_parameter", "accepted is format".to_owned())),
        }
    }
    if errors.is_empty() { Ok(is_file) } else { Err(errors) }
}

/// Names the patterns that shards hold for those that are merged beside them, so that no shard goes on with one of them: `kin`
/// tells of an id that is shown the others. What makes the lesson too long is refused as if it had been named.
fn name_kin(wanted: &mut TeachRequest, kin: &BTreeMap<String, BTreeSet<String>>) {
    for teaching in &mut wanted.teachings {
        let Teaching::Merge { from, into } = teaching else { continue };
        let named: BTreeSet<PatternId> = from.iter().chain([&*into]).map(|reference| reference.id).collect();
        let others: BTreeSet<PatternId> = named
            .iter()
            .filter_map(|id| kin.get(&id.to_string()))
            .flatten()
            .filter_map(|id| PatternId::parse(id))
            .collect();
        let more = others.difference(&named).map(|id| Reference { id: *id, template: String::new() });
        from.extend(more);
    }
}

/// The lessons as the domain object is sent them.
fn sent(wanted: &TeachRequest) -> Vec<Value> {
    let lessons = wanted.teachings.iter().zip(&wanted.notes).map(|(teaching, note)| {
        let mut lesson = teaching_json(teaching);
        if !note.is_empty() {
            lesson.insert("note".to_owned(), note.clone().into());
        }
        Value::Object(lesson)
    });
    lessons.collect()
}

fn reply(wanted: &TeachRequest, mut lessons: Vec<TaughtLesson>, answer: TeachAnswer, failed: Vec<String>) -> Taught {
    if !wanted.is_dry_run {
        for (lesson, id) in lessons.iter_mut().zip(answer.ids) {
            lesson.id = Some(id);
        }
    }
    Taught {
        dry_run: wanted.is_dry_run,
        lessons,
        version: answer.version,
        pending_components: answer.pending,
        partial: !failed.is_empty(),
        failed_components: failed,
    }
}

fn refused(wanted: &TeachRequest, refusal: LessonRefusal) -> Refusal {
    let at = wanted.pointers.get(refusal.index).map_or("", String::as_str);
    let pointer = if refusal.field.is_empty() { at.to_owned() } else { format!("{at}/{}", refusal.field) };
    let error = FieldError {
        pointer: Some(pointer),
        code: refusal.code,
        detail: refusal.detail.clone(),
        ..FieldError::default()
    };
    Problem::new(ProblemCode::LessonRefused, refusal.detail).with_errors(vec![error]).into()
}

/// The patterns of all components: count by id, and which id a template or an alias leads to.
#[derive(Default)]
struct Known<'a> {
    patterns: BTreeMap<PatternId, (&'a str, u64)>,
    by_template: BTreeMap<&'a str, PatternId>,
    aliases: BTreeMap<PatternId, PatternId>,
}

impl<'a> Known<'a> {
    fn new(gathered: &'a Gathered<Vec<PatternView>>) -> Self {
        let mut known = Self::default();
        for view in gathered.answers.iter().flat_map(|(_, views)| views) {
            let Some(id) = PatternId::parse(&view.id) else { continue };
            let entry = known.patterns.entry(id).or_insert((&view.template, 0));
            entry.1 = entry.1.saturating_add(view.count);
            known.by_template.entry(&view.template).or_insert(id);
            known.aliases.extend(view.aliases.iter().filter_map(|alias| Some((PatternId::parse(alias)?, id))));
        }
        known
    }

    fn find(&self, id: PatternId) -> Option<&(&'a str, u64)> {
        self.patterns.get(&id).or_else(|| self.patterns.get(self.aliases.get(&id)?))
    }

    /// Adds what the request left out of the patterns it names.
    fn complete(&self, wanted: &mut TeachRequest, is_partial: bool) -> Result<(), Refusal> {
        let mut unknown = Vec::new();
        for (teaching, at) in wanted.teachings.iter_mut().zip(&wanted.pointers) {
            let is_split = matches!(teaching, Teaching::Split { .. } | Teaching::Constant { .. });
            for (field, reference) in references_mut(teaching) {
                if let Some(&id) = self.by_template.get(reference.template.as_str())
                    && *reference == Reference::of_template(&reference.template)
                {
                    reference.id = id;
                }
                match (self.patterns.get(&reference.id), self.aliases.get(&reference.id)) {
                    (Some((template, _)), _) if reference.template.is_empty() => {
                        reference.template = (*template).to_owned();
                    }
                    // What is another pattern by now is split as that one: its lines are there.
                    (None, Some(&now)) if is_split => {
                        let template = self.patterns.get(&now).map_or("", |(template, _)| *template);
                        *reference = Reference { id: now, template: template.to_owned() };
                    }
                    (Some(_), _) | (_, Some(_)) => {}
                    (None, None) if wanted.is_file || reference.id == PatternId::OVERFLOW => {}
                    (None, None) => unknown.push(FieldError {
                        pointer: Some(format!("{at}/{field}")),
                        code: "unknown_pattern".to_owned(),
                        detail: format!("no component has a pattern {}", reference.id),
                        ..FieldError::default()
                    }),
                }
            }
        }
        match unknown.is_empty() {
            true => Ok(()),
            false if is_partial => {
                let detail = "not every component answered, and those that did have no such pattern";
                Err(Problem::new(ProblemCode::Unavailable, detail).with_retry_after(1).into())
            }
            false => {
                let detail = "a pattern is named that no component has";
                Err(Problem::new(ProblemCode::NotFound, detail).with_errors(unknown).into())
            }
        }
    }

    /// What a lesson touches of what is known now.
    fn touched(&self, teaching: &Teaching) -> TaughtLesson {
        let counts: Vec<u64> = match teaching {
            Teaching::Template { template, .. } => {
                let described = self.patterns.values().filter(|(known, _)| extract(template, known).is_some());
                described.map(|(_, count)| *count).collect()
            }
            Teaching::Merge { from, .. } => self.counts(from.iter().collect()),
            _ => self.counts(teaching.references()),
        };
        let records = counts.iter().fold(0u64, |sum, count| sum.saturating_add(*count));
        TaughtLesson { id: None, kind: teaching.word(), patterns: counts.len() as u64, records }
    }

    fn counts(&self, references: Vec<&Reference>) -> Vec<u64> {
        references.into_iter().filter_map(|reference| self.find(reference.id)).map(|(_, count)| *count).collect()
    }
}

/// The patterns that a lesson names, and where in it.
fn references_mut(teaching: &mut Teaching) -> Vec<(String, &mut Reference)> {
    match teaching {
        Teaching::Name { pattern, .. } | Teaching::Split { pattern, .. } | Teaching::Constant { pattern, .. } => {
            vec![("pattern".to_owned(), pattern)]
        }
        Teaching::Merge { from, into } => {
            let members = from.iter_mut().enumerate().map(|(index, member)| (format!("from/{index}"), member));
            members.chain([("into".to_owned(), into)]).collect()
        }
        Teaching::Template { .. } => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processors::calls::ComponentEntry;
    use serde_json::json;

    const A: &str = "00000000000000aa";
    const B: &str = "00000000000000bb";

    fn view(id: &str, template: &str, count: u64, aliases: &[&str]) -> PatternView {
        let aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
        PatternView { id: id.into(), template: template.into(), count, aliases, ..PatternView::default() }
    }

    fn gathered() -> Gathered<Vec<PatternView>> {
        let entry = |component: &str| ComponentEntry { component: component.into(), shard: 0, registered_at_ms: 0 };
        let web = vec![view(A, "order <*> failed", 5, &["00000000000000ac"]), view(B, "job <*>", 2, &[])];
        let answers = vec![(entry("web"), web), (entry("cart"), vec![view(A, "order <*> failed", 7, &[])])];
        Gathered { answers, failed: Vec::new() }
    }

    fn wanted(body: Value) -> TeachRequest {
        read_request(body.as_object().unwrap()).unwrap()
    }

    #[test]
    fn what_was_left_out_is_added_and_what_is_touched_is_counted() {
        let gathered = gathered();
        let known = Known::new(&gathered);
        let mut request = wanted(json!({"lessons": [
            {"kind": "merge", "from": ["00000000000000ac"], "into": B},
            {"kind": "name", "pattern": {"template": "job <*>"}, "name": "Job"},
            {"kind": "template", "template": "<*> failed"},
        ]}));
        known.complete(&mut request, false).unwrap();
        let told: Vec<_> = request.teachings.iter().flat_map(Teaching::references).collect();
        assert_eq!(told[0].template, "", "of an alias the template it had is not known");
        assert_eq!(told[2].id, PatternId::parse(B).unwrap());
        let mut split = wanted(json!({"kind": "constant", "pattern": "00000000000000ac", "place": 0}));
        known.complete(&mut split, false).unwrap();
        assert_eq!(split.teachings[0].references()[0].id, PatternId::parse(A).unwrap());
        let touched: Vec<_> = request.teachings.iter().map(|it| known.touched(it)).collect();
        assert_eq!(touched.iter().map(|it| (it.patterns, it.records)).collect::<Vec<_>>(), [(1, 12), (1, 2), (1, 12)]);
    }

    #[test]
    fn a_merge_takes_the_patterns_of_all_shards_along() {
        let shard = |shard| ComponentEntry { component: "hot".into(), shard, registered_at_ms: 0 };
        let (other_a, other_b) = ("00000000000000a2", "00000000000000b2");
        let answers = vec![
            (shard(0), vec![view(A, "order <*> failed", 5, &[]), view(B, "job <*>", 2, &[])]),
            (shard(1), vec![view(other_a, "order <*> failed", 3, &[]), view(other_b, "job <*>", 1, &[])]),
        ];
        let (kinship, gathered) = kinship::together(Gathered { answers, failed: vec![] });
        let known = Known::new(&gathered);
        let mut request = wanted(json!({"lessons": [
            {"kind": "merge", "from": [A], "into": B},
            {"kind": "name", "pattern": other_a, "name": "Lost order"},
        ]}));
        known.complete(&mut request, false).unwrap();
        let touched: Vec<_> = request.teachings.iter().map(|it| known.touched(it)).collect();
        assert_eq!(touched.iter().map(|it| (it.patterns, it.records)).collect::<Vec<_>>(), [(1, 8), (1, 8)]);
        name_kin(&mut request, &kinship.others());
        let named: Vec<_> = request.teachings[0].references().iter().map(|it| it.id.to_string()).collect();
        assert_eq!(named, [A, other_a, other_b, B]);
        let mut of_other = wanted(json!({"kind": "merge", "from": [other_a], "into": other_b}));
        name_kin(&mut of_other, &kinship.others());
        let named: Vec<_> = of_other.teachings[0].references().iter().map(|it| it.id.to_string()).collect();
        assert_eq!(named, [other_a, A, B, other_b], "whichever of its ids it was named by");
    }

    #[test]
    fn a_pattern_that_nobody_has_is_named_unless_a_file_brings_it() {
        let gathered = gathered();
        let known = Known::new(&gathered);
        let lesson = json!({"kind": "merge", "from": [A, "00000000000000ee"], "into": B});
        let refusal = known.complete(&mut wanted(lesson.clone()), false).unwrap_err();
        let Refusal::Problem(problem) = refusal else { panic!("{refusal:?}") };
        assert_eq!((problem.status, problem.errors[0].pointer.as_deref()), (404, Some("/from/1")));
        let Err(Refusal::Problem(problem)) = known.complete(&mut wanted(lesson.clone()), true) else { panic!() };
        assert_eq!(problem.status, 503, "another component may have it");
        let file = json!({"format": FILE_FORMAT, "version": 1, "lessons": [lesson]});
        assert_eq!(known.complete(&mut wanted(file), false), Ok(()));
    }

    #[test]
    fn a_refusal_points_at_the_field_of_its_lesson() {
        let request = wanted(json!({"lessons": [{"kind": "name", "pattern": A, "name": "n"}]}));
        let refusal = LessonRefusal { index: 0, field: "name".into(), code: "too_long".into(), detail: "d".into() };
        let Refusal::Problem(problem) = refused(&request, refusal) else { panic!() };
        assert_eq!((problem.status, problem.errors[0].pointer.as_deref()), (422, Some("/lessons/0/name")));
        let Refusal::Problem(problem) = refused(&request, LessonRefusal::default()) else { panic!() };
        assert_eq!(problem.errors[0].pointer.as_deref(), Some("/lessons/0"));
    }

    #[test]
    fn a_file_is_asked_for_by_name() {
        let ask = |name: &str, value: &str| wants_file(&[(name.to_owned(), value.to_owned())]).ok();
        assert_eq!((ask("format", "file"), ask("format", "json")), (Some(true), Some(false)));
        assert_eq!((ask("format", "xml"), ask("colour", "")), (None, None));
        assert_eq!(wants_file(&[]), Ok(false));
    }
}
