//! `GET /api/logs/tail`: a WebSocket with the records that match a filter, as they are stored.
//!
//! The socket is the domain object's, which hibernates between records; here the caller is known, the filter is
//! checked, and what the caller may not see is taken out of it. Pages cannot set headers on a WebSocket, so a key may
//! also come as a subprotocol: `sapwood, key.<API key>`. Never in the address, which ends up in logs.

use super::fan_out::targets;
use super::kinship::{self, Kinship};
use super::search::restrict;
use super::{Answer, Call, Outcome, bound_component, invalid_query};
use crate::edge::domain_view;
use crate::processors::calls::ComponentEntry;
use crate::processors::stubs::CallError;
use sapwood_wire::problem::{Problem, ProblemCode};
use sapwood_wire::query::parse_tail;
use std::collections::BTreeSet;

/// The subprotocol that we speak.
pub const PROTOCOL: &str = "sapwood";
/// What the subprotocol begins with that carries a key.
const KEY_PREFIX: &str = "key.";

/// Opens a live tail.
pub async fn tail(call: &Call<'_>) -> Outcome {
    let is_upgrade = call.head.header("Upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    if !is_upgrade {
        return Err(Problem::new(ProblemCode::UpgradeRequired, "this route speaks WebSocket").into());
    }
    let mut filter = parse_tail(call.head.query()).map_err(invalid_query)?;
    restrict(&mut filter, &call.principal)?;
    let (directory, _) = domain_view::directory(call).await?;
    let bound = bound_component(&call.principal);
    let objects = targets(&directory.components, &filter.components, bound)?;
    if !filter.pattern_ids.is_empty() {
        // Records come with the ids that their shard has for their patterns. Who did not answer shows records by its own.
        let (kinship, _) = kinship::ask(call, &objects).await;
        filter.pattern_ids = every_id(&kinship, &objects, filter.pattern_ids);
    }
    if let Some(bound) = bound {
        filter.components = vec![bound.to_owned()];
    }
    let text = serde_json::to_string(&filter).map_err(|error| CallError::Unreadable(error.to_string()))?;
    let response = call.stubs().open_tail(call.domain(), &text).await?;
    let offered = call.head.header("Sec-WebSocket-Protocol");
    Ok(Answer::Socket(Box::new(response), chosen(offered.as_deref())))
}

/// These ids, and the others under which any of the objects holds the same patterns.
fn every_id(kinship: &Kinship, objects: &[ComponentEntry], ids: Vec<String>) -> Vec<String> {
    let held = objects.iter().flat_map(|entry| kinship.all_held(entry, &ids));
    let all: BTreeSet<String> = held.chain(ids.iter().cloned()).collect();
    all.into_iter().collect()
}

fn offers(header: &str) -> impl Iterator<Item = &str> {
    header.split(',').map(str::trim)
}

/// The protocol that is agreed on: a client that offers some must be answered with one of them.
fn chosen(header: Option<&str>) -> Option<&'static str> {
    offers(header?).any(|offer| offer == PROTOCOL).then_some(PROTOCOL)
}

/// The key among the offered subprotocols, for callers that cannot set headers.
pub fn offered_key(header: &str) -> Option<&str> {
    offers(header).find_map(|offer| offer.strip_prefix(KEY_PREFIX)).filter(|_| chosen(Some(header)).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::fan_out::Gathered;
    use crate::processors::calls::PatternView;

    #[test]
    fn a_pattern_is_watched_under_the_ids_of_all_shards() {
        let shard = |shard| ComponentEntry { component: "hot".into(), shard, registered_at_ms: 0 };
        let known = |id: &str| PatternView { id: id.into(), template: "left <*>".into(), ..PatternView::default() };
        let answers = vec![(shard(0), vec![known("p")]), (shard(1), vec![known("q")])];
        let (kinship, _) = kinship::together(Gathered { answers, failed: vec![] });
        let objects = [shard(0), shard(1)];
        assert_eq!(every_id(&kinship, &objects, vec!["q".into(), "z".into()]), ["p", "q", "z"]);
        assert_eq!(every_id(&Kinship::default(), &objects, vec!["q".into()]), ["q"]);
    }

    #[test]
    fn a_page_s_key_comes_as_a_subprotocol_beside_ours() {
        assert_eq!(offered_key("sapwood, key.sw_abc-_"), Some("sw_abc-_"));
        assert_eq!(offered_key("key.sw_abc,sapwood"), Some("sw_abc"));
        assert_eq!(offered_key("key.sw_abc"), None, "there would be no protocol to agree on");
        assert_eq!(offered_key("sapwood"), None);
        assert_eq!((chosen(Some("a, sapwood")), chosen(Some("a")), chosen(None)), (Some("sapwood"), None, None));
    }
}
