//! `POST` and `DELETE /api/incidents/{id}/feedback`, `GET /api/incidents/feedback`: what people say of incidents.
//!
//! The incident's id ends in a record's id, which tells whose incident it is. The component has the last word, because
//! only it knows its incidents; what it took is booked for the domain. Repeating a request changes nothing more. Of a
//! component that is split the record may be any shard's, and the incident is the lead's.

use super::fan_out::{ask_these, asked};
use super::json_body::{error, object};
use super::lists::{components_asked, require_all_rows};
use super::whole::{ask_leads, leads};
use super::{Answer, Call, Outcome, Refusal, invalid_query, json};
use crate::processors::calls::{ComponentEntry, FeedbackCall, FeedbackOutcome, FeedbackView, ThresholdView};
use sapwood_engine::limits::FEEDBACK_NOTE_BYTES_MAX;
use sapwood_engine::machine::stream::Opinion;
use sapwood_engine::record_id::{RecordId, object_tag};
use sapwood_wire::problem::{Problem, ProblemCode};
use sapwood_wire::reply::FieldError;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use worker::Request;

/// Bytes of the text form of a record's id.
const RECORD_ID_BYTES: usize = 36;

#[derive(Serialize)]
struct Taken<'a> {
    incident_id: &'a str,
    component: String,
    /// Null when it was taken back.
    verdict: Option<&'static str>,
    step_before: i8,
    threshold: ThresholdView,
}

#[derive(Serialize)]
struct ComponentFeedback {
    component: String,
    #[serde(flatten)]
    feedback: FeedbackView,
}

#[derive(Serialize)]
struct FeedbackList {
    feedback: Vec<ComponentFeedback>,
    partial: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_components: Vec<String>,
}

/// Says what an incident was.
pub async fn give(call: &Call<'_>, id: &str, request: &mut Request) -> Outcome {
    require_all_rows(call)?;
    let body = object(request, call.head.header("Content-Length").as_deref()).await?;
    let (opinion, note) = read(&body).map_err(invalid_query)?;
    carry_out(call, id, Some(opinion), note).await
}

/// Takes back what was said of an incident.
pub async fn undo(call: &Call<'_>, id: &str) -> Outcome {
    require_all_rows(call)?;
    carry_out(call, id, None, String::new()).await
}

/// Lists all that was said, newest first.
pub async fn list(call: &Call<'_>) -> Outcome {
    require_all_rows(call)?;
    let wanted = components_asked(&call.head.query()).map_err(invalid_query)?;
    let gathered = ask_leads(call, &wanted, |stubs, address| async move { stubs.feedback(&address).await }).await?;
    let of_component = |(entry, given): (ComponentEntry, Vec<FeedbackView>)| {
        given.into_iter().map(move |feedback| ComponentFeedback { component: entry.component.clone(), feedback })
    };
    let mut feedback: Vec<_> = gathered.answers.into_iter().flat_map(of_component).collect();
    feedback.sort_by_key(|one| std::cmp::Reverse(one.feedback.at_ms));
    let failed_components = gathered.failed;
    Ok(Answer::Json(json(&FeedbackList { feedback, partial: !failed_components.is_empty(), failed_components })?))
}

async fn carry_out(call: &Call<'_>, id: &str, opinion: Option<Opinion>, note: String) -> Outcome {
    let known = asked(call, &[]).await?;
    let verdict = opinion.map(Opinion::word);
    let said = FeedbackCall { incident_id: id.to_owned(), verdict: verdict.map(str::to_owned), note, by: call.actor() };
    let gathered = ask_these(call, owners(id, known), |stubs, address| {
        let said = said.clone();
        async move { stubs.give_feedback(&address, &said).await }
    })
    .await;
    let mut nothing_to_undo = false;
    for (entry, outcome) in gathered.answers {
        match outcome {
            FeedbackOutcome::UnknownIncident => {}
            FeedbackOutcome::NothingToUndo => nothing_to_undo = true,
            FeedbackOutcome::Moved { step_before, threshold } => {
                let action = if opinion.is_some() { "feedback.given" } else { "feedback.undone" };
                let what = verdict.map_or_else(|| id.to_owned(), |verdict| format!("{id}: {verdict}"));
                call.stubs().book(call.domain(), &call.actor(), action, &what).await?;
                let taken = Taken { incident_id: id, component: entry.component, verdict, step_before, threshold };
                return Ok(Answer::Json(json(&taken)?));
            }
        }
    }
    if !gathered.failed.is_empty() {
        let detail = "the component's object did not answer; what was said may have been taken";
        return Err(Problem::new(ProblemCode::Unavailable, detail).with_retry_after(1).into());
    }
    let detail = if nothing_to_undo { "nothing was said of this incident" } else { "no incident has this id" };
    Err(Refusal::from(Problem::new(ProblemCode::NotFound, detail)))
}

