//! Edge to stream: counts in windows of one width.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Edge to stream: which windows of which series.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WindowsCall {
    /// Start of the first, ms.
    pub from_ms: i64,
    /// Days of the domain's clocks instead, from the one that holds `from_ms` until this instant, ms.
    #[serde(default)]
    pub days_to_ms: Option<i64>,
    /// Width of each, ms; below a minute they are counted from the records themselves.
    pub width_ms: i64,
    /// How many.
    pub windows: usize,
    /// `total`, a kind of series, or a kind and a name.
    pub series: Vec<String>,
}

/// Stream to edge: what was counted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct WindowsAnswer {
    /// Where days begin and where the last one ends, ms; none for windows of one width.
    #[serde(default)]
    pub starts_ms: Vec<i64>,
    /// Whose clocks these are.
    #[serde(default)]
    pub time_zone: String,
    /// Series, records in each window; the rest of a kind is under its `*`.
    pub series: BTreeMap<String, Vec<u64>>,
    /// Series that were folded into the `*` of their kind.
    pub folded: u64,
    /// Kind, its largest in the span.
    pub top: BTreeMap<String, Vec<(String, u64)>>,
    /// Templates of the patterns among them.
    pub templates: BTreeMap<String, String>,
    /// Whether all records of the span were counted.
    pub is_exact: bool,
}

impl WindowsAnswer {
    /// Adds what another shard of the component counted.
    pub fn merge(&mut self, other: Self) {
        // A shard that has not heard yet that the domain's clocks are others counted other days.
        self.is_exact &= self.starts_ms == other.starts_ms;
        for (name, counts) in other.series {
            let sums = self.series.entry(name).or_insert_with(|| vec![0; counts.len()]);
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum = sum.saturating_add(count));
        }
        for (kind, largest) in other.top {
            let known = self.top.entry(kind).or_default();
            for (name, count) in largest {
                match known.iter_mut().find(|(one, _)| *one == name) {
                    Some((_, sum)) => *sum = sum.saturating_add(count),
                    None => known.push((name, count)),
                }
            }
            known.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        }
        self.folded = self.folded.saturating_add(other.folded);
        for (id, template) in other.templates {
            self.templates.entry(id).or_insert(template);
        }
        self.is_exact &= other.is_exact;
    }

    /// The same under the ids that patterns are shown under; what has two of them adds up.
    pub fn renamed(self, shown: impl Fn(&str) -> String) -> Self {
        let (starts_ms, time_zone) = (self.starts_ms.clone(), self.time_zone.clone());
        let mut renamed =
            Self { starts_ms, time_zone, folded: self.folded, is_exact: self.is_exact, ..Self::default() };
        let now = |kind: &str, key: &str| renamed_key(kind, key, &shown);
        for (name, counts) in self.series {
            let name = match name.split_once(':') {
                Some((kind, key)) => format!("{kind}:{}", now(kind, key)),
                None => name,
            };
            renamed.merge(Self { series: BTreeMap::from([(name, counts)]), is_exact: true, ..Self::default() });
        }
        for (kind, largest) in self.top {
            for (key, count) in largest {
                let one = BTreeMap::from([(kind.clone(), vec![(now(&kind, &key), count)])]);
                renamed.merge(Self { top: one, is_exact: true, ..Self::default() });
            }
        }
        renamed.templates = self.templates.into_iter().map(|(id, template)| (shown(&id), template)).collect();
        renamed
    }

    /// The series that are told by name and that some shard may have counted in the `*` of their kind instead, of the kinds
    /// that were asked for.
    pub fn partly_told(&self, asked: &[String]) -> Vec<String> {
        let is_partly = |name: &&String| {
            let kind = name.split_once(':').filter(|(_, key)| *key != "*").map(|(kind, _)| kind);
            kind.is_some_and(|kind| {
                asked.iter().any(|one| one == kind) && self.series.contains_key(&format!("{kind}:*"))
            })
        };
        self.series.keys().filter(is_partly).cloned().collect()
    }

    /// Takes out of the `*` of each kind what belongs to series that are told by name, now that all of them is known. No
    /// more than is there: what came meanwhile is left for the next question, so that a kind still adds up.
    pub fn settle(&mut self, exact: &BTreeMap<String, Vec<u64>>) {
        for (name, counts) in exact {
            let Some((kind, key)) = name.split_once(':') else { continue };
            let Some(mut rest) = self.series.remove(&format!("{kind}:*")) else { continue };
            if let Some(told) = self.series.get_mut(name) {
                for ((told, rest), count) in told.iter_mut().zip(&mut rest).zip(counts) {
                    let moved = count.saturating_sub(*told).min(*rest);
                    *told = told.saturating_add(moved);
                    *rest -= moved;
                }
                let sum = told.iter().fold(0u64, |sum, count| sum.saturating_add(*count));
                let top = self.top.entry(kind.to_owned()).or_default();
                if let Some((_, known)) = top.iter_mut().find(|(one, _)| one == key) {
                    *known = sum.max(*known);
                }
                top.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            }
            self.series.insert(format!("{kind}:*"), rest);
        }
    }

    /// Folds a kind into its `*` but for its largest `most` series and those that are `kept`: several shards' largest are
    /// more than one object would tell.
    pub fn fold(&mut self, kind: &str, most: usize, is_kept: impl Fn(&str) -> bool) {
        let (prefix, rest) = (format!("{kind}:"), format!("{kind}:*"));
        let sum = |counts: &[u64]| counts.iter().fold(0u64, |sum, count| sum.saturating_add(*count));
        let of_kind = self.series.iter().filter(|(name, _)| name.starts_with(&prefix) && **name != rest);
        let mut largest: Vec<(u64, String)> = of_kind.map(|(name, counts)| (sum(counts), name.clone())).collect();
        largest.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        for (_, name) in largest.into_iter().skip(most).filter(|(_, name)| !is_kept(name)) {
            let Some(counts) = self.series.remove(&name) else { continue };
            let folded = Self { series: BTreeMap::from([(rest.clone(), counts)]), is_exact: true, ..Self::default() };
            self.merge(Self { folded: 1, ..folded });
        }
    }
}

