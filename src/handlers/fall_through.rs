//! Reads that reach past what the objects keep: in storage mode `full` the data service is the historian.
//!
//! The service has no tenants: its rows carry the domain in `metadata.domain`, and a row without ours there does not
//! exist for us, whatever it was asked. It filters on little, so that its rows are read as records and judged by the
//! same filter as everything else. It pages from the newest by offset: an oldest-first search past our horizon is said
//! to be partial. Its rows may be others' and older than our rules: they are redacted before anybody sees or searches
//! them. Being down costs its part of the answer, never the answer.

mod row;

use super::{Call, bound_component};
use crate::edge::domain_view;
use crate::monitoring::report;
use crate::processors::outgoing;
use row::{HistoricalRecord, Page, parse_page};
use sapwood_engine::config::StorageMode;
use sapwood_engine::pattern::PatternId;
use sapwood_engine::query::{Filter, Subject};
use sapwood_engine::redact::Redactor;
use sapwood_wire::cursor::{Cursor, Order};
use sapwood_wire::query::{SearchQuery, SearchReply};
use serde_json::value::RawValue;
use worker::{Method, Url};

/// Under which name the service is listed when it did not answer; no component can be called so by accident alone.
pub const NAME: &str = "data-service";
/// Rows of one call. Small enough for the bytes of an answer that are looked at.
const PAGE_ROWS: u32 = 50;
/// Calls for one search.
const PAGES_MAX: u32 = 8;
/// Marks a cursor that stands among the historian's rows; its index counts rows of the same instant already shown.
const CURSOR_SEQ: u64 = u64::MAX;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What of a search lies past the objects' horizon.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reach {
    from_ms: Option<i64>,
    /// Exclusive.
    to_ms: i64,
    /// Rows of the instant before `to_ms` that were shown on earlier pages.
    skip: u32,
    /// Records that the page still has room for.
    room: usize,
}

/// What a search wants of the historian; `None` if the objects have all that it can find, or fill the page.
fn reach(query: &SearchQuery, shown: usize, has_more: bool, now_ms: i64, retention_days: u64) -> Option<Reach> {
    let days = i64::try_from(retention_days).unwrap_or(i64::MAX);
    let horizon = now_ms.saturating_sub(days.saturating_mul(DAY_MS));
    let room = usize::try_from(query.limit).unwrap_or(usize::MAX).saturating_sub(shown);
    if has_more || room == 0 || query.from_ms.is_some_and(|from| from >= horizon) {
        return None;
    }
    let to_ms = query.to_ms.map_or(horizon, |to| to.min(horizon));
    match query.cursor.as_ref().filter(|cursor| cursor.seq == CURSOR_SEQ && cursor.component == NAME) {
        None => Some(Reach { from_ms: query.from_ms, to_ms, skip: 0, room }),
        Some(cursor) => Some(Reach {
            from_ms: query.from_ms,
            to_ms: cursor.timestamp_ms.saturating_add(1).min(to_ms),
            skip: cursor.index,
            room,
        }),
    }
}

/// Adds to a page what only the historian has.
pub async fn extend(call: &Call<'_>, query: &SearchQuery, reply: &mut SearchReply<Box<RawValue>>) {
    let Some(historian) = Historian::of(call) else { return };
    let has_more = reply.next_cursor.is_some();
    let retention = call.config.retention_days();
    let Some(reach) = reach(query, reply.records.len(), has_more, call.now.0, retention) else { return };
    if query.order == Order::Asc {
        return mark_missing(reply);
    }
    let Ok(knowledge) = domain_view::for_intake(call).await else { return mark_missing(reply) };
    let filter = query.to_filter();
    let mut gathering = Gathering::new(reach.clone());
    for page in 1..=PAGES_MAX {
        let parameters = search_parameters(query, &reach, page);
        let answer = historian.get("/api/logs", &parameters).await;
        match answer.and_then(|body| parse_page(&body.ok_or("the service has no such route")?)) {
            Ok(mut answer) => {
                for found in &mut answer.records {
                    knowledge.redactor.redact(&mut found.record);
                }
                let is_wanted = |record: &HistoricalRecord| {
                    query.filter.wants_component(&record.component)
                        && bound_component(&call.principal).is_none_or(|bound| bound == record.component)
                        && matches(&filter, record)
                };
                if gathering.add(answer, call.domain(), is_wanted) {
                    break;
                }
            }
            Err(error) => {
                report("HistorianNotRead", &[("error", &error)]);
                mark_missing(reply);
                break;
            }
        }
    }
    gathering.finish(call.domain(), reply);
}

