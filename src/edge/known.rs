//! What this isolate knows of domains: their own configuration and their revoked keys.
//!
//! The domain object is the authority; KV carries a copy to isolates that meet a domain for the first time. Intake
//! looks here and never waits for either once a domain is known: a view older than [`REFRESH_AFTER`] is still used
//! while one request fetches a newer one behind its reply. Routes that read or administer always bring a fresh view.
//!
//! Before a domain is known nothing may be taken in for it: its own redaction rules are part of the view, and a secret
//! stored is stored. Best effort otherwise: an isolate may vanish at any time, and the objects check revocation again.

use crate::monitoring::report;
pub use crate::processors::calls::view_key as kv_key;
use crate::processors::calls::{DirectoryAnswer, SpreadComponents};
use crate::processors::settings;
use sapwood_engine::config::Config;
use sapwood_engine::redact::{RedactConfig, Redactor};
use sapwood_engine::shard::ShardMap;
use sapwood_engine::time::{Millis, Timestamp};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Age from which a view is fetched again. With the time that this takes, a revoked key is refused at every edge well
/// within a minute.
pub const REFRESH_AFTER: Millis = Millis::from_secs(20);
/// Age from which a view is not used any more but fetched first: nobody has called for so long that nobody refreshed.
pub const USABLE_FOR: Millis = Millis::from_secs(45);
/// Domains that one isolate knows. At about 2 KB each 2 MB; the one loaded longest ago leaves first.
const DOMAINS_MAX: usize = 1_000;
/// Components sent to `other` that are remembered, each for [`MOVED_FOR`].
const MOVED_MAX: usize = 4_096;
/// Components of which this isolate heard from their shards that they are spread. Beyond that it hears it again.
const SPREAD_MAX: usize = 4_096;
/// How long a component without room is sent to `other` without asking.
const MOVED_FOR: Millis = Millis::from_secs(60);

/// What is known of a domain.
pub struct DomainKnowledge {
    /// The configuration with the domain's own values.
    pub config: Rc<Config>,
    /// What removes secrets, by that configuration.
    pub redactor: Redactor,
    /// Version of the domain's view.
    pub version: u64,
    revoked: BTreeSet<String>,
    spread: BTreeMap<String, ShardMap>,
}

/// The part of a directory that edges need, as KV carries it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedView {
    /// Version of the domain's view.
    pub version: u64,
    /// Ids of revoked keys.
    pub revoked: Vec<String>,
    /// Configuration of the domain.
    pub overrides: Vec<(String, String)>,
    /// How components are spread that ever were split.
    #[serde(default, skip_serializing_if = "SpreadComponents::is_empty")]
    pub spread: SpreadComponents,
}

impl From<&DirectoryAnswer> for PublishedView {
    fn from(directory: &DirectoryAnswer) -> Self {
        Self {
            version: directory.version,
            revoked: directory.revoked.clone(),
            overrides: directory.overrides.clone(),
            spread: directory.spread.clone(),
        }
    }
}

impl DomainKnowledge {
    /// What a view means under the service's configuration.
    pub fn new(config: &Rc<Config>, view: &PublishedView) -> Self {
        let config = settings::of_domain(config, &view.overrides);
        let redactor = Redactor::new(&RedactConfig {
            redact_ip: config.redacts_ip(),
            redact_email: config.redacts_email(),
            extra_names: config.redact_names().clone(),
        });
        let read = |(name, map): (&str, Result<ShardMap, _>)| match map {
            Ok(map) => Some((name.to_owned(), map)),
            Err(error) => {
                report("ShardMapUnreadable", &[("component", &name), ("error", &error)]);
                None
            }
        };
        let spread = view.spread.maps().filter_map(read).collect();
        Self { config, redactor, version: view.version, revoked: view.revoked.iter().cloned().collect(), spread }
    }

    /// How a component is spread, as the domain says.
    pub fn shard_map(&self, component: &str) -> Option<&ShardMap> {
        self.spread.get(component)
    }

    /// Whether a key was taken back.
    pub fn is_revoked(&self, key_id: &str) -> bool {
        self.revoked.contains(key_id)
    }
}

/// What looking a domain up gives.
pub enum Lookup {
    /// Use it.
    Fresh(Rc<DomainKnowledge>),
    /// Use it, and fetch a newer one behind the reply; said to one caller per [`REFRESH_AFTER`].
    Stale(Rc<DomainKnowledge>),
    /// Fetch it first.
    Unknown,
}

struct Entry {
    knowledge: Rc<DomainKnowledge>,
    loaded_at: Timestamp,
    /// When a caller was last told to refresh.
    asked_at: Timestamp,
}

