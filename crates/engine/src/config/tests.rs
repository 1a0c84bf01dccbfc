//! What a configuration may and may not say. The secrets here are made up; none is used anywhere.

use super::keys::{DefaultValue, KEYS, Kind, Status};
use super::*;
use std::collections::BTreeSet;

const SIGNING: &str = "f3a91c07be5d42688e0b7d1495c6a2f0";
const OTHER: &str = "0c6e2b9d71f84a35a8d3e1f7b5926c4d";
const THIRD: &str = "Zk3vT9qLw7XyB2cRfJ0sNpHdGtU4eAaY";
const WEBHOOK: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The least that a configuration must say, and `more`.
fn raw(environment: &str, more: &[(&str, &str)]) -> RawConfig {
    let mut raw = RawConfig::new();
    raw.say("ENVIRONMENT", environment, Provenance::Var);
    raw.say("KEY_SIGNING_SECRET", SIGNING, Provenance::Secret);
    for (name, value) in more {
        raw.say(*name, *value, Provenance::Secret);
    }
    raw
}

fn overrides(pairs: &[(&str, &str)]) -> RawConfig {
    let mut raw = RawConfig::new();
    for (name, value) in pairs {
        raw.say(*name, *value, Provenance::DomainOverride);
    }
    raw
}

fn accept(raw: &RawConfig) -> Config {
    Config::check(raw).map_err(|problems| show(&problems)).unwrap_or_else(|problems| panic!("{problems}"))
}

fn refuse(raw: &RawConfig) -> Vec<ConfigProblem> {
    Config::check(raw).err().expect("this configuration has problems")
}

