//! When a record happened: the time sent, or the time received where that is unusable. The defect says which.
//!
//! The past is accepted however far it lies; the future only as far as clocks are usually wrong.

use super::notes::Notes;
use crate::limits::FUTURE_MS_MAX;
use crate::parse::timestamp;
use crate::record::{Defect, RawTimestamp};
use crate::time::{Millis, Timestamp};
use crate::value::Value;

/// A text longer than this is not a timestamp.
const TEXT_BYTES_MAX: usize = 64;

/// The event time of a record received at `now`. A text that cannot be read stays visible as attribute `timestamp`.
pub(crate) fn read(sent: RawTimestamp, now: Timestamp, notes: &mut Notes) -> Timestamp {
    let read = match sent {
        RawTimestamp::Absent => return absent(now, notes),
        RawTimestamp::Int(number) => Some(timestamp::from_int(number)),
        RawTimestamp::Float(number) => timestamp::from_float(number),
        RawTimestamp::Text(text) if text.trim().is_empty() => return absent(now, notes),
        RawTimestamp::Text(text) => read_text(text, now, notes),
    };
    let Some(read) = read else {
        notes.defect(Defect::TimestampUnreadable);
        return now;
    };
    if read > now.plus(Millis(FUTURE_MS_MAX)) {
        notes.defect(Defect::TimestampFuture);
        return now;
    }
    // The readers clamp, so the edge itself stands for everything beyond it.
    if read <= Timestamp::MIN {
        notes.defect(Defect::TimestampOutOfRange);
    }
    read.clamped()
}

fn absent(now: Timestamp, notes: &mut Notes) -> Timestamp {
    notes.defect(Defect::TimestampAbsent);
    now
}

fn read_text(text: String, now: Timestamp, notes: &mut Notes) -> Option<Timestamp> {
    let read = if text.len() <= TEXT_BYTES_MAX { timestamp::read(&text, now) } else { None };
    match read {
        Some(read) => {
            if read.zone_assumed {
                notes.defect(Defect::ZoneAssumed);
            }
            Some(read.timestamp)
        }
        None => {
            notes.aside.push(("timestamp".to_string(), Value::Text(text)));
            None
        }
    }
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
        check(RawTimestamp::Text("2025-11-20 10:00:00".into()), NOW.0, &[Defect::ZoneAssumed]);
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