/// The memory of one isolate.
#[derive(Default)]
pub struct Memory {
    domains: BTreeMap<String, Entry>,
    moved: BTreeMap<(String, String), Timestamp>,
    /// Maps that shards told: newer ones than the domain's view had.
    spread: BTreeMap<(String, String), ShardMap>,
}

impl Memory {
    /// What is known of `domain` at `now`.
    pub fn look_up(&mut self, domain: &str, now: Timestamp) -> Lookup {
        let Some(entry) = self.domains.get_mut(domain) else { return Lookup::Unknown };
        let knowledge = Rc::clone(&entry.knowledge);
        if now.since(entry.loaded_at) >= USABLE_FOR {
            return Lookup::Unknown;
        }
        if now.since(entry.loaded_at.max(entry.asked_at)) < REFRESH_AFTER {
            return Lookup::Fresh(knowledge);
        }
        entry.asked_at = now;
        Lookup::Stale(knowledge)
    }

    /// What was known of `domain`, however long ago.
    pub fn last_known(&self, domain: &str) -> Option<Rc<DomainKnowledge>> {
        self.domains.get(domain).map(|entry| Rc::clone(&entry.knowledge))
    }

    /// Remembers a domain.
    pub fn learn(&mut self, domain: &str, knowledge: Rc<DomainKnowledge>, now: Timestamp) {
        if self.domains.len() >= DOMAINS_MAX && !self.domains.contains_key(domain) {
            let oldest = self.domains.iter().min_by_key(|(_, entry)| entry.loaded_at).map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                self.domains.remove(&oldest);
            }
        }
        self.domains.insert(domain.to_owned(), Entry { knowledge, loaded_at: now, asked_at: now });
    }

    /// Remembers that the domain has no room for a component.
    pub fn move_to_other(&mut self, domain: &str, component: &str, now: Timestamp) {
        if self.moved.len() >= MOVED_MAX {
            self.moved.retain(|_, until| *until > now);
        }
        if self.moved.len() < MOVED_MAX {
            self.moved.insert((domain.to_owned(), component.to_owned()), now.plus(MOVED_FOR));
        }
    }

    /// Remembers how a component is spread, as one of its shards said.
    pub fn learn_shards(&mut self, domain: &str, component: &str, map: &ShardMap) {
        let key = (domain.to_owned(), component.to_owned());
        if self.spread.len() >= SPREAD_MAX && !self.spread.contains_key(&key) {
            self.spread.clear();
        }
        let known = self.spread.entry(key).or_default();
        if map.is_newer_than(known) {
            known.clone_from(map);
        }
    }

    /// The newest that is known of how a component is spread.
    pub fn shard_map(&self, knowledge: &DomainKnowledge, domain: &str, component: &str) -> ShardMap {
        let of_view = knowledge.shard_map(component).cloned().unwrap_or_default();
        if self.spread.is_empty() {
            return of_view;
        }
        let learned = self.spread.get(&(domain.to_owned(), component.to_owned()));
        learned.filter(|learned| learned.is_newer_than(&of_view)).cloned().unwrap_or(of_view)
    }

    /// Whether the domain said lately that it has no room for a component.
    pub fn is_moved(&self, domain: &str, component: &str, now: Timestamp) -> bool {
        !self.moved.is_empty()
            && self.moved.get(&(domain.to_owned(), component.to_owned())).is_some_and(|until| *until > now)
    }
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::new(Memory::default());
}