fn matches(filter: &Filter, record: &HistoricalRecord) -> bool {
    filter.matches(&Subject::of(&record.record, PatternId::OVERFLOW))
}

fn mark_missing(reply: &mut SearchReply<Box<RawValue>>) {
    reply.partial = true;
    reply.total_is_exact = false;
    reply.failed_components.push(NAME.to_owned());
}

/// One record by its id.
///
/// # Errors
/// The historian did not answer, so that nobody knows; the reason is reported.
pub async fn record(call: &Call<'_>, id: &str) -> Result<Option<Box<RawValue>>, Unanswered> {
    let Some(historian) = Historian::of(call) else { return Ok(None) };
    let path = format!("/api/logs/{}", encode_segment(id));
    let knowledge = domain_view::for_intake(call).await.map_err(|_| Unanswered)?;
    match historian.get(&path, &[]).await {
        Ok(body) => Ok(body.and_then(|body| owned(call, &body, &knowledge.redactor))),
        Err(error) => {
            report("HistorianNotRead", &[("request", &call.head.request_id), ("error", &error)]);
            Err(Unanswered)
        }
    }
}

/// The historian could not be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered;

/// The record of an answer, if it is the caller's.
fn owned(call: &Call<'_>, body: &[u8], redactor: &Redactor) -> Option<Box<RawValue>> {
    let mut found = row::parse_one(body)?;
    redactor.redact(&mut found.record);
    let is_bound = bound_component(&call.principal).is_some_and(|bound| bound != found.component);
    (found.domain.as_deref() == Some(call.domain()) && !is_bound).then(|| found.show(call.domain())).flatten()
}

