//! Erasures in the domain's machine: it forgets first, then has the plan carried out, and keeps the receipt.
//!
//! What stays when a domain is erased: its keys (one that was forgotten would be valid again), what was granted of its
//! quota (erasing is no way around it), the audit log and the receipts. The view's version goes on growing, so that
//! whoever was told of the old life takes what is told of the new one.

use super::{Answer, DomainMachine, Effects, split_message_id};
use crate::machine::erasure::{Counts, Erasure, STEP_PATIENCE, Scope, Stage, Step, StepOutcome, add_counts};
use crate::time::Timestamp;
use std::collections::BTreeSet;

/// Receipts that are kept; the oldest finished one leaves for the next. At about 300 bytes each 300 KB.
pub(super) const ERASURES_MAX: usize = 1_000;
/// Erasures under way at once.
pub(super) const ERASURES_OPEN_MAX: usize = 20;

impl DomainMachine {
    pub(super) fn erase(
        &mut self,
        id: String,
        scope: Scope,
        by: String,
        alerts: Vec<String>,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let streams = self.streams_of(&scope);
        let is_whole = !matches!(scope, Scope::User { .. });
        // Whoever did not hear the answer asks again, and is told of what sees to it already.
        if let Some(known) = self.seen_to(&scope, streams.is_empty() && alerts.is_empty()) {
            effects.answer = Answer::Erasing(known, true);
            return;
        }
        if streams.is_empty() && scope != Scope::Domain {
            effects.answer = Answer::NotFound;
            return;
        }
        if self.erasures.values().filter(|erasure| !erasure.is_finished()).count() >= ERASURES_OPEN_MAX {
            effects.answer = Answer::NoRoom;
            return;
        }
        let mut domain = Counts::new();
        if is_whole {
            self.forget(&scope, &streams, &alerts, &mut domain, effects);
        }
        let mut erasure = Erasure::new(id.clone(), scope, by, now, self.view.version, streams);
        erasure.domain = domain;
        self.make_room_for_receipt(effects);
        effects.booked.push((erasure.by.clone(), "erase.requested", booked(&erasure)));
        effects.erasures.push((id.clone(), erasure.encode()));
        self.erasures.insert(id.clone(), erasure);
        effects.answer = Answer::Erasing(id, false);
    }

    /// The erasure that sees to this scope already, if one does; `is_empty` says that nothing of it is in the directory.
    fn seen_to(&self, scope: &Scope, is_empty: bool) -> Option<String> {
        let covers = |erasure: &&Erasure| match scope {
            Scope::Component(name) => {
                let is_part =
                    erasure.scope == Scope::Domain && erasure.parts.iter().any(|part| part.component == *name);
                is_empty && (is_part || erasure.scope == *scope)
            }
            Scope::Domain => {
                let has_nothing = is_empty && self.lessons.list().is_empty() && self.view.overrides.is_empty();
                has_nothing && erasure.scope == Scope::Domain
            }
            Scope::User { .. } => !erasure.is_finished() && erasure.scope.is_same(scope),
        };
        let known = self.erasures.values().filter(covers).max_by_key(|erasure| erasure.requested_at);
        known.map(|erasure| erasure.id.clone())
    }

