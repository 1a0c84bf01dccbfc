//! What a component that has learned lends to one that has not: the shapes of its usual, never its level.
//!
//! Rates differ between the components of a domain; when people work is shared by many. A [`Prior`] holds the hours of a
//! day or a week as whole numbers (at most 500 bytes, versioned), a [`Seed`] what several of them agree on for a newcomer:
//! hour by hour the weighted median, those with a similar name counting more. The more of them and the better they agree,
//! the more hours of experience the seed is worth; never more than [`HOURS_MAX`]. Left out: whether the newcomer is like them, which its own hours show ([`super::Borrowed`]).

use super::zone::Zone;
use crate::bytes::{ReadError, Reader, Writer};

/// Hours of its own that a seed is worth at most.
pub const HOURS_MAX: f64 = 6.0;
/// Neighbours that a seed is made of at most: the most similar, then those that learned longest.
pub const NEIGHBOURS_MAX: usize = 12;
/// Parts of 1 in which a factor is told.
const FACTOR: f64 = 1_000.0;
/// Factors above this are told as this.
const FACTOR_MAX: u32 = 60_000;
const DAY: usize = 24;
const WEEK: usize = 168;
/// A week whose hours are on average this close to their mean is flat.
const FLAT_BELOW: f64 = 0.03;
const VERSION: u8 = 1;

/// The shapes of one component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prior {
    /// Hours behind it.
    pub hours: u32,
    /// By how many hours its clocks are ahead of UTC in winter.
    pub zone: i8,
    /// Thousandths of the mean rate for each hour of the day (24) or of the week (168); none if it has no rhythm.
    pub week: Vec<u32>,
}

impl Prior {
    /// The mean rate's multiple in this hour of the week.
    fn factor(&self, hour: usize) -> f64 {
        match self.week.len() {
            0 => 1.0,
            hours => f64::from(self.week.get(hour % hours).copied().unwrap_or(0)) / FACTOR,
        }
    }

    /// The factors of the hours, whatever their mean, as whole numbers.
    pub(crate) fn of(hours: u32, zone: Zone, factors: &[f64]) -> Self {
        let mean = factors.iter().sum::<f64>() / factors.len().max(1) as f64;
        let thousandths = |factor: &f64| ((factor / mean * FACTOR) as u32).min(FACTOR_MAX);
        let is_told = mean > 0.0 && mean.is_finite() && matches!(factors.len(), DAY | WEEK);
        Self {
            hours,
            zone: zone.standard_hours().clamp(-100, 100) as i8,
            week: if is_told { factors.iter().map(thousandths).collect() } else { Vec::new() },
        }
    }

    /// As it goes to the domain object and into its row.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION);
        out.uint(u64::from(self.hours));
        out.int(self.zone.into());
        out.uint(self.week.len() as u64);
        self.week.iter().for_each(|&factor| out.uint(u64::from(factor)));
        out.into_bytes()
    }

    /// Reads what [`Prior::encode`] wrote; what a later build adds at the end is passed by.
    ///
    /// # Errors
    /// Damaged bytes, or another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Err(ReadError::Unknown("version of a prior"));
        }
        let hours = input.u32()?;
        let zone = i8::try_from(input.int()?).map_err(|_| ReadError::Overflow)?;
        let length = input.count()?;
        if !matches!(length, 0 | DAY | WEEK) {
            return Err(ReadError::Unknown("week of a prior"));
        }
        let mut week = Vec::new();
        for _ in 0..length {
            week.push(input.u32()?.min(FACTOR_MAX));
        }
        Ok(Self { hours, zone, week })
    }
}

/// What a newcomer begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct Seed {
    /// Hours of its own that the neighbours' week is worth.
    pub hours: f64,
    /// The neighbours' week: as of one of them.
    pub prior: Prior,
    /// Whose it is, the most similar first.
    pub neighbours: Vec<String>,
}

