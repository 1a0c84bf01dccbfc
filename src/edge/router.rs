//! Which route a method and a path name. Pure; who may use a route is [`Route::scope`], what it does is its handler.
//!
//! Paths are compared as sent, without their query, with one trailing slash forgiven. `HEAD` is `GET` whose body is
//! not sent. `OPTIONS` never gets here: it is answered by `cors`.

use super::key::Scopes;

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `POST /api/logs`, `/api/logs/store`, `/api/logs/batch`: records in any framing.
    Ingest,
    /// `POST /logs`: one record, in the prototype's envelope.
    Submit,
    /// `GET /api/logs/search`.
    Search,
    /// `GET /api/logs/{id}`.
    Record(String),
    /// `GET /api/logs/tail`.
    Tail,
    /// `GET /api/logs/analytics/summary`.
    Summary,
    /// `GET /api/logs/analytics/patterns`.
    Patterns,
    /// `GET /api/logs/patterns/similar`.
    SimilarPatterns,
    /// `POST /api/logs/patterns/learn`.
    Teach,
    /// `GET /api/logs/patterns/lessons`.
    Lessons,
    /// `DELETE /api/logs/patterns/lessons/{id}`.
    UndoLesson(String),
    /// `POST /api/logs/analyze/patterns`: a question whose conditions are in the body.
    AnalyzePatterns,
    /// `GET /api/components`.
    Components,
    /// `POST /api/detectors/replay`: a question whose conditions are in the body.
    Replay,
    /// `GET /api/components/{id}/baseline`.
    Baseline(String),
    /// `GET /api/incidents`.
    Incidents,
    /// `GET /api/incidents/feedback`.
    Feedback,
    /// `POST /api/incidents/{id}/feedback`.
    GiveFeedback(String),
    /// `DELETE /api/incidents/{id}/feedback`.
    UndoFeedback(String),
    /// `GET /api/components/{id}/baseline.svg`.
    Chart(String),
    /// `GET /api/components/{id}/windows`.
    Windows(String),
    /// `GET /api/deployments`.
    Deployments,
    /// `POST /api/deployments`.
    Deploy,
    /// `GET /api/alerts`.
    Alerts,
    /// `POST /api/keys`.
    CreateKey,
    /// `GET /api/keys`.
    Keys,
    /// `DELETE /api/keys/{id}`.
    RevokeKey(String),
    /// `GET /api/config`.
    Configuration,
    /// `PUT /api/config`.
    Configure,
    /// `GET /api/audit`.
    Audit,
    /// `DELETE /api/logs/cleanup`.
    Cleanup,
    /// `DELETE /api/components/{component}`.
    EraseComponent(String),
    /// `PUT /api/components/{component}/shards`.
    SpreadComponent(String),
    /// `DELETE /api/domains/{domain}`.
    EraseDomain(String),
    /// `DELETE /api/logs`: what one user left behind.
    EraseUser,
    /// `GET /api/erasures`.
    Erasures,
    /// `GET /api/erasures/{id}`.
    Erasure(String),
    /// `GET /api/logs/export`.
    Export,
    /// `POST /api/logs/import`.
    Import,
    /// `POST /api/admin/rebuild-d1`.
    RebuildD1,
    /// `GET /health`.
    Health,
    /// `GET /metrics`.
    Metrics,
    /// `POST /_fault/edge-panic` and `/_fault/panic`: how panics behave.
    #[cfg(feature = "fault-injection")]
    Fault {
        /// Whether the object panics, rather than the edge.
        in_object: bool,
    },
}

/// Why there is no route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// Nothing lives at this path.
    NoSuchPath,
    /// Something does, under these methods.
    OtherMethods(Vec<&'static str>),
}

impl Route {
    /// What a caller must be allowed; `None` if anybody may.
    pub fn scope(&self) -> Option<Scopes> {
        match self {
            Self::Ingest | Self::Submit | Self::Deploy => Some(Scopes::INGEST),
            Self::Search
            | Self::Record(_)
            | Self::Tail
            | Self::Summary
            | Self::Patterns
            | Self::SimilarPatterns
            | Self::AnalyzePatterns
            | Self::Lessons
            | Self::Components
            | Self::Baseline(_)
            | Self::Incidents
            | Self::Chart(_)
            | Self::Windows(_)
            | Self::Feedback
            | Self::Deployments
            | Self::Replay
            | Self::Alerts
            | Self::Metrics => Some(Scopes::READ),
            Self::CreateKey
            | Self::Keys
            | Self::RevokeKey(_)
            | Self::Configuration
            | Self::Configure
            | Self::Audit
            | Self::Teach
            | Self::GiveFeedback(_)
            | Self::UndoFeedback(_)
            | Self::UndoLesson(_)
            | Self::Cleanup
            | Self::EraseComponent(_)
            | Self::SpreadComponent(_)
            | Self::EraseDomain(_)
            | Self::EraseUser
            | Self::Erasures
            | Self::Erasure(_)
            | Self::Export
            | Self::Import
            | Self::RebuildD1 => Some(Scopes::ADMIN),
            Self::Health => None,
            #[cfg(feature = "fault-injection")]
            Self::Fault { .. } => Some(Scopes::ADMIN),
        }
    }
}

