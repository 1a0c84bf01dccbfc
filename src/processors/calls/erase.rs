//! What is said about erasing: domain to stream, edge to domain, and the receipt as it is shown.

use super::StreamAddress;
use sapwood_engine::machine::erasure::{Counts, Erasure, PartState, Scope, Sent};
use sapwood_engine::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Domain to stream: erase everything that you hold, or only say what that is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EraseCall {
    /// Who is meant.
    pub address: StreamAddress,
    /// A stream that was told this version of the domain's view, or a newer one, is a new life and stays.
    pub version: u64,
    /// Only count.
    pub is_dry_run: bool,
}

/// Stream to domain: what is, or was, there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EraseAnswer {
    /// By name.
    pub counts: Counts,
    /// What of it the data service has.
    pub sent: SentView,
    /// Something still has to end first: come again.
    pub is_busy: bool,
}

/// Domain to stream: erase what one user left behind, a slice of rows at a time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EraseUserCall {
    /// Who is meant.
    pub address: StreamAddress,
    /// Which erasure; of one that only counts none.
    #[serde(default)]
    pub erasure: String,
    /// As records name the user.
    pub user: String,
    /// Rows after this one.
    pub cursor: u64,
    /// Only count.
    pub is_dry_run: bool,
}

/// Stream to domain: what is, or was, there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EraseUserAnswer {
    /// By name.
    pub counts: Counts,
    /// What of it the data service has.
    pub sent: SentView,
    /// The row up to which that holds.
    pub cursor: u64,
    /// Whether that is all.
    pub is_done: bool,
    /// The receive time up to which that is all, ms. Builds that do not say it mean all copies.
    #[serde(default)]
    pub reached_ms: Option<i64>,
}

/// Records that the data service has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentView {
    /// How many were sent.
    pub records: u64,
    /// Receive time of the first that is known of, ms.
    pub first_received_at_ms: Option<i64>,
    /// Receive time of the last, ms.
    pub last_received_at_ms: Option<i64>,
}

impl From<Sent> for SentView {
    fn from(sent: Sent) -> Self {
        let (first, last) = sent.span.unzip();
        Self {
            records: sent.records,
            first_received_at_ms: first.map(|at| at.0),
            last_received_at_ms: last.map(|at| at.0),
        }
    }
}

impl From<SentView> for Sent {
    fn from(view: SentView) -> Self {
        let span = view.first_received_at_ms.zip(view.last_received_at_ms);
        Self { records: view.records, span: span.map(|(from, to)| (Timestamp(from), Timestamp(to))) }
    }
}

/// What is to be erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeView {
    /// One component.
    Component(String),
    /// The domain.
    Domain,
    /// One user.
    User {
        /// As records name the user.
        user: String,
        /// What the receipt calls them.
        fingerprint: String,
        /// Only in this component.
        component: Option<String>,
    },
}

impl From<ScopeView> for Scope {
    fn from(view: ScopeView) -> Self {
        match view {
            ScopeView::Component(name) => Self::Component(name),
            ScopeView::Domain => Self::Domain,
            ScopeView::User { user, fingerprint, component } => Self::User { user, fingerprint, component },
        }
    }
}

/// Edge to domain: erase this.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ErasureCall {
    /// Id of the erasure, if it is a new one.
    pub id: String,
    /// What.
    pub scope: ScopeView,
}

/// Domain to edge: the receipt, or why there is none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ErasureAnswer {
    /// It is seen to.
    Receipt(Box<ReceiptView>),
    /// There is nothing of this name, and never was.
    Unknown,
    /// As many are under way as may be.
    NoRoom,
}