    /// The streams that a scope is about.
    fn streams_of(&self, scope: &Scope) -> Vec<(String, u16)> {
        let wanted = match scope {
            Scope::Component(name) | Scope::User { component: Some(name), .. } => Some(name),
            Scope::Domain | Scope::User { component: None, .. } => None,
        };
        self.components.keys().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == name)).cloned().collect()
    }

    fn forget(
        &mut self,
        scope: &Scope,
        streams: &[(String, u16)],
        alerts: &[String],
        counts: &mut Counts,
        effects: &mut Effects,
    ) {
        let gone: BTreeSet<&(String, u16)> = streams.iter().collect();
        self.components.retain(|stream, _| !gone.contains(stream));
        self.unsynced.retain(|stream| !gone.contains(stream));
        self.untaught.retain(|stream| !gone.contains(stream));
        effects.components_gone = streams.to_vec();
        let messages = self.outbox.due(Timestamp(i64::MAX), usize::MAX);
        let of_gone = |id: &&String| alerts.iter().any(|alert| alert == split_message_id(id).0);
        let waiting: Vec<String> = messages.iter().filter(of_gone).cloned().collect();
        for id in &waiting {
            self.outbox.remove(id);
        }
        effects.alerts_gone = alerts.to_vec();
        let mut note = |name: &str, count: usize| {
            if count > 0 {
                counts.insert(name.to_owned(), count as u64);
            }
        };
        note("components", streams.len());
        note("alerts", alerts.len());
        note("messages", waiting.len());
        if *scope == Scope::Domain {
            note("lessons", self.lessons.list().len());
            note("settings", self.view.overrides.len());
            self.lessons.clear();
            self.untaught.clear();
            self.view.overrides.clear();
            self.view.records_per_day = self.settings.records_per_day;
            self.disabled.clear();
            effects.lessons_changed = true;
        }
        self.changed(effects);
    }

    fn make_room_for_receipt(&mut self, effects: &mut Effects) {
        while self.erasures.len() >= ERASURES_MAX {
            let finished = self.erasures.values().filter(|erasure| erasure.is_finished());
            let Some(oldest) = finished.min_by_key(|erasure| erasure.requested_at).map(|it| it.id.clone()) else {
                return;
            };
            self.erasures.remove(&oldest);
            effects.erasures_gone.push(oldest);
        }
    }

    /// Hands out what is due. Whoever takes it is trusted for a while; after that it is due again.
    pub(super) fn erasure_due(&mut self, now: Timestamp, effects: &mut Effects) {
        for erasure in self.erasures.values_mut().filter(|it| !it.is_finished() && it.next_at <= now) {
            let id = erasure.id.clone();
            if erasure.stage == Stage::Retelling && !matches!(erasure.scope, Scope::User { .. }) {
                // The sweeps took what was written by whoever joined since, too: a component of the domain, a shard of the
                // component.
                let of = if let Scope::Component(name) = &erasure.scope { Some(name.clone()) } else { None };
                erasure.join(self.components.keys().filter(|(name, _)| of.as_ref().is_none_or(|of| of == name)));
                if erasure.parts.is_empty() {
                    erasure.finish(now);
                }
            }
            for step in erasure.steps() {
                if let Step::Retell { component, shard } = &step
                    && !self.components.contains_key(&(component.clone(), *shard))
                {
                    // Nothing began anew under this name: there is nothing to be told.
                    erasure.book(&step, StepOutcome::Retold, self.settings.has_copies, now);
                    continue;
                }
                effects.steps.push((id.clone(), step));
            }
            if erasure.is_finished() {
                effects.booked.push((erasure.by.clone(), "erase.finished", booked(erasure)));
                effects.erasures.push((id, erasure.encode()));
            } else {
                erasure.next_at = now.plus(STEP_PATIENCE);
            }
        }
    }

    pub(super) fn erasure_step(
        &mut self,
        id: &str,
        step: &Step,
        outcome: StepOutcome,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let has_copies = self.settings.has_copies;
        let Some(erasure) = self.erasures.get_mut(id).filter(|erasure| !erasure.is_finished()) else { return };
        erasure.book(step, outcome, has_copies, now);
        // A plan without streams has none to tell again either; who joined a domain since is asked for when it is due.
        if erasure.stage == Stage::Retelling && erasure.parts.is_empty() && erasure.scope != Scope::Domain {
            erasure.finish(now);
        }
        if erasure.is_finished() {
            effects.booked.push((erasure.by.clone(), "erase.finished", booked(erasure)));
        }
        effects.erasures.push((id.to_owned(), erasure.encode()));
    }

    pub(super) fn alerts_stripped(&mut self, id: &str, counts: &Counts, effects: &mut Effects) {
        if let Some(erasure) = self.erasures.get_mut(id) {
            add_counts(&mut erasure.domain, counts);
            effects.erasures.push((id.to_owned(), erasure.encode()));
        }
    }

    /// Whether what a stream says under this version of the view is of a life that is over. A stream that has no view, after
    /// a change of builds, is believed.
    pub fn is_of_old_life(&self, component: &str, version: u64) -> bool {
        let is_meant = |erasure: &&Erasure| {
            !matches!(erasure.scope, Scope::User { .. }) && erasure.parts.iter().any(|part| part.component == component)
        };
        version > 0 && self.erasures.values().filter(is_meant).any(|erasure| version < erasure.version)
    }

    /// Whether this stream still holds what has to go.
    pub fn is_being_erased(&self, component: &str, shard: u16) -> bool {
        self.erasures.values().any(|erasure| !erasure.is_finished() && erasure.holds_back(component, shard))
    }

    /// When the next step of an erasure is due.
    pub(super) fn erasure_at(&self) -> Option<Timestamp> {
        self.erasures.values().filter(|erasure| !erasure.is_finished()).map(|erasure| erasure.next_at).min()
    }

    /// Erasures, finished ones too.
    pub fn erasures(&self) -> impl Iterator<Item = &Erasure> {
        self.erasures.values()
    }

    /// One erasure.
    pub fn erasure(&self, id: &str) -> Option<&Erasure> {
        self.erasures.get(id)
    }
}

