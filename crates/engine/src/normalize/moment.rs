//! When a record happened: the time sent, or the time received where that is unusable. The defect says which.
//!
//! The past is accepted however far it lies; the future only as far as clocks are usually wrong.

use super::notes::Notes;
use crate::limits::FUTURE_MS_MAX;
use crate::parse::timestamp::{self, ReadTime};
use crate::record::{Defect, RawTimestamp};
use crate::time::{Millis, Timestamp};
use crate::value::Value;

/// A text longer than this is not a timestamp.
const TEXT_BYTES_MAX: usize = 64;

/// The event time of a record received at `now`. A text that cannot be read stays visible as attribute `timestamp`.
pub(crate) fn read(sent: RawTimestamp, now: Timestamp, notes: &mut Notes) -> Timestamp {
    let read = match sent {
        RawTimestamp::Absent => {
            notes.defect(Defect::TimestampAbsent);
            return now;
        }
        RawTimestamp::Int(number) => Some(timestamp::from_int(number)),
        RawTimestamp::Float(number) => number.is_finite().then(|| timestamp::from_float(number)),
        RawTimestamp::Text(text) => match read_text(text.trim(), now) {
            Some(read) => Some(read),
            None if text.trim().is_empty() => {
                notes.defect(Defect::TimestampAbsent);
                return now;
            }
            None => {
                notes.aside.push(("timestamp".to_string(), Value::Text(text)));
                None
            }
        },
    };
    let Some(read) = read else {
        notes.defect(Defect::TimestampUnreadable);
        return now;
    };
    if read.zone_assumed {
        notes.defect(Defect::ZoneAssumed);
    }
    if read.timestamp > now.plus(Millis(FUTURE_MS_MAX)) {
        notes.defect(Defect::TimestampFuture);
        return now;
    }
    if read.timestamp <= Timestamp::MIN {
        notes.defect(Defect::TimestampOutOfRange);
    }
    read.timestamp.clamped()
}

fn read_text(text: &str, now: Timestamp) -> Option<ReadTime> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    timestamp::read(text, now)
        .or_else(|| text.parse().ok().map(timestamp::from_int))
        .or_else(|| text.parse().ok().filter(|number: &f64| number.is_finite()).map(timestamp::from_float))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_763_632_800_000);

    fn check(sent: RawTimestamp, expected: i64, defects: &[Defect]) {
        let mut notes = Notes::default();
        assert_eq!(read(sent.clone(), NOW, &mut notes), Timestamp(expected), "{sent:?}");
        assert_eq!(notes.defects, defects, "{sent:?}");
    }

    #[test]
    fn usable_times_are_taken_as_sent() {
        check(RawTimestamp::Int(1_700_000_000), 1_700_000_000_000, &[]);
        check(RawTimestamp::Int(1_700_000_000_123), 1_700_000_000_123, &[]);
        check(RawTimestamp::Float(1_700_000_000.5), 1_700_000_000_500, &[]);
        check(RawTimestamp::Text("2025-11-20T10:00:00.000Z".into()), NOW.0, &[]);
        check(RawTimestamp::Text(" 1700000000123 ".into()), 1_700_000_000_123, &[]);
        check(RawTimestamp::Text("1700000000.5".into()), 1_700_000_000_500, &[]);
        check(RawTimestamp::Text("0001-01-02T00:00:00Z".into()), -62_135_510_400_000, &[]);
    }

    #[test]
    fn unusable_times_become_receive_time_and_say_why() {
        check(RawTimestamp::Absent, NOW.0, &[Defect::TimestampAbsent]);
        check(RawTimestamp::Text("  ".into()), NOW.0, &[Defect::TimestampAbsent]);
        check(RawTimestamp::Text("yesterday".into()), NOW.0, &[Defect::TimestampUnreadable]);
        check(RawTimestamp::Text("9".repeat(65)), NOW.0, &[Defect::TimestampUnreadable]);
        check(RawTimestamp::Float(f64::NAN), NOW.0, &[Defect::TimestampUnreadable]);
        check(RawTimestamp::Text("inf".into()), NOW.0, &[Defect::TimestampUnreadable]);
        check(RawTimestamp::Int(NOW.0 + FUTURE_MS_MAX + 1), NOW.0, &[Defect::TimestampFuture]);
        check(RawTimestamp::Int(NOW.0 + FUTURE_MS_MAX), NOW.0 + FUTURE_MS_MAX, &[]);
        check(RawTimestamp::Int(-99_999_999_999), Timestamp::MIN.0, &[Defect::TimestampOutOfRange]);
    }

    #[test]
    fn an_unreadable_text_is_kept() {
        let mut notes = Notes::default();
        read(RawTimestamp::Text("yesterday".into()), NOW, &mut notes);
        assert_eq!(notes.aside, [("timestamp".to_string(), Value::Text("yesterday".into()))]);
    }
}
