//! Every name that may stand in the configuration, in one table: what it is, what it may be, what it is by default,
//! whether it is secret, and a line about it. The check, the command line and `docs/operating/configuration.md` all
//! come from here; a key that is not in the table does not exist.
//!
//! Three kinds of name: *used*; *mapped*, another service's name for one of ours; and *refused*, a name that the
//! prototype knew and that would change nothing here. Refusing by name beats ignoring: nobody should believe that a
//! setting holds when it does not.

use crate::time::Millis;

/// One name and all that is known about it.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// As written in `wrangler.toml`, `.dev.vars` or `wrangler secret put`.
    pub name: &'static str,
    /// The heading under which the documentation lists it.
    pub area: Area,
    /// Used, mapped or refused.
    pub status: Status,
    /// What it does, in one sentence.
    pub doc: &'static str,
}

/// What becomes of a value under this name.
#[derive(Clone, Copy, Debug)]
pub enum Status {
    /// It is a setting of ours.
    Used {
        /// What values look like.
        kind: Kind,
        /// The value where none is given.
        default: DefaultValue,
        /// Whether a domain may have its own value.
        per_domain: bool,
    },
    /// It is another name for the setting `to`.
    Mapped {
        /// The name of a used key.
        to: &'static str,
        /// The unit of a bare number, where it differs from the unit of `to`.
        bare: Option<TimeUnit>,
    },
    /// It is a problem; `doc` says why.
    Refused {
        /// What to do instead.
        instead: &'static str,
    },
}

/// What a value may look like.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// One line of text of at most this many bytes.
    Text(usize),
    /// A host name.
    DomainName,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A time zone: a rule of POSIX, or one of some names.
    TimeZone,
    /// `true` or `false`.
    Flag,
    /// A whole number of something, both ends included.
    Count {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// A span of time, both ends included: a bare number of milliseconds, or a number with ms, s, m, h or d.
    Duration {
        /// The shortest.
        min: Millis,
        /// The longest.
        max: Millis,
    },
    /// A web address that may be shown up to its port.
    Address,
    /// Field names, separated by commas; `none` for an empty list.
    Names,
    /// Origins, separated by commas; `none` for an empty list.
    Origins,
    /// A secret of at least 32 random characters.
    Secret,
    /// A secret that another service gave us, of a form that we do not choose.
    ForeignSecret,
    /// `whsec_` and base64.
    WebhookSecret,
    /// A web address that carries a token in its path.
    SecretAddress,
}

/// The unit of a bare number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Milliseconds, everywhere but where a foreign key says otherwise.
    Milliseconds,
    /// Seconds.
    Seconds,
}

/// The value of a key that nobody set.
#[derive(Clone, Copy, Debug)]
pub enum DefaultValue {
    /// None: it must be set.
    Required,
    /// None: the feature is off, or the limit does not exist.
    Absent,
    /// This, everywhere.
    Same(&'static str),
    /// These in development, staging and production.
    ByEnvironment([&'static str; 3]),
}

/// Headings of the documentation, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// Who we are.
    Service,
    /// Keys, tokens, browsers.
    Access,
    /// What may come in.
    Intake,
    /// What is removed.
    Redaction,
    /// Where it goes and how long it stays.
    Storage,
    /// The data service.
    DataService,
    /// When people are told, and how.
    Alerts,
    /// Searching and tailing.
    Reading,
}

impl Area {
    /// All headings in order.
    pub const ALL: [Self; 8] = [
        Self::Service,
        Self::Access,
        Self::Intake,
        Self::Redaction,
        Self::Storage,
        Self::DataService,
        Self::Alerts,
        Self::Reading,
    ];

    /// The heading's text.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Service => "Service",
            Self::Access => "Access",
            Self::Intake => "Intake",
            Self::Redaction => "Redaction",
            Self::Storage => "Storage",
            Self::DataService => "Data service",
            Self::Alerts => "Alerts",
            Self::Reading => "Reading",
        }
    }
}

impl Kind {
    /// Whether values are never shown.
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::ForeignSecret | Self::WebhookSecret | Self::SecretAddress)
    }
}