fn show(problems: &[ConfigProblem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

/// Keys and kinds of the problems, in order.
fn kinds(problems: &[ConfigProblem]) -> Vec<(&str, ProblemKind)> {
    problems.iter().map(|problem| (problem.key.as_str(), problem.kind)).collect()
}

/// One more value is the only problem, of this kind, under this key.
fn check_refused(environment: &str, more: &[(&str, &str)], key: &str, kind: ProblemKind) {
    let problems = refuse(&raw(environment, more));
    assert_eq!(kinds(&problems), [(key, kind)], "{more:?}");
}

#[test]
fn a_signing_secret_and_an_environment_are_enough() {
    let config = accept(&raw("production", &[]));
    assert_eq!(config.environment(), Environment::Production);
    assert_eq!(config.key_signing_secret().expose(), SIGNING);
    assert_eq!(config.storage_mode(), StorageMode::Hybrid);
    assert_eq!(config.flush_interval(), Millis::from_secs(30));
    assert_eq!(config.bulk_insert_size(), 50);
    assert_eq!(config.data_service_timeout(), Millis(5_000));
    assert_eq!(config.alert_cooldown(), Millis(600_000));
    assert_eq!(config.alert_group_window(), Millis(60_000));
    assert_eq!((config.critical_threshold(), config.burst_factor()), (10, 3));
    assert_eq!((config.webhook_retry_base(), config.webhook_retry_max()), (Millis(5_000), Millis(3_600_000)));
    assert_eq!((config.breaker_failures(), config.breaker_open()), (5, Millis(60_000)));
    assert_eq!(config.lateness(), Millis(300_000));
    assert_eq!((config.components_max(), config.records_per_day()), (200, None));
    assert_eq!((config.body_bytes_max(), config.request_records_max()), (10 * 1024 * 1024, 10_000));
    assert_eq!(config.idempotency_window(), Millis(86_400_000));
    assert_eq!((config.redacts_email(), config.redacts_ip()), (true, false));
    assert!(config.redact_names().is_empty());
    assert_eq!((config.d1_record_level(), config.log_level()), (LevelClass::Warn, LevelClass::Info));
    assert_eq!((config.search_deadline(), config.object_timeout()), (Millis(5_000), Millis(10_000)));
    assert_eq!((config.retention_days(), config.tail_viewers_max()), (365, 32));
    assert_eq!(config.service_name(), "sapwood");
    assert!(config.requires_auth() && config.alerts_enabled());
    assert!(config.api_key().is_none() && config.auth_jwt_secret().is_none() && config.data_service_key().is_none());
    assert!(config.webhook_url().is_none() && config.slack_webhook_url().is_none());
    assert_eq!(config.allowed_origins().len(), 2);
}

#[test]
fn defaults_follow_the_environment() {
    for (environment, days, level) in [
        ("development", 30, LevelClass::Debug),
        ("staging", 90, LevelClass::Info),
        ("production", 365, LevelClass::Info),
    ] {
        let config = accept(&raw(environment, &[]));
        assert_eq!((config.retention_days(), config.log_level()), (days, level), "{environment}");
        assert_eq!(config.environment().word(), environment);
    }
}

#[test]
fn every_default_of_the_table_is_allowed_by_the_table() {
    for environment in ["development", "staging", "production"] {
        accept(&raw(environment, &[]));
    }
    for spec in KEYS {
        let Status::Used { kind, default, .. } = spec.status else { continue };
        assert!(kind.is_secret() <= matches!(default, DefaultValue::Absent | DefaultValue::Required), "{}", spec.name);
    }
}

#[test]
fn every_used_key_has_one_accessor_and_every_name_stands_once() {
    let used: BTreeSet<_> =
        KEYS.iter().filter(|spec| matches!(spec.status, Status::Used { .. })).map(|spec| spec.name).collect();
    let read: BTreeSet<_> = READ_KEYS.iter().copied().collect();
    assert_eq!(used, read);
    assert_eq!(READ_KEYS.len(), read.len());
    assert_eq!(KEYS.iter().map(|spec| spec.name).collect::<BTreeSet<_>>().len(), KEYS.len());
    for spec in KEYS {
        if let Status::Mapped { to, .. } = spec.status {
            assert!(used.contains(to), "{} is mapped to {to}", spec.name);
        }
        assert!(spec.doc.ends_with('.') || spec.doc.ends_with("kept)."), "{}", spec.name);
    }
}

#[test]
fn every_name_of_the_prototype_is_used_mapped_or_refused() {
    let names = "ENVIRONMENT SERVICE_NAME LOG_LEVEL MAX_LOG_SIZE RETENTION_DAYS BATCH_SIZE COMPRESSION_ENABLED \
        RATE_LIMIT_PER_MINUTE RATE_LIMIT_PER_HOUR RATE_LIMIT_PER_DAY SEARCH_RATE_LIMIT_PER_MINUTE JWT_SECRET API_KEY \
        ENCRYPTION_KEY ALLOWED_ORIGINS REQUIRE_AUTH KV_TTL D1_BATCH_SIZE BACKUP_ENABLED METRICS_ENABLED ALERTS_ENABLED \
        WEBHOOK_URL SLACK_WEBHOOK_URL EMAIL_ALERTS ENABLE_AUTO_TRIAGING CRITICAL_THRESHOLD WARNING_THRESHOLD \
        PATTERN_DETECTION_ENABLED ANOMALY_DETECTION_ENABLED AUTH_SERVICE_URL DATA_SERVICE_URL CONTENT_SKIMMER_URL \
        DATA_SERVICE_API_KEY AUTH_SERVICE_API_KEY CONTENT_SKIMMER_API_KEY INTEGRATION_TIMEOUT INTEGRATION_RETRIES \
        DATA_SERVICE_TIMEOUT AGGREGATION_INTERVAL TRENDS_RETENTION_DAYS CACHE_TTL TIMEOUT_MS";
    for name in names.split_whitespace() {
        assert!(keys::find(name).is_some(), "{name}");
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    let mut raw = RawConfig::new();
    raw.say("ENVIRONMENT", "prod", Provenance::Var);
    raw.say("FLUSH_INTERVAL", "soon", Provenance::Var);
    raw.say("RETENTION_DAY", "30", Provenance::Var);
    raw.say("ENCRYPTION_KEY", "x", Provenance::Secret);
    raw.say("BULK_INSERT_SIZE", "500", Provenance::Var);
    let problems = refuse(&raw);
    assert_eq!(
        kinds(&problems),
        [
            ("ENVIRONMENT", ProblemKind::Invalid),
            ("FLUSH_INTERVAL", ProblemKind::Invalid),
            ("RETENTION_DAY", ProblemKind::Unknown),
            ("ENCRYPTION_KEY", ProblemKind::Refused),
            ("BULK_INSERT_SIZE", ProblemKind::Invalid),
            ("KEY_SIGNING_SECRET", ProblemKind::Missing),
        ]
    );
    let text = show(&problems);
    assert!(
        text.contains("ENVIRONMENT: invalid: \"prod\" is not allowed here (allowed: development | staging"),
        "{text}"
    );
    assert!(text.contains("did you mean RETENTION_DAYS?"), "{text}");
    assert!(
        text.contains("BULK_INSERT_SIZE: invalid: \"500\" is not allowed here (allowed: 1 to 100 records)"),
        "{text}"
    );
    assert!(text.contains("ENCRYPTION_KEY: refused: is refused: The prototype demanded it"), "{text}");
}

#[test]
fn refused_names_say_what_to_do_instead() {
    for spec in KEYS {
        let Status::Refused { instead } = spec.status else { continue };
        let problems = refuse(&raw("production", &[(spec.name, "true")]));
        assert_eq!(kinds(&problems), [(spec.name, ProblemKind::Refused)]);
        assert!(problems[0].help.contains(instead) && problems[0].value.is_none(), "{}", problems[0]);
    }
}

#[test]
fn foreign_names_are_taken_as_ours() {
    let config = accept(&raw(
        "production",
        &[
            ("JWT_SECRET", OTHER),
            ("BATCH_SIZE", "80"),
            ("AGGREGATION_INTERVAL", "300"),
            ("INTEGRATION_TIMEOUT", "30000"),
            ("TIMEOUT_MS", "20s"),
        ],
    ));
    assert_eq!(config.auth_jwt_secret().map(Secret::expose), Some(OTHER));
    assert_eq!(config.bulk_insert_size(), 80);
    assert_eq!(config.flush_interval(), Millis::from_mins(5));
    assert_eq!(config.data_service_timeout(), Millis::from_secs(30));
    assert_eq!(config.object_timeout(), Millis::from_secs(20));
    let effective = config.effective();
    let flush = effective.iter().find(|setting| setting.key == "FLUSH_INTERVAL").unwrap();
    assert_eq!((flush.shown.as_str(), flush.said_as), ("5m", Some("AGGREGATION_INTERVAL")));
}

#[test]
fn the_same_setting_under_two_names_must_say_the_same() {
    accept(&raw("production", &[("JWT_SECRET", OTHER), ("AUTH_JWT_SECRET", OTHER)]));
    accept(&raw("production", &[("BATCH_SIZE", "70"), ("BULK_INSERT_SIZE", "70")]));
    check_refused(
        "production",
        &[("JWT_SECRET", OTHER), ("AUTH_JWT_SECRET", THIRD)],
        "AUTH_JWT_SECRET",
        ProblemKind::Conflict,
    );
    check_refused(
        "production",
        &[("FLUSH_INTERVAL", "1s"), ("FLUSH_INTERVAL", "2s")],
        "FLUSH_INTERVAL",
        ProblemKind::Conflict,
    );
    let problems = refuse(&raw("production", &[("FLUSH_INTERVAL", "x"), ("FLUSH_INTERVAL", "2s")]));
    assert_eq!(kinds(&problems), [("FLUSH_INTERVAL", ProblemKind::Invalid)]);
}

#[test]
fn weak_and_published_secrets_are_refused_wherever_a_secret_signs_or_opens() {
    let secrets = KEYS.iter().filter(|spec| matches!(spec.status, Status::Used { kind: Kind::Secret, .. }));
    let mut seen = 0;
    for spec in secrets.filter(|spec| spec.name != "KEY_SIGNING_SECRET") {
        for weak in ["dev", "changeme", "your-secret-key", "logger-service-dev-key", "short", &"a".repeat(64)] {
            let problems = refuse(&raw("development", &[(spec.name, weak)]));
            assert!(kinds(&problems).contains(&(spec.name, ProblemKind::Invalid)), "{} {weak}", spec.name);
        }
        seen += 1;
    }
    assert_eq!(seen, 5);
    let mut weak = RawConfig::new();
    weak.say("ENVIRONMENT", "development", Provenance::Var);
    weak.say("KEY_SIGNING_SECRET", "logger-service-dev-key", Provenance::Secret);
    assert_eq!(kinds(&refuse(&weak)), [("KEY_SIGNING_SECRET", ProblemKind::Invalid)]);
}

#[test]
fn no_two_secrets_are_equal() {
    check_refused("production", &[("API_KEY", SIGNING)], "API_KEY", ProblemKind::Conflict);
    check_refused(
        "production",
        &[("AUTH_JWT_SECRET", OTHER), ("AUTH_JWT_SECRET_PREVIOUS", OTHER)],
        "AUTH_JWT_SECRET_PREVIOUS",
        ProblemKind::Conflict,
    );
}

#[test]
fn problems_and_shown_values_hold_nothing_of_a_secret() {
    let marker = "hunter2";
    for spec in KEYS {
        let value = format!("{marker} {marker}");
        let text = match Config::check(&raw("production", &[(spec.name, &value)])) {
            Err(problems) => show(&problems),
            Ok(config) => format!("{:?}", config.effective()),
        };
        let may_show = matches!(spec.status, Status::Used { kind, .. } if !kind.is_secret() && !matches!(kind, Kind::Address))
            || matches!(spec.status, Status::Mapped { .. } if spec.name != "JWT_SECRET");
        assert!(may_show || !text.contains(marker), "{text}");
    }
    let problems = refuse(&raw("production", &[("KEY_SIGNING_SECRT", marker), ("evil\u{1b}[2J\nname", marker)]));
    assert!(!show(&problems).contains(marker) && !show(&problems).contains('\u{1b}'), "{}", show(&problems));
    let config = accept(&raw(
        "production",
        &[
            ("SLACK_WEBHOOK_URL", "https://hooks.example.com/T/B/hunter2"),
            ("WEBHOOK_URL", "https://a.example/hunter2?k=1"),
            ("WEBHOOK_SECRET", WEBHOOK),
        ],
    ));
    let shown: Vec<_> = config.effective().into_iter().map(|setting| (setting.key, setting.shown)).collect();
    assert!(shown.contains(&("SLACK_WEBHOOK_URL", "set".to_owned())));
    assert!(shown.contains(&("WEBHOOK_URL", "https://a.example".to_owned())));
    assert!(shown.contains(&("KEY_SIGNING_SECRET", "set".to_owned())));
    assert!(shown.contains(&("API_KEY", "not set".to_owned())));
    assert!(!format!("{shown:?}").contains("hunter2") && !format!("{shown:?}").contains(SIGNING));
}

#[test]
fn a_secret_among_the_vars_is_a_problem() {
    let mut raw = RawConfig::new();
    raw.say("ENVIRONMENT", "production", Provenance::Var);
    raw.say("KEY_SIGNING_SECRET", SIGNING, Provenance::Var);
    let problems = refuse(&raw);
    assert_eq!(kinds(&problems), [("KEY_SIGNING_SECRET", ProblemKind::Exposed)]);
    assert!(!show(&problems).contains(SIGNING));
}

#[test]
fn rules_may_be_relaxed_only_in_development() {
    assert!(!accept(&raw("development", &[("REQUIRE_AUTH", "false")])).requires_auth());
    for environment in ["staging", "production"] {
        check_refused(environment, &[("REQUIRE_AUTH", "false")], "REQUIRE_AUTH", ProblemKind::Conflict);
    }
    let local = [("WEBHOOK_URL", "http://127.0.0.1:9999/hook"), ("WEBHOOK_SECRET", WEBHOOK)];
    assert_eq!(
        accept(&raw("development", &local)).webhook_url().map(WebAddress::as_str),
        Some("http://127.0.0.1:9999/hook")
    );
    let problems = refuse(&raw("staging", &local));
    assert_eq!(kinds(&problems), [("WEBHOOK_URL", ProblemKind::Invalid), ("WEBHOOK_URL", ProblemKind::Invalid)]);
    check_refused(
        "production",
        &[("SLACK_WEBHOOK_URL", "https://169.254.169.254/x")],
        "SLACK_WEBHOOK_URL",
        ProblemKind::Invalid,
    );
}

#[test]
fn what_belongs_together_comes_together() {
    let webhook = ("WEBHOOK_URL", "https://alerts.example.com/in");
    check_refused("production", &[webhook], "WEBHOOK_SECRET", ProblemKind::Missing);
    accept(&raw("production", &[webhook, ("WEBHOOK_SECRET", WEBHOOK)]));
    check_refused("production", &[webhook, ("WEBHOOK_SECRET", "whsec_x")], "WEBHOOK_SECRET", ProblemKind::Invalid);

    check_refused("production", &[("X_SERVICE_KEY", OTHER)], "SERVICE_DOMAIN", ProblemKind::Missing);
    let service = accept(&raw("production", &[("X_SERVICE_KEY", OTHER), ("SERVICE_DOMAIN", "Example.com")]));
    assert_eq!(service.service_domain().map(Domain::as_str), Some("example.com"));
    assert_eq!(service.x_service_key().map(Secret::expose), Some(OTHER));

    check_refused("production", &[("AUTH_JWT_SECRET_PREVIOUS", OTHER)], "AUTH_JWT_SECRET", ProblemKind::Missing);
    check_refused(
        "production",
        &[("WEBHOOK_RETRY_BASE", "2m"), ("WEBHOOK_RETRY_MAX", "1m")],
        "WEBHOOK_RETRY_MAX",
        ProblemKind::Conflict,
    );
}

#[test]
fn the_data_service_needs_an_address_and_a_key_where_it_is_used() {
    let address = ("DATA_SERVICE_URL", "https://data.example.com/api/");
    check_refused("production", &[("STORAGE_MODE", "full")], "DATA_SERVICE_URL", ProblemKind::Missing);
    check_refused("production", &[address], "DATA_SERVICE_API_KEY", ProblemKind::Missing);
    check_refused(
        "production",
        &[("DATA_SERVICE_URL", "http://data.example.com"), ("STORAGE_MODE", "local")],
        "DATA_SERVICE_URL",
        ProblemKind::Invalid,
    );
    accept(&raw("production", &[address, ("STORAGE_MODE", "local")]));
    let own =
        accept(&raw("production", &[address, ("DATA_SERVICE_API_KEY", "given-by-them"), ("STORAGE_MODE", "full")]));
    assert_eq!(own.data_service_url().map(String::as_str), Some("https://data.example.com"));
    assert_eq!(own.data_service_key().map(Secret::expose), Some("given-by-them"));
    assert_eq!(own.storage_mode(), StorageMode::Full);
    let shared = accept(&raw("production", &[address, ("X_SERVICE_KEY", OTHER), ("SERVICE_DOMAIN", "a.example")]));
    assert_eq!(shared.data_service_key().map(Secret::expose), Some(OTHER));
}

#[test]
fn base_urls_lose_only_what_paths_carry() {
    for (given, expected) in [
        ("https://a.example", "https://a.example"),
        ("https://a.example/", "https://a.example"),
        ("https://a.example/api", "https://a.example"),
        ("https://a.example/v2/api/", "https://a.example/v2"),
        ("https://a.example/apis", "https://a.example/apis"),
    ] {
        let config = accept(&raw("production", &[("DATA_SERVICE_URL", given), ("DATA_SERVICE_API_KEY", "k")]));
        assert_eq!(config.data_service_url().map(String::as_str), Some(expected));
    }
}

#[test]
fn a_domain_may_have_its_own_values_and_they_pass_the_same_check() {
    let config = accept(&raw("production", &[("JWT_SECRET", OTHER)]));
    let own = config
        .with_overrides(&overrides(&[
            ("RETENTION_DAYS", "7"),
            ("RECORDS_PER_DAY", "10000"),
            ("REDACT_NAMES", "ssn, iban"),
        ]))
        .ok()
        .unwrap();
    assert_eq!((own.retention_days(), own.records_per_day()), (7, Some(10_000)));
    assert_eq!(own.redact_names(), &["ssn", "iban"]);
    assert_eq!(own.auth_jwt_secret().map(Secret::expose), Some(OTHER), "the rest is the service's");
    assert_eq!(config.retention_days(), 365, "the service's own is untouched");
    let retention = own.effective().into_iter().find(|setting| setting.key == "RETENTION_DAYS").unwrap();
    assert_eq!(retention.provenance, Provenance::DomainOverride);

    let problems = config
        .with_overrides(&overrides(&[
            ("RETENTION_DAYS", "0"),
            ("STORAGE_MODE", "local"),
            ("API_KEY", THIRD),
            ("JWT_SECRET", THIRD),
            ("KV_TTL", "1"),
            ("NO_SUCH", "1"),
            ("WEBHOOK_URL", "http://10.0.0.1/x"),
        ]))
        .err()
        .unwrap();
    assert_eq!(
        kinds(&problems),
        [
            ("RETENTION_DAYS", ProblemKind::Invalid),
            ("STORAGE_MODE", ProblemKind::Refused),
            ("API_KEY", ProblemKind::Refused),
            ("JWT_SECRET", ProblemKind::Refused),
            ("KV_TTL", ProblemKind::Refused),
            ("NO_SUCH", ProblemKind::Unknown),
            ("WEBHOOK_SECRET", ProblemKind::Missing),
            ("WEBHOOK_URL", ProblemKind::Invalid),
            ("WEBHOOK_URL", ProblemKind::Invalid),
        ]
    );
}

#[test]
fn a_domain_does_not_sign_its_webhooks_with_a_secret_that_others_know() {
    let config = accept(&raw("production", &[("WEBHOOK_URL", "https://ours.example/x"), ("WEBHOOK_SECRET", WEBHOOK)]));
    let theirs = ("WEBHOOK_URL", "https://theirs.example/x");
    let problems = config.with_overrides(&overrides(&[theirs])).err().unwrap();
    assert_eq!(kinds(&problems), [("WEBHOOK_SECRET", ProblemKind::Missing)]);
    let own_secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwaaaaaaaaaaa=";
    let own = config.with_overrides(&overrides(&[theirs, ("WEBHOOK_SECRET", own_secret)])).ok().unwrap();
    assert_eq!(own.webhook_secret().map(Secret::expose), Some(own_secret));
}

#[test]
fn lists_may_be_emptied_by_a_word_and_values_may_not_be_empty() {
    assert!(accept(&raw("production", &[("ALLOWED_ORIGINS", "none")])).allowed_origins().is_empty());
    check_refused("production", &[("SERVICE_NAME", "")], "SERVICE_NAME", ProblemKind::Invalid);
}

#[test]
fn a_survey_shows_what_holds_beside_what_is_wrong() {
    let survey = survey(&raw("production", &[("FLUSH_INTERVAL", "never"), ("SEARCH_DEADLINE", "2s")]));
    assert_eq!(kinds(&survey.problems), [("FLUSH_INTERVAL", ProblemKind::Invalid)]);
    let shown =
        |key: &str| survey.effective.iter().find(|setting| setting.key == key).map(|setting| setting.shown.clone());
    assert_eq!(shown("SEARCH_DEADLINE").as_deref(), Some("2s"));
    assert_eq!(shown("FLUSH_INTERVAL").as_deref(), Some("not set"));
    assert_eq!(shown("ALERT_COOLDOWN").as_deref(), Some("10m"));
}

#[test]
fn a_table_whose_defaults_do_not_fit_yields_no_half_filled_configuration() {
    let problems = Config::from_settings(settings::Settings::default()).err().unwrap();
    assert!(problems.iter().any(|problem| problem.key == "KEY_SIGNING_SECRET"));
    assert!(problems.iter().all(|problem| problem.kind == ProblemKind::Missing));
    assert!(show(&problems).contains("FLUSH_INTERVAL: missing: has no value after the check"));
}

#[test]
fn words_and_modes_are_the_same_in_both_directions() {
    for word in keys::ENVIRONMENTS {
        assert_eq!(Environment::from_word(word).map(Environment::word), Some(*word));
    }
    for word in keys::STORAGE_MODES {
        assert_eq!(StorageMode::from_word(word).map(StorageMode::word), Some(*word));
    }
    for word in keys::LEVELS {
        assert_eq!(Level::from_word(word).map(|level| level.class().word()), Some(*word));
    }
    assert_eq!((Environment::from_word("prod"), StorageMode::from_word("")), (None, None));
    let words =
        [Provenance::Var, Provenance::Secret, Provenance::Default, Provenance::DomainOverride].map(Provenance::word);
    assert_eq!(words, ["var", "secret", "default", "domain override"]);
}
