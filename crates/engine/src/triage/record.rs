//! Triage of one record: how urgent it is for people, and which actions are suggested.
//!
//! The table of levels and rules is the prototype's, read as it was meant:
//!
//! - Claims are phrases of whole words. One that is taken back (`no data loss`, `scaling service down`) does not count,
//!   and neither does one in a record that says of itself that it is below a warning.
//! - A category raises a record only if the record is an error. Otherwise each loaded configuration would page somebody.
//! - A rule speaks for records at least as grave as its bucket, where fatal counts as critical and warn as warning. A
//!   record whose triage is critical is in the critical bucket whatever its level.
//! - Memory in use is a share only up to 1; larger numbers are bytes or megabytes and say nothing by themselves.
//!
//! All rules that match contribute their actions, in order of the table, each once.

use crate::level::LevelClass;
use crate::normalize::vocabulary::Meaning;
use crate::normalize::words::Words;
use crate::record::{Defect, Record, Triage, TriageLevel};

/// Every action there is. The position is the code in a segment, so new ones are appended.
pub const ACTIONS: [&str; 19] = [
    "immediate_alert",
    "escalate_to_oncall",
    "create_incident",
    "security_team_notification",
    "lockdown_mode",
    "backup_verification",
    "data_recovery",
    "alert_dba",
    "check_connections",
    "monitor_performance",
    "monitor_brute_force",
    "user_notification",
    "api_health_check",
    "performance_monitoring",
    "resource_check",
    "memory_monitoring",
    "garbage_collection",
    "analytics_tracking",
    "business_metrics",
];

/// The action that this word names.
pub fn action(word: &str) -> Option<&'static str> {
    ACTIONS.into_iter().find(|action| *action == word)
}

/// An operation that took longer is degraded, in milliseconds.
const DURATION_MS_MAX: f64 = 5_000.0;
/// More of the memory in use is too much, as a share.
const MEMORY_SHARE_MAX: f64 = 0.8;

/// Triage of a record, from its fields alone.
pub fn triage(record: &Record) -> Triage {
    let escaped = record.defects.contains(&Defect::ControlCharacters);
    triage_words(record, &Words::of(&record.message, escaped))
}

/// Triage of a record whose words have been found already.
pub(crate) fn triage_words(record: &Record, words: &Words) -> Triage {
    let level = level(record, words);
    let mut actions = Vec::new();
    let mut suggest = |applies: bool, list: &[&'static str]| {
        if applies {
            for action in list {
                if !actions.contains(action) {
                    actions.push(*action);
                }
            }
        }
    };
    let class = record.level.class();
    if level == TriageLevel::Critical {
        let said = |meaning| words.meaning.has(meaning);
        let is_security = record.category == "security";
        suggest(said(Meaning::SERVICE_DOWN), &["immediate_alert", "escalate_to_oncall", "create_incident"]);
        suggest(
            said(Meaning::BREACH) || is_security,
            &["immediate_alert", "security_team_notification", "lockdown_mode"],
        );
        suggest(said(Meaning::DATA_LOSS), &["immediate_alert", "backup_verification", "data_recovery"]);
    }
    if class >= LevelClass::Error {
        suggest(is_database(record), &["alert_dba", "check_connections", "monitor_performance"]);
        suggest(is_authentication(record), &["monitor_brute_force", "user_notification"]);
        suggest(record.category == "api", &["api_health_check", "performance_monitoring"]);
    }
    if class >= LevelClass::Warn {
        let is_slow = record.duration_ms.is_some_and(|duration| duration > DURATION_MS_MAX);
        let is_full = record.memory_usage.is_some_and(|share| share > MEMORY_SHARE_MAX && share <= 1.0);
        suggest(record.category == "performance" || is_slow, &["performance_monitoring", "resource_check"]);
        suggest(is_full, &["memory_monitoring", "garbage_collection"]);
    }
    suggest(class == LevelClass::Info && record.category == "business", &["analytics_tracking", "business_metrics"]);
    Triage { level, actions }
}

fn level(record: &Record, words: &Words) -> TriageLevel {
    let class = record.level.class();
    let is_error = class >= LevelClass::Error;
    let category = record.category.as_str();
    let level_is_known = !record.defects.contains(&Defect::LevelAssumed);
    let may_claim = class >= LevelClass::Warn || !level_is_known;
    if class == LevelClass::Fatal
        || (may_claim && words.meaning.has(Meaning::CRITICAL))
        || (is_error && matches!(category, "security" | "infrastructure"))
    {
        return TriageLevel::Critical;
    }
    match class {
        LevelClass::Error if is_high(record, words) => TriageLevel::High,
        LevelClass::Error | LevelClass::Warn => TriageLevel::Medium,
        _ => TriageLevel::Low,
    }
}

/// Whether an error is one of those that people want to see the same day.
fn is_high(record: &Record, words: &Words) -> bool {
    is_database(record)
        || is_authentication(record)
        || matches!(record.category.as_str(), "payment" | "payments")
        || words.meaning.has(Meaning::TIMEOUT.and(Meaning::USER_DATA))
        || words.near(Meaning::CONNECTION.and(Meaning::PAYMENT), Meaning::FAILED, 5)
        || words.near(Meaning::AUTHENTICATION, Meaning::FAILED, 2)
}

fn is_database(record: &Record) -> bool {
    matches!(record.category.as_str(), "database" | "data" | "db")
}

