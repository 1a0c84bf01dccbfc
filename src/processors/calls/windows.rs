//! Edge to stream: counts in windows of one width.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Edge to stream: which windows of which series.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WindowsCall {
    /// Start of the first, ms.
    pub from_ms: i64,
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
        self.templates.extend(other.templates);
        self.is_exact &= other.is_exact;
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
    }
}
