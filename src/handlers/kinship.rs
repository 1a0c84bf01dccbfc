//! Which patterns of a component's shards are one.
//!
//! Each shard mines its own share of a component's lines, so the same shape may be born from another line, and under
//! another id, in each of them. Two patterns of different shards are one if one knows the other's id, as its own, as one
//! that it took over or as the one that the other shard calls it by, or if template and fault are the same and neither
//! shard has a second pattern that looks like it. It is shown as the first shard has it, which is the lead, also where the
//! lead watches what it never counted; the other ids lead to it as aliases do.
//!
//! A pattern that counts nothing anywhere is not shown: lessons joined it to another.
//!
//! Within one shard patterns stay apart, unless another shard knows them to be one. Patterns of different components are
//! not looked at: the same id is the same pattern there, and nothing else is.

use super::Call;
use super::fan_out::{Gathered, ask_these};
use super::whole::split;
use crate::processors::calls::{ComponentEntry, PatternView};
use std::collections::{BTreeMap, BTreeSet};

/// Ids that are one pattern, by component; of components that are whole, nothing.
#[derive(Debug, Default)]
pub struct Kinship(BTreeMap<String, Kin>);

/// Of one component.
#[derive(Debug, Default)]
struct Kin {
    /// Any id, aliases too, and the id that it is shown under.
    shown: BTreeMap<String, String>,
    /// A shard, an id that is shown, and the ids under which the shard holds it.
    held: BTreeMap<(u16, String), BTreeSet<String>>,
}

impl Kinship {
    /// The id under which a component's pattern is shown.
    pub fn shown<'a>(&'a self, component: &str, id: &'a str) -> &'a str {
        self.0.get(component).and_then(|kin| kin.shown.get(id)).map_or(id, String::as_str)
    }

    /// The ids under which one object holds what is meant by an id: that one, if the component is whole or does not know it.
    pub fn held(&self, entry: &ComponentEntry, id: &str) -> Vec<String> {
        let shown = self.shown(&entry.component, id);
        let held = self.0.get(&entry.component).and_then(|kin| kin.held.get(&(entry.shard, shown.to_owned())));
        held.map_or_else(|| vec![id.to_owned()], |held| held.iter().cloned().collect())
    }

    /// The other ids that shards hold the same pattern under, of every id that one of them does.
    pub fn others(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut families: BTreeMap<(&String, &String), BTreeSet<&String>> = BTreeMap::new();
        for (component, kin) in &self.0 {
            for ((_, shown), held) in &kin.held {
                families.entry((component, shown)).or_default().extend(held);
            }
        }
        let mut others: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for family in families.into_values().filter(|family| family.len() > 1) {
            for id in &family {
                let known = others.entry((*id).clone()).or_default();
                known.extend(family.iter().filter(|other| other != &id).map(|other| (*other).clone()));
            }
        }
        others
    }

    /// The same for several ids, each once and in order.
    pub fn all_held(&self, entry: &ComponentEntry, ids: &[String]) -> Vec<String> {
        let mut known = BTreeSet::new();
        ids.iter().flat_map(|id| self.held(entry, id)).filter(|id| known.insert(id.clone())).collect()
    }
}

/// Asks the objects among these whose components are split for their patterns. Tells which are one, those of each such
/// component put together, in brief, and who did not answer: of those it is as if they had no pattern.
pub async fn ask(call: &Call<'_>, objects: &[ComponentEntry]) -> (Kinship, Gathered<Vec<PatternView>>) {
    match split(objects) {
        none if none.is_empty() => (Kinship::default(), Gathered { answers: Vec::new(), failed: Vec::new() }),
        split => {
            let ask = ask_these(call, split, |stubs, address| async move { stubs.patterns_in_brief(&address).await });
            together(ask.await)
        }
    }
}

/// The patterns of each component as if it was one object, and which of its shards' patterns are one.
pub fn together(gathered: Gathered<Vec<PatternView>>) -> (Kinship, Gathered<Vec<PatternView>>) {
    let Gathered { answers, failed } = gathered;
    let mut components: BTreeMap<String, Vec<(ComponentEntry, Vec<PatternView>)>> = BTreeMap::new();
    for (entry, views) in answers {
        components.entry(entry.component.clone()).or_default().push((entry, views));
    }
    let mut kinship = Kinship::default();
    let mut merged = Vec::new();
    for (component, mut shards) in components {
        shards.sort_by_key(|(entry, _)| entry.shard);
        if shards.len() < 2 {
            for (entry, mut views) in shards {
                views.retain(|view| view.count > 0);
                merged.push((entry, views));
            }
            continue;
        }
        let Some(first) = shards.first().map(|(entry, _)| entry.clone()) else { continue };
        let (kin, views) = unite(shards.into_iter().map(|(entry, views)| (entry.shard, views)).collect());
        kinship.0.insert(component, kin);
        merged.push((first, views));
    }
    (kinship, Gathered { answers: merged, failed })
}

