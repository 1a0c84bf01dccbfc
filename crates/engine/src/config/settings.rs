//! From raw strings to checked settings: every key once, mapped names resolved, defaults filled in, and all problems
//! collected instead of the first.
//!
//! Invariant of a survey without problems: there is exactly one setting for every used key, of the kind that the
//! table names, and [`relations`](super::relations) hold between them.

use super::keys::{self, DefaultValue, KEYS, KeySpec, Status, TimeUnit};
use super::problem::{ConfigProblem, ProblemKind};
use super::secret::Secret;
use super::value::{self, Value};
use super::{Environment, Provenance};
use std::collections::BTreeMap;

/// What was said, before anything is checked.
#[derive(Clone, Default)]
pub struct RawConfig {
    entries: Vec<RawEntry>,
}

/// One name and value. The value is hidden, since it may be a secret under a mistyped name.
#[derive(Clone)]
struct RawEntry {
    name: String,
    value: Secret,
    provenance: Provenance,
}

impl RawConfig {
    /// Nothing said.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one name and value. Saying a name again is a problem, reported by the check.
    pub fn say(&mut self, name: impl Into<String>, value: impl Into<String>, provenance: Provenance) {
        self.entries.push(RawEntry { name: name.into(), value: Secret::new(value), provenance });
    }

    /// Whether this name was said.
    pub fn says(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.name == name)
    }
}

/// A checked value and where it comes from.
#[derive(Clone)]
pub(super) struct Setting {
    /// `None`: not set, and that is allowed.
    pub(super) value: Option<Value>,
    pub(super) provenance: Provenance,
    /// The foreign name under which it was given.
    pub(super) said_as: Option<&'static str>,
}

/// Settings by key, and what was wrong on the way.
#[derive(Clone, Default)]
pub(super) struct Settings {
    pub(super) by_key: BTreeMap<&'static str, Setting>,
    pub(super) problems: Vec<ConfigProblem>,
}

impl Settings {
    /// Everything that `raw` says, defaults for the rest.
    pub(super) fn collect(raw: &RawConfig) -> Self {
        let mut settings = Self::default();
        for entry in &raw.entries {
            settings.take(entry);
        }
        settings.fill_defaults();
        settings
    }

    /// These settings with a domain's own values on top. Only keys that the table opens to domains are taken.
    pub(super) fn overridden(&self, raw: &RawConfig) -> Self {
        let mut own = Self::default();
        for entry in &raw.entries {
            let closed = keys::find(&entry.name).is_some_and(|spec| !is_open_to_domains(spec));
            if closed {
                own.complain(&entry.name, ProblemKind::Refused, "holds for the whole service and not for one domain");
            } else {
                own.take(entry);
            }
        }
        let mut merged = self.clone();
        merged.by_key.extend(own.by_key);
        merged.problems.extend(own.problems);
        merged
    }

    /// The environment, or production, whose defaults are the strictest, while it is unknown.
    pub(super) fn environment(&self) -> Environment {
        match self.value("ENVIRONMENT") {
            Some(Value::Text(word)) => Environment::from_word(word).unwrap_or(Environment::Production),
            _ => Environment::Production,
        }
    }

