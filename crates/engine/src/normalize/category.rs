//! The category of a record: given, else told by its words, in the prototype's order of precedence.
//!
//! Words of the message count, and those of the endpoint; words inside paths, URLs and ids do not. A record that names
//! an endpoint and says nothing else is about the API.

use super::notes::Notes;
use super::vocabulary::Meaning;
use super::words::Words;
use crate::level::{Level, LevelClass};

/// Bytes of a category's name.
const CATEGORY_BYTES_MAX: usize = 50;

/// A category as given, in lower case.
pub(crate) fn given(sent: Option<String>, notes: &mut Notes) -> Option<String> {
    let mut name = notes.field_within(sent, CATEGORY_BYTES_MAX)?;
    name.make_ascii_lowercase();
    Some(name)
}

/// What a category is derived from.
#[derive(Clone, Copy)]
pub(crate) struct Evidence<'a> {
    pub(crate) words: &'a Words,
    pub(crate) endpoint: Option<Meaning>,
    pub(crate) component: Meaning,
    pub(crate) level: Level,
}

/// The derived category, and whether words spoke for it (otherwise only the level did, or nothing).
pub(crate) fn derive(evidence: Evidence<'_>) -> (&'static str, bool) {
    const ORDER: [(Meaning, &str); 9] = [
        (Meaning::AUTHENTICATION, "authentication"),
        (Meaning::DATABASE, "database"),
        (Meaning::API, "api"),
        (Meaning::PERFORMANCE, "performance"),
        (Meaning::VALIDATION, "validation"),
        (Meaning::BUSINESS, "business"),
        (Meaning::SECURITY, "security"),
        (Meaning::INFRASTRUCTURE, "infrastructure"),
        (Meaning::UI, "ui"),
    ];
    let endpoint = evidence.endpoint.unwrap_or_default();
    let roles = if evidence.component.has(Meaning::ROLE) { Meaning::BUSINESS } else { Meaning::NONE };
    let any = evidence.words.meaning | endpoint | roles;
    if let Some((_, name)) = ORDER.into_iter().find(|(meaning, _)| any.has(*meaning)) {
        return (name, true);
    }
    match evidence.level.class() {
        _ if evidence.endpoint.is_some() => ("api", true),
        LevelClass::Error | LevelClass::Fatal => ("error", false),
        _ => ("general", false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::words::meaning_of;

    fn of(message: &str) -> &'static str {
        let words = Words::of(message, false);
        derive(Evidence { words: &words, endpoint: None, component: Meaning::NONE, level: Level::INFO }).0
    }

    #[test]
    fn words_tell_the_category_in_order_of_precedence() {
        for (message, expected) in [
            ("User login succeeded", "authentication"),
            ("permission denied for report", "authentication"),
            ("SQL query took long", "database"),
            ("connection pool exhausted", "database"),
            ("Request timeout", "api"),
            ("connection refused by peer", "api"),
            ("CPU usage high", "performance"),
            ("invalid value", "validation"),
            ("field name is required", "validation"),
            ("payment declined", "business"),
            ("SQL injection attempt", "security"),
            ("suspicious behaviour", "security"),
            ("deployment finished", "infrastructure"),
            ("frontend rendered", "ui"),
            ("hello", "general"),
            ("login database query", "authentication"),
        ] {
            assert_eq!(of(message), expected, "{message}");
        }
    }

    #[test]
    fn a_part_of_a_word_or_a_misleading_word_tells_nothing() {
        for message in [
            "author saved the book",
            "authoring tool opened",
            "authority figures",
            "build finished",
            "rebuilding the guide",
            "fluid suite in a circuit",
            "uid 1000",
            "disapproval rapid capital therapist",
            "connection established",
            "pull request opened",
            "feature requests: 3",
            "no action required",
            "formatting disk information",
            "token ring",
            "overview of the interview",
            "component started",
            "view from above",
            "heartattacker is one word",
            "dependency injection ready",
            "threshold breached at 5",
            "memorystick sold",
            "blogging plugin catalogues",
            "slowdown lane",
            "prerequisites met",
            "mysqldumpling menu",
            "id dGhpcyBpcyBEYiBVaSBBcGk5 stored",
            "wrote /srv/auth/db/api/ui.log",
            "see https://auth.example.com/api/database",
        ] {
            assert_eq!(of(message), "general", "{message}");
        }
    }

    #[test]
    fn the_endpoint_the_component_and_the_level_speak_last() {
        let words = Words::of("done", false);
        let base = Evidence { words: &words, endpoint: None, component: Meaning::NONE, level: Level::ERROR };
        assert_eq!(derive(base), ("error", false));
        assert_eq!(derive(Evidence { level: Level::INFO, ..base }), ("general", false));
        assert_eq!(derive(Evidence { endpoint: Some(meaning_of("/orders/{id}")), ..base }), ("api", true));
        assert_eq!(derive(Evidence { endpoint: Some(meaning_of("/auth/login")), ..base }), ("authentication", true));
        assert_eq!(derive(Evidence { endpoint: Some(meaning_of("/authors/{id}")), ..base }), ("api", true));
        assert_eq!(derive(Evidence { component: meaning_of("OrderService"), ..base }), ("business", true));
        assert_eq!(derive(Evidence { component: meaning_of("microservices"), ..base }), ("error", false));
    }

    #[test]
    fn a_given_category_is_kept_in_lower_case() {
        for (sent, expected) in [("Auth", Some("auth")), ("data", Some("data")), (" ", None)] {
            assert_eq!(given(Some(sent.into()), &mut Notes::default()).as_deref(), expected);
        }
    }
}