fn booked(erasure: &Erasure) -> String {
    format!("{}: {}", erasure.id, erasure.scope.shown())
}

#[cfg(test)]
mod tests {
    use super::super::{Component, DomainSettings, Event, KeyEntry, Stored};
    use super::*;
    use crate::machine::erasure::{PartState, SETTLE, Sent};
    use crate::pattern::PatternId;
    use crate::pattern::lesson::{Reference, Teaching};
    use std::collections::BTreeMap;

    struct Case {
        machine: DomainMachine,
        now: Timestamp,
        rows: BTreeMap<String, Vec<u8>>,
    }

    impl Case {
        fn new(has_copies: bool) -> Self {
            let settings = DomainSettings { targets: vec!["webhook".into()], has_copies, ..DomainSettings::default() };
            Self {
                machine: DomainMachine::restore(settings, Stored::default()).unwrap(),
                now: Timestamp(1_000),
                rows: BTreeMap::new(),
            }
        }

        fn handle(&mut self, event: Event) -> Effects {
            self.now = Timestamp(self.now.0 + 1);
            let effects = self.machine.handle(event, self.now);
            self.rows.extend(effects.erasures.iter().cloned());
            effects
        }

        fn register(&mut self, component: &str) -> Answer {
            self.handle(Event::Register { component: component.into(), shard: 0 }).answer
        }

        fn erase(&mut self, id: &str, scope: Scope, alerts: &[&str]) -> Effects {
            let alerts = alerts.iter().map(|id| (*id).to_owned()).collect();
            self.handle(Event::Erase { id: id.into(), scope, by: "ann".into(), alerts })
        }

        fn due(&mut self) -> Vec<Step> {
            self.handle(Event::ErasureDue).steps.into_iter().map(|(_, step)| step).collect()
        }

        fn done(&mut self, id: &str, step: Step, outcome: StepOutcome) -> Effects {
            self.handle(Event::ErasureStep { id: id.into(), step, outcome })
        }

        /// As after a crash: what the rows say.
        fn restart(&mut self) {
            let stored = Stored {
                state: Some(self.machine.encode_state()),
                components: self
                    .machine
                    .components()
                    .map(|(name, shard, it)| (name.into(), shard, it.clone()))
                    .collect(),
                keys: self.machine.keys().map(|(id, entry)| (id.clone(), entry.clone())).collect(),
                lessons: Some(self.machine.lessons().encode()),
                erasures: self.rows.values().cloned().collect(),
                ..Stored::default()
            };
            self.machine = DomainMachine::restore(self.machine.settings.clone(), stored).unwrap();
        }

        fn names(&self) -> Vec<&str> {
            self.machine.components().map(|(name, _, _)| name).collect()
        }
    }

    fn counts(records: u64) -> Counts {
        Counts::from([("records".to_owned(), records)])
    }

    fn component(name: &str) -> Scope {
        Scope::Component(name.into())
    }

    fn user(name: &str) -> Scope {
        Scope::User { user: name.into(), fingerprint: format!("#{name}"), component: None }
    }

    fn count(name: &str) -> Step {
        Step::Count { component: name.into(), shard: 0 }
    }

