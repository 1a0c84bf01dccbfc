//! `GET /api/logs/search`: each object gives its part of the page, here the parts become one.
//!
//! The order is total: event time, component, shard, row, index. Every object is asked for one record more than the page
//! holds, so that it is known whether another page follows. What an object did not answer is said, never guessed.

use super::fall_through;
use super::fan_out::{Gathered, ask_these, asked};
use super::kinship;
use super::{Answer, Call, Outcome, Refusal, invalid_query, json};
use crate::edge::auth::{Principal, UserId};
use crate::processors::calls::{ComponentEntry, HitView, SearchAnswer, SearchCall};
use sapwood_wire::cursor::{Cursor, Order};
use sapwood_wire::problem::{Problem, ProblemCode};
use sapwood_wire::query::{RecordFilter, SearchQuery, SearchReply, parse_search};
use serde_json::value::RawValue;
use std::rc::Rc;

/// Answers a search.
pub async fn search(call: &Call<'_>) -> Outcome {
    let mut query = parse_search(call.head.query(), call.now.0).map_err(invalid_query)?;
    restrict(&mut query.filter, &call.principal)?;
    let mut reply = merge(pages(call, &query).await?, &query);
    fall_through::extend(call, &query, &mut reply).await;
    let took = i64::try_from(worker::Date::now().as_millis()).unwrap_or(i64::MAX).saturating_sub(call.now.0);
    reply.took_ms = u64::try_from(took).ok();
    Ok(Answer::Json(json(&reply)?))
}

