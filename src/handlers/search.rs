//! `GET /api/logs/search`: each object gives its part of the page, here the parts become one.
//!
//! The order is total: event time, component, row, index. Every object is asked for one record more than the page
//! holds, so that it is known whether another page follows. What an object did not answer is said, never guessed.

use super::fall_through;
use super::fan_out::{Gathered, ask_objects};
use super::{Answer, Call, Outcome, Refusal, invalid_query, json};
use crate::edge::auth::{Principal, UserId};
use crate::processors::calls::{HitView, SearchAnswer, SearchCall};
use sapwood_wire::cursor::{Cursor, Order};
use sapwood_wire::problem::{Problem, ProblemCode};
use sapwood_wire::query::{RecordFilter, SearchQuery, SearchReply, parse_search};
use serde_json::value::RawValue;

/// Answers a search.
pub async fn search(call: &Call<'_>) -> Outcome {
    let mut query = parse_search(call.head.query(), call.now.0).map_err(invalid_query)?;
    restrict(&mut query.filter, &call.principal)?;
    let asked = SearchCall { query: SearchQuery { limit: query.limit.saturating_add(1), ..query.clone() } };
    let gathered = ask_objects(call, &query.filter.components, |stubs, address| {
        let asked = asked.clone();
        async move { stubs.search(&address, &asked).await }
    })
    .await?;
    let mut reply = merge(gathered, &query);
    fall_through::extend(call, &query, &mut reply).await;
    let took = i64::try_from(worker::Date::now().as_millis()).unwrap_or(i64::MAX).saturating_sub(call.now.0);
    reply.took_ms = u64::try_from(took).ok();
    Ok(Answer::Json(json(&reply)?))
}

/// Narrows a filter to what the caller may see.
///
/// # Errors
/// 403 if it names another user's rows.
pub fn restrict(filter: &mut RecordFilter, principal: &Principal) -> Result<(), Refusal> {
    let Some(only) = principal.only_user.as_ref().map(UserId::as_str) else { return Ok(()) };
    if filter.user_id.as_deref().is_some_and(|wanted| wanted != only) {
        let detail = "this token reads the rows of its own user only";
        return Err(Problem::new(ProblemCode::ForbiddenScope, detail).into());
    }
    filter.user_id = Some(only.to_owned());
    Ok(())
}

