//! Points in time and spans of it, in milliseconds. No clock is read here: `now` is always an argument.

use std::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds ignored. Negative values are before 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// A span of time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

impl Millis {
    /// `count` seconds.
    pub const fn from_secs(count: i64) -> Self {
        Self(count.saturating_mul(1_000))
    }
    /// `count` minutes.
    pub const fn from_mins(count: i64) -> Self {
        Self(count.saturating_mul(60_000))
    }
    /// `count` hours.
    pub const fn from_hours(count: i64) -> Self {
        Self(count.saturating_mul(3_600_000))
    }
}

impl Timestamp {
    /// The largest and smallest instants that are accepted (years 0001 to 9999), so that arithmetic cannot overflow
    /// and every instant has an RFC 3339 form of the usual length.
    pub const MIN: Self = Self(-62_135_596_800_000);
    /// See [`Timestamp::MIN`].
    pub const MAX: Self = Self(253_402_300_799_999);

    /// This instant moved by `span`, kept between [`Timestamp::MIN`] and [`Timestamp::MAX`].
    pub fn plus(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.0)).clamped()
    }
    /// This instant moved back by `span`, kept between [`Timestamp::MIN`] and [`Timestamp::MAX`].
    pub fn minus(self, span: Millis) -> Self {
        Self(self.0.saturating_sub(span.0)).clamped()
    }
    /// The span from `earlier` to this instant (negative if it is later).
    pub fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
    /// Kept between [`Timestamp::MIN`] and [`Timestamp::MAX`].
    pub fn clamped(self) -> Self {
        Self(self.0.clamp(Self::MIN.0, Self::MAX.0))
    }
    /// The start of the bucket of `width` that holds this instant; buckets are aligned to the epoch.
    pub fn floor_to(self, width: Millis) -> Self {
        Self(self.0.div_euclid(width.0.max(1)) * width.0.max(1))
    }
}

/// RFC 3339 in UTC with milliseconds: `2026-11-20T10:00:00.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match chrono::DateTime::from_timestamp_millis(self.clamped().0) {
            Some(moment) => write!(f, "{}", moment.format("%Y-%m-%dT%H:%M:%S%.3fZ")),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_rfc_3339_in_utc() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp(1_763_632_800_123).to_string(), "2025-11-20T10:00:00.123Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp(i64::MAX).to_string(), Timestamp::MAX.to_string());
    }

    #[test]
    fn floors_towards_the_past_on_both_sides_of_the_epoch() {
        assert_eq!(Timestamp(59_999).floor_to(Millis::from_mins(1)), Timestamp(0));
        assert_eq!(Timestamp(-1).floor_to(Millis::from_mins(1)), Timestamp(-60_000));
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX.plus(Millis(i64::MAX)), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.minus(Millis(i64::MAX)), Timestamp::MIN);
    }
}
