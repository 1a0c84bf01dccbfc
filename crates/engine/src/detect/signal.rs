//! What a detector found: one form for all of them.

use crate::bytes::{ReadError, Reader, Writer};
use crate::pattern::PatternId;
use crate::time::{Millis, Timestamp};
use std::fmt;

/// The series a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// All records of the component.
    Component,
    /// Its records of level error or worse.
    Errors,
    /// How long what its records report took.
    Durations,
    /// One pattern.
    Pattern(PatternId),
    /// What stands in one place of a pattern's template, counted from 0.
    Variable(PatternId, u8),
    /// With what a pattern comes.
    Facet(PatternId, Facet),
}

/// What a record has beside its pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Facet {
    /// The class of its level.
    Level,
    /// The endpoint's template.
    Endpoint,
    /// The environment.
    Environment,
}

impl Facet {
    /// All facets; the position is the code in rows.
    pub const ALL: [Self; 3] = [Self::Level, Self::Endpoint, Self::Environment];

    /// Stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Level => "level",
            Self::Endpoint => "endpoint",
            Self::Environment => "environment",
        }
    }
}

impl Subject {
    /// The pattern, if it is about one or a part of one.
    pub fn pattern(self) -> Option<PatternId> {
        match self {
            Self::Pattern(id) | Self::Variable(id, _) | Self::Facet(id, _) => Some(id),
            Self::Component | Self::Errors | Self::Durations => None,
        }
    }

    /// The same of another pattern, where it is about one.
    #[must_use]
    pub fn of_pattern(self, renamed: impl FnOnce(PatternId) -> PatternId) -> Self {
        match self {
            Self::Pattern(id) => Self::Pattern(renamed(id)),
            Self::Variable(id, place) => Self::Variable(renamed(id), place),
            Self::Facet(id, facet) => Self::Facet(renamed(id), facet),
            Self::Component | Self::Errors | Self::Durations => self,
        }
    }

    /// Reads the name of a series, as [`fmt::Display`] writes it.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "total" => return Some(Self::Component),
            "errors" => return Some(Self::Errors),
            "latency" => return Some(Self::Durations),
            _ => {}
        }
        let (what, rest) = name.split_once(':')?;
        let (id, part) = rest.split_once(':').unwrap_or((rest, ""));
        let id = PatternId::parse(id)?;
        let of_name = |&facet: &Facet| facet.as_str() == part;
        match what {
            "pattern" if rest.len() == 16 => Some(Self::Pattern(id)),
            // One way to write each.
            "variable" => part.parse().ok().map(|place| Self::Variable(id, place)).filter(|it| it.to_string() == name),
            "facet" => Facet::ALL.into_iter().find(of_name).map(|facet| Self::Facet(id, facet)),
            _ => None,
        }
    }

    pub(crate) fn write(self, out: &mut Writer) {
        let (code, id) = match self {
            Self::Component => (0, 0),
            Self::Errors => (1, 0),
            Self::Durations => (2, 0),
            Self::Pattern(id) => (3, id.0),
            Self::Variable(id, _) => (4, id.0),
            Self::Facet(id, _) => (5, id.0),
        };
        out.u8(code);
        out.uint(id);
        match self {
            Self::Variable(_, place) => out.u8(place),
            Self::Facet(_, facet) => out.u8(Facet::ALL.iter().position(|&it| it == facet).unwrap_or(0) as u8),
            Self::Component | Self::Errors | Self::Durations | Self::Pattern(_) => {}
        }
    }

    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let (code, id) = (input.u8()?, input.uint()?);
        match code {
            0 => Ok(Self::Component),
            1 => Ok(Self::Errors),
            2 => Ok(Self::Durations),
            3 => Ok(Self::Pattern(PatternId(id))),
            4 => Ok(Self::Variable(PatternId(id), input.u8()?)),
            5 => match Facet::ALL.get(usize::from(input.u8()?)) {
                Some(&facet) => Ok(Self::Facet(PatternId(id), facet)),
                None => Err(ReadError::Unknown("facet")),
            },
            _ => Err(ReadError::Unknown("subject of a signal")),
        }
    }
}

/// The name of the series: `total`, `errors`, `latency`, `pattern:<id>`, `variable:<id>:<place>`, `facet:<id>:<facet>`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component => f.write_str("total"),
            Self::Errors => f.write_str("errors"),
            Self::Durations => f.write_str("latency"),
            Self::Pattern(id) => write!(f, "pattern:{id}"),
            Self::Variable(id, place) => write!(f, "variable:{id}:{place}"),
            Self::Facet(id, facet) => write!(f, "facet:{id}:{}", facet.as_str()),
        }
    }
}

/// What happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignalKind {
    /// Far more records than usual, within minutes.
    Burst,
    /// Far fewer.
    Drop,
    /// None at all where some were due.
    Silence,
    /// A regular job did not report.
    Missed,
    /// The rate moved to another level and stayed; from here on that level is normal.
    LevelShift,
    /// A larger share of errors than usual.
    ErrorRatio,
    /// A larger share of slow records than usual.
    LatencyShift,
    /// A pattern that this component never had.
    NewPattern,
    /// A level that a variable tells of heads for its limit and will reach it soon.
    Trend,
    /// The values of a variable are distributed otherwise than usual.
    ValueDrift,
    /// A variable that always had one of few values has one it never had.
    NewValue,
    /// A pattern came with a level, an endpoint or an environment with which it never came, though both are frequent.
    RareCombination,
}

