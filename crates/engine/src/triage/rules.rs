//! The pattern rules: what one record looks like (an attack, a leak, a full disk ...), with advice.
//!
//! They are the prototype's rules, judged by whole words and phrases; a number is an HTTP status only where the record
//! says so ([`status`]), not inside any other number. They are computed when a record is read, never on intake.

use crate::level::LevelClass;
use crate::normalize::status;
use crate::normalize::words::Words;
use crate::record::{Defect, Record};

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleKind {
    /// Attacks.
    Security,
    /// Slowness and resources.
    Performance,
    /// Faults of parts.
    Error,
    /// What the business wants to know.
    Business,
    /// How the API is used.
    Api,
    /// What is unusual about the record itself.
    Anomaly,
}

impl RuleKind {
    /// The word used in every reply.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Security => "security",
            Self::Performance => "performance",
            Self::Error => "error",
            Self::Business => "business",
            Self::Api => "api",
            Self::Anomaly => "anomaly",
        }
    }
}

/// How grave a match is, gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleSeverity {
    /// Act now.
    Critical,
    /// Act today.
    High,
    /// Plan to act.
    Medium,
    /// Know about it.
    Low,
    /// Count it.
    Info,
}

impl RuleSeverity {
    /// The word used in every reply.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Info => "info",
        }
    }
}

/// A rule that matched a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleMatch {
    /// What the rule is about.
    pub kind: RuleKind,
    /// Stable name.
    pub name: &'static str,
    /// How grave.
    pub severity: RuleSeverity,
    /// How sure, in hundredths.
    pub confidence: u8,
    /// What it means.
    pub description: &'static str,
    /// What to do.
    pub recommendation: &'static str,
}

/// A rule and its test.
struct Rule {
    kind: RuleKind,
    name: &'static str,
    severity: RuleSeverity,
    confidence: u8,
    description: &'static str,
    recommendation: &'static str,
    matches: fn(&Seen<'_>) -> bool,
}

/// What the tests look at.
struct Seen<'a> {
    record: &'a Record,
    words: Words,
    status: Option<u16>,
}

impl Seen<'_> {
    fn phrase(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.words.has(phrase))
    }

    /// A word of each list occurs, at most five words apart.
    fn near(&self, one: &str, other: &str) -> bool {
        self.words.has_near(one, other, 5)
    }

    fn duration_over(&self, limit_ms: f64) -> bool {
        self.record.duration_ms.is_some_and(|duration| duration > limit_ms)
    }

    fn status_in(&self, list: &[u16]) -> bool {
        self.status.is_some_and(|status| list.contains(&status))
    }

    fn contains(&self, needle: &str) -> bool {
        let message = self.record.message.as_bytes();
        message.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle.as_bytes()))
    }
}

/// Words that say that something did not work.
const FAILED: &str = "failed failure failures fails failing refused reset lost declined rejected denied error timeout";

use RuleKind::{Anomaly, Api, Business, Error, Performance, Security};
use RuleSeverity::{Critical, High, Info, Low, Medium};