/// The objects whose incident this can be: the leads of the components that have an object with the tag of the record's id
/// that it ends with.
fn owners(id: &str, known: Vec<ComponentEntry>) -> Vec<ComponentEntry> {
    let record = id.len().checked_sub(RECORD_ID_BYTES).and_then(|start| id.get(start..)).and_then(RecordId::parse);
    let Some(record) = record else { return Vec::new() };
    let is_it = |entry: &&ComponentEntry| object_tag(&entry.component, entry.shard) == record.object_tag;
    let components: BTreeSet<String> = known.iter().filter(is_it).map(|entry| entry.component.clone()).collect();
    leads(known.into_iter().filter(|entry| components.contains(&entry.component)).collect())
}

fn read(body: &Map<String, Value>) -> Result<(Opinion, String), Vec<FieldError>> {
    let (mut opinion, mut note, mut errors) = (None, String::new(), Vec::new());
    for (name, value) in body {
        match (name.as_str(), value) {
            ("verdict", Value::String(word)) => match Opinion::of_word(word) {
                Some(known) => opinion = Some(known),
                None => errors.push(error(name, "invalid_value", "accepted are noise and real")),
            },
            ("note", Value::String(text)) if text.len() > FEEDBACK_NOTE_BYTES_MAX => {
                errors.push(error(name, "too_long", format!("at most {FEEDBACK_NOTE_BYTES_MAX} bytes")));
            }
            ("note", Value::String(text)) => note.clone_from(text),
            ("note", Value::Null) => {}
            ("verdict" | "note", _) => errors.push(error(name, "wrong_type", "verdict and note are texts")),
            _ => errors.push(error(name, "unknown_field", "accepted are verdict, note")),
        }
    }
    if !body.contains_key("verdict") {
        errors.push(error("verdict", "missing", "say noise or real"));
    }
    match opinion {
        Some(opinion) if errors.is_empty() => Ok((opinion, note)),
        _ => Err(errors),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sapwood_engine::time::Timestamp;

    fn check(body: Value) -> Result<(Opinion, String), Vec<String>> {
        let codes = |errors: Vec<FieldError>| {
            errors.into_iter().map(|error| format!("{} {}", error.pointer.unwrap_or_default(), error.code)).collect()
        };
        read(body.as_object().unwrap()).map_err(codes)
    }

    #[test]
    fn an_opinion_is_read_and_everything_wrong_with_it_is_named() {
        let given = check(serde_json::json!({"verdict": "noise", "note": "a load test"}));
        assert_eq!(given, Ok((Opinion::Noise, "a load test".to_owned())));
        assert_eq!(check(serde_json::json!({"verdict": "real", "note": null})), Ok((Opinion::Real, String::new())));
        for (body, expected) in [
            (serde_json::json!({}), vec!["/verdict missing"]),
            (serde_json::json!({"verdict": "Noise"}), vec!["/verdict invalid_value"]),
            (serde_json::json!({"verdict": 1, "note": []}), vec!["/note wrong_type", "/verdict wrong_type"]),
            (serde_json::json!({"verdict": "real", "note": "x".repeat(281)}), vec!["/note too_long"]),
            (serde_json::json!({"verdict": "real", "why": "x"}), vec!["/why unknown_field"]),
        ] {
            let mut errors = check(body.clone()).unwrap_err();
            errors.sort();
            assert_eq!(errors, expected, "{body}");
        }
    }

    #[test]
    fn an_incident_leads_to_its_component() {
        let entry = |name: &str| ComponentEntry { component: name.into(), shard: 0, registered_at_ms: 0 };
        let record = RecordId { received_at: Timestamp(5), object_tag: object_tag("b", 0), seq: 3, index: 1 };
        let known = vec![entry("a"), entry("b")];
        assert_eq!(owners(&format!("burst-total-{record}"), known.clone()), [entry("b")]);
        for id in ["", "burst", "ä".repeat(18).as_str(), "burst-total-0198aaaa-0000-0000-0000-000000000000"] {
            assert_eq!(owners(id, known.clone()), [], "{id}");
        }
        let shard = |shard| ComponentEntry { shard, ..entry("b") };
        let of_shard = RecordId { object_tag: object_tag("b", 2), ..record };
        let known = vec![entry("a"), shard(0), shard(1), shard(2)];
        assert_eq!(owners(&format!("burst-total-{of_shard}"), known), [entry("b")], "whichever shard has the record");
    }
}
