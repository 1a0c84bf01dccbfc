//! Teaching: lessons are written, booked, and pushed to the streams before their author hears of it.
//!
//! A stream that cannot be reached in time is named in the answer and gets them from the alarm, which tries until it
//! has them.

use super::{Inner, json, now, read};
use crate::processors::calls::{LessonRefusal, LessonsAnswer, TeachAnswer, TeachCall};
use crate::storage::fault::Fault;
use futures::future::{Either, select};
use sapwood_engine::machine::domain::{Answer, Event};
use sapwood_engine::pattern::lesson::{LessonFault, Lessons, Teaching, UndoFault};
use sapwood_wire::lesson::{FILE_FORMAT, FILE_VERSION, lesson_json, read_request, teaching_json};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use worker::Response;

/// How long an answer waits for the streams.
const PUSH_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Characters of a lesson in the audit log.
const BOOKED_CHARS_MAX: usize = 400;

impl Inner {
    /// Teaches, or undoes.
    pub(super) async fn answer_lesson(self: Rc<Self>, path: &str, actor: &str, body: &[u8]) -> Result<Response, Fault> {
        let mut answer = match path {
            "/lessons/teach" => {
                let (domain, call): (String, TeachCall) = read(body)?;
                self.teach(&domain, actor, call)?
            }
            _ => {
                let (domain, id): (String, u64) = read(body)?;
                self.undo(&domain, actor, id)?
            }
        };
        if answer.refused.is_none() {
            let push = pin!(self.sync_streams());
            match select(push, pin!(worker::Delay::from(PUSH_TIMEOUT))).await {
                Either::Left((pushed, _)) => pushed?,
                // The alarm that the transition set goes on with it.
                Either::Right(_) => {}
            }
            answer.pending = self.with_live(None, |live| {
                let mut pending: Vec<_> = live.machine.unsynced().map(|(component, _)| component.clone()).collect();
                pending.dedup();
                Ok(pending)
            })?;
        }
        json(&answer)
    }

    fn teach(self: &Rc<Self>, domain: &str, actor: &str, call: TeachCall) -> Result<TeachAnswer, Fault> {
        let teachings = decoded(call.lessons)?;
        if call.is_dry_run {
            return self.with_live(Some(domain), |live| {
                let would = live.machine.would_teach(&teachings, actor, now());
                Ok(match would {
                    Ok((lessons, ids)) => TeachAnswer { ids, version: lessons.version, ..TeachAnswer::default() },
                    Err((index, fault)) => refused(index, &fault),
                })
            });
        }
        let booked: Vec<String> = teachings.iter().map(|(teaching, _)| booked(teaching)).collect();
        let effects = self.transition_in(Some(domain), Event::Teach { teachings, by: actor.to_owned() })?;
        match effects.answer {
            Answer::Taught(ids) => self.with_live(None, |live| {
                if effects.lessons_changed {
                    for (id, booked) in ids.iter().zip(booked) {
                        live.rows.audit(now(), actor, "lesson.taught", &format!("{id}: {booked}"))?;
                    }
                }
                Ok(TeachAnswer { ids, version: live.machine.lessons().version, ..TeachAnswer::default() })
            }),
            Answer::NotTaught(index, fault) => Ok(refused(index, &fault)),
            _ => Err(Fault::new("teach", "no answer")),
        }
    }

    fn undo(self: &Rc<Self>, domain: &str, actor: &str, id: u64) -> Result<TeachAnswer, Fault> {
        let effects = self.transition_in(Some(domain), Event::Undo(id))?;
        let refusal = |code: &str, detail: String| TeachAnswer {
            refused: Some(LessonRefusal { code: code.to_owned(), detail, ..LessonRefusal::default() }),
            ..TeachAnswer::default()
        };
        match effects.answer {
            Answer::Undone(lesson) => self.with_live(None, |live| {
                let detail = format!("{id}: {}", booked(&lesson.teaching));
                live.rows.audit(now(), actor, "lesson.undone", &detail)?;
                Ok(TeachAnswer { ids: vec![id], version: live.machine.lessons().version, ..TeachAnswer::default() })
            }),
            Answer::NotUndone(UndoFault::Unknown) => Ok(refusal("unknown_lesson", "no lesson has this id".to_owned())),
            Answer::NotUndone(UndoFault::BuiltOn(other)) => {
                let detail = format!("lesson {other} speaks of a pattern that parted by this one; undo it first");
                Ok(refusal("lesson_in_use", detail))
            }
            _ => Err(Fault::new("undo", "no answer")),
        }
    }
}

/// Everything taught, as it is exported.
pub(super) fn listed(lessons: &Lessons) -> LessonsAnswer {
    LessonsAnswer { version: lessons.version, lessons: lessons.list().iter().map(lesson_json).collect() }
}

/// The edge checked them already: a fault here is ours.
fn decoded(lessons: Vec<serde_json::Value>) -> Result<Vec<(Teaching, String)>, Fault> {
    let file = serde_json::json!({ "format": FILE_FORMAT, "version": FILE_VERSION, "lessons": lessons });
    let body = file.as_object().ok_or_else(|| Fault::new("read lessons", "not an object"))?;
    let request = read_request(body).map_err(|errors| Fault::new("read lessons", format!("{errors:?}")))?;
    Ok(request.teachings.into_iter().zip(request.notes).collect())
}

fn refused(index: usize, fault: &LessonFault) -> TeachAnswer {
    let (field, code) = (fault.field().to_owned(), fault.code().to_owned());
    let refused = Some(LessonRefusal { index, field, code, detail: fault.to_string() });
    TeachAnswer { refused, ..TeachAnswer::default() }
}

fn booked(teaching: &Teaching) -> String {
    serde_json::Value::Object(teaching_json(teaching)).to_string().chars().take(BOOKED_CHARS_MAX).collect()
}
