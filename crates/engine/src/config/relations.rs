//! What must hold *between* settings. Each rule says its complaint about the key that is to be changed or added.

use super::problem::ProblemKind::{Conflict, Invalid, Missing};
use super::settings::{RawConfig, Settings};
use super::value::Value;
use super::{Environment, Provenance};

/// Secrets that must all differ: one that leaks, or that travels in a header, must not open another door.
const DISTINCT_SECRETS: [&str; 6] = [
    "KEY_SIGNING_SECRET",
    "KEY_SIGNING_SECRET_PREVIOUS",
    "AUTH_JWT_SECRET",
    "AUTH_JWT_SECRET_PREVIOUS",
    "API_KEY",
    "X_SERVICE_KEY",
];

/// Where a rule needs a second key: if the first is set, so must be the second, for this reason.
const NEEDS: [(&str, &str, &str); 3] = [
    ("WEBHOOK_URL", "WEBHOOK_SECRET", "is not set, but WEBHOOK_URL is, and webhooks are always signed"),
    ("X_SERVICE_KEY", "SERVICE_DOMAIN", "is not set, but X_SERVICE_KEY is, and its callers must write somewhere"),
    (
        "AUTH_JWT_SECRET_PREVIOUS",
        "AUTH_JWT_SECRET",
        "is not set, but AUTH_JWT_SECRET_PREVIOUS is: the new one is missing",
    ),
];

/// Adds a problem for every rule that `settings` break.
pub(super) fn check(settings: &mut Settings) {
    for (given, needed, why) in NEEDS {
        if settings.value(given).is_some() && is_unsaid(settings, needed) {
            settings.complain(needed, Missing, why);
        }
    }
    check_data_service(settings);
    check_distinct_secrets(settings);
    check_addresses(settings);
    if let (Some(Value::Duration(base)), Some(Value::Duration(max))) =
        (settings.value("WEBHOOK_RETRY_BASE"), settings.value("WEBHOOK_RETRY_MAX"))
        && base > max
    {
        settings.complain("WEBHOOK_RETRY_MAX", Conflict, "is shorter than WEBHOOK_RETRY_BASE");
    }
    let open = matches!(settings.value("REQUIRE_AUTH"), Some(Value::Flag(false)));
    if open && settings.environment() != Environment::Development {
        settings.complain("REQUIRE_AUTH", Conflict, "may be false only where ENVIRONMENT is development");
    }
}

/// Adds the problems that only a domain's own values can have.
pub(super) fn check_overrides(settings: &mut Settings, raw: &RawConfig) {
    // The signature under a shared secret would let one domain forge what another receives.
    let signs_with_ours = !raw.says("WEBHOOK_SECRET") && settings.value("WEBHOOK_SECRET").is_some();
    if raw.says("WEBHOOK_URL") && signs_with_ours {
        settings.complain("WEBHOOK_SECRET", Missing, "must come with a domain's own WEBHOOK_URL");
    }
}

fn check_data_service(settings: &mut Settings) {
    let mode = settings.value("STORAGE_MODE").map(Value::shown);
    let has_address = settings.value("DATA_SERVICE_URL").is_some();
    if mode.as_deref() == Some("full") && is_unsaid(settings, "DATA_SERVICE_URL") {
        settings.complain("DATA_SERVICE_URL", Missing, "is not set, but STORAGE_MODE is full");
    }
    let unkeyed = is_unsaid(settings, "DATA_SERVICE_API_KEY") && is_unsaid(settings, "X_SERVICE_KEY");
    if has_address && unkeyed && mode.as_deref() != Some("local") {
        let help = "is not set, and neither is X_SERVICE_KEY, but DATA_SERVICE_URL is: every call would be a 401";
        settings.complain("DATA_SERVICE_API_KEY", Missing, help);
    }
}

fn check_distinct_secrets(settings: &mut Settings) {
    let mut conflicts = Vec::new();
    for (index, key) in DISTINCT_SECRETS.into_iter().enumerate() {
        let Some(Value::Secret(secret)) = settings.value(key) else { continue };
        let twin = DISTINCT_SECRETS.into_iter().take(index).find(|earlier| {
            matches!(settings.value(earlier), Some(Value::Secret(other)) if other.expose() == secret.expose())
        });
        conflicts.extend(twin.map(|twin| (key, format!("has the same value as {twin}; each secret needs its own"))));
    }
    for (key, help) in conflicts {
        settings.complain(key, Conflict, help);
    }
}

/// Outside development we send only over TLS, and alerts only to hosts that look public: their addresses may come
/// from a domain's owner, who must not be able to reach what only we can reach.
fn check_addresses(settings: &mut Settings) {
    if settings.environment() == Environment::Development {
        return;
    }
    for (key, may_be_private) in [("DATA_SERVICE_URL", true), ("WEBHOOK_URL", false), ("SLACK_WEBHOOK_URL", false)] {
        let Some(Value::Address(address) | Value::SecretAddress(address)) = settings.value(key) else { continue };
        let (plain, private) = (!address.is_https(), address.is_private());
        if plain {
            settings.complain(key, Invalid, "must be https outside development");
        }
        if private && !may_be_private {
            settings.complain(key, Invalid, "names a private host, which is refused outside development");
        }
    }
}

/// Whether nobody said anything about `key`. A value that was said and refused has its own problem already.
fn is_unsaid(settings: &Settings, key: &str) -> bool {
    settings.by_key.get(key).is_none_or(|setting| setting.value.is_none() && setting.provenance == Provenance::Default)
}