impl Seed {
    /// What the components of a domain have to give to a newcomer of this name; none if nobody has anything. Another
    /// shard of its own is as similar as can be.
    pub fn blend<'a>(newcomer: &str, lenders: impl IntoIterator<Item = (&'a str, &'a Prior)>) -> Option<Self> {
        let mut lenders: Vec<(u32, &str, &Prior)> =
            lenders.into_iter().map(|(name, prior)| (weight(newcomer, name), name, prior)).collect();
        lenders.sort_by(|a, b| b.0.cmp(&a.0).then(b.2.hours.cmp(&a.2.hours)).then(a.1.cmp(b.1)));
        // Hours of different clocks are not the same hours; a domain's components share theirs but for a change.
        let zone = lenders.first()?.2.zone;
        lenders.retain(|lender| lender.2.zone == zone);
        lenders.truncate(NEIGHBOURS_MAX);
        let (factors, off) = Self::week(&lenders);
        let swing = factors.iter().map(|factor| (factor - 1.0).abs()).sum::<f64>() / WEEK as f64;
        // Flat weeks agree as well as they are flat.
        let agreement = swing.max(0.1) / (swing.max(0.1) + off);
        let count = lenders.len() as f64;
        let clocks = Zone::of_hours(zone.into());
        let told: &[f64] = if swing < FLAT_BELOW { &[] } else { &factors };
        Some(Self {
            hours: HOURS_MAX * agreement * count / (count + 1.0),
            prior: Prior::of(lenders.iter().map(|lender| lender.2.hours).max().unwrap_or(0), clocks, told),
            neighbours: lenders.iter().map(|lender| lender.1.to_owned()).collect(),
        })
    }

    /// Hour by hour the weighted median, with a mean of 1, and how far they lie from it on average.
    fn week(lenders: &[(u32, &str, &Prior)]) -> (Vec<f64>, f64) {
        let of_hour = |hour| median(lenders.iter().map(|(weight, _, prior)| (prior.factor(hour), *weight)).collect());
        let mut factors: Vec<f64> = (0..WEEK).map(of_hour).collect();
        let mean = factors.iter().sum::<f64>() / WEEK as f64;
        factors.iter_mut().for_each(|factor| *factor /= mean.max(1e-9));
        let (mut off, mut weights) = (0.0, 0.0);
        for (weight, _, prior) in lenders {
            let apart = factors.iter().enumerate().map(|(hour, factor)| (prior.factor(hour) - factor).abs());
            off += f64::from(*weight) * apart.sum::<f64>() / WEEK as f64;
            weights += f64::from(*weight);
        }
        (factors, off / f64::max(weights, 1.0))
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.f64(self.hours);
        out.bytes(&self.prior.encode());
        out.uint(self.neighbours.len() as u64);
        self.neighbours.iter().for_each(|name| out.text(name));
    }

    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let hours = input.f64()?;
        if !(0.0..=HOURS_MAX).contains(&hours) {
            return Err(ReadError::Unknown("weight of a seed"));
        }
        let prior = Prior::decode(input.bytes()?)?;
        let mut neighbours = Vec::new();
        for _ in 0..input.count()? {
            neighbours.push(input.text()?.to_owned());
        }
        neighbours.truncate(NEIGHBOURS_MAX);
        Ok(Self { hours, prior, neighbours })
    }

    /// As it goes to the newcomer.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        self.write(&mut out);
        out.into_bytes()
    }

    /// Reads what [`Seed::encode`] wrote.
    ///
    /// # Errors
    /// Damaged bytes, or a prior of another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        Self::read(&mut Reader::new(bytes))
    }
}

/// What a lender counts: 1, and up to 4 if all words of the names are shared.
fn weight(newcomer: &str, lender: &str) -> u32 {
    let (ours, theirs) = (words(newcomer), words(lender));
    let shared = ours.iter().filter(|word| theirs.contains(word)).count();
    let most = ours.len().max(theirs.len()).max(1);
    1 + (3 * shared / most) as u32
}

/// The words of a name; numbers tell instances apart, not kinds.
fn words(name: &str) -> Vec<&str> {
    name.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).collect()
}

