//! `GET /api/components`, `GET /api/incidents`, `GET /api/alerts`: what there is, across the objects of a domain.
//!
//! A component that is split is one entry, with the sums of its objects; its incidents are its lead's.

use super::fan_out::{Gathered, ask_these, asked};
use super::whole::{ask_leads, counted, together};
use super::{Answer, Call, Outcome, invalid_query, json, require_whole_domain};
use crate::edge::domain_view;
use crate::processors::calls::{AlertEntry, ComponentEntry, IncidentView, StatusAnswer};
use sapwood_wire::reply::FieldError;
use serde::Serialize;
use std::collections::BTreeMap;

/// A component in the list: its directory entry and what its objects know about themselves.
#[derive(Serialize)]
struct ComponentView {
    #[serde(flatten)]
    status: StatusAnswer,
    /// Objects that hold its records, if they are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    shards: Option<usize>,
    /// Accepted and counted records together.
    records: u64,
    registered_at_ms: i64,
}

#[derive(Serialize)]
struct ComponentList {
    components: Vec<ComponentView>,
    partial: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_components: Vec<String>,
}

#[derive(Serialize)]
struct ComponentIncident {
    component: String,
    #[serde(flatten)]
    incident: IncidentView,
}

#[derive(Serialize)]
struct IncidentList {
    incidents: Vec<ComponentIncident>,
    partial: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_components: Vec<String>,
}

#[derive(Serialize)]
struct AlertList {
    alerts: Vec<AlertEntry>,
}

/// Lists components.
pub async fn components(call: &Call<'_>) -> Outcome {
    require_all_rows(call)?;
    let components = components_asked(&call.head.query()).map_err(invalid_query)?;
    let objects = asked(call, &components).await?;
    let shards = counted(&objects);
    let gathered = ask_these(call, objects, |stubs, address| async move { stubs.status(&address).await }).await;
    Ok(Answer::Json(json(&list_components(gathered, &shards))?))
}

fn list_components(gathered: Gathered<StatusAnswer>, shards: &BTreeMap<String, usize>) -> ComponentList {
    let view = |(entry, status): (ComponentEntry, StatusAnswer)| ComponentView {
        records: status.accepted.saturating_add(status.counted_only),
        registered_at_ms: entry.registered_at_ms,
        shards: shards.get(&entry.component).copied().filter(|count| *count > 1),
        status: StatusAnswer { component: entry.component, shard: 0, ..status },
    };
    ComponentList {
        components: together(gathered.answers, StatusAnswer::merge).into_iter().map(view).collect(),
        partial: !gathered.failed.is_empty(),
        failed_components: gathered.failed,
    }
}

/// Lists incidents, newest first.
pub async fn incidents(call: &Call<'_>) -> Outcome {
    require_all_rows(call)?;
    let wanted = wanted(&call.head.query(), &["open", "resolved"]).map_err(invalid_query)?;
    let gathered =
        ask_leads(call, &wanted.components, |stubs, address| async move { stubs.incidents(&address).await }).await?;
    Ok(Answer::Json(json(&list_incidents(gathered, wanted.status.as_deref()))?))
}

fn list_incidents(gathered: Gathered<Vec<IncidentView>>, status: Option<&str>) -> IncidentList {
    let mut incidents: Vec<ComponentIncident> = gathered
        .answers
        .into_iter()
        .flat_map(|(entry, incidents)| {
            incidents
                .into_iter()
                .map(move |incident| ComponentIncident { component: entry.component.clone(), incident })
        })
        .filter(|one| status.is_none_or(|status| one.incident.status == status))
        .collect();
    incidents.sort_by(|left, right| {
        let newest = right.incident.opened_at_ms.cmp(&left.incident.opened_at_ms);
        newest.then_with(|| left.component.cmp(&right.component)).then_with(|| left.incident.id.cmp(&right.incident.id))
    });
    IncidentList { incidents, partial: !gathered.failed.is_empty(), failed_components: gathered.failed }
}