/// A receipt as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptView {
    /// Under which it can be read later.
    pub id: String,
    /// What, for people.
    pub erases: String,
    /// Who asked for it.
    pub by: String,
    /// ms.
    pub requested_at_ms: i64,
    /// `pending` or `finished`.
    pub state: String,
    /// `streams`, `copies`, `settling`, `retelling`, `finished`.
    pub stage: String,
    /// ms.
    pub finished_at_ms: Option<i64>,
    /// What went, by tier and name.
    pub erased: BTreeMap<String, Counts>,
    /// What of it went to the data service, which has no way to delete records: whoever runs it has to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sent_to_data_service: Option<SentView>,
    /// Components whose objects are still to be erased.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub waiting_for: Vec<String>,
    /// Why the last step failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_error: Option<String>,
}

impl From<&Erasure> for ReceiptView {
    fn from(erasure: &Erasure) -> Self {
        let (streams, sent) = erasure.streams();
        let tiers = [("objects", streams), ("domain", erasure.domain.clone()), ("copies", erasure.copies.clone())];
        let mut waiting_for: Vec<String> = Vec::new();
        for part in erasure.parts.iter().filter(|part| part.state < PartState::Erased) {
            if !waiting_for.contains(&part.component) {
                waiting_for.push(part.component.clone());
            }
        }
        Self {
            id: erasure.id.clone(),
            erases: erasure.scope.shown(),
            by: erasure.by.clone(),
            requested_at_ms: erasure.requested_at.0,
            state: if erasure.is_finished() { "finished" } else { "pending" }.to_owned(),
            stage: erasure.stage.word().to_owned(),
            finished_at_ms: erasure.finished_at.map(|at| at.0),
            erased: tiers.into_iter().map(|(tier, counts)| (tier.to_owned(), counts)).collect(),
            sent_to_data_service: Some(SentView::from(sent)).filter(|sent| sent.records > 0),
            waiting_for,
            last_error: erasure.last_error.clone(),
        }
    }
}

/// An alert without the exemplars that are gone, and how many those were; `None` if none are, or if it cannot be read. Its
/// title and its template may be the words of what is gone: they go too.
pub fn without_exemplars(alert: &str, is_gone: impl Fn(&str) -> bool) -> Option<(String, u64)> {
    let mut alert: serde_json::Value = serde_json::from_str(alert).ok()?;
    let exemplars = alert.get_mut("exemplars")?.as_array_mut()?;
    let before = exemplars.len();
    exemplars.retain(|exemplar| !exemplar.get("id").and_then(serde_json::Value::as_str).is_some_and(&is_gone));
    let gone = before - exemplars.len();
    if gone == 0 {
        return None;
    }
    let component = alert.get("component").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let shown = alert.as_object_mut()?;
    shown.insert("title".to_owned(), format!("About records of {component} that were erased since").into());
    shown.insert("pattern_template".to_owned(), serde_json::Value::Null);
    Some((alert.to_string(), gone as u64))
}

/// Ids of the exemplars of an alert.
pub fn exemplar_ids(alert: &str) -> Vec<String> {
    let alert: serde_json::Value = serde_json::from_str(alert).unwrap_or_default();
    let exemplars = alert.get("exemplars").and_then(serde_json::Value::as_array);
    let ids = exemplars.into_iter().flatten().filter_map(|exemplar| exemplar.get("id")?.as_str());
    ids.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_loses_the_lines_that_are_gone_and_nothing_else() {
        let alert = r#"{"title":"lost words","pattern_template":"lost words","component":"cart","exemplars":[{"id":"a","message":"lost words"},{"id":"b","message":"two"}],"count":2}"#;
        assert_eq!(exemplar_ids(alert), ["a", "b"]);
        let (left, gone) = without_exemplars(alert, |id| id == "a").unwrap();
        assert_eq!((exemplar_ids(&left), gone), (vec!["b".to_owned()], 1));
        assert!(left.contains("records of cart that were erased") && left.contains(r#""count":2"#), "{left}");
        assert!(!left.contains("lost"), "the words of what is gone stand nowhere: {left}");
        assert_eq!(without_exemplars(alert, |_| false), None);
        assert_eq!(without_exemplars("{}", |_| true), None);
        assert!(exemplar_ids("no").is_empty());
    }
}