/// The route of a request.
///
/// # Errors
/// [`Miss`] says whether the path or only the method is wrong.
pub fn find(method: &str, path: &str) -> Result<Route, Miss> {
    let wanted = if method == "HEAD" { "GET" } else { method };
    let mut here = routes_at(path);
    if let Some(at) = here.iter().position(|(known, _)| *known == wanted) {
        return Ok(here.swap_remove(at).1);
    }
    if here.is_empty() {
        return Err(Miss::NoSuchPath);
    }
    let mut methods: Vec<_> = here.into_iter().map(|(known, _)| known).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.push("OPTIONS");
    Err(Miss::OtherMethods(methods))
}

/// Everything that lives at a path, by method.
fn routes_at(path: &str) -> Vec<(&'static str, Route)> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match segments.as_slice() {
        ["health"] => vec![("GET", Route::Health)],
        ["metrics"] => vec![("GET", Route::Metrics)],
        ["logs"] => vec![("POST", Route::Submit)],
        ["api", "logs"] => vec![("POST", Route::Ingest), ("DELETE", Route::EraseUser)],
        ["api", "logs", "store" | "batch"] => vec![("POST", Route::Ingest)],
        ["api", "logs", "cleanup"] => vec![("DELETE", Route::Cleanup)],
        ["api", "logs", "export"] => vec![("GET", Route::Export)],
        ["api", "logs", "import"] => vec![("POST", Route::Import)],
        ["api", "logs", "search"] => vec![("GET", Route::Search)],
        ["api", "logs", "tail"] => vec![("GET", Route::Tail)],
        ["api", "logs", "analytics", "summary"] => vec![("GET", Route::Summary)],
        ["api", "logs", "analytics", "patterns"] => vec![("GET", Route::Patterns)],
        ["api", "logs", "patterns", "similar"] => vec![("GET", Route::SimilarPatterns)],
        ["api", "logs", "patterns", "learn"] => vec![("POST", Route::Teach)],
        ["api", "logs", "patterns", "lessons"] => vec![("GET", Route::Lessons)],
        ["api", "logs", "patterns", "lessons", id] if !id.is_empty() => {
            vec![("DELETE", Route::UndoLesson(decoded(id)))]
        }
        ["api", "logs", "analyze", "patterns"] => vec![("POST", Route::AnalyzePatterns)],
        ["api", "logs", "analytics" | "patterns" | "analyze"] => Vec::new(),
        ["api", "logs", id] if !id.is_empty() => vec![("GET", Route::Record(decoded(id)))],
        ["api", "components"] => vec![("GET", Route::Components)],
        ["api", "components", id] if !id.is_empty() => vec![("DELETE", Route::EraseComponent(decoded(id)))],
        ["api", "domains", id] if !id.is_empty() => vec![("DELETE", Route::EraseDomain(decoded(id)))],
        ["api", "erasures"] => vec![("GET", Route::Erasures)],
        ["api", "erasures", id] if !id.is_empty() => vec![("GET", Route::Erasure(decoded(id)))],
        ["api", "components", id, "baseline"] if !id.is_empty() => vec![("GET", Route::Baseline(decoded(id)))],
        ["api", "components", id, "baseline.svg"] if !id.is_empty() => vec![("GET", Route::Chart(decoded(id)))],
        ["api", "components", id, "shards"] if !id.is_empty() => vec![("PUT", Route::SpreadComponent(decoded(id)))],
        ["api", "components", id, "windows"] if !id.is_empty() => vec![("GET", Route::Windows(decoded(id)))],
        ["api", "detectors", "replay"] => vec![("POST", Route::Replay)],
        ["api", "incidents"] => vec![("GET", Route::Incidents)],
        ["api", "incidents", "feedback"] => vec![("GET", Route::Feedback)],
        ["api", "incidents", id, "feedback"] if !id.is_empty() => {
            vec![("POST", Route::GiveFeedback(decoded(id))), ("DELETE", Route::UndoFeedback(decoded(id)))]
        }
        ["api", "deployments"] => vec![("GET", Route::Deployments), ("POST", Route::Deploy)],
        ["api", "alerts"] => vec![("GET", Route::Alerts)],
        ["api", "keys"] => vec![("GET", Route::Keys), ("POST", Route::CreateKey)],
        ["api", "keys", id] if !id.is_empty() => vec![("DELETE", Route::RevokeKey(decoded(id)))],
        ["api", "config"] => vec![("GET", Route::Configuration), ("PUT", Route::Configure)],
        ["api", "audit"] => vec![("GET", Route::Audit)],
        ["api", "admin", "rebuild-d1"] => vec![("POST", Route::RebuildD1)],
        #[cfg(feature = "fault-injection")]
        ["_fault", place @ ("panic" | "edge-panic")] => {
            vec![("POST", Route::Fault { in_object: *place == "panic" })]
        }
        _ => Vec::new(),
    }
}