    #[test]
    fn a_component_goes_stage_by_stage_and_its_name_waits_until_its_stream_is_erased() {
        let mut case = Case::new(true);
        case.register("cart");
        case.register("shop");
        case.handle(Event::Watched(true));
        case.handle(Event::Alert { id: "a1".into() });
        case.handle(Event::Alert { id: "b1".into() });
        let told = case.machine.view().version;
        let effects = case.erase("e1", component("cart"), &["a1"]);
        assert_eq!(effects.booked, [("ann".to_owned(), "erase.requested", "e1: component cart".to_owned())]);
        assert_eq!(effects.answer, Answer::Erasing("e1".into(), false));
        assert_eq!((effects.components_gone, effects.alerts_gone), (vec![("cart".into(), 0)], vec!["a1".to_owned()]));
        assert_eq!(case.names(), ["shop"], "the domain forgets first");
        assert_eq!(case.machine.outbox().due(Timestamp(i64::MAX), 9), ["b1#webhook"], "others' alerts stay");
        let version = case.machine.view().version;
        assert!(version > told, "what was told before is told from what is told to the new life");

        assert_eq!(case.due(), [count("cart")]);
        assert_eq!(case.due(), [], "whoever took a step is trusted for a while");
        case.done("e1", count("cart"), StepOutcome::Counted { counts: counts(7), sent: Sent::default() });
        assert_eq!(case.register("cart"), Answer::NotYet);
        let erase = Step::Erase { component: "cart".into(), shard: 0, version };
        assert_eq!(case.due(), std::slice::from_ref(&erase));
        case.restart();
        assert_eq!(case.due(), std::slice::from_ref(&erase), "a crash between two steps repeats the step");
        case.done("e1", erase.clone(), StepOutcome::Erased(Counts::new()));
        assert_eq!(case.register("cart"), Answer::Registered, "what comes now starts anew");
        case.done("e1", erase, StepOutcome::Erased(counts(99)));
        assert!(case.machine.is_of_old_life("cart", version - 1) && !case.machine.is_of_old_life("cart", version));
        assert!(!case.machine.is_of_old_life("cart", 0) && !case.machine.is_of_old_life("shop", version - 1));

        assert_eq!(case.due(), [Step::Sweep]);
        case.done("e1", Step::Sweep, StepOutcome::Swept { counts: counts(5), is_done: false });
        assert_eq!(case.due(), [Step::Sweep]);
        case.done("e1", Step::Sweep, StepOutcome::Swept { counts: counts(1), is_done: true });
        assert_eq!(case.due(), [], "writes under way may still arrive");
        case.now = case.now.plus(SETTLE);
        assert_eq!(case.due(), [Step::Sweep]);
        case.done("e1", Step::Sweep, StepOutcome::Swept { counts: Counts::new(), is_done: true });
        assert_eq!(case.due(), [], "nor may a sweep that was not answered take what is told again");
        case.now = case.now.plus(SETTLE);
        let retell = Step::Retell { component: "cart".into(), shard: 0 };
        assert_eq!(case.due(), std::slice::from_ref(&retell));
        assert_eq!(case.machine.erasure_at().map(|at| at > case.now), Some(true));
        let effects = case.done("e1", retell, StepOutcome::Retold);
        assert_eq!(effects.booked, [("ann".to_owned(), "erase.finished", "e1: component cart".to_owned())]);
        let receipt = case.machine.erasure("e1").unwrap();
        assert_eq!((receipt.stage, receipt.finished_at), (Stage::Finished, Some(case.now)));
        assert_eq!(
            (receipt.streams().0, receipt.copies.clone()),
            (counts(7), counts(6)),
            "a late answer counts nothing"
        );
        assert_eq!(receipt.domain.get("alerts"), Some(&1));
    }

    #[test]
    fn without_copies_nothing_has_to_settle() {
        let mut case = Case::new(false);
        case.register("cart");
        case.erase("e1", component("cart"), &[]);
        let version = case.machine.view().version;
        case.done("e1", count("cart"), StepOutcome::Counted { counts: counts(7), sent: Sent::default() });
        let erase = Step::Erase { component: "cart".into(), shard: 0, version };
        case.done("e1", erase, StepOutcome::Erased(counts(8)));
        case.done("e1", Step::Sweep, StepOutcome::Swept { counts: Counts::new(), is_done: true });
        let receipt = case.machine.erasure("e1").unwrap();
        assert!(receipt.is_finished());
        assert_eq!(receipt.streams().0, counts(8), "what came between counting and erasing is counted too");
        assert_eq!(case.machine.wake_at(), None, "a finished erasure wants no alarm");
    }