/// What two patterns of different shards have in common if they are one: template, and fingerprint of the fault.
type Look = (String, Option<String>);

fn look(view: &PatternView) -> Look {
    (view.template.clone(), view.fault.as_ref().map(|fault| fault.fingerprint.clone()))
}

/// Unites the patterns of one component's shards, the shards in order.
fn unite(shards: Vec<(u16, Vec<PatternView>)>) -> (Kin, Vec<PatternView>) {
    let mut families = Families::default();
    let (mut by_id, mut by_look) = (BTreeMap::<String, usize>::new(), BTreeMap::<Look, usize>::new());
    for (_, views) in &shards {
        let mut alike = BTreeMap::<Look, u32>::new();
        for view in views {
            *alike.entry(look(view)).or_insert(0) += 1;
        }
        for view in views {
            let own = families.add();
            for id in every_id(view) {
                families.join(own, *by_id.entry(id.clone()).or_insert(own));
            }
            let look = look(view);
            if alike.get(&look) == Some(&1) {
                families.join(own, *by_look.entry(look).or_insert(own));
            }
        }
    }
    let mut kin = Kin::default();
    let mut united: BTreeMap<usize, PatternView> = BTreeMap::new();
    for (at, (shard, view)) in
        shards.into_iter().flat_map(|(shard, views)| views.into_iter().map(move |view| (shard, view))).enumerate()
    {
        let family = families.first(at);
        let shown = united.get(&family).map_or_else(|| view.id.clone(), |first| first.id.clone());
        for id in every_id(&view) {
            kin.shown.insert(id.clone(), shown.clone());
        }
        kin.held.entry((shard, shown)).or_default().insert(view.id.clone());
        match united.get_mut(&family) {
            Some(first) => first.unite(view),
            None => drop(united.insert(family, view)),
        }
    }
    let mut views: Vec<PatternView> = united.into_values().filter(|view| view.count > 0).collect();
    views.sort_by(|left, right| right.count.cmp(&left.count).then_with(|| left.id.cmp(&right.id)));
    (kin, views)
}

/// The ids that lead to a pattern, as its shard knows.
fn every_id(view: &PatternView) -> impl Iterator<Item = &String> {
    std::iter::once(&view.id).chain(&view.aliases).chain(&view.called)
}

/// Who belongs together: of each member an earlier one of the same family, or itself if it is the first.
#[derive(Default)]
struct Families(Vec<usize>);

impl Families {
    fn add(&mut self) -> usize {
        self.0.push(self.0.len());
        self.0.len() - 1
    }

    fn first(&mut self, member: usize) -> usize {
        let mut at = member;
        // An earlier one is smaller, so that this ends.
        while let Some(&earlier) = self.0.get(at).filter(|earlier| **earlier < at) {
            at = earlier;
        }
        if let Some(known) = self.0.get_mut(member) {
            *known = at;
        }
        at
    }