/// The key of a series with the id that its pattern is shown under; of other kinds the same.
fn renamed_key(kind: &str, key: &str, shown: impl Fn(&str) -> String) -> String {
    match (kind, key.split_once('|')) {
        ("pattern", _) => shown(key),
        ("pattern_level", Some((id, level))) => format!("{}|{level}", shown(id)),
        _ => key.to_owned(),
    }
}

/// A series as it is asked for, under each of the ids that an object holds its pattern under.
pub fn series_held(series: &str, held: impl Fn(&str) -> Vec<String>) -> Vec<String> {
    match (series.split_once(':'), series.split_once('|')) {
        (Some(("pattern", id)), _) => held(id).into_iter().map(|id| format!("pattern:{id}")).collect(),
        (Some(("pattern_level", key)), Some((_, level))) => {
            let id = key.split('|').next().unwrap_or_default();
            held(id).into_iter().map(|id| format!("pattern_level:{id}|{level}")).collect()
        }
        _ => vec![series.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_add_up() {
        let answer = |name: &str, counts: &[u64], is_exact| WindowsAnswer {
            series: BTreeMap::from([(name.to_owned(), counts.to_vec()), ("total".to_owned(), counts.to_vec())]),
            top: BTreeMap::from([("level".to_owned(), vec![(name.to_owned(), counts.iter().sum())])]),
            folded: 1,
            is_exact,
            ..WindowsAnswer::default()
        };
        let mut merged = answer("a", &[1, 2], true);
        merged.merge(answer("b", &[10, 20], true));
        merged.merge(answer("b", &[100, 200], false));
        assert_eq!(
            (merged.series["total"].as_slice(), merged.series["b"].as_slice()),
            (&[111, 222][..], &[110, 220][..])
        );
        assert_eq!(merged.top["level"], [("b".to_owned(), 330), ("a".to_owned(), 3)]);
        assert_eq!((merged.folded, merged.is_exact), (3, false));
        let mut merged = answer("a", &[1, 2], true);
        merged.merge(WindowsAnswer { starts_ms: vec![0, 1, 2], ..answer("b", &[10, 20], true) });
        assert!(!merged.is_exact, "days of other clocks do not add up");
    }

    #[test]
    fn a_pattern_is_counted_under_the_id_that_is_shown() {
        let series =
            [("pattern:p", [1, 2]), ("pattern:q", [10, 20]), ("pattern_level:q|error", [0, 7]), ("level:q", [3, 4])];
        let top =
            |pairs: &[(&str, u64)]| pairs.iter().map(|(name, sum)| ((*name).to_owned(), *sum)).collect::<Vec<_>>();
        let answer = WindowsAnswer {
            series: series.into_iter().map(|(name, counts)| (name.to_owned(), counts.to_vec())).collect(),
            top: BTreeMap::from([
                ("pattern".to_owned(), top(&[("q", 30), ("p", 3)])),
                ("level".to_owned(), top(&[("q", 7)])),
            ]),
            templates: BTreeMap::from([("q".to_owned(), "left <*>".to_owned())]),
            folded: 2,
            is_exact: false,
            starts_ms: vec![7],
            time_zone: "Europe/Berlin".to_owned(),
        };
        let renamed = answer.renamed(|id| if id == "q" { "p".to_owned() } else { id.to_owned() });
        assert_eq!(renamed.series["pattern:p"], [11, 22]);
        assert_eq!((&renamed.series["pattern_level:p|error"], &renamed.series["level:q"]), (&vec![0, 7], &vec![3, 4]));
        assert_eq!((&renamed.top["pattern"], &renamed.top["level"]), (&top(&[("p", 33)]), &top(&[("q", 7)])));
        assert_eq!((renamed.series.len(), renamed.templates["p"].as_str()), (3, "left <*>"));
        assert_eq!((renamed.folded, renamed.is_exact), (2, false));
        assert_eq!((renamed.starts_ms.as_slice(), renamed.time_zone.as_str()), (&[7][..], "Europe/Berlin"));
        let held = |id: &str| vec![id.to_owned(), "x".to_owned()];
        assert_eq!(series_held("pattern:p", held), ["pattern:p", "pattern:x"]);
        assert_eq!(series_held("pattern_level:p|error", held), ["pattern_level:p|error", "pattern_level:x|error"]);
        for other in ["total", "pattern", "endpoint:/a|b", "level:error"] {
            assert_eq!(series_held(other, held), [other]);
        }
    }

    #[test]
    fn what_a_shard_counted_in_the_rest_comes_back_to_the_series_that_is_told() {
        let series = [("e:/a", [5, 5]), ("e:/b", [1, 0]), ("e:*", [4, 9]), ("f:x", [7, 7]), ("total", [10, 14])];
        let top = vec![("/a".to_owned(), 10), ("/b".to_owned(), 1)];
        let mut answer = WindowsAnswer {
            series: series.into_iter().map(|(name, counts)| (name.to_owned(), counts.to_vec())).collect(),
            top: BTreeMap::from([("e".to_owned(), top)]),
            is_exact: true,
            ..WindowsAnswer::default()
        };
        let asked = ["total".to_owned(), "e".to_owned(), "f".to_owned()];
        assert_eq!(answer.partly_told(&asked), ["e:/a", "e:/b"], "of the other kind nothing was folded");
        assert!(answer.partly_told(&asked[..1]).is_empty());
        let exact = [("e:/a", vec![6, 5]), ("e:/b", vec![2, 11]), ("e:/new", vec![1, 1]), ("f:x", vec![8, 8])];
        answer.settle(&exact.into_iter().map(|(name, counts)| (name.to_owned(), counts)).collect());
        let left: Vec<_> = answer.series.iter().map(|(name, counts)| (name.as_str(), counts.clone())).collect();
        let expected = [("e:*", [2, 0]), ("e:/a", [6, 5]), ("e:/b", [2, 9]), ("f:x", [7, 7]), ("total", [10, 14])];
        assert_eq!(left, expected.map(|(name, counts)| (name, counts.to_vec())), "each window still adds up");
        assert_eq!(answer.top["e"], [("/a".to_owned(), 11), ("/b".to_owned(), 11)]);
    }

    #[test]
    fn what_is_more_than_one_object_tells_is_folded_and_still_adds_up() {
        let series = [("e:/a", 1), ("e:/b", 5), ("e:/c", 3), ("e:/d", 2), ("e:*", 10), ("f:/a", 1)];
        let mut answer = WindowsAnswer {
            series: series.into_iter().map(|(name, count)| (name.to_owned(), vec![count])).collect(),
            folded: 4,
            is_exact: true,
            ..WindowsAnswer::default()
        };
        answer.fold("e", 2, |name| name == "e:/a");
        let left: Vec<_> = answer.series.iter().map(|(name, counts)| (name.as_str(), counts[0])).collect();
        assert_eq!(left, [("e:*", 12), ("e:/a", 1), ("e:/b", 5), ("e:/c", 3), ("f:/a", 1)]);
        assert_eq!((answer.folded, answer.is_exact), (5, true));
    }
}