    #[test]
    fn what_is_asked_twice_is_done_once() {
        let mut case = Case::new(false);
        case.register("cart");
        assert_eq!(case.erase("e0", component("cat"), &[]).answer, Answer::NotFound);
        case.erase("e1", component("cart"), &[]);
        assert_eq!(case.erase("e2", component("cart"), &[]).answer, Answer::Erasing("e1".into(), true));
        case.restart();
        assert_eq!(case.erase("e2", component("cart"), &[]).answer, Answer::Erasing("e1".into(), true));
        let of_user = case.erase("u1", user("bob"), &[]).answer;
        assert_eq!(of_user, Answer::NotFound, "where there is no component there is nobody");
        case.register("shop");
        assert_eq!(case.erase("u1", user("bob"), &[]).answer, Answer::Erasing("u1".into(), false));
        assert_eq!(case.erase("u2", user("bob"), &[]).answer, Answer::Erasing("u1".into(), true));
        assert_eq!(case.erase("u3", user("eve"), &[]).answer, Answer::Erasing("u3".into(), false));
        for number in 0..ERASURES_OPEN_MAX {
            case.erase(&format!("v{number}"), user(&format!("v{number}")), &[]);
        }
        assert_eq!(case.erase("w", user("w"), &[]).answer, Answer::NoRoom);
    }

    #[test]
    fn a_domain_loses_all_but_its_keys_its_grants_and_its_receipts() {
        let mut case = Case::new(false);
        case.register("cart");
        case.register("shop");
        let entry =
            KeyEntry { name: "k".into(), scopes: vec![], component: None, created_at: Timestamp(1), revoked_at: None };
        case.handle(Event::KeyCreated { id: "k1".into(), entry });
        case.handle(Event::RevokeKey("k1".into()));
        case.handle(Event::Configure(vec![("RETENTION_DAYS".into(), "7".into())]));
        case.handle(Event::Limit(Some(1_000)));
        case.handle(Event::Lease(10));
        let granted = case.machine.granted();
        let pattern = Reference { id: PatternId(7), template: "a <*>".into() };
        let teaching = Teaching::Constant { pattern, place: 0 };
        let taught = case.handle(Event::Teach { teachings: vec![(teaching, String::new())], by: "ann".into() });
        assert_eq!(taught.answer, Answer::Taught(vec![1]));
        let (view, lessons) = (case.machine.view().version, case.machine.lessons().version);
        let answer = case.erase("e1", Scope::Domain, &[]).answer;
        assert_eq!(answer, Answer::Erasing("e1".into(), false));
        assert_eq!(case.names(), Vec::<&str>::new());
        assert!(case.machine.view().version > view && case.machine.lessons().version > lessons);
        assert!(case.machine.lessons().list().is_empty() && case.machine.view().overrides.is_empty());
        assert_eq!((case.machine.view().records_per_day, case.machine.granted()), (None, granted));
        assert_eq!(
            (case.machine.view().revoked.as_slice(), case.machine.keys().count()),
            (["k1".to_owned()].as_slice(), 1)
        );
        assert_eq!(case.due().len(), 2);
        assert_eq!(case.erase("e2", Scope::Domain, &[]).answer, Answer::Erasing("e1".into(), true));
        assert_eq!(case.erase("e2", component("cart"), &[]).answer, Answer::Erasing("e1".into(), true));
        assert_eq!(case.register("new"), Answer::Registered);
        assert_eq!(
            case.erase("e3", Scope::Domain, &[]).answer,
            Answer::Erasing("e3".into(), false),
            "it has something again"
        );
        assert_eq!(case.machine.erasure("e1").unwrap().domain.get("lessons"), Some(&1));
    }

    #[test]
    fn the_first_life_of_a_domain_that_nobody_changed_is_told_from_the_next() {
        let mut case = Case::new(false);
        case.register("cart");
        let told = case.machine.view().version;
        assert!(told > 0, "version 0 is that of a stream without a view, which is believed");
        case.erase("e1", Scope::Component("cart".into()), &[]);
        assert!(case.machine.is_of_old_life("cart", told));
    }