/// An id as one segment of a path.
fn encode_segment(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Conditions that the service knows, so that it sends fewer rows in vain. Those with several values stay with us.
fn search_parameters(query: &SearchQuery, reach: &Reach, page: u32) -> Vec<(&'static str, String)> {
    let mut parameters = vec![
        ("page", page.to_string()),
        ("limit", PAGE_ROWS.to_string()),
        ("endTime", reach.to_ms.saturating_sub(1).to_string()),
    ];
    if let Some(from) = reach.from_ms {
        parameters.push(("startTime", from.to_string()));
    }
    if let [component] = query.filter.components.as_slice() {
        parameters.push(("component", component.clone()));
    }
    if let [environment] = query.filter.environments.as_slice() {
        parameters.push(("environment", environment.clone()));
    }
    let exact = [("userId", &query.filter.user_id), ("sessionId", &query.filter.session_id)];
    for (name, value) in exact {
        parameters.extend(value.clone().map(|value| (name, value)));
    }
    parameters
}

/// A page while the historian's rows come in, newest first.
struct Gathering {
    reach: Reach,
    skip: u32,
    found: Vec<HistoricalRecord>,
    /// The last row looked at: its instant, and how many of that instant.
    last: Option<(i64, u32)>,
    is_complete: bool,
}

impl Gathering {
    fn new(reach: Reach) -> Self {
        Self { skip: reach.skip, reach, found: Vec::new(), last: None, is_complete: false }
    }

    /// Takes a page of rows; true if no more is needed.
    fn add(&mut self, page: Page, domain: &str, is_wanted: impl Fn(&HistoricalRecord) -> bool) -> bool {
        let is_last = page.records.len() < PAGE_ROWS as usize;
        for record in page.records {
            if self.found.len() == self.reach.room {
                return true;
            }
            let at = record.record.timestamp.0;
            let seen = self.last.filter(|(instant, _)| *instant == at).map_or(0, |(_, seen)| seen) + 1;
            self.last = Some((at, seen));
            let was_shown = at == self.reach.to_ms.saturating_sub(1) && seen <= self.skip;
            if !was_shown && record.domain.as_deref() == Some(domain) && is_wanted(&record) {
                self.found.push(record);
            }
        }
        self.is_complete = is_last;
        is_last
    }

    fn finish(self, domain: &str, reply: &mut SearchReply<Box<RawValue>>) {
        let known: Vec<String> = reply.records.iter().filter_map(|record| row::id_of(record)).collect();
        let fresh = self.found.into_iter().filter(|record| !known.contains(&record.id));
        let shown: Vec<_> = fresh.filter_map(|record| record.show(domain)).collect();
        reply.total += shown.len() as u64;
        reply.records.extend(shown);
        if self.is_complete || reply.partial && self.last.is_none() {
            return;
        }
        reply.total_is_exact = false;
        reply.next_cursor = self.last.map(|(timestamp_ms, index)| {
            let component = NAME.to_owned();
            Cursor { order: Order::Desc, timestamp_ms, component, shard: 0, seq: CURSOR_SEQ, index }.to_string()
        });
    }
}

/// How to reach the data service.
struct Historian<'a> {
    call: &'a Call<'a>,
    base: &'a str,
}

impl<'a> Historian<'a> {
    /// The historian, if this deployment has one.
    fn of(call: &'a Call<'_>) -> Option<Self> {
        let is_full = call.config.storage_mode() == StorageMode::Full;
        let base = call.config.data_service_url().filter(|_| is_full)?;
        Some(Self { call, base })
    }