const RULES: &[Rule] = &[
    Rule {
        kind: Security,
        name: "brute_force_attempt",
        severity: High,
        confidence: 80,
        description: "Repeated failed logins: somebody may be guessing passwords",
        recommendation: "Lock the account or the address out for a while and require a second factor",
        matches: |seen| {
            seen.phrase(&[
                "brute force",
                "too many login attempts",
                "too many failed login attempts",
                "failed login attempts",
            ]) || seen.words.has_any("bruteforce")
                || (seen.near("multiple repeated many", "attempts failures logins")
                    && seen.words.has_any("login logins password signin"))
        },
    },
    Rule {
        kind: Security,
        name: "sql_injection",
        severity: Critical,
        confidence: 90,
        description: "The input carries SQL: an injection attempt",
        recommendation: "Use bound parameters everywhere and check what the query returned",
        matches: |seen| {
            let quoted = || seen.record.message.contains(['\'', '"', ';']) || seen.record.message.contains("--");
            seen.phrase(&["sql injection"])
                || seen.words.has_any("sqli")
                || (seen.phrase(&["union select", "union all select", "or 1 1", "drop table"]) && quoted())
        },
    },
    Rule {
        kind: Security,
        name: "xss_attempt",
        severity: High,
        confidence: 70,
        description: "The input carries script: a cross-site scripting attempt",
        recommendation: "Escape output, sanitise input, and set a Content-Security-Policy",
        matches: |seen| {
            seen.words.has_any("xss")
                || seen.phrase(&["cross site scripting"])
                || ["<script", "javascript:alert", "onerror="].iter().any(|markup| seen.contains(markup))
        },
    },
    Rule {
        kind: Performance,
        name: "slow_query",
        severity: Medium,
        confidence: 60,
        description: "A database query took too long",
        recommendation: "Look at the plan of the query and add the index it lacks",
        matches: |seen| {
            seen.phrase(&["slow query", "slow queries"])
                || (seen.duration_over(5_000.0)
                    && (seen.record.category == "database" || seen.words.has_any("query queries sql")))
        },
    },
    Rule {
        kind: Performance,
        name: "memory_leak",
        severity: High,
        confidence: 80,
        description: "Memory is leaking or exhausted",
        recommendation: "Compare heap snapshots and release what is no longer used",
        matches: |seen| {
            seen.phrase(&["out of memory", "heap limit"])
                || seen.near("memory heap", "leak leaks leaked leaking exhausted exhaustion")
        },
    },
    Rule {
        kind: Performance,
        name: "high_cpu_usage",
        severity: Medium,
        confidence: 60,
        description: "The processor is busy",
        recommendation: "Watch the load and profile what runs",
        matches: |seen| {
            seen.near("cpu processor", "high spike spikes overload overloaded exceeded exceeds saturated throttled")
        },
    },
    Rule {
        kind: Error,
        name: "connection_failure",
        severity: High,
        confidence: 80,
        description: "A connection could not be made or was lost",
        recommendation: "Check that the peer is up and can be reached",
        matches: |seen| {
            seen.near("connection connections connect connecting", FAILED)
                || seen.phrase(&["connection timed out", "unable to connect", "could not connect", "cannot connect"])
                || seen.words.has_any("econnrefused econnreset ehostunreach enotfound")
        },
    },
    Rule {
        kind: Error,
        name: "service_unavailable",
        severity: High,
        confidence: 90,
        description: "A service does not answer",
        recommendation: "Check its health and open the circuit breaker in front of it",
        matches: |seen| {
            seen.phrase(&[
                "service unavailable",
                "service is unavailable",
                "service down",
                "service is down",
                "bad gateway",
            ]) || seen.status_in(&[502, 503, 504])
        },
    },
    Rule {
        kind: Error,
        name: "disk_space_issue",
        severity: Critical,
        confidence: 90,
        description: "The disk is full or nearly so",
        recommendation: "Free space, and rotate or move what grows",
        matches: |seen| {
            seen.phrase(&["disk full", "disk is full", "no space left", "out of disk space", "low disk space"])
                || seen.words.has_any("enospc")
                || (seen.phrase(&["disk space"]) && seen.words.has_any("low insufficient exhausted critical full"))
        },
    },
    Rule {
        kind: Business,
        name: "payment_failure",
        severity: High,
        confidence: 80,
        description: "A payment did not go through",
        recommendation: "Check the payment gateway and tell the customer",
        matches: |seen| seen.near("payment payments", FAILED),
    },
    Rule {
        kind: Business,
        name: "user_registration",
        severity: Info,
        confidence: 70,
        description: "Somebody registered",
        recommendation: "Count it as a business metric",
        matches: |seen| {
            seen.phrase(&[
                "user registered",
                "user registration",
                "new user registered",
                "account created",
                "signed up",
            ])
        },
    },
    Rule {
        kind: Business,
        name: "data_export",
        severity: Info,
        confidence: 60,
        description: "Data was exported",
        recommendation: "Make sure that the export was allowed and is recorded",
        matches: |seen| {
            seen.phrase(&["data export", "data exported", "exported data", "export completed", "export finished"])
        },
    },
    Rule {
        kind: Api,
        name: "rate_limit_exceeded",
        severity: Medium,
        confidence: 80,
        description: "A rate limit was reached",
        recommendation: "Back off, spread the calls, or ask for more",
        matches: |seen| {
            seen.status_in(&[429])
                || seen.phrase(&[
                    "rate limit exceeded",
                    "rate limited",
                    "rate limit reached",
                    "too many requests",
                    "quota exceeded",
                ])
        },
    },
    Rule {
        kind: Api,
        name: "authentication_error",
        severity: Medium,
        confidence: 70,
        description: "A caller could not be authenticated",
        recommendation: "Check whether its token or key has expired",
        matches: |seen| {
            seen.status_in(&[401])
                || seen.words.has_any("unauthorized unauthorised unauthenticated")
                || seen.phrase(&[
                    "authentication failed",
                    "authentication error",
                    "invalid token",
                    "token expired",
                    "token has expired",
                ])
        },
    },
    Rule {
        kind: Api,
        name: "validation_error",
        severity: Low,
        confidence: 60,
        description: "The input was refused",
        recommendation: "Tell the caller which field is wrong and why",
        matches: |seen| {
            seen.status_in(&[400, 422])
                || seen.phrase(&[
                    "validation failed",
                    "validation error",
                    "invalid input",
                    "bad request",
                    "is required",
                ])
        },
    },
    Rule {
        kind: Anomaly,
        name: "extremely_long_message",
        severity: Medium,
        confidence: 70,
        description: "The message is longer than 5000 characters",
        recommendation: "Log the data as attributes, or less of it",
        matches: |seen| seen.record.message.chars().nth(5_000).is_some(),
    },
    Rule {
        kind: Anomaly,
        name: "unusual_characters",
        severity: Low,
        confidence: 60,
        description: "Control characters were sent",
        recommendation: "Check the encoding, and whether somebody tries to forge lines",
        matches: |seen| seen.record.defects.contains(&Defect::ControlCharacters),
    },
    Rule {
        kind: Anomaly,
        name: "deep_stack_trace",
        severity: Medium,
        confidence: 60,
        description: "The stack trace has more than 50 lines",
        recommendation: "Look for endless recursion",
        matches: |seen| seen.record.stack_trace.as_deref().is_some_and(|stack| stack.lines().nth(50).is_some()),
    },
    Rule {
        kind: Anomaly,
        name: "potential_error_spike",
        severity: Medium,
        confidence: 50,
        description: "A component reported an error",
        recommendation: "See whether more of its errors follow",
        matches: |seen| {
            seen.record.level.class() >= LevelClass::Error
                && !seen.record.component.is_empty()
                && seen.record.component != crate::normalize::COMPONENT_UNKNOWN
        },
    },
    Rule {
        kind: Anomaly,
        name: "extremely_long_operation",
        severity: High,
        confidence: 80,
        description: "An operation took longer than 30 seconds",
        recommendation: "Give it a deadline, or move it off the request",
        matches: |seen| seen.duration_over(30_000.0),
    },
    Rule {
        kind: Anomaly,
        name: "unusual_time_activity",
        severity: Low,
        confidence: 40,
        description: "Business activity before 6 or after 22 h UTC",
        recommendation: "Check whether the activity is expected at this hour",
        matches: |seen| {
            let hour = seen.record.timestamp.0.rem_euclid(86_400_000) / 3_600_000;
            seen.record.category == "business" && !(6..22).contains(&hour)
        },
    },
];

