//! From the checked configuration and a domain's own values to what each machine is given.

use sapwood_engine::baseline::Zone;
use sapwood_engine::config::{Config, StorageMode};
use sapwood_engine::machine::domain::DomainSettings;
use sapwood_engine::machine::outbox::RetryPolicy;
use sapwood_engine::machine::sink::SinkPolicy;
use sapwood_engine::machine::stream::{BlockPolicy, RetentionPolicy, StreamSettings};
use sapwood_engine::pattern::PatternId;
use sapwood_engine::shard::HeatPolicy;
use sapwood_engine::time::Millis;
use sapwood_engine::triage::AlertPolicy;
use std::rc::Rc;

/// Name of the target that gets signed webhooks.
pub const TARGET_WEBHOOK: &str = "webhook";
/// Name of the target that gets Slack messages.
pub const TARGET_SLACK: &str = "slack";

/// The configuration with a domain's own values. One that a later build finds wrong is reported and left out.
pub fn of_domain(config: &Rc<Config>, overrides: &[(String, String)]) -> Rc<Config> {
    if overrides.is_empty() {
        return Rc::clone(config);
    }
    let (config, refused) = config.with_standing_overrides(overrides);
    for key in refused {
        crate::monitoring::report("DomainValueRefused", &[("key", &key)]);
    }
    Rc::new(config)
}

/// What a stream machine is given.
pub fn stream(config: &Config) -> StreamSettings {
    let breaker_failures = u32::try_from(config.breaker_failures()).unwrap_or(u32::MAX);
    let count = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let has_outside = config.storage_mode() != StorageMode::Local;
    StreamSettings {
        alerts: AlertPolicy {
            is_enabled: config.alerts_enabled(),
            lateness: config.lateness(),
            cooldown: config.alert_cooldown(),
            group_window: config.alert_group_window(),
            burst_errors_min: count(config.critical_threshold()),
            burst_factor: count(config.burst_factor()),
        },
        flush_interval: config.flush_interval(),
        retention: days(config.retention_days()),
        retention_policy: retention_policy(config),
        key_window: config.idempotency_window(),
        has_d1: has_outside,
        has_data_service: has_outside && config.data_service_url().is_some(),
        sinks: SinkPolicy {
            retry: RetryPolicy { base: Millis::from_secs(1), cap: Millis::from_mins(5) },
            breaker_failures,
            breaker_open: config.breaker_open(),
        },
        retry: RetryPolicy { base: Millis::from_secs(1), cap: Millis::from_mins(5) },
        blocks: BlockPolicy::default(),
        zone: Zone::parse(config.time_zone()).unwrap_or_default(),
        heat: HeatPolicy {
            records_per_second: count(config.shard_records()),
            batches_per_second: count(config.shard_requests()),
        },
    }
}

fn days(days: u64) -> Millis {
    Millis::from_hours(24 * i64::try_from(days).unwrap_or(i64::MAX / 24))
}

/// What leaves before RETENTION_DAYS are over. Ages beyond that mean nothing; an id that is none, neither.
fn retention_policy(config: &Config) -> RetentionPolicy {
    let earlier = |age: Option<u64>| age.filter(|age| *age < config.retention_days()).map(days);
    let patterns = |ids: &[String]| ids.iter().filter_map(|id| PatternId::parse(id)).collect();
    RetentionPolicy {
        debug: earlier(config.retention_days_debug().into_iter().chain(config.retention_days_info()).min()),
        info: earlier(config.retention_days_info()),
        bytes_max: config.retention_bytes(),
        brief: patterns(config.retention_brief_patterns()),
        lasting: patterns(config.retention_lasting_patterns()),
        ..RetentionPolicy::default()
    }
}

/// A number that changes when the data service is configured anew: what it refused for good may be taken then.
pub fn data_service_identity(config: &Config) -> u64 {
    let key = config.data_service_key().map_or("", |key| key.expose());
    let url = config.data_service_url().map_or("", |url| url.as_str());
    xxhash_rust::xxh3::xxh3_64(format!("{url}\n{key}").as_bytes())
}

/// What a domain machine is given.
pub fn domain(config: &Config) -> DomainSettings {
    let mut targets = Vec::new();
    if config.webhook_url().is_some() {
        targets.push(TARGET_WEBHOOK.to_owned());
    }
    if config.slack_webhook_url().is_some() {
        targets.push(TARGET_SLACK.to_owned());
    }
    DomainSettings {
        components_max: config.components_max(),
        records_per_day: config.records_per_day(),
        retry: RetryPolicy { base: config.webhook_retry_base(), cap: config.webhook_retry_max() },
        targets,
        has_copies: config.storage_mode() != StorageMode::Local,
        shards_max: u16::try_from(config.shards_max()).unwrap_or(u16::MAX),
        key_window: config.idempotency_window(),
    }
}