/// Each object's part of a page, and one record more.
///
/// # Errors
/// The directory cannot be read, the key was revoked, or a component is named that the caller may not see.
pub async fn pages(call: &Call<'_>, query: &SearchQuery) -> Result<Gathered<SearchAnswer>, Refusal> {
    let objects = asked(call, &query.filter.components).await?;
    // Only who asks for patterns has to know under which ids the shards of a component have them.
    let asks_patterns = !query.filter.pattern_ids.is_empty();
    let (kinship, patterns) = kinship::ask(call, if asks_patterns { &objects } else { &[] }).await;
    let query = SearchQuery { limit: query.limit.saturating_add(1), ..query.clone() };
    let mut gathered = ask_these(call, objects, |stubs, address| {
        let mut query = query.clone();
        query.filter.pattern_ids = kinship.all_held(&address.entry(), &query.filter.pattern_ids);
        let asked = SearchCall { query };
        async move { stubs.search(&address, &asked).await }
    })
    .await;
    gathered.add_failed(patterns.failed);
    Ok(gathered)
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
    let of_object = |(entry, answer): (ComponentEntry, SearchAnswer)| {
        let entry = Rc::new(entry);
        answer.hits.into_iter().map(move |hit| (Rc::clone(&entry), hit))
    };
    let mut hits: Vec<(Rc<ComponentEntry>, HitView)> = answers.into_iter().flat_map(of_object).collect();
    hits.sort_by(|left, right| match query.order {
        Order::Asc => place(left).cmp(&place(right)),
        Order::Desc => place(right).cmp(&place(left)),
    });
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let has_more = hits.len() > limit;
    hits.truncate(limit);
    let last = hits.last().filter(|_| has_more);
    let next_cursor = last.map(|(entry, hit)| {
        let cursor = Cursor {
            order: query.order,
            timestamp_ms: hit.timestamp_ms,
            component: entry.component.clone(),
            shard: entry.shard,
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

/// Where a hit stands in the order of all records; a cursor names the same place.
fn place((entry, hit): &(Rc<ComponentEntry>, HitView)) -> (i64, &str, u16, u64, u16) {
    (hit.timestamp_ms, &entry.component, entry.shard, hit.seq, hit.index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::auth::PrincipalKind;
    use crate::edge::key::Scopes;
    use sapwood_engine::address::Domain;
    use sapwood_engine::pattern::PatternId;
    use sapwood_engine::query as engine;
    use sapwood_engine::record::Record;
    use sapwood_engine::time::Timestamp;

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

    /// What an object that holds these instants, a row each, answers to the page that is asked for.
    fn answered(entry: &ComponentEntry, rows: &[Vec<i64>], query: &SearchQuery) -> SearchAnswer {
        let after = query.cursor.as_ref().map(|cursor| cursor.position_for(&entry.component, entry.shard));
        let order = match query.order {
            Order::Asc => engine::Order::Ascending,
            Order::Desc => engine::Order::Descending,
        };
        let limit = usize::try_from(query.limit).unwrap() + 1;
        let mut page = engine::Page::new(query.to_filter(), order, after, limit);
        for (seq, row) in (1..).zip(rows) {
            for (index, at) in (0..).zip(row) {
                let timestamp = Timestamp(*at);
                let position = engine::Position { timestamp, seq, index };
                page.offer(Record { timestamp, ..Record::default() }, position, timestamp, PatternId(1));
            }
            page.trim();
        }
        let (hits, total) = page.finish();
        let shown = |hit: engine::Hit| {
            let engine::Position { timestamp, seq, index } = hit.position;
            let name = format!("\"{}|{}|{seq}|{index}\"", entry.component, entry.shard);
            HitView { timestamp_ms: timestamp.0, seq, index, record: RawValue::from_string(name).unwrap() }
        };
        SearchAnswer { hits: hits.into_iter().map(shown).collect(), total, is_exact: true, damaged_rows: 0 }
    }

    #[test]
    fn pages_of_any_size_over_shards_give_each_record_once_and_in_order() {
        // Few instants, so that records of all objects meet in the same ones, with the same rows and indexes.
        let mut seed = 7u64;
        let mut number = move |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let entry = |component: &str, shard| ComponentEntry { component: component.into(), shard, registered_at_ms: 0 };
        for round in 0..40 {
            let objects = [entry("a", 0), entry("b", 0), entry("b", 1), entry("b", 2), entry("c", 0)];
            let mut held: Vec<(ComponentEntry, Vec<Vec<i64>>)> = Vec::new();
            for object in objects {
                let rows = (0..number(4)).map(|_| (0..number(4)).map(|_| number(3) as i64).collect()).collect();
                held.push((object, rows));
            }
            let mut expected: Vec<(i64, String)> = Vec::new();
            for at in 0..3 {
                for (object, rows) in &held {
                    for (seq, row) in (1..).zip(rows) {
                        let here = row.iter().enumerate().filter(|(_, instant)| **instant == at);
                        let name =
                            |(index, _)| (at, format!("{}|{}|{}|{index}", object.component, object.shard, seq as u64));
                        expected.extend(here.map(name));
                    }
                }
            }
            for (order, limit) in [Order::Asc, Order::Desc].into_iter().flat_map(|it| (1..9).map(move |n| (it, n))) {
                let mut query = SearchQuery { limit, order, ..SearchQuery::default() };
                let mut seen = Vec::new();
                loop {
                    let answers = held.iter().map(|(entry, rows)| (entry.clone(), answered(entry, rows, &query)));
                    let reply = merge(Gathered { answers: answers.collect(), failed: vec![] }, &query);
                    assert_eq!(reply.total as usize, expected.len());
                    seen.extend(shown(&reply).into_iter().map(str::to_owned));
                    let Some(cursor) = reply.next_cursor else { break };
                    query.cursor = Some(Cursor::parse(&cursor).unwrap());
                    assert!(seen.len() < 2 * expected.len() + 9, "pages do not end");
                }
                let mut names: Vec<_> = expected.iter().map(|(_, name)| name.clone()).collect();
                if order == Order::Desc {
                    names.reverse();
                }
                assert_eq!(seen, names, "round {round}, {limit} a page, {order:?}");
            }
        }
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