/// Lists alerts that were sent or wait for their target, newest first.
pub async fn alerts(call: &Call<'_>) -> Outcome {
    require_whole_domain(&call.principal)?;
    domain_view::directory(call).await?;
    let alerts = call.stubs().alerts(call.domain()).await?;
    Ok(Answer::Json(json(&AlertList { alerts })?))
}

/// Refuses users who may read only their own rows; a key that is bound to a component sees that one.
pub fn require_all_rows(call: &Call<'_>) -> Result<(), super::Refusal> {
    match &call.principal.only_user {
        None => Ok(()),
        Some(_) => require_whole_domain(&call.principal),
    }
}

#[derive(Debug, Default, PartialEq)]
struct Wanted {
    components: Vec<String>,
    status: Option<String>,
}

fn wanted(query: &[(String, String)], statuses: &[&str]) -> Result<Wanted, Vec<FieldError>> {
    let (mut wanted, mut errors) = (Wanted::default(), Vec::new());
    for (name, value) in query {
        match name.as_str() {
            "component" => wanted.components.extend(names_in(value)),
            "status" if statuses.contains(&value.as_str()) => wanted.status = Some(value.clone()),
            "status" if !statuses.is_empty() => {
                errors.push(parameter_error(name, "invalid_value", format!("accepted are {}", statuses.join(", "))));
            }
            _ => {
                let accepted = if statuses.is_empty() { "component" } else { "component, status" };
                errors.push(parameter_error(name, "unknown_parameter", format!("accepted are {accepted}")));
            }
        }
    }
    if errors.is_empty() { Ok(wanted) } else { Err(errors) }
}

/// The components that a query narrows a list to, none for all; it takes no other parameter.
///
/// # Errors
/// Each other parameter, by name.
pub fn components_asked(query: &[(String, String)]) -> Result<Vec<String>, Vec<FieldError>> {
    wanted(query, &[]).map(|wanted| wanted.components)
}

/// The names in a list that is separated by commas.
fn names_in(list: &str) -> impl Iterator<Item = String> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned)
}