/// A path segment without its percent encoding; bytes that are not UTF-8 become U+FFFD and so match nothing.
fn decoded(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high << 4 | low).unwrap_or(u8::MAX));
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, path: &str, expected: Route) {
        assert_eq!(find(method, path), Ok(expected), "{method} {path}");
    }

    #[test]
    fn every_route_is_found_under_its_method() {
        for path in ["/api/logs", "/api/logs/", "/api/logs/store", "/api/logs/batch"] {
            check("POST", path, Route::Ingest);
        }
        check("POST", "/logs", Route::Submit);
        check("GET", "/api/logs/search", Route::Search);
        check("GET", "/api/logs/tail", Route::Tail);
        check("GET", "/api/logs/analytics/summary", Route::Summary);
        check("GET", "/api/logs/analytics/patterns", Route::Patterns);
        check("GET", "/api/logs/patterns/similar", Route::SimilarPatterns);
        check("POST", "/api/logs/patterns/learn", Route::Teach);
        check("GET", "/api/logs/patterns/lessons", Route::Lessons);
        check("DELETE", "/api/logs/patterns/lessons/7", Route::UndoLesson("7".into()));
        check("DELETE", "/api/logs/cleanup", Route::Cleanup);
        check("DELETE", "/api/components/a%20b", Route::EraseComponent("a b".into()));
        check("PUT", "/api/components/a%20b/shards", Route::SpreadComponent("a b".into()));
        check("DELETE", "/api/domains/a.example", Route::EraseDomain("a.example".into()));
        check("DELETE", "/api/logs", Route::EraseUser);
        check("GET", "/api/erasures", Route::Erasures);
        check("GET", "/api/erasures/e1", Route::Erasure("e1".into()));
        check("GET", "/api/logs/export", Route::Export);
        check("POST", "/api/logs/import", Route::Import);
        check("POST", "/api/logs/analyze/patterns", Route::AnalyzePatterns);
        check("GET", "/api/components", Route::Components);
        check("GET", "/api/components/a%20b/baseline", Route::Baseline("a b".into()));
        check("GET", "/api/incidents", Route::Incidents);
        check("GET", "/api/components/a%20b/baseline.svg", Route::Chart("a b".into()));
        check("GET", "/api/components/a/windows", Route::Windows("a".into()));
        check("GET", "/api/deployments", Route::Deployments);
        check("POST", "/api/deployments", Route::Deploy);
        check("GET", "/api/incidents/feedback", Route::Feedback);
        check("POST", "/api/incidents/burst-1/feedback", Route::GiveFeedback("burst-1".into()));
        check("DELETE", "/api/incidents/burst-1/feedback", Route::UndoFeedback("burst-1".into()));
        check("POST", "/api/detectors/replay", Route::Replay);
        check("GET", "/api/alerts", Route::Alerts);
        check("GET", "/api/keys", Route::Keys);
        check("POST", "/api/keys", Route::CreateKey);
        check("DELETE", "/api/keys/abc", Route::RevokeKey("abc".into()));
        check("GET", "/api/config", Route::Configuration);
        check("PUT", "/api/config", Route::Configure);
        check("GET", "/api/audit", Route::Audit);
        check("POST", "/api/admin/rebuild-d1", Route::RebuildD1);
        check("GET", "/health", Route::Health);
        check("HEAD", "/metrics", Route::Metrics);
    }

    #[test]
    fn an_id_is_decoded_once_and_stays_one_segment() {
        check("GET", "/api/logs/a%20b%2Fc", Route::Record("a b/c".into()));
        check("GET", "/api/logs/a%2", Route::Record("a%2".into()));
        check("GET", "/api/logs/%FF", Route::Record("\u{FFFD}".into()));
        check("GET", "/api/logs/%2541", Route::Record("%41".into()));
    }

    #[test]
    fn a_wrong_method_is_told_from_a_wrong_path() {
        assert_eq!(find("PUT", "/api/logs"), Err(Miss::OtherMethods(vec!["POST", "DELETE", "OPTIONS"])));
        assert_eq!(find("PATCH", "/api/keys"), Err(Miss::OtherMethods(vec!["GET", "POST", "HEAD", "OPTIONS"])));
        for path in ["/", "", "/api", "/api/logs//", "/api/logs/analytics", "/api/logs/a/b", "/LOGS", "/api/keys/"] {
            let found = find("GET", path);
            let is_keys = path == "/api/keys/";
            assert_eq!(found.is_ok(), is_keys, "{path}: one trailing slash is forgiven, nothing else");
        }
    }

    #[test]
    fn only_health_is_open() {
        for (method, path) in [("POST", "/api/logs"), ("GET", "/metrics"), ("GET", "/api/audit"), ("POST", "/logs")] {
            assert!(find(method, path).unwrap().scope().is_some(), "{path}");
        }
        assert_eq!(find("GET", "/health").unwrap().scope(), None);
        assert_eq!(find("PUT", "/api/config").unwrap().scope(), Some(Scopes::ADMIN));
    }
}