/// Uses this isolate's memory; not to be called from within itself.
pub fn with_memory<T>(work: impl FnOnce(&mut Memory) -> T) -> T {
    MEMORY.with(|memory| work(&mut memory.borrow_mut()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sapwood_engine::config::{Provenance, RawConfig};

    fn config() -> Rc<Config> {
        let mut raw = RawConfig::new();
        raw.say("ENVIRONMENT", "development", Provenance::Var);
        raw.say("KEY_SIGNING_SECRET", "k3y-s1gn1ng-s3cr3t-of-th3-t3sts-0123456789", Provenance::Secret);
        Rc::new(Config::check(&raw).unwrap_or_else(|problems| panic!("{problems:?}")))
    }

    fn knowledge(revoked: &[&str], overrides: &[(&str, &str)]) -> Rc<DomainKnowledge> {
        let view = PublishedView {
            version: 1,
            revoked: revoked.iter().map(|id| (*id).to_owned()).collect(),
            overrides: overrides.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..PublishedView::default()
        };
        Rc::new(DomainKnowledge::new(&config(), &view))
    }

    const AT: Timestamp = Timestamp(1_000_000);

    #[test]
    fn a_known_domain_is_refreshed_by_one_caller_at_a_time() {
        let mut memory = Memory::default();
        assert!(matches!(memory.look_up("a.com", AT), Lookup::Unknown));
        memory.learn("a.com", knowledge(&["k1"], &[]), AT);
        assert!(
            matches!(memory.look_up("a.com", AT.plus(Millis(19_999))), Lookup::Fresh(known) if known.is_revoked("k1"))
        );
        assert!(matches!(memory.look_up("a.com", AT.plus(REFRESH_AFTER)), Lookup::Stale(_)));
        assert!(matches!(memory.look_up("a.com", AT.plus(REFRESH_AFTER)), Lookup::Fresh(_)), "one is enough");
        assert!(matches!(memory.look_up("a.com", AT.plus(Millis(44_999))), Lookup::Stale(_)), "it failed: another");
        assert!(matches!(memory.look_up("a.com", AT.plus(USABLE_FOR)), Lookup::Unknown));
        assert!(memory.last_known("a.com").is_some());
        assert!(matches!(memory.look_up("b.com", AT), Lookup::Unknown), "domains know nothing of each other");
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_leaves() {
        let mut memory = Memory::default();
        let known = knowledge(&[], &[]);
        for number in 0..DOMAINS_MAX + 5 {
            memory.learn(&format!("d{number}.com"), Rc::clone(&known), AT.plus(Millis(number as i64)));
        }
        assert_eq!(memory.domains.len(), DOMAINS_MAX);
        assert!(memory.last_known("d4.com").is_none() && memory.last_known("d5.com").is_some());
        for number in 0..MOVED_MAX + 5 {
            memory.move_to_other("d.com", &number.to_string(), AT);
        }
        assert_eq!(memory.moved.len(), MOVED_MAX);
        memory.move_to_other("d.com", "late", AT.plus(MOVED_FOR));
        assert_eq!(memory.moved.len(), 1, "what ran out makes room");
    }

    #[test]
    fn a_component_without_room_is_remembered_for_a_minute() {
        let mut memory = Memory::default();
        memory.move_to_other("d.com", "cart", AT);
        assert!(memory.is_moved("d.com", "cart", AT.plus(Millis(59_999))));
        assert!(!memory.is_moved("d.com", "cart", AT.plus(MOVED_FOR)));
        assert!(!memory.is_moved("e.com", "cart", AT) && !memory.is_moved("d.com", "pay", AT));
    }

    #[test]
    fn a_domain_s_own_redaction_holds_even_beside_a_value_that_no_longer_does() {
        let known = knowledge(&[], &[("RETENTION_DAYS", "a lot"), ("REDACT_NAMES", "patient_number")]);
        assert_eq!(known.redactor.redact_text("patient_number=12345"), "patient_number=[redacted:field]");
        assert_eq!(known.config.retention_days(), config().retention_days());
        let plain = knowledge(&[], &[]);
        assert_eq!(plain.redactor.redact_text("patient_number=12345"), "patient_number=12345");
    }

    #[test]
    fn the_newest_map_wins_whoever_told_it_and_what_is_learned_is_bounded() {
        let map = |shards, at| ShardMap::default().changed(shards, Timestamp(at), Millis(10)).unwrap();
        let (older, newer) = (map(2, 1_000_000), map(4, 2_000_000));
        let of_domain = |map: Option<&ShardMap>| {
            let spread = SpreadComponents::new(map.map(|map| ("cart", map)).into_iter());
            DomainKnowledge::new(&config(), &PublishedView { spread, ..PublishedView::default() })
        };
        let mut memory = Memory::default();
        assert_eq!(memory.shard_map(&of_domain(None), "d.com", "cart"), ShardMap::default());
        assert_eq!(memory.shard_map(&of_domain(Some(&older)), "d.com", "cart"), older);
        memory.learn_shards("d.com", "cart", &newer);
        memory.learn_shards("d.com", "cart", &older);
        assert_eq!(memory.shard_map(&of_domain(Some(&older)), "d.com", "cart"), newer, "a shard knew more");
        assert_eq!(memory.shard_map(&of_domain(Some(&map(8, 3_000_000))), "d.com", "cart"), map(8, 3_000_000));
        assert_eq!(memory.shard_map(&of_domain(None), "e.com", "cart"), ShardMap::default(), "another domain's");
        for number in 0..SPREAD_MAX + 5 {
            memory.learn_shards("d.com", &number.to_string(), &older);
            assert!(memory.spread.len() <= SPREAD_MAX);
        }
    }

    #[test]
    fn a_view_survives_kv() {
        let view = PublishedView {
            version: 3,
            revoked: vec!["k".into()],
            overrides: vec![("A".into(), "b".into())],
            ..PublishedView::default()
        };
        let text = serde_json::to_string(&view).unwrap();
        assert_eq!(serde_json::from_str::<PublishedView>(&text).unwrap(), view);
        assert_eq!(kv_key("a.com"), "domain:a.com");
    }
}