    #[test]
    fn who_joins_while_a_domain_is_erased_is_swept_with_it_and_tells_again() {
        for is_empty in [false, true] {
            let mut case = Case::new(true);
            if !is_empty {
                case.register("cart");
            }
            case.erase("e1", Scope::Domain, &[]);
            if !is_empty {
                case.done("e1", count("cart"), StepOutcome::Counted { counts: counts(7), sent: Sent::default() });
                let version = case.machine.view().version;
                let erase = Step::Erase { component: "cart".into(), shard: 0, version };
                case.done("e1", erase, StepOutcome::Erased(Counts::new()));
                assert_eq!(case.register("shop"), Answer::Registered);
            }
            for _ in 0..2 {
                case.done("e1", Step::Sweep, StepOutcome::Swept { counts: Counts::new(), is_done: true });
                case.now = case.now.plus(SETTLE);
            }
            if !is_empty {
                case.restart();
                assert_eq!(
                    case.due(),
                    [Step::Retell { component: "shop".into(), shard: 0 }],
                    "cart is not there again"
                );
                let retell = Step::Retell { component: "shop".into(), shard: 0 };
                case.done("e1", retell, StepOutcome::Retold);
            }
            assert_eq!(case.due(), []);
            let receipt = case.machine.erasure("e1").unwrap();
            assert!(receipt.is_finished(), "{receipt:?}");
            assert_eq!(receipt.streams().0.get("records"), (!is_empty).then_some(&7));
        }
    }

    #[test]
    fn a_user_s_records_go_slice_by_slice_and_the_receipt_does_not_name_them() {
        let mut case = Case::new(false);
        case.register("cart");
        case.erase("u1", user("bob"), &[]);
        let step = |cursor| Step::EraseUser { component: "cart".into(), shard: 0, user: "bob".into(), cursor };
        assert_eq!(case.due(), [step(0)]);
        assert_eq!(case.register("cart"), Answer::Registered, "nothing is held back");
        let sent = |from, to| Sent { records: 1, span: Some((Timestamp(from), Timestamp(to))) };
        let slice = |cursor, sent, is_done: bool| {
            let reached = is_done.then_some(Timestamp(77));
            StepOutcome::UserErased { cursor, counts: counts(3), sent, is_done, reached }
        };
        case.done("u1", step(0), slice(50, sent(5, 9), false));
        case.done("u1", step(0), slice(50, sent(5, 9), false));
        assert_eq!(case.due(), [step(50)], "a slice that was reported twice counts once");
        case.done("u1", step(50), StepOutcome::Failed("away".into()));
        assert_eq!(case.machine.erasure("u1").unwrap().last_error.as_deref(), Some("away"));
        assert_eq!(case.due(), [], "a failed step waits");
        case.now = case.now.plus(STEP_PATIENCE);
        assert_eq!(case.due(), [step(50)]);
        let swept_up_to = |case: &Case, component| case.machine.erasure("u1").unwrap().swept_up_to(component);
        assert_eq!(
            swept_up_to(&case, "cart"),
            Timestamp::MAX,
            "of a stream that does not say how far it is all copies go"
        );
        case.done("u1", step(50), slice(70, sent(2, 6), true));
        case.restart();
        assert_eq!(swept_up_to(&case, "cart"), Timestamp(77));
        let asked = case.machine.erasure("u1").unwrap().requested_at;
        assert_eq!(swept_up_to(&case, "nowhere"), asked, "what is not in the plan began later");
        case.handle(Event::AlertsStripped { id: "u1".into(), counts: Counts::from([("exemplars".into(), 2)]) });
        case.done("u1", Step::Sweep, StepOutcome::Swept { counts: Counts::new(), is_done: true });
        let receipt = case.machine.erasure("u1").unwrap();
        let (lost, sent) = receipt.streams();
        assert_eq!((receipt.stage, lost, sent.records), (Stage::Finished, counts(6), 2));
        assert_eq!(sent.span, Some((Timestamp(2), Timestamp(9))));
        assert_eq!(receipt.scope, Scope::User { user: String::new(), fingerprint: "#bob".into(), component: None });
        assert!(!receipt.encode().windows(5).any(|bytes| bytes == b"\x03bob\x04"));
        assert_eq!(receipt.parts.first().map(|part| part.state), Some(PartState::Erased));
    }

