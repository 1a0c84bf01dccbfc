//! Over how many objects each component is spread: changed by people, or by how hot its shards are.
//!
//! Growing is quick and shrinking slow: a shard that was above its share for a minute at least doubles its component; one
//! that was split goes back by half when, an hour after the last change, half as many shards would have half of what they
//! may. Erasing a component keeps its map. A change is only a new map in the directory; who learns of it, and when, is told in [`crate::shard`].

use super::{Answer, DomainMachine, Effects};
use crate::bytes::{ReadError, Reader, Writer};
use crate::shard::{SHARDS_MAX, ShardFault, ShardMap};
use crate::time::{Millis, Timestamp};
use std::collections::BTreeMap;

/// How long a told load counts: two times what a shard lets pass between two.
const LOAD_COUNTS: Millis = Millis::from_mins(11);
/// How long after a change a component stays as wide as it is.
const SHRINKS_AFTER: Millis = Millis::from_hours(1);
/// Load, in thousandths of a shard's share, that each of the remaining shards may have after shrinking.
const COOL: u64 = 500;

/// What the domain knows of shards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shards {
    maps: BTreeMap<String, ShardMap>,
    /// Maps that this build cannot read, as they are: those of a later one, which will go on with them.
    unread: BTreeMap<String, Vec<u8>>,
    /// What shards told last, and when; not kept.
    loads: BTreeMap<(String, u16), (u32, Timestamp)>,
    /// Since when this instance hears of loads: before it heard all shards it cannot know that they are cool.
    hears_since: Option<Timestamp>,
}

impl Shards {
    pub(super) fn write(&self, out: &mut Writer) {
        out.uint((self.maps.len() + self.unread.len()) as u64);
        for (component, map) in &self.maps {
            out.text(component);
            out.bytes(&map.encode());
        }
        for (component, bytes) in &self.unread {
            out.text(component);
            out.bytes(bytes);
        }
    }

    /// Reads what [`Shards::write`] wrote, and why each map that cannot be read could not.
    pub(super) fn read(input: &mut Reader<'_>) -> Result<(Self, Vec<ReadError>), ReadError> {
        let (mut read, mut faults) = (Self::default(), Vec::new());
        for _ in 0..input.count()? {
            let component = input.text()?.to_owned();
            let bytes = input.bytes()?;
            match ShardMap::decode(bytes) {
                Ok(map) => _ = read.maps.insert(component, map),
                Err(fault) => {
                    read.unread.insert(component, bytes.to_vec());
                    faults.push(fault);
                }
            }
        }
        Ok((read, faults))
    }

    /// What all shards of a component have at `now`, in thousandths of one share.
    fn load_of(&self, component: &str, now: Timestamp) -> u64 {
        let of_it = self.loads.iter().filter(|((name, _), (_, at))| name == component && now.since(*at) <= LOAD_COUNTS);
        of_it.map(|(_, (load, _))| u64::from(*load)).sum()
    }
}

impl DomainMachine {
    /// How components are spread that ever were split.
    pub fn shard_maps(&self) -> impl Iterator<Item = (&str, &ShardMap)> {
        self.shards.maps.iter().map(|(component, map)| (component.as_str(), map))
    }

    /// How a component is spread, if it ever was split.
    pub fn shard_map(&self, component: &str) -> Option<&ShardMap> {
        self.shards.maps.get(component)
    }

    /// Somebody wants a component spread over so many objects.
    pub(super) fn spread(&mut self, component: &str, shards: u16, by: &str, now: Timestamp, effects: &mut Effects) {
        if !self.components.keys().any(|(name, _)| name == component) {
            effects.answer = Answer::NotFound;
            return;
        }
        if self.shards.unread.contains_key(component) {
            effects.answer = Answer::NotSpread(ShardFault::Unread);
            return;
        }
        let before = self.shards.maps.get(component).cloned().unwrap_or_default();
        let map = match before.changed(shards, now, self.settings.key_window) {
            Ok(map) => map,
            Err(fault) => {
                effects.answer = Answer::NotSpread(fault);
                return;
            }
        };
        effects.answer = Answer::Spread(map.clone());
        if map == before {
            return;
        }
        let detail = format!("{component}: {} -> {shards} shards", before.current().shards);
        effects.booked.push((by.to_owned(), "component.spread", detail));
        self.shards.maps.insert(component.to_owned(), map);
        // Edges compare the version of what they know.
        self.changed(effects);
    }