fn is_authentication(record: &Record) -> bool {
    matches!(record.category.as_str(), "authentication" | "auth" | "authorization")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Level;

    fn record(level: Level, category: &str, message: &str) -> Record {
        Record { level, category: category.into(), message: message.into(), ..Record::default() }
    }

    fn check(level: Level, category: &str, message: &str, expected: TriageLevel) {
        assert_eq!(triage(&record(level, category, message)).level, expected, "{level} {category} {message}");
    }

    #[test]
    fn claims_make_a_record_critical() {
        use TriageLevel::{Critical, Low, Medium};
        for message in [
            "service down",
            "Service Unavailable",
            "the service is down",
            "database unreachable",
            "security breach detected",
            "data corruption in block 7",
            "system failure",
            "process is out of memory",
            "disk full on /dev/sda1",
            "No space left on device",
            "OutOfMemory",
        ] {
            check(Level::WARN, "general", message, Critical);
            check(Level::INFO, "general", message, Low);
        }
        for message in [
            "no data corruption found",
            "scaling service down",
            "without data loss",
            "service downloads",
            "diskfull",
            "updata lossless",
            "slow memory",
            "customer service desk down the hall",
        ] {
            check(Level::WARN, "general", message, Medium);
        }
        check(Level::FATAL, "general", "x", Critical);
    }

    #[test]
    fn a_claim_counts_where_the_level_was_only_assumed() {
        let mut said = record(Level::INFO, "general", "Out of memory: killed process 7");
        assert_eq!(triage(&said).level, TriageLevel::Low);
        said.defects.push(Defect::LevelAssumed);
        assert_eq!(triage(&said).level, TriageLevel::Critical);
    }

    #[test]
    fn errors_are_high_by_category_or_by_what_failed() {
        use TriageLevel::{Critical, High, Low, Medium};
        for (category, expected) in [
            ("database", High),
            ("data", High),
            ("authentication", High),
            ("auth", High),
            ("payment", High),
            ("security", Critical),
            ("infrastructure", Critical),
            ("ui", Medium),
        ] {
            check(Level::ERROR, category, "x", expected);
        }
        for (category, level, expected) in [
            ("infrastructure", Level::INFO, Low),
            ("security", Level::WARN, Medium),
            ("database", Level::WARN, Medium),
            ("database", Level::DEBUG, Low),
        ] {
            check(level, category, "x", expected);
        }
        for message in [
            "upstream timeout",
            "timed out",
            "connection failed",
            "connection to peer was refused",
            "connection refused",
            "authentication error",
            "authorization failed",
            "payment failed",
            "payment for order 5 was declined",
            "cannot read user data",
        ] {
            check(Level::ERROR, "general", message, High);
            check(Level::WARN, "general", message, Medium);
        }
        for message in [
            "connections were fine until the disk with old backups failed",
            "author failed",
            "users data",
            "repayment failed",
        ] {
            check(Level::ERROR, "general", message, Medium);
        }
    }

    #[test]
    fn every_rule_of_the_table_suggests_its_actions() {
        for (level, category, message, expected) in [
            (Level::FATAL, "general", "service down", "immediate_alert escalate_to_oncall create_incident"),
            (Level::ERROR, "general", "service down", "immediate_alert escalate_to_oncall create_incident"),
            (Level::FATAL, "security", "x", "immediate_alert security_team_notification lockdown_mode"),
            (Level::ERROR, "general", "data loss", "immediate_alert backup_verification data_recovery"),
            (Level::ERROR, "database", "x", "alert_dba check_connections monitor_performance"),
            (Level::ERROR, "authentication", "x", "monitor_brute_force user_notification"),
            (Level::ERROR, "api", "x", "api_health_check performance_monitoring"),
            (Level::WARN, "performance", "x", "performance_monitoring resource_check"),
            (Level::INFO, "business", "x", "analytics_tracking business_metrics"),
            (Level::WARN, "business", "x", ""),
            (Level::WARN, "database", "x", ""),
            (Level::INFO, "performance", "x", ""),
            (
                Level::FATAL,
                "security",
                "service down",
                "immediate_alert escalate_to_oncall create_incident security_team_notification lockdown_mode",
            ),
        ] {
            let actions = triage(&record(level, category, message)).actions;
            assert_eq!(actions.join(" "), expected, "{level} {category} {message}");
        }
    }

    #[test]
    fn measures_suggest_actions_from_a_warning_on() {
        let with = |level, duration, memory| {
            let base = record(level, "general", "x");
            triage(&Record { duration_ms: duration, memory_usage: memory, ..base }).actions
        };
        assert_eq!(with(Level::WARN, Some(5_001.0), None), ["performance_monitoring", "resource_check"]);
        assert_eq!(with(Level::ERROR, None, Some(0.81)), ["memory_monitoring", "garbage_collection"]);
        for (level, duration, memory) in [
            (Level::WARN, Some(5_000.0), Some(0.8)),
            (Level::WARN, None, Some(73_400_320.0)),
            (Level::INFO, Some(9_000.0), Some(0.9)),
        ] {
            assert!(with(level, duration, memory).is_empty());
        }
    }

    #[test]
    fn every_action_has_a_code() {
        for category in ["database", "authentication", "api", "performance", "security"] {
            let mut all = record(Level::FATAL, category, "service down, data loss");
            all.memory_usage = Some(0.9);
            for suggested in triage(&all).actions {
                assert_eq!(action(suggested), Some(suggested));
            }
        }
        for suggested in triage(&record(Level::INFO, "business", "x")).actions {
            assert_eq!(action(suggested), Some(suggested));
        }
        assert_eq!(action("sudo"), None);
    }
}