/// The value at which half of the weight lies below; of two in the middle, their mean.
fn median(mut values: Vec<(f64, u32)>) -> f64 {
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: u64 = values.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let mut below = 0;
    for (place, (value, weight)) in values.iter().enumerate() {
        below += u64::from(*weight);
        if below * 2 == total {
            let next = values.get(place + 1).map_or(*value, |(next, _)| *next);
            return (value + next) / 2.0;
        }
        if below * 2 > total {
            return *value;
        }
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A prior whose rate is `times` its mean between 8 and 18 h.
    fn office(times: f64, hours: u32) -> Prior {
        let factors: Vec<f64> = (0..DAY).map(|hour| if (8..18).contains(&hour) { times } else { 1.0 }).collect();
        Prior::of(hours, Zone::default(), &factors)
    }

    fn flat() -> Prior {
        Prior::of(500, Zone::default(), &[])
    }

    fn noon_and_night(seed: &Seed) -> (f64, f64) {
        (seed.prior.factor(12), seed.prior.factor(2))
    }

    #[test]
    fn shapes_survive_their_bytes_in_half_a_kilobyte_and_levels_are_left_out() {
        let week: Vec<f64> = (0..WEEK).map(|hour| 900.0 + (hour * 37 % 100) as f64 * 40.0).collect();
        let prior = Prior::of(600, Zone::of_hours(-8), &week);
        let bytes = prior.encode();
        assert!(bytes.len() <= 500, "{}", bytes.len());
        assert_eq!(Prior::decode(&bytes), Ok(prior.clone()));
        let tenfold: Vec<f64> = week.iter().map(|rate| rate * 10.0).collect();
        assert_eq!(Prior::of(600, Zone::of_hours(-8), &tenfold), prior);
        let later = [bytes.as_slice(), &[1, 2, 3]].concat();
        assert_eq!(Prior::decode(&later), Ok(prior), "a later build may add");
        assert!(Prior::decode(&[]).is_err() && Prior::decode(&[VERSION + 1, 0, 0, 0, 0]).is_err());
        assert!((0..bytes.len()).all(|cut| Prior::decode(&bytes[..cut]).is_err()));
        assert_eq!(Prior::of(1, Zone::default(), &[f64::NAN; DAY]).week, [0; 0]);
    }

    #[test]
    fn one_neighbour_of_another_kind_changes_little() {
        let (alike, other) = (office(4.0, 500), office(0.1, 500));
        let lenders = [("a", &alike), ("b", &alike), ("c", &other), ("d", &alike)];
        let seed = Seed::blend("new", lenders).unwrap();
        assert_eq!(noon_and_night(&seed), noon_and_night(&Seed::blend("new", [("a", &alike)]).unwrap()));
        assert_eq!(seed.neighbours, ["a", "b", "c", "d"]);
        let all_alike = Seed::blend("new", [("a", &alike), ("b", &alike), ("c", &alike), ("d", &alike)]).unwrap();
        assert!(seed.hours < all_alike.hours && all_alike.hours < HOURS_MAX, "{} {}", seed.hours, all_alike.hours);
    }

    #[test]
    fn names_that_share_words_count_more() {
        let (shop, batch) = (office(4.0, 500), flat());
        let lenders = [("shop-cart", &shop), ("nightly-export", &batch), ("backup", &batch)];
        let (noon, night) = noon_and_night(&Seed::blend("shop-cart-2", lenders).unwrap());
        assert!(noon > 3.0 * night, "{noon} {night}");
        assert_eq!(noon_and_night(&Seed::blend("nightly-import", lenders).unwrap()), (1.0, 1.0));
        assert_eq!((weight("api", "worker"), weight("api-7", "api_12"), weight("pay-api", "api")), (1, 4, 2));
        assert_eq!(weight("", "4711"), 1);
    }

    #[test]
    fn nobody_lends_nothing_and_of_many_the_nearest_lend() {
        assert_eq!(Seed::blend("new", []), None);
        let priors: Vec<(String, Prior)> = (0..50).map(|i| (format!("c{i:02}"), office(4.0, 200 + i))).collect();
        let seed = Seed::blend("new", priors.iter().map(|(name, prior)| (name.as_str(), prior))).unwrap();
        assert_eq!(seed.neighbours.len(), NEIGHBOURS_MAX);
        assert_eq!(seed.neighbours.first().map(String::as_str), Some("c49"), "who learned longest");
        assert_eq!(Seed::decode(&seed.encode()), Ok(seed.clone()));
        let mut far = seed.clone();
        far.hours = 1e9;
        assert!(Seed::decode(&far.encode()).is_err());
        assert!((0..seed.encode().len()).all(|cut| Seed::decode(&seed.encode()[..cut]).is_err()));
    }

    #[test]
    fn hours_of_other_clocks_are_left_out() {
        let (here, there) = (office(4.0, 900), Prior { zone: 9, ..office(4.0, 500) });
        let seed = Seed::blend("new", [("here", &here), ("there", &there)]).unwrap();
        assert_eq!(seed.neighbours, ["here"]);
    }
}
