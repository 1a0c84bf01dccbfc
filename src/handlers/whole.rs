//! A component that is too hot for one object is split into shards; whoever reads it sees one component.
//!
//! What one of its objects alone has (incidents, decisions, baselines, what was said and what was deployed) is asked of
//! its lead. What each has a share of is asked of all of them and put together here, so that no answer names a component
//! twice. Which of the shards' patterns are one is told by [`kinship`](super::kinship).

use super::fan_out::{Gathered, ask_these, asked};
use super::{Call, Refusal};
use crate::processors::calls::{ComponentEntry, StreamAddress};
use crate::processors::stubs::{CallError, Stubs};
use std::collections::BTreeMap;

/// The lead of each component: shard 0, which is there before any other and stays.
pub fn leads(entries: Vec<ComponentEntry>) -> Vec<ComponentEntry> {
    let mut leads: BTreeMap<String, ComponentEntry> = BTreeMap::new();
    for entry in entries {
        match leads.get_mut(&entry.component) {
            Some(known) if known.shard <= entry.shard => {}
            Some(known) => *known = entry,
            None => drop(leads.insert(entry.component.clone(), entry)),
        }
    }
    leads.into_values().collect()
}

/// Asks the leads of the components that are wanted (none: all), as [`ask_objects`](super::fan_out::ask_objects) asks all
/// objects.
///
/// # Errors
/// The directory cannot be read, the key was revoked, or a component is named that the caller may not see.
pub async fn ask_leads<'a, T, F>(
    call: &'a Call<'_>,
    wanted: &[String],
    ask: impl Fn(Stubs<'a>, StreamAddress) -> F,
) -> Result<Gathered<T>, Refusal>
where
    F: Future<Output = Result<T, CallError>>,
{
    Ok(ask_these(call, leads(asked(call, wanted).await?), ask).await)
}

/// How many objects each component has.
pub fn counted(entries: &[ComponentEntry]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for entry in entries {
        *counts.entry(entry.component.clone()).or_insert(0) += 1;
    }
    counts
}

/// The objects of components that have several.
pub fn split(entries: &[ComponentEntry]) -> Vec<ComponentEntry> {
    let counts = counted(entries);
    entries.iter().filter(|entry| counts.get(&entry.component).is_some_and(|count| *count > 1)).cloned().collect()
}

/// One answer a component, under the entry of its first shard that answered; it is there since the earliest of them.
pub fn together<T>(answers: Vec<(ComponentEntry, T)>, add: impl Fn(&mut T, T)) -> Vec<(ComponentEntry, T)> {
    let mut merged: BTreeMap<String, (ComponentEntry, T)> = BTreeMap::new();
    for (entry, answer) in answers {
        match merged.get_mut(&entry.component) {
            Some((first, sum)) => {
                first.registered_at_ms = first.registered_at_ms.min(entry.registered_at_ms);
                add(sum, answer);
            }
            None => drop(merged.insert(entry.component.clone(), (entry, answer))),
        }
    }
    merged.into_values().collect()
}

/// The names of these components, each once.
pub fn names<T>(answers: Vec<(ComponentEntry, T)>) -> Vec<String> {
    leads(answers.into_iter().map(|(entry, _)| entry).collect()).into_iter().map(|entry| entry.component).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(component: &str, shard: u16, registered_at_ms: i64) -> ComponentEntry {
        ComponentEntry { component: component.into(), shard, registered_at_ms }
    }

    fn known() -> Vec<ComponentEntry> {
        vec![entry("b", 1, 9), entry("a", 0, 2), entry("b", 0, 5), entry("b", 2, 3)]
    }

    #[test]
    fn each_component_has_one_lead_which_is_its_first_shard() {
        assert_eq!(leads(known()), [entry("a", 0, 2), entry("b", 0, 5)]);
        assert_eq!(leads(vec![entry("b", 2, 3), entry("b", 1, 9)]), [entry("b", 1, 9)], "while no other is listed");
    }

    #[test]
    fn a_component_is_split_if_it_has_several_objects() {
        assert_eq!(counted(&known()), BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 3)]));
        assert_eq!(split(&known()), [entry("b", 1, 9), entry("b", 0, 5), entry("b", 2, 3)]);
    }

    #[test]
    fn answers_of_shards_become_one_since_the_earliest_of_them() {
        let answers =
            vec![(entry("a", 0, 2), 1), (entry("b", 0, 5), 10), (entry("b", 1, 9), 20), (entry("b", 2, 3), 30)];
        assert_eq!(names(answers.clone()), ["a", "b"]);
        let merged = together(answers, |sum, more| *sum += more);
        assert_eq!(merged, [(entry("a", 0, 2), 1), (entry("b", 0, 3), 60)]);
    }
}