    /// A shard tells how hot it is.
    pub(super) fn take_load(
        &mut self,
        component: String,
        shard: u16,
        load: u32,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        effects.answer = Answer::Done;
        if !self.components.contains_key(&(component.clone(), shard)) {
            return;
        }
        self.shards.loads.insert((component.clone(), shard), (load, now));
        let hears_since = *self.shards.hears_since.get_or_insert(now);
        let current = self.shards.maps.get(&component).cloned().unwrap_or_default().current();
        let most = self.settings.shards_max.clamp(1, SHARDS_MAX);
        let shards = u64::from(current.shards);
        let wanted = if load > 1_000 && shard < current.shards {
            (shards * u64::from(load)).div_ceil(1_000).next_power_of_two().max(shards * 2)
        } else if shards > 1 && now.since(current.since) >= SHRINKS_AFTER && now.since(hears_since) >= LOAD_COUNTS {
            let half = shards / 2;
            if self.shards.load_of(&component, now) <= half * COOL { half } else { shards }
        } else {
            shards
        };
        let wanted = wanted.min(u64::from(most.max(current.shards))) as u16;
        if wanted != current.shards {
            self.spread(&component, wanted, "system", now, effects);
            effects.answer = Answer::Done;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DomainSettings, Event, Stored};
    use super::*;
    use crate::machine::erasure::Scope;

    const AT: Timestamp = Timestamp(1_700_000_000_000);

    fn machine() -> DomainMachine {
        let mut machine = DomainMachine::restore(DomainSettings::default(), Stored::default()).unwrap();
        for shard in 0..4 {
            machine.handle(Event::Register { component: "cart".into(), shard }, AT);
        }
        machine
    }

    fn spread(machine: &mut DomainMachine, shards: u16, now: Timestamp) -> Effects {
        machine.handle(Event::Spread { component: "cart".into(), shards, by: "ann".into() }, now)
    }

    fn hot(machine: &mut DomainMachine, shard: u16, load: u32, now: Timestamp) -> u16 {
        let effects = machine.handle(Event::Heat { component: "cart".into(), shard, load }, now);
        assert_eq!(effects.answer, Answer::Done);
        machine.shard_maps().next().map_or(1, |(_, map)| map.current().shards)
    }

    #[test]
    fn people_spread_a_component_and_it_is_booked_once() {
        let mut machine = machine();
        let version = machine.view().version;
        let effects = spread(&mut machine, 4, AT);
        let Answer::Spread(map) = &effects.answer else { panic!("{effects:?}") };
        assert_eq!(map.current().shards, 4);
        let booked = ("ann".to_owned(), "component.spread", "cart: 1 -> 4 shards".to_owned());
        assert_eq!((effects.booked, effects.state_changed), (vec![booked], true));
        assert_eq!(machine.view().version, version + 1, "edges notice");
        let again = spread(&mut machine, 4, AT.plus(Millis(5)));
        assert!(again.booked.is_empty() && !again.state_changed && matches!(again.answer, Answer::Spread(_)));
        let unknown = Event::Spread { component: "nowhere".into(), shards: 2, by: "ann".into() };
        assert_eq!(machine.handle(unknown, AT).answer, Answer::NotFound);
        assert_eq!(spread(&mut machine, 99, AT).answer, Answer::NotSpread(ShardFault::Count));
        let state = machine.encode_state();
        let stored = Stored { state: Some(state), ..Stored::default() };
        let restored = DomainMachine::restore(DomainSettings::default(), stored).unwrap();
        assert!(restored.shard_maps().eq(machine.shard_maps()) && restored.shard_maps().count() == 1);
    }

    #[test]
    fn a_map_of_a_later_build_is_kept_as_it_is_and_costs_nothing_else() {
        let mut machine = machine();
        machine.handle(Event::Configure(vec![("RETENTION_DAYS".into(), "9".into())]), AT);
        spread(&mut machine, 4, AT);
        machine.shards.unread.insert("later".into(), vec![250, 1, 2]);
        machine.handle(Event::Register { component: "later".into(), shard: 0 }, AT);
        let state = machine.encode_state();
        let components = machine.components().map(|(name, shard, it)| (name.to_owned(), shard, it.clone())).collect();
        let stored = Stored { state: Some(state.clone()), components, ..Stored::default() };
        let mut restored = DomainMachine::restore(DomainSettings::default(), stored).unwrap();
        assert_eq!(restored.view().overrides, [("RETENTION_DAYS".to_owned(), "9".to_owned())]);
        assert!(restored.shard_maps().eq(machine.shard_maps()) && restored.shard_maps().count() == 1);
        assert_eq!(restored.unread().iter().map(|(what, _)| *what).collect::<Vec<_>>(), ["shard map"]);
        assert_eq!(restored.encode_state(), state, "nothing of it is lost when the row is written again");
        let ask = Event::Spread { component: "later".into(), shards: 2, by: "ann".into() };
        assert_eq!(restored.handle(ask, AT).answer, Answer::NotSpread(ShardFault::Unread));
        assert_eq!(hot(&mut restored, 0, 10, AT), 4);
        let heat = Event::Heat { component: "later".into(), shard: 0, load: 9_000 };
        assert!(!restored.handle(heat, AT).state_changed, "nor is it split by itself");
    }

    #[test]
    fn a_hot_component_grows_at_once_and_shrinks_an_hour_after_it_cooled() {
        let mut machine = machine();
        assert_eq!(hot(&mut machine, 0, 900, AT), 1, "within its share");
        assert_eq!(hot(&mut machine, 0, 2_600, AT), 4);
        assert_eq!(hot(&mut machine, 3, 1_100, AT.plus(Millis::from_mins(1))), 8, "the default's most");
        assert_eq!(hot(&mut machine, 2, 9_000, AT.plus(Millis::from_mins(2))), 8);
        let later = AT.plus(Millis::from_mins(50));
        assert_eq!(hot(&mut machine, 1, 10, later), 8, "too soon");
        for shard in 0..3 {
            let before = AT.plus(Millis::from_mins(55));
            machine.handle(Event::Heat { component: "cart".into(), shard, load: 800 }, before);
        }
        let later = AT.plus(Millis::from_mins(62));
        assert_eq!(hot(&mut machine, 3, 10, later), 8, "2,410 of the 2,000 that four may have");
        let later = later.plus(Millis::from_mins(20));
        assert_eq!(hot(&mut machine, 3, 10, later), 4, "what was told long ago counts no more");
        assert_eq!(hot(&mut machine, 3, 10, later.plus(Millis::from_mins(59))), 4);
        let mut awakened = machine.clone();
        awakened.shards.hears_since = None;
        let much_later = later.plus(Millis::from_mins(90));
        assert_eq!(hot(&mut awakened, 3, 10, much_later), 4, "it has not heard the others");
        assert_eq!(hot(&mut awakened, 3, 10, much_later.plus(LOAD_COUNTS)), 2);
        assert_eq!(hot(&mut machine, 9, 5_000, later), 4, "nobody knows this shard");
    }

    #[test]
    fn one_that_may_not_be_split_stays_whole_and_a_wider_one_as_it_is() {
        let mut machine = machine();
        machine.set_settings(DomainSettings { shards_max: 1, ..DomainSettings::default() });
        assert_eq!(hot(&mut machine, 0, 50_000, AT), 1);
        spread(&mut machine, 4, AT);
        assert_eq!(hot(&mut machine, 0, 50_000, AT), 4, "people may");
        // What comes under the name of an erased component is spread as that was: edges go on knowing its map, and a
        // second line of epochs beside it would let retries slip through.
        let erase =
            Event::Erase { id: "e1".into(), scope: Scope::Component("cart".into()), by: "ann".into(), alerts: vec![] };
        machine.handle(erase, AT);
        assert_eq!(machine.shard_maps().count(), 1);
    }
}