/// The words of ENVIRONMENT.
pub(super) const ENVIRONMENTS: &[&str] = &["development", "staging", "production"];
/// The words of STORAGE_MODE.
pub(super) const STORAGE_MODES: &[&str] = &["local", "hybrid", "full"];
/// The words of LOG_LEVEL and D1_RECORD_LEVEL.
pub(super) const LEVELS: &[&str] = &["trace", "debug", "info", "warn", "error", "fatal"];

/// The entry for `name`; `None` if there is no such name.
pub fn find(name: &str) -> Option<&'static KeySpec> {
    KEYS.iter().find(|spec| spec.name == name)
}

const fn used(name: &'static str, area: Area, kind: Kind, default: DefaultValue, doc: &'static str) -> KeySpec {
    KeySpec { name, area, status: Status::Used { kind, default, per_domain: false }, doc }
}

const fn per_domain(name: &'static str, area: Area, kind: Kind, default: DefaultValue, doc: &'static str) -> KeySpec {
    KeySpec { name, area, status: Status::Used { kind, default, per_domain: true }, doc }
}

const fn mapped(name: &'static str, area: Area, to: &'static str, doc: &'static str) -> KeySpec {
    KeySpec { name, area, status: Status::Mapped { to, bare: None }, doc }
}

const fn refused(name: &'static str, area: Area, instead: &'static str, doc: &'static str) -> KeySpec {
    KeySpec { name, area, status: Status::Refused { instead }, doc }
}

const fn count(min: u64, max: u64, unit: &'static str) -> Kind {
    Kind::Count { min, max, unit }
}

const fn span(min_ms: i64, max: Millis) -> Kind {
    Kind::Duration { min: Millis(min_ms), max }
}

use Area::{Access, Alerts, DataService, Intake, Reading, Redaction, Service, Storage};
use DefaultValue::{Absent, ByEnvironment, Required, Same};