    #[test]
    fn copies_of_a_spread_component_are_swept_up_to_where_its_last_shard_is() {
        let streams = [("cart", 0), ("cart", 1), ("shop", 0)].map(|(name, shard)| (name.to_owned(), shard));
        let mut erasure = Erasure::new("u1".into(), user("bob"), "ann".into(), Timestamp(5), 1, streams.to_vec());
        let mut done = |shard, reached: Option<i64>| {
            let step = Step::EraseUser { component: "cart".into(), shard, user: "bob".into(), cursor: 0 };
            let (counts, sent, reached) = (Counts::new(), Sent::default(), reached.map(Timestamp));
            erasure.book(
                &step,
                StepOutcome::UserErased { cursor: 9, counts, sent, is_done: true, reached },
                true,
                Timestamp(6),
            );
            Erasure::decode(&erasure.encode()).unwrap().swept_up_to("cart")
        };
        assert_eq!(done(0, Some(70)), Timestamp::MAX);
        assert_eq!(done(1, Some(60)), Timestamp(70));
        let (row, mut tail) = (erasure.encode(), crate::bytes::Writer::new());
        [70, 60, i64::MIN].into_iter().for_each(|at| tail.int(at));
        let before = row.strip_suffix(tail.into_bytes().as_slice()).expect("what is new stands behind the rest");
        let read = Erasure::decode(before).unwrap();
        assert_eq!((read.parts.len(), read.swept_up_to("cart")), (3, Timestamp::MAX), "an earlier build did not say");
    }

    #[test]
    fn an_answer_that_comes_late_is_not_taken_for_the_second_sweep_and_hurries_nothing() {
        let slice = Step::EraseUser { component: "cart".into(), shard: 0, user: "bob".into(), cursor: 0 };
        let done = StepOutcome::UserErased {
            cursor: 9,
            counts: Counts::new(),
            sent: Sent::default(),
            is_done: true,
            reached: Some(Timestamp(77)),
        };
        let swept = StepOutcome::Swept { counts: counts(5), is_done: true };
        let failed = StepOutcome::Failed("D1 is away".into());
        let late = [
            (Step::Sweep, swept.clone()),
            (Step::Sweep, failed.clone()),
            (slice.clone(), done.clone()),
            (slice.clone(), failed),
        ];
        for (step, answer) in late {
            let mut case = Case::new(true);
            case.register("cart");
            case.erase("u1", user("bob"), &[]);
            case.done("u1", slice.clone(), done.clone());
            assert_eq!(case.due(), [Step::Sweep]);
            case.now = case.now.plus(STEP_PATIENCE);
            assert_eq!(case.due(), [Step::Sweep], "whoever took it may be dead");
            case.done("u1", Step::Sweep, swept.clone());
            let first = case.now;
            case.done("u1", step, answer.clone());
            assert_eq!(case.machine.erasure("u1").unwrap().stage, Stage::Settling, "{answer:?}");
            assert_eq!(case.machine.wake_at(), Some(first.plus(SETTLE)), "{answer:?}");
            case.now = first.plus(SETTLE);
            assert_eq!(case.due(), [Step::Sweep], "what was on its way then is swept now");
            case.done("u1", Step::Sweep, StepOutcome::Swept { counts: Counts::new(), is_done: true });
            assert!(case.machine.erasure("u1").unwrap().is_finished());
        }
    }

    #[test]
    fn the_oldest_receipt_makes_room_and_what_is_under_way_stays() {
        let mut case = Case::new(false);
        for number in 0..ERASURES_MAX {
            let (id, scope) = (format!("e{number:04}"), component("x"));
            let mut erasure = Erasure::new(id.clone(), scope, "ann".into(), Timestamp(number as i64), 1, vec![]);
            if number > 0 {
                erasure.finish(Timestamp(1));
            }
            case.machine.erasures.insert(id, erasure);
        }
        case.machine.components.insert(("cart".into(), 0), Component { registered_at: Timestamp(1), prior: None });
        let effects = case.erase("new", component("cart"), &[]);
        assert_eq!(effects.erasures_gone, ["e0001"]);
        assert_eq!(case.machine.erasures().count(), ERASURES_MAX);
    }
}