    /// The body of an answer; `None` for 404, which says that there is no such record and also no such route.
    async fn get(&self, path: &str, parameters: &[(&str, String)]) -> Result<Option<Vec<u8>>, String> {
        let mut url = Url::parse(&format!("{}{path}", self.base)).map_err(|error| error.to_string())?;
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        let key = self.call.config.data_service_key().map_or("", |key| key.expose());
        let headers = [("X-Service-Key", key), ("Accept", "application/json")];
        let timeout = self.call.config.data_service_timeout();
        let answer = outgoing::send(Method::Get, url.as_str(), &headers, None, timeout).await?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            404 => Ok(None),
            status => Err(format!("status {status}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 100 * DAY_MS;
    const HORIZON: i64 = 70 * DAY_MS;

    fn row(id: &str, at: i64, domain: &str) -> serde_json::Value {
        serde_json::json!({"id": id, "timestamp": at, "severity": "error", "message": format!("m {id}"),
            "component": "cart", "metadata": {"domain": domain}})
    }

    fn page(rows: Vec<serde_json::Value>) -> Page {
        parse_page(&serde_json::to_vec(&serde_json::json!({"success": true, "data": rows})).unwrap()).unwrap()
    }

    fn query(limit: u32) -> SearchQuery {
        SearchQuery { limit, ..SearchQuery::default() }
    }

    fn empty() -> SearchReply<Box<RawValue>> {
        SearchReply {
            records: vec![],
            total: 0,
            total_is_exact: true,
            next_cursor: None,
            partial: false,
            failed_components: vec![],
            took_ms: None,
        }
    }

    #[test]
    fn only_what_lies_past_the_horizon_is_asked() {
        let asked = |query: &SearchQuery, shown, has_more| reach(query, shown, has_more, NOW, 30);
        assert_eq!(asked(&query(10), 4, false), Some(Reach { from_ms: None, to_ms: HORIZON, skip: 0, room: 6 }));
        assert_eq!(asked(&query(10), 10, false), None, "the page is full");
        assert_eq!(asked(&query(10), 4, true), None, "the objects have more");
        let recent = SearchQuery { from_ms: Some(HORIZON), ..query(10) };
        assert_eq!(asked(&recent, 0, false), None);
        let old = SearchQuery { to_ms: Some(5), ..query(10) };
        assert_eq!(asked(&old, 0, false).map(|reach| reach.to_ms), Some(5));
    }

    #[test]
    fn rows_of_other_domains_and_of_none_do_not_exist() {
        let mut gathering = Gathering::new(reach(&query(10), 0, false, NOW, 30).unwrap());
        let unowned = serde_json::json!({"id": "c", "timestamp": 3, "message": "m"});
        let is_done = gathering.add(page(vec![row("a", 5, "a.com"), row("b", 4, "b.com"), unowned]), "a.com", |_| true);
        let mut reply = empty();
        gathering.finish("a.com", &mut reply);
        assert!(is_done);
        assert_eq!(
            (reply.records.len(), reply.total, reply.total_is_exact, reply.next_cursor.is_some()),
            (1, 1, true, false)
        );
        assert!(reply.records[0].get().contains("\"domain\":\"a.com\""), "{}", reply.records[0].get());
    }

    #[test]
    fn pages_continue_within_one_instant_without_repeating() {
        let rows = || (0..50).map(|n| row(&format!("i{n}"), if n < 3 { 900 } else { 800 }, "a.com")).collect();
        let mut first = Gathering::new(reach(&query(2), 0, false, NOW, 30).unwrap());
        assert!(first.add(page(rows()), "a.com", |_| true));
        let mut reply = empty();
        first.finish("a.com", &mut reply);
        assert_eq!((reply.records.len(), reply.total_is_exact), (2, false));
        let cursor = Cursor::parse(&reply.next_cursor.unwrap());
        assert_eq!(cursor.as_ref().map(|cursor| (cursor.timestamp_ms, cursor.index)), Some((900, 2)));

        let next = SearchQuery { cursor, ..query(2) };
        let mut second = Gathering::new(reach(&next, 0, false, NOW, 30).unwrap());
        second.add(page(rows()), "a.com", |_| true);
        let mut reply = empty();
        second.finish("a.com", &mut reply);
        let ids: Vec<_> = reply.records.iter().filter_map(|record| row::id_of(record)).collect();
        assert_eq!(ids, ["i2", "i3"]);
    }

    #[test]
    fn what_the_objects_showed_is_not_shown_again() {
        let mut gathering = Gathering::new(reach(&query(10), 1, false, NOW, 30).unwrap());
        gathering.add(page(vec![row("a", 5, "a.com"), row("b", 4, "a.com")]), "a.com", |_| true);
        let mut reply = empty();
        reply.records.push(RawValue::from_string("{\"id\":\"a\"}".into()).unwrap());
        gathering.finish("a.com", &mut reply);
        let ids: Vec<_> = reply.records.iter().filter_map(|record| row::id_of(record)).collect();
        assert_eq!(ids, ["a", "b"]);
    }

    #[test]
    fn only_conditions_that_the_service_knows_are_sent() {
        let mut asked = query(10);
        asked.filter.components = vec!["a".into()];
        asked.filter.environments = vec!["x".into(), "y".into()];
        asked.filter.user_id = Some("u".into());
        let reach = reach(&asked, 0, false, NOW, 30).unwrap();
        let names: Vec<_> = search_parameters(&asked, &reach, 2).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["page", "limit", "endTime", "component", "userId"]);
        assert_eq!(encode_segment("a/b é"), "a%2Fb%20%C3%A9");
    }

    #[test]
    fn an_absent_historian_is_said_once() {
        let mut reply = empty();
        mark_missing(&mut reply);
        assert_eq!((reply.partial, reply.failed_components), (true, vec!["data-service".to_owned()]));
    }
}