    fn join(&mut self, left: usize, right: usize) {
        let (left, right) = (self.first(left), self.first(right));
        if let Some(later) = self.0.get_mut(left.max(right)) {
            *later = left.min(right);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processors::calls::{ExemplarView, FaultView, NamingView};
    use sapwood_engine::pattern::{Miner, Pattern, PatternId};
    use sapwood_engine::record::Record;
    use sapwood_engine::time::Timestamp;

    fn entry(component: &str, shard: u16) -> ComponentEntry {
        ComponentEntry { component: component.into(), shard, registered_at_ms: 0 }
    }

    fn view(id: &str, template: &str, count: u64, aliases: &[&str]) -> PatternView {
        let aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
        PatternView { id: id.into(), template: template.into(), count, aliases, ..PatternView::default() }
    }

    fn faulty(id: &str, fingerprint: &str) -> PatternView {
        let fault = FaultView {
            fingerprint: fingerprint.into(),
            exception_type: None,
            function: None,
            file: None,
            language: String::new(),
            causes: vec![],
        };
        PatternView { fault: Some(fault), ..view(id, "it failed", 1, &[]) }
    }

    /// The patterns of shards 0, 1 ... of one component, as they are shown: id, count, aliases.
    fn shown(shards: Vec<Vec<PatternView>>) -> Vec<String> {
        let answers = (0..).zip(shards).map(|(shard, views)| (entry("hot", shard), views)).collect();
        let (_, merged) = together(Gathered { answers, failed: vec![] });
        assert_eq!(merged.answers.len(), 1, "one answer a component");
        let line = |view: &PatternView| format!("{} {} {}", view.id, view.count, view.aliases.join("+"));
        merged.answers.iter().flat_map(|(_, views)| views.iter().map(line)).collect()
    }

    #[test]
    fn the_same_id_an_alias_and_the_same_look_are_one_pattern() {
        let same_id = shown(vec![vec![view("p", "user <*> left", 3, &[])], vec![view("p", "user bob left", 4, &[])]]);
        assert_eq!(same_id, ["p 7 "]);
        let alias = shown(vec![vec![view("p", "user <*> left", 3, &["q"])], vec![view("q", "user bob left", 4, &[])]]);
        assert_eq!(alias, ["p 7 q"]);
        let taken_over = shown(vec![vec![view("q", "user bob left", 4, &[])], vec![view("p", "user <*>", 3, &["q"])]]);
        assert_eq!(taken_over, ["q 7 p"], "the lead's own id is the one that is shown");
        let look = shown(vec![vec![view("p", "user <*> left", 3, &[])], vec![view("r", "user <*> left", 4, &["s"])]]);
        assert_eq!(look, ["p 7 r+s"]);
        let other = shown(vec![vec![view("p", "user <*> left", 3, &[])], vec![view("r", "user <*> came", 4, &[])]]);
        assert_eq!(other, ["r 4 ", "p 3 "]);
    }

    #[test]
    fn what_the_lead_watches_and_never_counted_has_the_lead_s_id() {
        let watched = PatternView { called: vec!["q".into()], ..view("p", "user <*> left", 0, &[]) };
        let left = view("z", "joined to another", 0, &[]);
        assert_eq!(shown(vec![vec![watched, left.clone()], vec![view("q", "user bob left", 4, &[])]]), ["p 4 q"]);
        let (_, whole) = together(Gathered { answers: vec![(entry("a", 0), vec![left])], failed: vec![] });
        assert!(whole.answers[0].1.is_empty());
    }

    #[test]
    fn patterns_are_one_through_others_too() {
        let chain = vec![
            vec![view("a", "one <*>", 1, &[])],
            vec![view("b", "two <*>", 2, &[])],
            vec![view("c", "two <*>", 4, &["a"])],
        ];
        assert_eq!(shown(chain), ["a 7 b+c"]);
    }

    #[test]
    fn patterns_of_one_shard_that_look_alike_stay_apart() {
        let twins = vec![
            vec![view("a", "it failed", 1, &[]), view("b", "it failed", 2, &[])],
            vec![view("b", "it failed", 4, &[]), view("c", "it failed", 8, &[])],
        ];
        assert_eq!(shown(twins), ["c 8 ", "b 6 ", "a 1 "]);
        let faults = vec![vec![faulty("a", "f1"), faulty("b", "f2")], vec![faulty("c", "f2"), faulty("d", "f3")]];
        assert_eq!(shown(faults), ["b 2 c", "a 1 ", "d 1 "], "the same words of two faults are two patterns");
    }

    #[test]
    fn what_shards_know_of_a_pattern_is_united() {
        let exemplar = |id: &str, timestamp_ms| ExemplarView {
            id: id.into(),
            timestamp_ms,
            level: "info".into(),
            message: String::new(),
        };
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let many: Vec<String> = (0..20).map(|number| format!("/{number}")).collect();
        let lead = PatternView {
            levels: BTreeMap::from([("info".into(), 3)]),
            first_seen_ms: 5,
            last_seen_ms: 9,
            endpoints: texts(&["/a"]),
            environments: texts(&["production"]),
            exemplars: vec![exemplar("x", 5)],
            ..view("p", "t <*>", 3, &[])
        };
        let follower = PatternView {
            levels: BTreeMap::from([("info".into(), 1), ("error".into(), 1)]),
            first_seen_ms: 2,
            last_seen_ms: 20,
            endpoints: many,
            environments: texts(&["production", "staging"]),
            releases: texts(&["1.2"]),
            exemplars: vec![exemplar("y", 2), exemplar("z", 20)],
            was_alerted: true,
            naming: Some(NamingView { name: "T".into(), ..NamingView::default() }),
            parent: Some("q".into()),
            ..view("p", "t <*>", 2, &[])
        };
        let answers = vec![(entry("hot", 0), vec![lead]), (entry("hot", 1), vec![follower])];
        let (_, merged) = together(Gathered { answers, failed: vec!["slow".into()] });
        let one = &merged.answers[0].1[0];
        assert_eq!((one.count, one.first_seen_ms, one.last_seen_ms), (5, 2, 20));
        assert_eq!(one.levels, BTreeMap::from([("info".to_owned(), 4), ("error".to_owned(), 1)]));
        assert_eq!((one.endpoints.len(), one.endpoints[0].as_str()), (8, "/a"));
        assert_eq!(
            (one.environments.clone(), one.releases.clone()),
            (texts(&["production", "staging"]), texts(&["1.2"]))
        );
        assert_eq!(one.exemplars.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["z", "x", "y"], "newest first");
        assert!(one.was_alerted && one.parent.as_deref() == Some("q"));
        assert_eq!(one.naming.as_ref().map(|naming| naming.name.as_str()), Some("T"));
        assert_eq!(merged.failed, ["slow"]);
    }

    #[test]
    fn each_id_leads_to_what_is_shown_and_to_what_each_shard_holds() {
        let answers = vec![
            (entry("hot", 0), vec![view("p", "user <*> left", 3, &["o"]), view("z", "alone", 1, &[])]),
            (entry("hot", 2), vec![view("r", "user <*> left", 4, &[])]),
            (entry("whole", 0), vec![view("r", "user <*> left", 4, &[])]),
        ];
        let (kinship, merged) = together(Gathered { answers, failed: vec![] });
        assert_eq!(merged.answers.len(), 2);
        for id in ["p", "o", "r"] {
            assert_eq!(kinship.shown("hot", id), "p");
            assert_eq!(kinship.held(&entry("hot", 0), id), ["p"]);
            assert_eq!(kinship.held(&entry("hot", 2), id), ["r"]);
        }
        assert_eq!(kinship.shown("whole", "r"), "r", "another component's ids are its own");
        assert_eq!(kinship.held(&entry("whole", 0), "r"), ["r"]);
        assert_eq!(kinship.held(&entry("hot", 2), "z"), ["z"], "asked for all the same: nothing comes of it");
        let ids = ["r".to_owned(), "z".to_owned(), "p".to_owned()];
        assert_eq!(kinship.all_held(&entry("hot", 0), &ids), ["p", "z"]);
    }

    #[test]
    fn lines_that_are_mined_apart_are_shown_as_often_and_no_template_twice() {
        let mut seed = 11u64;
        let mut number = move |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let names = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"];
        for shards in [2u16, 3, 8] {
            let mut miners: Vec<Miner> = (0..shards).map(|_| Miner::default()).collect();
            let lines = 2_000;
            for seq in 1..=lines {
                let name = names[number(10) as usize];
                let message = match number(6) {
                    0 => format!("user {name} logged in from {}.1.2.3", number(200)),
                    1 => format!("user {name} logged out after {} ms", number(900)),
                    2 => format!("payment {} of {name} failed: card declined", number(9_000)),
                    3 => format!("cache miss for key {name}:{}", number(50)),
                    4 => format!("job {name} finished"),
                    _ => "heartbeat".to_owned(),
                };
                let record = Record { message, timestamp: Timestamp(seq), ..Record::default() };
                let shard = number(u64::from(shards)) as usize;
                miners[shard].observe(&record, seq as u64, 0, Timestamp(seq));
            }
            let known = |miner: &Miner| -> Vec<PatternView> {
                let view = |pattern: &Pattern| PatternView {
                    id: pattern.id.to_string(),
                    template: pattern.template.clone(),
                    count: pattern.count,
                    aliases: miner.ids_of(pattern.id).iter().skip(1).map(PatternId::to_string).collect(),
                    ..PatternView::default()
                };
                miner.patterns().map(view).collect()
            };
            let answers: Vec<_> =
                (0..).zip(&miners).map(|(shard, miner)| (entry("hot", shard), known(miner))).collect();
            let apart: BTreeSet<(String, String)> = answers
                .iter()
                .flat_map(|(_, views)| views.iter().map(|view| (view.template.clone(), view.id.clone())))
                .collect();
            let (kinship, merged) = together(Gathered { answers: answers.clone(), failed: vec![] });
            let views = &merged.answers[0].1;
            assert_eq!(views.iter().map(|view| view.count).sum::<u64>(), lines as u64);
            let templates: BTreeSet<&String> = views.iter().map(|view| &view.template).collect();
            assert_eq!(templates.len(), views.len(), "{shards} shards: {views:#?}");
            assert!(views.len() < apart.len(), "some were born under several ids: {apart:#?}");
            for (entry, of_shard) in &answers {
                for view in of_shard {
                    let shown = kinship.shown("hot", &view.id);
                    assert!(views.iter().any(|one| one.id == shown), "{} leads nowhere", view.id);
                    assert!(kinship.held(entry, shown).contains(&view.id), "{} is not found from {shown}", view.id);
                }
            }
        }
    }

    #[test]
    fn components_that_are_whole_are_left_as_they_are() {
        let answers = vec![(entry("a", 0), vec![view("p", "same", 1, &[]), view("q", "same", 2, &[])])];
        let (kinship, merged) = together(Gathered { answers, failed: vec![] });
        assert!(kinship.0.is_empty());
        assert_eq!(merged.answers[0].1.iter().map(|view| view.id.as_str()).collect::<Vec<_>>(), ["p", "q"]);
    }
}