/// The table. Lower ends of durations are short enough for tests that run in seconds; upper ends are where a value
/// stops being a choice and becomes a mistake.
#[rustfmt::skip]
pub const KEYS: &[KeySpec] = &[
    // Service.
    used("ENVIRONMENT", Service, Kind::Choice(ENVIRONMENTS), Required, "Which deployment this is. It decides defaults, and only `development` may relax anything."),
    used("SERVICE_NAME", Service, Kind::Text(64), Same("sapwood"), "The name in `/health`, in metrics and in alerts."),
    used("LOG_LEVEL", Service, Kind::Choice(LEVELS), ByEnvironment(["debug", "info", "info"]), "The least serious of our own messages that is written to the console."),
    refused("METRICS_ENABLED", Service, "leave it out", "Counting cannot be switched off: the sums that show that no record was lost are made of it."),
    // Access.
    used("KEY_SIGNING_SECRET", Access, Kind::Secret, Required, "Signs API keys. Whoever has it can make keys for every domain."),
    used("KEY_SIGNING_SECRET_PREVIOUS", Access, Kind::Secret, Absent, "The signing secret before the last rotation: keys that it signed stay valid while it is set."),
    used("AUTH_JWT_SECRET", Access, Kind::Secret, Absent, "The HS256 secret shared with the auth service. Without it user tokens are refused."),
    used("AUTH_JWT_SECRET_PREVIOUS", Access, Kind::Secret, Absent, "The token secret before the last rotation."),
    used("AUTH_JWT_AUDIENCE", Access, Kind::Text(128), Absent, "If set, a user token must name it in `aud`."),
    used("API_KEY", Access, Kind::Secret, Absent, "The operator's key: admin on every domain, the domain named in `X-Sapwood-Domain`."),
    used("X_SERVICE_KEY", Access, Kind::Secret, Absent, "The key that sibling services present in `X-Service-Key`; they write to SERVICE_DOMAIN."),
    used("SERVICE_DOMAIN", Access, Kind::DomainName, Absent, "The domain that callers with X_SERVICE_KEY read and write."),
    used("REQUIRE_AUTH", Access, Kind::Flag, Same("true"), "`false` lets callers without a credential read and write; refused outside development."),
    used("ALLOWED_ORIGINS", Access, Kind::Origins, ByEnvironment(["http://localhost:3000,http://localhost:8000", "https://staging.tamyla.com", "https://tamyla.com,https://wetechfounders.com"]), "Origins whose pages may call us, as `https://app.example.com`, `https://*.example.com` or `*`. Development allows every loopback origin besides."),
    mapped("JWT_SECRET", Access, "AUTH_JWT_SECRET", "The prototype's name for it."),
    refused("ENCRYPTION_KEY", Access, "leave it out; API keys are signed with KEY_SIGNING_SECRET", "The prototype demanded it and encrypted nothing with it. Storage is encrypted by the platform."),
    refused("AUTH_SERVICE_URL", Access, "AUTH_JWT_SECRET", "Tokens are verified here; no record waits for another service."),
    refused("AUTH_SERVICE_API_KEY", Access, "AUTH_JWT_SECRET", "The auth service is not called."),
    // Intake.
    used("MAX_LOG_SIZE", Intake, count(1_024, 33_554_432, "bytes"), Same("10485760"), "The largest request body, as sent and again after decompression. The isolate has 128 MB for everything."),
    used("MAX_RECORDS", Intake, count(1, 10_000, "records"), Same("10000"), "The most records in one request."),
    per_domain("RECORDS_PER_DAY", Intake, count(1, 1_000_000_000_000, "records"), Absent, "A domain's quota. Beyond it records are counted, not kept (`counted_only`). Absent: no quota."),
    per_domain("COMPONENTS_MAX", Intake, count(1, 1_000, "components"), Same("200"), "The most components of a domain; records of further ones go to `other`, counted."),
    per_domain("LATENESS", Intake, span(0, Millis::from_hours(24)), Same("5m"), "How late a record may be and still enter the window that its timestamp names for alerting."),
    used("IDEMPOTENCY_WINDOW", Intake, span(1_000, Millis::from_hours(168)), Same("24h"), "How long a repeated `Idempotency-Key` or record id is recognized."),
    used("SHARDS_MAX", Intake, count(1, 16, "objects"), Same("8"), "Over how many objects a component that is too hot for one is spread at most. 1: none is split by itself."),
    used("SHARD_RECORDS", Intake, count(1, 1_000_000, "records a second"), Same("20000"), "What one object of a component should take; one that had more for a minute is split."),
    used("SHARD_REQUESTS", Intake, count(1, 100_000, "requests a second"), Same("400"), "The same in requests: an object answers about a thousand a second at most."),
    used("OBJECT_TIMEOUT", Intake, span(50, Millis::from_mins(5)), Same("10s"), "How long a call to an object may take before it counts as failed."),
    mapped("TIMEOUT_MS", Intake, "OBJECT_TIMEOUT", "The prototype's request timeout."),
    refused("COMPRESSION_ENABLED", Intake, "leave it out", "Segments are always compressed, and gzip bodies always accepted."),
    refused("RATE_LIMIT_PER_MINUTE", Intake, "RECORDS_PER_DAY", "It counted requests of a client; limits here count records of a domain."),
    refused("RATE_LIMIT_PER_HOUR", Intake, "RECORDS_PER_DAY", "It counted requests of a client; limits here count records of a domain."),
    refused("RATE_LIMIT_PER_DAY", Intake, "RECORDS_PER_DAY", "It counted requests of a client; limits here count records of a domain, and its default would cap one at 1.2 a second."),
    refused("ENABLE_AUTO_TRIAGING", Intake, "leave it out", "Every record is categorized and triaged."),
    refused("PATTERN_DETECTION_ENABLED", Intake, "leave it out", "Patterns are what records are counted by."),
    // Redaction.
    per_domain("REDACT_EMAIL", Redaction, Kind::Flag, Same("true"), "Whether e-mail addresses are removed from messages and fields."),
    per_domain("REDACT_IP", Redaction, Kind::Flag, Same("false"), "Whether IP addresses are removed from messages and fields."),
    per_domain("REDACT_NAMES", Redaction, Kind::Names, Absent, "Further field names whose values are removed with all below them, in any case. A domain's list replaces this one; the built-in names always hold."),
    // Storage.
    used("STORAGE_MODE", Storage, Kind::Choice(STORAGE_MODES), Same("hybrid"), "`local`: objects and KV only. `hybrid`: D1 and the data service besides, ours authoritative. `full`: the data service is the historian and old reads fall through to it."),
    per_domain("RETENTION_DAYS", Storage, count(1, 3_650, "days"), ByEnvironment(["30", "90", "365"]), "How long records are kept."),
    per_domain("RETENTION_DAYS_DEBUG", Storage, count(1, 3_650, "days"), Absent, "How long debug and trace records are kept, if not as long as the others."),
    per_domain("RETENTION_DAYS_INFO", Storage, count(1, 3_650, "days"), Absent, "How long informational records are kept, if not as long as the others."),
    per_domain("RETENTION_BYTES", Storage, count(100_000, 10_000_000_000, "bytes"), Absent, "The most that the database of a component may hold. Above it debug records leave first, then informational ones, then the oldest."),
    per_domain("RETENTION_BRIEF_PATTERNS", Storage, Kind::Names, Absent, "Ids of patterns whose records leave with debug records, whatever their level."),
    per_domain("RETENTION_LASTING_PATTERNS", Storage, Kind::Names, Absent, "Ids of patterns whose records stay for RETENTION_DAYS, whatever their level."),
    used("FLUSH_INTERVAL", Storage, span(100, Millis::from_hours(1)), Same("30s"), "How long rows wait at most before they go to D1 and the data service."),
    per_domain("D1_RECORD_LEVEL", Storage, Kind::Choice(LEVELS), Same("warn"), "The least serious records that are copied to D1; exemplars of patterns are always copied."),
    mapped("BATCH_SIZE", Storage, "BULK_INSERT_SIZE", "The prototype's name for it."),
    KeySpec { name: "AGGREGATION_INTERVAL", area: Storage, status: Status::Mapped { to: "FLUSH_INTERVAL", bare: Some(TimeUnit::Seconds) }, doc: "Rollups leave with the flush. A bare number is in seconds, as it was in the prototype." },
    refused("KV_TTL", Storage, "RETENTION_DAYS", "KV holds no records."),
    refused("CACHE_TTL", Storage, "leave it out", "Replies are not cached; what KV holds is rewritten when it changes."),
    refused("D1_BATCH_SIZE", Storage, "FLUSH_INTERVAL", "Statements are as large as D1 allows; how often they leave is what can be chosen."),
    refused("BACKUP_ENABLED", Storage, "STORAGE_MODE=full", "It was read by nothing. The data service is the second copy."),
    refused("TRENDS_RETENTION_DAYS", Storage, "RETENTION_DAYS", "Rollups live as long as the records that they count."),
    // Data service.
    used("DATA_SERVICE_URL", DataService, Kind::Address, Absent, "Where the data service is. A trailing `/api` is dropped: paths carry it already. Absent: nothing is sent."),
    used("DATA_SERVICE_API_KEY", DataService, Kind::ForeignSecret, Absent, "What we send as `X-Service-Key`: the value of X_SERVICE_KEY over there. Absent: our own X_SERVICE_KEY is sent."),
    used("DATA_SERVICE_TIMEOUT", DataService, span(50, Millis::from_mins(1)), Same("5s"), "How long one call may take."),
    used("BULK_INSERT_SIZE", DataService, count(1, 100, "records"), Same("50"), "Records in one call; the data service takes 100 at most."),
    mapped("INTEGRATION_TIMEOUT", DataService, "DATA_SERVICE_TIMEOUT", "The prototype's timeout for every integration; the data service is the one that is left."),
    refused("INTEGRATION_RETRIES", DataService, "leave it out", "What could not be delivered waits in the outbox until it is, at the pace of WEBHOOK_RETRY_MAX and BREAKER_OPEN."),
    refused("CONTENT_SKIMMER_URL", DataService, "leave it out", "The skimmer has no door for analysing text."),
    refused("CONTENT_SKIMMER_API_KEY", DataService, "leave it out", "The skimmer is not called."),
    // Alerts.
    per_domain("ALERTS_ENABLED", Alerts, Kind::Flag, Same("true"), "Whether alerts are sent. Incidents are kept either way."),
    per_domain("WEBHOOK_URL", Alerts, Kind::Address, Absent, "Receives alerts as signed webhooks. https and a public host, outside development."),
    per_domain("WEBHOOK_SECRET", Alerts, Kind::WebhookSecret, Absent, "Signs webhooks (Standard Webhooks). A domain with its own WEBHOOK_URL needs its own."),
    per_domain("SLACK_WEBHOOK_URL", Alerts, Kind::SecretAddress, Absent, "Receives alerts as Slack messages. Secret: whoever knows it can post."),
    per_domain("ALERT_COOLDOWN", Alerts, span(0, Millis::from_hours(168)), Same("10m"), "How long an incident stays quiet after a message about it."),
    per_domain("ALERT_GROUP_WINDOW", Alerts, span(0, Millis::from_hours(1)), Same("1m"), "How long a message waits for others to join it."),
    per_domain("TIME_ZONE", Alerts, Kind::TimeZone, Same("UTC"), "Whose clocks the hours and days of a rhythm go by, so that a change of daylight saving is none of it: a rule such as `CET-1CEST,M3.5.0,M10.5.0/3` (the last line of a file of the zone database), or one of [some names](../decisions/0076-trends-drifts-combinations-and-a-domains-share.md#names-of-zones)."),
    per_domain("CRITICAL_THRESHOLD", Alerts, count(1, 1_000_000, "errors a minute"), Same("10"), "The rate below which there is no burst, however unusual it is."),
    per_domain("BURST_FACTOR", Alerts, count(2, 1_000, "times the usual rate"), Same("3"), "How far above what is usual a burst begins."),
    used("WEBHOOK_RETRY_BASE", Alerts, span(50, Millis::from_mins(10)), Same("5s"), "The wait before the second attempt of a delivery; it doubles from there."),
    used("WEBHOOK_RETRY_MAX", Alerts, span(50, Millis::from_hours(24)), Same("1h"), "The longest wait between two attempts."),
    used("BREAKER_FAILURES", Alerts, count(1, 1_000, "failures in a row"), Same("5"), "After how many failures D1 or the data service is left alone."),
    used("BREAKER_OPEN", Alerts, span(50, Millis::from_hours(1)), Same("1m"), "For how long."),
    refused("WARNING_THRESHOLD", Alerts, "CRITICAL_THRESHOLD and BURST_FACTOR", "A burst is judged against what is usual; there is no second fixed threshold."),
    refused("ANOMALY_DETECTION_ENABLED", Alerts, "ALERTS_ENABLED", "Detection costs nothing extra; what can be switched off is the sending."),
    refused("EMAIL_ALERTS", Alerts, "WEBHOOK_URL or SLACK_WEBHOOK_URL", "Mail is not a target yet."),
    // Reading.
    used("SEARCH_DEADLINE", Reading, span(50, Millis::from_mins(1)), Same("5s"), "After how long a search answers with what it has, marked `partial`."),
    used("TAIL_VIEWERS_MAX", Reading, count(1, 1_000, "sockets"), Same("32"), "The most live tails of one domain."),
    refused("SEARCH_RATE_LIMIT_PER_MINUTE", Reading, "SEARCH_DEADLINE", "A search is bounded by its deadline and its fan-out, not by a count."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_say_what_their_names_say() {
        let flag = used("A", Area::Reading, Kind::Flag, Same("true"), "a.");
        assert!(matches!(flag.status, Status::Used { kind: Kind::Flag, default: Same("true"), per_domain: false }));
        let own = per_domain("B", Area::Reading, count(1, 2, "x"), Absent, "b.");
        let two = Kind::Count { min: 1, max: 2, unit: "x" };
        assert!(
            matches!(own.status, Status::Used { kind, per_domain: true, .. } if format!("{kind:?}") == format!("{two:?}"))
        );
        let foreign = mapped("C", Area::Reading, "A", "c.");
        assert!(matches!(foreign.status, Status::Mapped { to: "A", bare: None }));
        let gone = refused("D", Area::Reading, "A", "d.");
        assert!(matches!(gone.status, Status::Refused { instead: "A" }));
        let whole = span(5, Millis::from_secs(1));
        assert!(matches!(whole, Kind::Duration { min: Millis(5), max: Millis(1_000) }));
        assert_eq!((flag.name, own.area, foreign.doc), ("A", Area::Reading, "c."));
    }

    #[test]
    fn names_are_found_exactly() {
        assert_eq!(find("API_KEY").map(|spec| spec.name), Some("API_KEY"));
        assert!(find("api_key").is_none() && find("").is_none());
    }
}
