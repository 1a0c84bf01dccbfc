//! What cannot be counted by name: how many different users, sessions and clients an hour had, and how long its
//! operations took.
//!
//! One summary an hour of event time, in a row of its own beside the hour's counts. Summaries of hours, shards and
//! components merge to exactly what one that had seen all would be, so that a day of a domain is read from its hours.
//!
//! Left out: the most frequent endpoints and patterns, which are counted by name (`Series`).

use crate::bytes::{ReadError, Reader, Writer};
use crate::record::Record;
use crate::sketch::{HyperLogLog, Quantiles, hash_of_value};

const VERSION: u8 = 1;
/// 2,048 registers, 2.3 % of standard error; exact up to 256.
const PRECISION: u8 = 11;

/// One hour, or several merged.
#[derive(Clone, Debug, PartialEq)]
pub struct Facets {
    users: HyperLogLog,
    sessions: HyperLogLog,
    clients: HyperLogLog,
    durations: Quantiles,
}

impl Default for Facets {
    fn default() -> Self {
        let none = || HyperLogLog::new(PRECISION);
        Self { users: none(), sessions: none(), clients: none(), durations: Quantiles::default() }
    }
}

impl Facets {
    /// Whether a record says anything of what is summarized here.
    pub(super) fn has_any(record: &Record) -> bool {
        let texts = [&record.user_id, &record.session_id, &record.ip];
        texts.into_iter().any(Option::is_some) || duration_of(record).is_some()
    }

    /// Notes a record.
    pub fn observe(&mut self, record: &Record) {
        let texts = [&record.user_id, &record.session_id, &record.ip];
        for (sketch, text) in [&mut self.users, &mut self.sessions, &mut self.clients].into_iter().zip(texts) {
            if let Some(text) = text {
                sketch.insert(hash_of_value(text));
            }
        }
        if let Some(duration) = duration_of(record) {
            self.durations.insert(duration);
        }
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.users.merge(&other.users);
        self.sessions.merge(&other.sessions);
        self.clients.merge(&other.clients);
        self.durations.merge(&other.durations);
    }

    /// Different users.
    pub fn users(&self) -> &HyperLogLog {
        &self.users
    }

    /// Different sessions.
    pub fn sessions(&self) -> &HyperLogLog {
        &self.sessions
    }

    /// Different addresses of clients, as stored (after redaction).
    pub fn clients(&self) -> &HyperLogLog {
        &self.clients
    }

    /// Durations in milliseconds.
    pub fn durations(&self) -> &Quantiles {
        &self.durations
    }

    /// The row.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION);
        for sketch in [&self.users, &self.sessions, &self.clients] {
            sketch.write(&mut out);
        }
        self.durations.write(&mut out);
        out.into_bytes()
    }

    /// Reads a row. What a later build wrote behind it is passed by.
    ///
    /// # Errors
    /// Damaged bytes, or a version of a later build.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Err(ReadError::Unknown("version of facets"));
        }
        let mut facets = Self::default();
        for sketch in [&mut facets.users, &mut facets.sessions, &mut facets.clients] {
            // One of another precision would not merge.
            if !sketch.merge(&HyperLogLog::read(&mut input)?) {
                return Err(ReadError::Unknown("precision"));
            }
        }
        facets.durations = Quantiles::read(&mut input)?;
        Ok(facets)
    }
}

/// What is no time that something can take is not counted as one.
fn duration_of(record: &Record) -> Option<f64> {
    record.duration_ms.filter(|duration| duration.is_finite() && *duration >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(user: u32, duration: f64) -> Record {
        Record {
            user_id: Some(format!("user {user}")),
            session_id: user.is_multiple_of(2).then(|| format!("session {user}")),
            ip: Some("10.0.0.1".into()),
            duration_ms: Some(duration),
            ..Record::default()
        }
    }

    #[test]
    fn an_hour_tells_its_users_sessions_clients_and_durations() {
        let mut facets = Facets::default();
        for at in 0..1_000 {
            facets.observe(&record(at % 100, f64::from(at)));
        }
        assert_eq!(
            (facets.users().estimate(), facets.sessions().estimate(), facets.clients().estimate()),
            (100, 50, 1)
        );
        assert_eq!((facets.durations().count(), facets.durations().range()), (1_000, Some((0.0, 999.0))));
    }

    #[test]
    fn a_record_without_any_of_it_changes_nothing() {
        let plain = Record { duration_ms: Some(-1.0), ..Record::default() };
        let mut facets = Facets::default();
        facets.observe(&plain);
        assert_eq!(facets, Facets::default());
        assert!(!Facets::has_any(&plain) && Facets::has_any(&record(1, f64::NAN)));
    }

    #[test]
    fn rows_of_later_builds_are_read_or_refused() {
        let mut facets = Facets::default();
        facets.observe(&record(1, 5.0));
        let mut row = facets.encode();
        row.push(9);
        assert_eq!(Facets::decode(&row), Ok(facets));
        row[0] = VERSION + 1;
        assert_eq!(Facets::decode(&row), Err(ReadError::Unknown("version of facets")));
        let mut out = Writer::new();
        out.u8(VERSION);
        HyperLogLog::new(9).write(&mut out);
        assert_eq!(Facets::decode(out.as_bytes()), Err(ReadError::Unknown("precision")));
    }

    proptest! {
        #[test]
        fn hours_merge_to_what_one_that_saw_all_would_be(users in proptest::collection::vec((0u32..400, 0.0..1e6f64), 0..700), cut in 0usize..700) {
            let of = |part: &[(u32, f64)]| {
                let mut facets = Facets::default();
                part.iter().for_each(|&(user, duration)| facets.observe(&record(user, duration)));
                facets
            };
            let (left, right) = users.split_at(cut.min(users.len()));
            let mut merged = of(left);
            merged.merge(&of(right));
            prop_assert_eq!(&merged, &of(&users));
            prop_assert!(merged.encode().len() < 3 * 2_100 + 256 * 8);
            prop_assert_eq!(Facets::decode(&merged.encode()), Ok(merged));
        }

        #[test]
        fn any_bytes_are_facets_or_refused(mut bytes: Vec<u8>) {
            bytes.insert(0, VERSION);
            let _facets = Facets::decode(&bytes);
        }
    }
}