impl SignalKind {
    /// All kinds; the position is the code in rows, so new ones go to the end.
    pub const ALL: [Self; 12] = [
        Self::NewPattern,
        Self::Burst,
        Self::Drop,
        Self::Silence,
        Self::Missed,
        Self::LevelShift,
        Self::ErrorRatio,
        Self::LatencyShift,
        Self::Trend,
        Self::ValueDrift,
        Self::NewValue,
        Self::RareCombination,
    ];

    /// Its code in rows.
    pub(crate) fn code(self) -> u8 {
        Self::ALL.iter().position(|&kind| kind == self).unwrap_or(0) as u8
    }

    /// The kind of this code.
    pub(crate) fn of_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Burst => "burst",
            Self::Drop => "drop",
            Self::Silence => "silence",
            Self::Missed => "missed",
            Self::LevelShift => "level_shift",
            Self::ErrorRatio => "error_ratio",
            Self::LatencyShift => "latency_shift",
            Self::NewPattern => "new_pattern",
            Self::Trend => "trend",
            Self::ValueDrift => "value_drift",
            Self::NewValue => "new_value",
            Self::RareCombination => "rare_combination",
        }
    }
}

/// A finding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signal {
    /// What happened.
    pub kind: SignalKind,
    /// To which series.
    pub subject: Subject,
    /// When it was found.
    pub at: Timestamp,
    /// When it began, as far as the window tells.
    pub since: Timestamp,
    /// Width of the window that showed it.
    pub window: Millis,
    /// Expected in that window (records; for ratios hits; of a trend, in how many milliseconds the limit is reached),
    /// and below and above what it would be remarkable (of a trend, the earliest and the latest).
    pub expected: f64,
    /// Lower end of the usual.
    pub expected_low: f64,
    /// Upper end of the usual.
    pub expected_high: f64,
    /// Seen in that window; of a trend, where the level stands.
    pub seen: u64,
    /// Of how many; for counts the same as `seen`; of a trend, the limit.
    pub total: u64,
    /// Probability of this or worse if nothing had changed, corrected for the windows that were tried.
    pub probability: f64,
    /// Sure enough to tell somebody, not only to show.
    pub is_alerting: bool,
}

impl Signal {
    /// As bytes, for rows.
    pub(crate) fn write(&self, out: &mut Writer) {
        out.u8(self.kind.code());
        self.subject.write(out);
        [self.at.0, self.since.0, self.window.0].into_iter().for_each(|time| out.int(time));
        [self.expected, self.expected_low, self.expected_high, self.probability]
            .into_iter()
            .for_each(|number| out.f64(number));
        out.uint(self.seen);
        out.uint(self.total);
        out.u8(u8::from(self.is_alerting));
    }

    /// Reads what [`Signal::write`] wrote.
    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let finite = |number: f64| if number.is_finite() { Ok(number) } else { Err(ReadError::Unknown("signal")) };
        let kind = SignalKind::of_code(input.u8()?).ok_or(ReadError::Unknown("kind of a signal"))?;
        let subject = Subject::read(input)?;
        let (at, since, window) = (Timestamp(input.int()?), Timestamp(input.int()?), Millis(input.int()?));
        let (expected, expected_low, expected_high, probability) =
            (finite(input.f64()?)?, finite(input.f64()?)?, finite(input.f64()?)?, finite(input.f64()?)?);
        let (seen, total, is_alerting) = (input.uint()?, input.uint()?, input.u8()? == 1);
        Ok(Self {
            kind,
            subject,
            at,
            since,
            window,
            expected,
            expected_low,
            expected_high,
            seen,
            total,
            probability,
            is_alerting,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_found_by_its_name_and_codes_stay() {
        let id = PatternId(77);
        let own = [Subject::Component, Subject::Errors, Subject::Durations, Subject::Pattern(id)];
        let parts = Facet::ALL.map(|facet| Subject::Facet(id, facet));
        for subject in own.into_iter().chain(parts).chain([Subject::Variable(id, 0), Subject::Variable(id, 12)]) {
            assert_eq!(Subject::parse(&subject.to_string()), Some(subject));
            let mut out = Writer::new();
            subject.write(&mut out);
            assert_eq!(Subject::read(&mut Reader::new(out.as_bytes())), Ok(subject));
            let other = subject.of_pattern(|_| PatternId(78));
            assert_eq!(other.pattern(), subject.pattern().map(|_| PatternId(78)));
        }
        let (part, none) = ("pattern:000000000000004d:0", "facet:000000000000004d:user");
        let padded = "variable:000000000000004d:00";
        for name in ["", "Total", "pattern:", "pattern", "pattern:xyz", "x:000000000000004d", part, none, padded] {
            assert_eq!(Subject::parse(name), None, "{name}");
        }
        let codes: Vec<_> = SignalKind::ALL.iter().map(|kind| (kind.code(), kind.as_str())).collect();
        assert_eq!(codes[..3], [(0, "new_pattern"), (1, "burst"), (2, "drop")]);
        assert!(codes.iter().all(|&(code, _)| SignalKind::of_code(code).map(SignalKind::code) == Some(code)));
    }

    #[test]
    fn a_signal_survives_its_bytes() {
        let signal = Signal {
            kind: SignalKind::Missed,
            subject: Subject::Pattern(PatternId(9)),
            at: Timestamp(9),
            since: Timestamp(-5),
            window: Millis(14),
            expected: 1.5,
            expected_low: 1.0,
            expected_high: 2.0,
            seen: 0,
            total: 3,
            probability: 0.001,
            is_alerting: true,
        };
        let mut out = Writer::new();
        signal.write(&mut out);
        assert_eq!(Signal::read(&mut Reader::new(out.as_bytes())), Ok(signal));
    }
}
