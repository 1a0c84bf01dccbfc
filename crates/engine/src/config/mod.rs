//! The configuration: one door, behind which everything has been checked.
//!
//! Whoever reads variables and secrets (the Worker's `src/config`, the command line, a test) says them into a
//! [`RawConfig`]; [`Config::check`] turns that into a [`Config`] or into *all* the problems at once. Unknown names are
//! problems: a misspelt limit must not silently be the default. A domain's own values go through the same check
//! ([`Config::with_overrides`]).
//!
//! Invariants: a `Config` exists only if every value is of its kind and in its range and the values go together; no
//! problem and no shown value holds any part of a secret. Left out: reading anything ([`keys`] says what there is to
//! read), and any global: the engine gets its configuration as an argument.

pub mod keys;
mod problem;
mod reference;
mod relations;
mod secret;
mod settings;
mod value;
mod web_address;

pub use problem::{ConfigProblem, ProblemKind};
pub use reference::reference_page;
pub use secret::{SECRET_CHARS_MIN, Secret};
pub use settings::RawConfig;
pub use web_address::{Origin, OriginPattern, WebAddress};

use crate::address::Domain;
use crate::level::{Level, LevelClass};
use crate::time::Millis;
use settings::Settings;
use value::Value;

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// A plain variable, readable by everybody who can read the repository.
    Var,
    /// A secret of the platform.
    Secret,
    /// The table.
    Default,
    /// The domain's own configuration.
    DomainOverride,
}

impl Provenance {
    /// The word under which it is shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Var => "var",
            Self::Secret => "secret",
            Self::Default => "default",
            Self::DomainOverride => "domain override",
        }
    }
}

/// Which deployment this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// A developer's machine; the only one in which rules may be relaxed.
    Development,
    /// The rehearsal.
    Staging,
    /// The real thing.
    Production,
}

impl Environment {
    /// The environment of this name.
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "development" => Self::Development,
            "staging" => Self::Staging,
            "production" => Self::Production,
            _ => return None,
        })
    }

    /// Its name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

/// Where records go beside the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageMode {
    /// Objects and KV only.
    Local,
    /// D1 and the data service besides; ours is authoritative.
    Hybrid,
    /// The data service is the historian; reads fall through to it.
    Full,
}

impl StorageMode {
    /// The mode of this name.
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "local" => Self::Local,
            "hybrid" => Self::Hybrid,
            "full" => Self::Full,
            _ => return None,
        })
    }

    /// Its name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Hybrid => "hybrid",
            Self::Full => "full",
        }
    }
}

/// A setting as people may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveSetting {
    /// The used key.
    pub key: &'static str,
    /// Its value; `set` or `not set` for secrets, scheme and host of other addresses.
    pub shown: String,
    /// Where it comes from.
    pub provenance: Provenance,
    /// The foreign name under which it was given, if it was.
    pub said_as: Option<&'static str>,
}

/// What came of looking at a configuration, good or bad: for the command line, which shows both.
pub struct Survey {
    /// Every used key, in the table's order.
    pub effective: Vec<EffectiveSetting>,
    /// Everything that must be put right; empty if the service would start.
    pub problems: Vec<ConfigProblem>,
}

/// Looks at a configuration without insisting that it is right.
pub fn survey(raw: &RawConfig) -> Survey {
    let mut settings = Settings::collect(raw);
    relations::check(&mut settings);
    Survey { effective: effective(&settings), problems: settings.problems }
}