/// One page of all parts.
pub fn merge(gathered: Gathered<SearchAnswer>, query: &SearchQuery) -> SearchReply<Box<RawValue>> {
    let Gathered { answers, failed } = gathered;
    let total = answers.iter().map(|(_, answer)| answer.total).sum();
    let is_exact = failed.is_empty() && answers.iter().all(|(_, answer)| answer.is_exact);
    let mut hits: Vec<(String, HitView)> = answers
        .into_iter()
        .flat_map(|(entry, answer)| answer.hits.into_iter().map(move |hit| (entry.component.clone(), hit)))
        .collect();
    let place = |(component, hit): &(String, HitView)| (hit.timestamp_ms, component.clone(), hit.seq, hit.index);
    match query.order {
        Order::Asc => hits.sort_by_cached_key(place),
        Order::Desc => hits.sort_by_cached_key(|hit| std::cmp::Reverse(place(hit))),
    }
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let has_more = hits.len() > limit;
    hits.truncate(limit);
    let last = hits.last().filter(|_| has_more);
    let next_cursor = last.map(|(component, hit)| {
        let cursor = Cursor {
            order: query.order,
            timestamp_ms: hit.timestamp_ms,
            component: component.clone(),
            seq: hit.seq,
            index: u32::from(hit.index),
        };
        cursor.to_string()
    });
    SearchReply {
        records: hits.into_iter().map(|(_, hit)| hit.record).collect(),
        total,
        total_is_exact: is_exact,
        next_cursor,
        partial: !failed.is_empty(),
        failed_components: failed,
        took_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::auth::PrincipalKind;
    use crate::edge::key::Scopes;
    use crate::processors::calls::ComponentEntry;
    use sapwood_engine::address::Domain;

    fn hit(timestamp_ms: i64, seq: u64, index: u16) -> HitView {
        let record = RawValue::from_string(format!("\"{timestamp_ms}.{seq}.{index}\"")).unwrap();
        HitView { timestamp_ms, seq, index, record }
    }

    fn answer(component: &str, hits: Vec<HitView>, total: u64) -> (ComponentEntry, SearchAnswer) {
        let entry = ComponentEntry { component: component.into(), shard: 0, registered_at_ms: 0 };
        (entry, SearchAnswer { hits, total, is_exact: true, damaged_rows: 0 })
    }

    fn shown(reply: &SearchReply<Box<RawValue>>) -> Vec<&str> {
        reply.records.iter().map(|record| record.get().trim_matches('"')).collect()
    }

    fn gathered() -> Gathered<SearchAnswer> {
        Gathered {
            answers: vec![
                answer("a", vec![hit(30, 1, 0), hit(20, 2, 1), hit(20, 2, 0)], 5),
                answer("b", vec![hit(40, 9, 0), hit(20, 1, 0)], 2),
            ],
            failed: Vec::new(),
        }
    }

    #[test]
    fn pages_are_merged_by_time_then_component_then_place() {
        let query = SearchQuery { limit: 10, ..SearchQuery::default() };
        let newest = merge(gathered(), &query);
        assert_eq!(shown(&newest), ["40.9.0", "30.1.0", "20.1.0", "20.2.1", "20.2.0"]);
        let oldest = merge(gathered(), &SearchQuery { order: Order::Asc, ..query });
        let mut reversed = shown(&newest);
        reversed.reverse();
        assert_eq!(shown(&oldest), reversed, "both orders are each other's mirror");
        assert_eq!((newest.total, newest.total_is_exact, newest.partial, newest.next_cursor), (7, true, false, None));
    }

    #[test]
    fn the_cursor_is_the_last_record_of_a_page_that_has_a_successor() {
        let reply = merge(gathered(), &SearchQuery { limit: 3, ..SearchQuery::default() });
        assert_eq!(shown(&reply).len(), 3);
        let cursor = Cursor::parse(&reply.next_cursor.unwrap()).unwrap();
        assert_eq!((cursor.order, cursor.timestamp_ms, cursor.component.as_str()), (Order::Desc, 20, "b"));
        assert_eq!((cursor.seq, cursor.index), (1, 0));
        let last = merge(gathered(), &SearchQuery { limit: 5, ..SearchQuery::default() });
        assert_eq!((last.records.len(), last.next_cursor), (5, None), "a full page is the last one if nothing follows");
    }

    #[test]
    fn what_did_not_answer_is_said() {
        let mut partial = gathered();
        partial.failed.push("c".into());
        let reply = merge(partial, &SearchQuery::default());
        assert_eq!((reply.partial, reply.total_is_exact, reply.failed_components), (true, false, vec!["c".to_owned()]));
        let mut uncounted = gathered();
        uncounted.answers[0].1.is_exact = false;
        let reply = merge(uncounted, &SearchQuery::default());
        assert_eq!((reply.partial, reply.total_is_exact), (false, false));
        let nothing = merge(Gathered { answers: vec![], failed: vec![] }, &SearchQuery::default());
        assert_eq!((nothing.records.len(), nothing.total, nothing.total_is_exact), (0, 0, true));
    }

    #[test]
    fn a_user_s_token_sees_its_own_rows_only() {
        let mut principal = Principal {
            domain: Domain::parse("a.com").unwrap(),
            scopes: Scopes::READ,
            component: None,
            key_id: None,
            user: None,
            only_user: None,
            kind: PrincipalKind::User,
        };
        let mut filter = RecordFilter { user_id: Some("other".into()), ..RecordFilter::default() };
        assert_eq!(restrict(&mut filter, &principal), Ok(()));
        assert_eq!(filter.user_id.as_deref(), Some("other"));
        principal.only_user = UserId::parse("me");
        assert!(restrict(&mut filter, &principal).is_err());
        filter.user_id = None;
        assert_eq!(restrict(&mut filter, &principal), Ok(()));
        assert_eq!(filter.user_id.as_deref(), Some("me"));
    }
}
