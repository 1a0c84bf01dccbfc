//! `GET /api/logs/{id}`: one record, by our id or the caller's.
//!
//! Our id tells which object holds it (a tag, so perhaps two), and where. Any other id, and ours where it leads
//! nowhere, is looked for in every object, and of several shards of a component that have it the newest is shown. A record
//! of another user is not found, so that ids cannot be probed.

use super::fall_through;
use super::fan_out::{ask_these, targets};
use super::{Answer, Call, Outcome, Refusal, bound_component, invalid_query};
use crate::edge::auth::UserId;
use crate::edge::domain_view;
use crate::processors::calls::{ComponentEntry, RecordCall};
use sapwood_engine::record_id::{RecordId, object_tag};
use sapwood_wire::problem::{Problem, ProblemCode};
use sapwood_wire::reply::FieldError;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Answers with one record.
pub async fn record(call: &Call<'_>, id: &str) -> Outcome {
    let wanted = components(&call.head.query()).map_err(invalid_query)?;
    let (directory, _) = domain_view::directory(call).await?;
    let known = targets(&directory.components, &wanted, bound_component(&call.principal))?;
    let mut has_failed = false;
    let mut found = None;
    for (asked, question) in questions(id, &known) {
        let gathered = ask_these(call, asked, |stubs, address| {
            let question = question.clone();
            async move { stubs.record(&address, &question).await }
        })
        .await;
        has_failed |= !gathered.failed.is_empty();
        found = newest_of_first(gathered.answers);
        if found.is_some() {
            break;
        }
    }
    if found.is_none() {
        match fall_through::record(call, id).await {
            Ok(record) => found = record,
            Err(fall_through::Unanswered) => has_failed = true,
        }
    }
    let only = call.principal.only_user.as_ref().map(UserId::as_str);
    match found.filter(|record| is_visible(record, only)) {
        Some(record) => Ok(Answer::Json(record.get().as_bytes().to_vec())),
        // Saying that it does not exist would be a guess.
        None if has_failed => Err(unsure()),
        None => Err(Problem::new(ProblemCode::NotFound, "no record has this id").into()),
    }
}

/// The record of the first component that has one: of its shards' the one that was received last, as an object shows the
/// newest of its own.
fn newest_of_first(answers: Vec<(ComponentEntry, Option<Box<RawValue>>)>) -> Option<Box<RawValue>> {
    #[derive(Deserialize)]
    struct Received {
        received_at: i64,
    }
    let received =
        |record: &RawValue| serde_json::from_str::<Received>(record.get()).map_or(i64::MIN, |it| it.received_at);
    let mut found = answers.into_iter().filter_map(|(entry, record)| Some((entry.component, record?)));
    let (component, first) = found.next()?;
    let of_shards = found.take_while(|(other, _)| *other == component).map(|(_, record)| record);
    Some(of_shards.fold(first, |newest, record| if received(&record) > received(&newest) { record } else { newest }))
}

fn unsure() -> Refusal {
    let detail = "not every part of the service answered, and those that did have no such record";
    Problem::new(ProblemCode::Unavailable, detail).with_retry_after(1).into()
}

/// Whom to ask for what, in order.
fn questions(id: &str, known: &[ComponentEntry]) -> Vec<(Vec<ComponentEntry>, RecordCall)> {
    let mut questions = Vec::new();
    if let Some(ours) = RecordId::parse(id) {
        let is_it = |entry: &&ComponentEntry| object_tag(&entry.component, entry.shard) == ours.object_tag;
        let place = RecordCall::Ours { seq: ours.seq, index: ours.index, received_at: ours.received_at.0 };
        questions.push((known.iter().filter(is_it).cloned().collect(), place));
    }
    questions.push((known.to_vec(), RecordCall::Foreign(id.to_owned())));
    questions
}

fn components(query: &[(String, String)]) -> Result<Vec<String>, Vec<FieldError>> {
    let (known, unknown): (Vec<_>, Vec<_>) = query.iter().partition(|(name, _)| name == "component");
    if unknown.is_empty() {
        return Ok(known.into_iter().map(|(_, value)| value.clone()).collect());
    }
    let error = |(name, _): &(String, String)| FieldError {
        parameter: Some(name.clone()),
        code: "unknown_parameter".to_owned(),
        detail: "this parameter is unknown; accepted is component".to_owned(),
        ..FieldError::default()
    };
    Err(unknown.into_iter().map(error).collect())
}

/// Whether a caller who may see only the rows of `only` may see this one.
fn is_visible(record: &RawValue, only: Option<&str>) -> bool {
    #[derive(Deserialize)]
    struct Owner {
        user_id: Option<String>,
    }
    let owner = || serde_json::from_str::<Owner>(record.get()).ok().and_then(|owner| owner.user_id);
    only.is_none_or(|only| owner().as_deref() == Some(only))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sapwood_engine::time::Timestamp;

    fn entry(component: &str) -> ComponentEntry {
        ComponentEntry { component: component.into(), shard: 0, registered_at_ms: 0 }
    }

    #[test]
    fn our_id_is_asked_of_its_object_and_then_of_all_as_a_foreign_one() {
        let ours = RecordId { received_at: Timestamp(5), object_tag: object_tag("b", 0), seq: 3, index: 1 };
        let known = [entry("a"), entry("b")];
        let asked = questions(&ours.to_string(), &known);
        assert_eq!(asked[0].0, [entry("b")]);
        assert!(matches!(asked[0].1, RecordCall::Ours { seq: 3, index: 1, received_at: 5 }));
        assert_eq!(asked[1].0, known);
        assert!(matches!(&asked[1].1, RecordCall::Foreign(id) if *id == ours.to_string()));
        assert_eq!(questions("theirs", &known).len(), 1);
    }

    #[test]
    fn an_id_leads_to_the_shard_that_gave_it_and_a_sender_s_to_the_newest_of_all_shards() {
        let shard = |shard| ComponentEntry { shard, ..entry("hot") };
        let known = [shard(0), shard(1), shard(2), entry("other")];
        let ours = RecordId { received_at: Timestamp(5), object_tag: object_tag("hot", 2), seq: 3, index: 1 };
        let asked = questions(&ours.to_string(), &known);
        assert_eq!((asked[0].0.as_slice(), asked[1].0.len()), (&[shard(2)][..], 4));
        let record = |at: i64| Some(RawValue::from_string(format!("{{\"received_at\":{at}}}")).unwrap());
        let answers =
            vec![(shard(0), record(5)), (shard(1), None), (shard(2), record(9)), (entry("other"), record(20))];
        assert_eq!(newest_of_first(answers).unwrap().get(), "{\"received_at\":9}");
        assert!(newest_of_first(vec![(shard(0), None)]).is_none());
    }

    #[test]
    fn a_foreign_row_is_invisible() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let mine = raw(r#"{"user_id":"me","message":"m"}"#);
        assert!(is_visible(&mine, Some("me")) && is_visible(&mine, None));
        assert!(!is_visible(&mine, Some("you")) && !is_visible(&raw("{}"), Some("me")));
    }

    #[test]
    fn only_the_component_may_be_given() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(components(&[pair("component", "a")]), Ok(vec!["a".to_owned()]));
        assert_eq!(components(&[pair("comp", "a")]).unwrap_err()[0].parameter.as_deref(), Some("comp"));
    }
}