    /// The value of `key`, if it is set or has a default.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.by_key.get(key).and_then(|setting| setting.value.as_ref())
    }

    /// Notes a problem about `key` that needs no value and no list of what is allowed.
    pub(super) fn complain(&mut self, key: &str, kind: ProblemKind, help: impl Into<String>) {
        let (value, allowed) = (None, String::new());
        self.problems.push(ConfigProblem { key: shown_name(key), kind, value, allowed, help: help.into() });
    }

    fn take(&mut self, entry: &RawEntry) {
        let Some(spec) = keys::find(&entry.name) else {
            let help = match nearest(&entry.name) {
                Some(name) => format!("is no key of this service; did you mean {name}?"),
                None => "is no key of this service; docs/operating/configuration.md lists them all".to_owned(),
            };
            return self.complain(&entry.name, ProblemKind::Unknown, help);
        };
        match spec.status {
            Status::Refused { instead } => {
                let help = format!("is refused: {} Instead: {instead}.", spec.doc);
                self.complain(spec.name, ProblemKind::Refused, help);
            }
            Status::Mapped { to, bare } => {
                if let Some(target) = keys::find(to) {
                    self.take_as(target, bare.unwrap_or(TimeUnit::Milliseconds), Some(spec.name), entry);
                }
            }
            Status::Used { .. } => self.take_as(spec, TimeUnit::Milliseconds, None, entry),
        }
    }

    fn take_as(&mut self, spec: &'static KeySpec, bare: TimeUnit, said_as: Option<&'static str>, entry: &RawEntry) {
        let Status::Used { kind, .. } = spec.status else { return };
        let text = entry.value.expose();
        if kind.is_secret() && entry.provenance == Provenance::Var {
            let help = "is a secret and stands among the vars, where everybody with the repository reads it; \
                        remove it there, choose a new value and use `wrangler secret put`";
            self.complain(&entry.name, ProblemKind::Exposed, help);
        }
        match value::parse(kind, bare, text) {
            Ok(value) => self.settle(spec, Setting { value: Some(value), provenance: entry.provenance, said_as }, text),
            Err(help) => {
                let (key, kind, shown) = (entry.name.clone(), ProblemKind::Invalid, value::shown_refused(kind, text));
                let allowed = allowed_for(spec);
                self.problems.push(ConfigProblem { key, kind, value: shown, allowed, help });
                // Remembered as said, so that it is not reported as missing too.
                self.by_key.entry(spec.name).or_insert(Setting { value: None, provenance: entry.provenance, said_as });
            }
        }
    }

    /// Keeps a setting, unless another name has already given the same key another value.
    fn settle(&mut self, spec: &'static KeySpec, setting: Setting, text: &str) {
        let Some(earlier) = self.by_key.get(spec.name) else {
            self.by_key.insert(spec.name, setting);
            return;
        };
        let same = match &earlier.value {
            Some(Value::Secret(secret)) => secret.expose() == text,
            Some(other) => setting.value.as_ref().is_some_and(|value| value.shown() == other.shown()),
            // The earlier value was refused, and has its own problem.
            None => true,
        };
        if !same {
            let (first, second) = (earlier.said_as.unwrap_or(spec.name), setting.said_as.unwrap_or(spec.name));
            let help = format!("is given twice with different values ({first}, {second}); keep one");
            self.complain(spec.name, ProblemKind::Conflict, help);
        }
    }

    fn fill_defaults(&mut self) {
        let environment = self.environment();
        for spec in KEYS {
            let Status::Used { kind, default, .. } = spec.status else { continue };
            if self.by_key.contains_key(spec.name) {
                continue;
            }
            if matches!(default, DefaultValue::Required) {
                let (key, help) = (spec.name.to_owned(), format!("is not set. {}", spec.doc));
                let allowed = allowed_for(spec);
                self.problems.push(ConfigProblem { key, kind: ProblemKind::Missing, value: None, allowed, help });
            }
            let value = default_text(default, environment)
                .and_then(|text| value::parse(kind, TimeUnit::Milliseconds, text).ok());
            self.by_key.insert(spec.name, Setting { value, provenance: Provenance::Default, said_as: None });
        }
    }
}

/// The text of a default in an environment.
pub(super) fn default_text(default: DefaultValue, environment: Environment) -> Option<&'static str> {
    match default {
        DefaultValue::Required | DefaultValue::Absent => None,
        DefaultValue::Same(text) => Some(text),
        DefaultValue::ByEnvironment([development, staging, production]) => Some(match environment {
            Environment::Development => development,
            Environment::Staging => staging,
            Environment::Production => production,
        }),
    }
}

fn allowed_for(spec: &KeySpec) -> String {
    match spec.status {
        Status::Used { kind, .. } => value::allowed(kind),
        Status::Mapped { .. } | Status::Refused { .. } => String::new(),
    }
}

fn is_open_to_domains(spec: &KeySpec) -> bool {
    match spec.status {
        Status::Used { per_domain, .. } => per_domain,
        // A refused name explains itself better than "not for one domain" would.
        Status::Refused { .. } => true,
        Status::Mapped { to, .. } => keys::find(to).is_some_and(is_open_to_domains),
    }
}

/// A name as it may be repeated: escaped and cut, since whoever writes the configuration chose it.
fn shown_name(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}

/// The key that was probably meant: at most two letters away, or one in another case.
fn nearest(name: &str) -> Option<&'static str> {
    if name.len() > 64 {
        return None;
    }
    let upper = name.to_ascii_uppercase();
    let distances = KEYS.iter().map(|spec| (edit_distance(upper.as_bytes(), spec.name.as_bytes()), spec.name));
    distances.min().filter(|(distance, _)| *distance <= 2).map(|(_, name)| name)
}

/// Insertions, removals and replacements that turn `a` into `b`, by the table of prefixes, one row at a time.
fn edit_distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (index, left) in a.iter().enumerate() {
        let mut next = vec![index + 1];
        for ((right, above), diagonal) in b.iter().zip(row.iter().skip(1)).zip(row.iter()) {
            let before = next.last().copied().unwrap_or(0);
            next.push((diagonal + usize::from(left != right)).min(above + 1).min(before + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_single_letters() {
        for (a, b, expected) in [("", "", 0), ("a", "", 1), ("", "ab", 2), ("kitten", "sitting", 3), ("abc", "abc", 0)]
        {
            assert_eq!(edit_distance(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
        }
    }

    #[test]
    fn near_misses_are_guessed_and_far_ones_are_not() {
        assert_eq!(nearest("RETENTION_DAY"), Some("RETENTION_DAYS"));
        assert_eq!(nearest("storage_mode"), Some("STORAGE_MODE"));
        assert_eq!(nearest("KUBERNETES_PORT"), None);
        assert_eq!(nearest(&"A".repeat(10_000)), None);
    }
}