/// What is wrong with a parameter.
pub fn parameter_error(name: &str, code: &str, detail: String) -> FieldError {
    FieldError {
        parameter: Some(name.chars().take(sapwood_wire::limits::ECHO_CHARS_MAX).collect()),
        code: code.to_owned(),
        detail,
        ..FieldError::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processors::calls::SinkView;

    fn entry(component: &str) -> ComponentEntry {
        ComponentEntry { component: component.into(), shard: 0, registered_at_ms: 7 }
    }

    fn incident(id: &str, opened_at_ms: i64, status: &str) -> IncidentView {
        IncidentView {
            id: id.into(),
            kind: "burst".into(),
            status: status.into(),
            series: "errors".into(),
            pattern_id: Some("p".into()),
            template: None,
            level: "error".into(),
            count: 1,
            seen: 2,
            total: 2,
            expected: 0.5,
            expected_low: 0.0,
            expected_high: 2.0,
            probability: 0.1,
            window_ms: 60_000,
            evidence: Vec::new(),
            closed_at_ms: None,
            opened_at_ms,
            first_seen_ms: 0,
            last_seen_ms: 0,
            was_told: true,
            new_in_release: None,
            feedback: None,
        }
    }

    #[test]
    fn a_component_is_listed_with_its_sums() {
        let status = StatusAnswer { accepted: 5, counted_only: 2, patterns: 3, ..StatusAnswer::default() };
        let gathered = Gathered { answers: vec![(entry("cart"), status)], failed: vec!["pay".into()] };
        let json = serde_json::to_value(list_components(gathered, &BTreeMap::from([("cart".to_owned(), 1)]))).unwrap();
        let first = &json["components"][0];
        assert_eq!(
            (&first["component"], &first["records"], &first["patterns"]),
            (&"cart".into(), &7.into(), &3.into())
        );
        assert_eq!((&first["registered_at_ms"], &json["partial"]), (&7.into(), &true.into()));
        assert_eq!(json["failed_components"][0], "pay");
        assert_eq!(first.get("shards"), None, "a component is whole unless it says otherwise");
    }

    #[test]
    fn a_component_that_is_split_is_listed_once_with_the_sums_of_its_shards() {
        let shard = |shard, registered_at_ms, last_seen_ms, d1: &str| {
            let status = StatusAnswer {
                shard,
                accepted: 5,
                counted_only: 1,
                levels: BTreeMap::from([("error".to_owned(), 2), (format!("level {shard}"), 1)]),
                patterns: 3 + u64::from(shard),
                last_seen_ms,
                incidents_open: u64::from(shard == 0),
                database_bytes: 100,
                d1: SinkView { state: d1.into(), rows_behind: 2, last_error: Some(d1.into()), ..SinkView::default() },
                lead: (shard > 0).then(|| SinkView { state: d1.into(), rows_behind: 7, ..SinkView::default() }),
                ..StatusAnswer::default()
            };
            (ComponentEntry { component: "cart".into(), shard, registered_at_ms }, status)
        };
        let answers = vec![shard(0, 7, Some(1), "closed"), shard(1, 9, None, "open"), shard(2, 8, Some(4), "retrying")];
        let gathered = Gathered { answers, failed: vec!["cart".into()] };
        let json = serde_json::to_value(list_components(gathered, &BTreeMap::from([("cart".to_owned(), 4)]))).unwrap();
        assert_eq!(json["components"].as_array().map(Vec::len), Some(1));
        let cart = &json["components"][0];
        for (field, expected) in [
            ("shards", 4),
            ("shard", 0),
            ("records", 18),
            ("accepted", 15),
            ("patterns", 5),
            ("last_seen_ms", 4),
            ("incidents_open", 1),
            ("database_bytes", 300),
            ("registered_at_ms", 7),
        ] {
            assert_eq!(cart[field], expected, "{field}");
        }
        assert_eq!((&cart["levels"]["error"], &cart["levels"]["level 2"]), (&6.into(), &1.into()));
        let d1 = &cart["d1"];
        assert_eq!((&d1["state"], &d1["rows_behind"], &d1["last_error"]), (&"open".into(), &6.into(), &"open".into()));
        assert_eq!((&cart["lead"]["state"], &cart["lead"]["rows_behind"]), (&"open".into(), &14.into()));
    }

    #[test]
    fn incidents_of_all_components_come_newest_first() {
        let gathered = || Gathered {
            answers: vec![
                (entry("a"), vec![incident("1", 5, "open"), incident("2", 9, "resolved")]),
                (entry("b"), vec![incident("3", 9, "open")]),
            ],
            failed: vec![],
        };
        let ids = |status| {
            let list = list_incidents(gathered(), status);
            list.incidents.into_iter().map(|one| one.component + &one.incident.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(None), ["a2", "b3", "a1"]);
        assert_eq!(ids(Some("open")), ["b3", "a1"]);
    }

    #[test]
    fn unknown_parameters_and_statuses_are_refused() {
        let pairs =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>();
        let found =
            wanted(&pairs(&[("component", "a, b"), ("component", "c"), ("status", "open")]), &["open"]).unwrap();
        assert_eq!(
            (found.components, found.status.as_deref()),
            (vec!["a".into(), "b".into(), "c".into()], Some("open"))
        );
        let errors = wanted(&pairs(&[("status", "x"), ("y", "")]), &["open"]).unwrap_err();
        assert_eq!(
            errors.iter().map(|error| error.code.as_str()).collect::<Vec<_>>(),
            ["invalid_value", "unknown_parameter"]
        );
        let errors = components_asked(&pairs(&[("status", "open")])).unwrap_err();
        assert_eq!(errors[0].parameter.as_deref(), Some("status"));
        assert_eq!(components_asked(&pairs(&[("component", "a,, b")])), Ok(vec!["a".to_owned(), "b".to_owned()]));
    }
}