/// The rules that match a record, gravest first, then surest, then in order of the table.
pub fn rules(record: &Record) -> Vec<RuleMatch> {
    let words = Words::of(&record.message, record.defects.contains(&Defect::ControlCharacters));
    let status = status::of(&words, &record.attributes);
    let seen = Seen { record, words, status };
    let mut found: Vec<RuleMatch> = RULES
        .iter()
        .filter(|rule| (rule.matches)(&seen))
        .map(|rule| RuleMatch {
            kind: rule.kind,
            name: rule.name,
            severity: rule.severity,
            confidence: rule.confidence,
            description: rule.description,
            recommendation: rule.recommendation,
        })
        .collect();
    found.sort_by_key(|rule| (rule.severity, 100 - rule.confidence));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Level;
    use crate::time::Timestamp;

    fn names(message: &str) -> Vec<&'static str> {
        let record = Record { message: message.into(), ..Record::default() };
        rules(&record).into_iter().map(|rule| rule.name).collect()
    }

    #[test]
    fn each_rule_knows_its_words() {
        for (message, expected) in [
            ("possible brute force against admin", "brute_force_attempt"),
            ("multiple failed login attempts for bob", "brute_force_attempt"),
            ("SQL injection blocked", "sql_injection"),
            ("input: ' OR 1=1 --", "sql_injection"),
            ("q=x' UNION SELECT password", "sql_injection"),
            ("name was <SCRIPT>alert(1)</script>", "xss_attempt"),
            ("slow query on users", "slow_query"),
            ("possible memory leak", "memory_leak"),
            ("JavaScript heap out of memory", "memory_leak"),
            ("CPU usage is high", "high_cpu_usage"),
            ("connection to db01 refused", "connection_failure"),
            ("connect ECONNREFUSED", "connection_failure"),
            ("upstream returned 503", "service_unavailable"),
            ("Service Unavailable", "service_unavailable"),
            ("ENOSPC", "disk_space_issue"),
            ("low disk space on node 3", "disk_space_issue"),
            ("payment of order 7 was declined", "payment_failure"),
            ("new user registered", "user_registration"),
            ("data export finished", "data_export"),
            ("status 429", "rate_limit_exceeded"),
            ("rate limit exceeded", "rate_limit_exceeded"),
            ("GET /x HTTP/1.1 401", "authentication_error"),
            ("token has expired", "authentication_error"),
            ("400 Bad Request", "validation_error"),
        ] {
            assert!(names(message).contains(&expected), "{message}: {:?}", names(message));
        }
    }

    #[test]
    fn numbers_and_parts_of_words_match_nothing() {
        for message in [
            "order 400401 shipped",
            "took 503 ms",
            "429 items in 401 boxes",
            "repayments failing nobody",
            "the disconnected author",
            "exported 3 rows",
            "disk ok, space enough",
            "memory ok",
            "dropped the table",
            "select a union rep",
            "describe the scripting <b>",
            "cpu ok",
            "slow food",
            "a userregistration",
        ] {
            assert_eq!(names(message), Vec::<&str>::new(), "{message}");
        }
    }

    #[test]
    fn anomalies_look_at_the_record() {
        let with = |record: Record| rules(&record).into_iter().map(|rule| rule.name).collect::<Vec<_>>();
        let base = || Record { message: "x".into(), ..Record::default() };
        assert_eq!(with(Record { message: "é".repeat(5_001), ..base() }), ["extremely_long_message"]);
        assert!(with(Record { message: "é".repeat(5_000), ..base() }).is_empty());
        assert_eq!(with(Record { defects: vec![Defect::ControlCharacters], ..base() }), ["unusual_characters"]);
        assert_eq!(with(Record { stack_trace: Some("f\n".repeat(51)), ..base() }), ["deep_stack_trace"]);
        assert!(with(Record { stack_trace: Some("f\n".repeat(50)), ..base() }).is_empty());
        assert_eq!(with(Record { duration_ms: Some(30_001.0), ..base() }), ["extremely_long_operation"]);
        let slow = Record { duration_ms: Some(5_001.0), category: "database".into(), ..base() };
        assert_eq!(with(slow), ["slow_query"]);
        let error = |component: &str| Record { level: Level::ERROR, component: component.into(), ..base() };
        assert_eq!(with(error("cart")), ["potential_error_spike"]);
        assert!(with(error("unknown")).is_empty());
        let at = |hour: i64| Record { category: "business".into(), timestamp: Timestamp(hour * 3_600_000), ..base() };
        assert_eq!(with(at(5)), ["unusual_time_activity"]);
        assert_eq!(with(at(-1)), ["unusual_time_activity"]);
        assert!(with(at(6)).is_empty() && with(at(21)).is_empty());
    }

    #[test]
    fn the_gravest_and_surest_come_first() {
        let found = rules(&Record {
            message: "400 Bad Request: SQL injection, rate limit exceeded, connection refused, disk full".into(),
            ..Record::default()
        });
        let order: Vec<_> = found.iter().map(|rule| (rule.severity.word(), rule.confidence, rule.name)).collect();
        assert_eq!(
            order,
            [
                ("critical", 90, "sql_injection"),
                ("critical", 90, "disk_space_issue"),
                ("high", 80, "connection_failure"),
                ("medium", 80, "rate_limit_exceeded"),
                ("low", 60, "validation_error"),
            ]
        );
        assert!(found.iter().all(|rule| !rule.description.is_empty() && !rule.recommendation.is_empty()));
    }

    #[test]
    fn kinds_and_severities_have_words() {
        let kinds = [Security, Performance, Error, Business, Api, Anomaly].map(RuleKind::word);
        assert_eq!(kinds, ["security", "performance", "error", "business", "api", "anomaly"]);
        assert_eq!(
            [Critical, High, Medium, Low, Info].map(RuleSeverity::word),
            ["critical", "high", "medium", "low", "info"]
        );
    }
}