/// Declares the struct, its accessors, and how each field is read, so that a setting is named once.
macro_rules! settings {
    (
        copied { $($(#[$copied_doc:meta])* $copied:ident: $copied_type:ty = $copied_reader:ident($copied_key:literal);)* }
        borrowed { $($(#[$borrowed_doc:meta])* $borrowed:ident: $borrowed_type:ty = $borrowed_reader:ident($borrowed_key:literal);)* }
        optional { $($(#[$optional_doc:meta])* $optional:ident: $optional_type:ty = $optional_reader:ident($optional_key:literal);)* }
    ) => {
        /// The checked configuration. It has no `Debug`: it holds secrets.
        #[derive(Clone)]
        pub struct Config {
            settings: Settings,
            $($copied: $copied_type,)*
            $($borrowed: $borrowed_type,)*
            $($optional: Option<$optional_type>,)*
        }

        impl Config {
            $($(#[$copied_doc])* pub fn $copied(&self) -> $copied_type { self.$copied })*
            $($(#[$borrowed_doc])* pub fn $borrowed(&self) -> &$borrowed_type { &self.$borrowed })*
            $($(#[$optional_doc])* pub fn $optional(&self) -> Option<&$optional_type> { self.$optional.as_ref() })*

            /// The typed form of settings that have no problems.
            fn from_settings(settings: Settings) -> Result<Self, Vec<ConfigProblem>> {
                let mut reader = Reader { settings: &settings, absent: Vec::new() };
                $(let $copied = reader.$copied_reader($copied_key);)*
                $(let $borrowed = reader.$borrowed_reader($borrowed_key);)*
                $(let $optional = reader.$optional_reader($optional_key);)*
                if !reader.absent.is_empty() {
                    return Err(reader.bugs());
                }
                Ok(Self { $($copied,)* $($borrowed,)* $($optional,)* settings })
            }
        }

        /// The keys that have an accessor.
        #[cfg(test)]
        const READ_KEYS: &[&str] = &[$($copied_key,)* $($borrowed_key,)* $($optional_key,)*];
    };
}

settings! {
    copied {
        /// ENVIRONMENT.
        environment: Environment = environment("ENVIRONMENT");
        /// LOG_LEVEL: the least serious of our own messages that is written.
        log_level: LevelClass = level_class("LOG_LEVEL");
        /// REQUIRE_AUTH; false only in development.
        requires_auth: bool = flag("REQUIRE_AUTH");
        /// MAX_LOG_SIZE: bytes of a request body, as sent and again after decompression.
        body_bytes_max: usize = size("MAX_LOG_SIZE");
        /// MAX_RECORDS: records of one request.
        request_records_max: usize = size("MAX_RECORDS");
        /// RECORDS_PER_DAY: a domain's quota; `None` is no quota.
        records_per_day: Option<u64> = optional_count("RECORDS_PER_DAY");
        /// COMPONENTS_MAX: components of one domain.
        components_max: usize = size("COMPONENTS_MAX");
        /// LATENESS.
        lateness: Millis = span("LATENESS");
        /// IDEMPOTENCY_WINDOW.
        idempotency_window: Millis = span("IDEMPOTENCY_WINDOW");
        /// SHARDS_MAX: objects of a component that is split by itself.
        shards_max: usize = size("SHARDS_MAX");
        /// SHARD_RECORDS: records a second that one object should take.
        shard_records: u64 = count("SHARD_RECORDS");
        /// SHARD_REQUESTS: requests a second that one object should take.
        shard_requests: u64 = count("SHARD_REQUESTS");
        /// OBJECT_TIMEOUT.
        object_timeout: Millis = span("OBJECT_TIMEOUT");
        /// REDACT_EMAIL.
        redacts_email: bool = flag("REDACT_EMAIL");
        /// REDACT_IP.
        redacts_ip: bool = flag("REDACT_IP");
        /// STORAGE_MODE.
        storage_mode: StorageMode = storage_mode("STORAGE_MODE");
        /// RETENTION_DAYS.
        retention_days: u64 = count("RETENTION_DAYS");
        /// RETENTION_DAYS_DEBUG: `None` is as all others.
        retention_days_debug: Option<u64> = optional_count("RETENTION_DAYS_DEBUG");
        /// RETENTION_DAYS_INFO: `None` is as all others.
        retention_days_info: Option<u64> = optional_count("RETENTION_DAYS_INFO");
        /// RETENTION_BYTES: of a component; `None` is no limit.
        retention_bytes: Option<u64> = optional_count("RETENTION_BYTES");
        /// FLUSH_INTERVAL.
        flush_interval: Millis = span("FLUSH_INTERVAL");
        /// D1_RECORD_LEVEL: the least serious records that are copied to D1.
        d1_record_level: LevelClass = level_class("D1_RECORD_LEVEL");
        /// DATA_SERVICE_TIMEOUT.
        data_service_timeout: Millis = span("DATA_SERVICE_TIMEOUT");
        /// BULK_INSERT_SIZE: records in one call to the data service, 1 to 100.
        bulk_insert_size: usize = size("BULK_INSERT_SIZE");
        /// ALERTS_ENABLED.
        alerts_enabled: bool = flag("ALERTS_ENABLED");
        /// ALERT_COOLDOWN.
        alert_cooldown: Millis = span("ALERT_COOLDOWN");
        /// ALERT_GROUP_WINDOW.
        alert_group_window: Millis = span("ALERT_GROUP_WINDOW");
        /// CRITICAL_THRESHOLD: errors a minute below which there is no burst.
        critical_threshold: u64 = count("CRITICAL_THRESHOLD");
        /// BURST_FACTOR: times the usual rate.
        burst_factor: u64 = count("BURST_FACTOR");
        /// WEBHOOK_RETRY_BASE: at most [`Config::webhook_retry_max`].
        webhook_retry_base: Millis = span("WEBHOOK_RETRY_BASE");
        /// WEBHOOK_RETRY_MAX.
        webhook_retry_max: Millis = span("WEBHOOK_RETRY_MAX");
        /// BREAKER_FAILURES: failures in a row.
        breaker_failures: u64 = count("BREAKER_FAILURES");
        /// BREAKER_OPEN.
        breaker_open: Millis = span("BREAKER_OPEN");
        /// SEARCH_DEADLINE.
        search_deadline: Millis = span("SEARCH_DEADLINE");
        /// TAIL_VIEWERS_MAX: live tails of one component.
        tail_viewers_max: usize = size("TAIL_VIEWERS_MAX");
    }
    borrowed {
        /// SERVICE_NAME.
        service_name: String = text("SERVICE_NAME");
        /// KEY_SIGNING_SECRET.
        key_signing_secret: Secret = secret("KEY_SIGNING_SECRET");
        /// ALLOWED_ORIGINS.
        allowed_origins: Vec<OriginPattern> = origins("ALLOWED_ORIGINS");
        /// TIME_ZONE: a name or a rule that [`crate::baseline::Zone::parse`] reads.
        time_zone: String = text("TIME_ZONE");
        /// REDACT_NAMES: field names beyond the built-in ones.
        redact_names: Vec<String> = names("REDACT_NAMES");
        /// RETENTION_BRIEF_PATTERNS: ids.
        retention_brief_patterns: Vec<String> = names("RETENTION_BRIEF_PATTERNS");
        /// RETENTION_LASTING_PATTERNS: ids.
        retention_lasting_patterns: Vec<String> = names("RETENTION_LASTING_PATTERNS");
    }
    optional {
        /// KEY_SIGNING_SECRET_PREVIOUS.
        key_signing_secret_previous: Secret = optional_secret("KEY_SIGNING_SECRET_PREVIOUS");
        /// AUTH_JWT_SECRET.
        auth_jwt_secret: Secret = optional_secret("AUTH_JWT_SECRET");
        /// AUTH_JWT_SECRET_PREVIOUS.
        auth_jwt_secret_previous: Secret = optional_secret("AUTH_JWT_SECRET_PREVIOUS");
        /// AUTH_JWT_AUDIENCE.
        auth_jwt_audience: String = optional_text("AUTH_JWT_AUDIENCE");
        /// API_KEY: the operator's.
        api_key: Secret = optional_secret("API_KEY");
        /// X_SERVICE_KEY: what sibling services present.
        x_service_key: Secret = optional_secret("X_SERVICE_KEY");
        /// SERVICE_DOMAIN: set if [`Config::x_service_key`] is.
        service_domain: Domain = optional_domain("SERVICE_DOMAIN");
        /// DATA_SERVICE_URL without a trailing `/` or `/api`.
        data_service_url: String = optional_base_url("DATA_SERVICE_URL");
        /// DATA_SERVICE_API_KEY alone; [`Config::data_service_key`] is what to send.
        data_service_api_key: Secret = optional_secret("DATA_SERVICE_API_KEY");
        /// WEBHOOK_URL.
        webhook_url: WebAddress = optional_address("WEBHOOK_URL");
        /// WEBHOOK_SECRET: set if [`Config::webhook_url`] is.
        webhook_secret: Secret = optional_secret("WEBHOOK_SECRET");
        /// SLACK_WEBHOOK_URL; a secret, since whoever knows it can post.
        slack_webhook_url: Secret = optional_secret("SLACK_WEBHOOK_URL");
    }
}

impl Config {
    /// The checked form of what was said, or everything that is wrong with it.
    pub fn check(raw: &RawConfig) -> Result<Self, Vec<ConfigProblem>> {
        let mut settings = Settings::collect(raw);
        relations::check(&mut settings);
        Self::admit(settings)
    }

    /// This configuration with a domain's own values, which pass the same check, or everything that is wrong with
    /// them. Keys that the table does not open to domains are problems.
    pub fn with_overrides(&self, overrides: &RawConfig) -> Result<Self, Vec<ConfigProblem>> {
        let mut settings = self.settings.overridden(overrides);
        relations::check(&mut settings);
        relations::check_overrides(&mut settings, overrides);
        Self::admit(settings)
    }

    /// This configuration with those of a domain's own values that stand, in the order given, and the names of those
    /// that do not. They were checked together when they were set; should this build find one of them wrong, the
    /// others (redaction among them) still count.
    pub fn with_standing_overrides<'a>(&self, overrides: &'a [(String, String)]) -> (Self, Vec<&'a str>) {
        let raw = |values: &[&(String, String)]| {
            let mut raw = RawConfig::new();
            for (name, value) in values {
                raw.say(name, value, Provenance::DomainOverride);
            }
            raw
        };
        let all: Vec<_> = overrides.iter().collect();
        if let Ok(whole) = self.with_overrides(&raw(&all)) {
            return (whole, Vec::new());
        }
        let (mut kept, mut standing, mut refused) = (Vec::new(), self.clone(), Vec::new());
        for value in all {
            kept.push(value);
            match self.with_overrides(&raw(&kept)) {
                Ok(config) => standing = config,
                Err(_) => {
                    refused.push(value.0.as_str());
                    kept.pop();
                }
            }
        }
        (standing, refused)
    }

    /// What to send to the data service as `X-Service-Key`: DATA_SERVICE_API_KEY, else X_SERVICE_KEY, which siblings
    /// usually share.
    pub fn data_service_key(&self) -> Option<&Secret> {
        self.data_service_api_key().or(self.x_service_key())
    }

    /// Every used key in the table's order, with its value as people may see it and where it comes from.
    pub fn effective(&self) -> Vec<EffectiveSetting> {
        effective(&self.settings)
    }

    fn admit(settings: Settings) -> Result<Self, Vec<ConfigProblem>> {
        if settings.problems.is_empty() { Self::from_settings(settings) } else { Err(settings.problems) }
    }
}

fn effective(settings: &Settings) -> Vec<EffectiveSetting> {
    let known = keys::KEYS.iter().filter_map(|spec| settings.by_key.get_key_value(spec.name));
    known
        .map(|(key, setting)| EffectiveSetting {
            key,
            shown: setting.value.as_ref().map_or_else(|| "not set".to_owned(), Value::shown),
            provenance: setting.provenance,
            said_as: setting.said_as,
        })
        .collect()
}

/// Takes settings out by key and kind. The check has run, so each is there; one that is not is a bug of the table,
/// and is noted in `absent` so that no half-filled configuration leaves this module.
struct Reader<'a> {
    settings: &'a Settings,
    absent: Vec<&'static str>,
}

impl Reader<'_> {
    fn need<T>(&mut self, key: &'static str, fallback: T, pick: impl Fn(&Value) -> Option<T>) -> T {
        self.settings.value(key).and_then(pick).unwrap_or_else(|| {
            self.absent.push(key);
            fallback
        })
    }

    fn text(&mut self, key: &'static str) -> String {
        self.need(key, String::new(), as_text)
    }

    fn flag(&mut self, key: &'static str) -> bool {
        self.need(key, true, |value| if let Value::Flag(flag) = value { Some(*flag) } else { None })
    }

    fn count(&mut self, key: &'static str) -> u64 {
        self.need(key, 0, as_count)
    }

    fn size(&mut self, key: &'static str) -> usize {
        self.need(key, 0, |value| as_count(value).and_then(|count| usize::try_from(count).ok()))
    }

    fn span(&mut self, key: &'static str) -> Millis {
        self.need(key, Millis(0), |value| if let Value::Duration(span) = value { Some(*span) } else { None })
    }

    fn environment(&mut self, key: &'static str) -> Environment {
        self.need(key, Environment::Production, |value| Environment::from_word(&as_text(value)?))
    }

    fn storage_mode(&mut self, key: &'static str) -> StorageMode {
        self.need(key, StorageMode::Local, |value| StorageMode::from_word(&as_text(value)?))
    }

    fn level_class(&mut self, key: &'static str) -> LevelClass {
        self.need(key, LevelClass::Info, |value| Level::from_word(&as_text(value)?).map(Level::class))
    }

    fn secret(&mut self, key: &'static str) -> Secret {
        self.need(key, Secret::new(""), as_secret)
    }

    fn origins(&mut self, key: &'static str) -> Vec<OriginPattern> {
        let pick = |value: &Value| if let Value::Origins(origins, _) = value { Some(origins.clone()) } else { None };
        self.need(key, Vec::new(), pick)
    }

    fn names(&mut self, key: &'static str) -> Vec<String> {
        let pick = |value: &Value| if let Value::Names(names) = value { Some(names.clone()) } else { None };
        self.settings.value(key).and_then(pick).unwrap_or_default()
    }

    fn optional_count(&mut self, key: &'static str) -> Option<u64> {
        self.settings.value(key).and_then(as_count)
    }

    fn optional_text(&mut self, key: &'static str) -> Option<String> {
        self.settings.value(key).and_then(as_text)
    }

    fn optional_secret(&mut self, key: &'static str) -> Option<Secret> {
        self.settings.value(key).and_then(as_secret)
    }

    fn optional_domain(&mut self, key: &'static str) -> Option<Domain> {
        let pick = |value: &Value| if let Value::DomainName(domain) = value { Some(domain.clone()) } else { None };
        self.settings.value(key).and_then(pick)
    }

    fn optional_address(&mut self, key: &'static str) -> Option<WebAddress> {
        let pick = |value: &Value| if let Value::Address(address) = value { Some(address.clone()) } else { None };
        self.settings.value(key).and_then(pick)
    }

    fn optional_base_url(&mut self, key: &'static str) -> Option<String> {
        let address = self.optional_address(key)?;
        let bare = address.as_str().trim_end_matches('/');
        Some(bare.strip_suffix("/api").unwrap_or(bare).trim_end_matches('/').to_owned())
    }

    fn bugs(&self) -> Vec<ConfigProblem> {
        let bug = |key: &&'static str| ConfigProblem {
            key: (*key).to_owned(),
            kind: ProblemKind::Missing,
            value: None,
            allowed: String::new(),
            help: "has no value after the check; this is a mistake in Sapwood, please report it".to_owned(),
        };
        self.absent.iter().map(bug).collect()
    }
}

fn as_text(value: &Value) -> Option<String> {
    if let Value::Text(text) = value { Some(text.clone()) } else { None }
}

fn as_count(value: &Value) -> Option<u64> {
    if let Value::Count(count) = value { Some(*count) } else { None }
}

fn as_secret(value: &Value) -> Option<Secret> {
    match value {
        Value::Secret(secret) => Some(secret.clone()),
        Value::SecretAddress(address) => Some(Secret::new(address.as_str())),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
