//! Taking one user's records out of what is stored, in place: a record becomes a husk, so that its neighbours keep the
//! ids that lead to them, retries keep the receipts that name places, and counts stay.
//!
//! What is kept in another form (a block) needs a function like [`without_user`] of its own, and nothing else.

use crate::bytes::{ReadError, Reader, Writer};
use crate::record::Record;
use crate::segment;

/// A row without a user's records.
#[derive(Clone, Debug, PartialEq)]
pub struct Retracted {
    /// Its new body.
    pub body: Vec<u8>,
    /// What was taken out: place in the row, and the record as it was.
    pub lines: Vec<(u16, Record)>,
}

/// The body of a journal row without the records of a user; `None` if it has none of them. Segments without any stay byte
/// for byte as they came.
///
/// # Errors
/// Damaged bytes.
pub fn without_user(body: &[u8], user: &str) -> Result<Option<Retracted>, ReadError> {
    without(body, |_, record| is_of(record, user))
}

/// The same without the records of which `leaves` says so, by their place in the row.
///
/// # Errors
/// Damaged bytes.
pub fn without(body: &[u8], leaves: impl Fn(u16, &Record) -> bool) -> Result<Option<Retracted>, ReadError> {
    let mut input = Reader::new(body);
    let (mut out, mut lines) = (Writer::with_capacity(body.len()), Vec::new());
    let mut first = 0usize;
    while !input.is_empty() {
        let segment = input.bytes()?;
        let records = segment::decode(segment)?;
        let count = records.len();
        let before = lines.len();
        let mut kept = Vec::with_capacity(count);
        for (offset, record) in records.into_iter().enumerate() {
            let index = u16::try_from(first + offset).unwrap_or(u16::MAX);
            if !record.is_husk() && leaves(index, &record) {
                kept.push(record.husk());
                lines.push((index, record));
            } else {
                kept.push(record);
            }
        }
        if lines.len() == before {
            out.bytes(segment);
        } else {
            segment::encode(&kept).iter().for_each(|segment| out.bytes(segment));
        }
        first += count;
    }
    Ok((!lines.is_empty()).then(|| Retracted { body: out.into_bytes(), lines }))
}

fn is_of(record: &Record, user: &str) -> bool {
    record.user_id.as_deref() == Some(user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Level;
    use crate::machine::row;
    use crate::time::Timestamp;

    fn record(number: i64, user: Option<&str>) -> Record {
        Record {
            id: (number % 2 == 0).then(|| format!("id-{number}")),
            timestamp: Timestamp(number),
            level: Level::ERROR,
            message: format!("line {number}"),
            component: "cart".into(),
            user_id: user.map(str::to_owned),
            ..Record::default()
        }
    }

    fn body(segments: &[&[Record]]) -> Vec<u8> {
        let mut out = Writer::new();
        for records in segments {
            segment::encode(records).iter().for_each(|segment| out.bytes(segment));
        }
        out.into_bytes()
    }

    #[test]
    fn a_user_s_records_become_husks_where_they_stood_and_the_others_stay() {
        let first = [record(0, Some("bob")), record(1, Some("eve")), record(2, None)];
        let second = [record(3, Some("eve"))];
        let third = [record(4, None), record(5, Some("bob"))];
        let before = body(&[&first, &second, &third]);
        let after = without_user(&before, "bob").unwrap().unwrap();
        assert_eq!(after.lines, [(0, first[0].clone()), (5, third[1].clone())]);
        let records = row::records(&after.body).unwrap();
        let shown: Vec<_> = records.iter().map(|it| (it.is_husk(), it.timestamp.0, it.message.as_str())).collect();
        let expected = [
            (true, 0, ""),
            (false, 1, "line 1"),
            (false, 2, "line 2"),
            (false, 3, "line 3"),
            (false, 4, "line 4"),
            (true, 5, ""),
        ];
        assert_eq!(shown, expected);
        assert!(records.iter().all(|record| record.level == Level::ERROR), "a search by level looks at the same rows");
        assert_eq!(without_user(&after.body, "bob"), Ok(None), "again finds nothing");
        assert_eq!(without_user(&before, "bobby"), Ok(None), "a name is the whole name");
        assert!(without_user(&before[..before.len() - 1], "bob").is_err());
    }

    #[test]
    fn nothing_that_came_in_looks_like_a_husk() {
        assert!(record(1, None).husk().is_husk() && Record::default().is_husk());
        assert!(!record(1, None).is_husk());
        let only_template = Record { message_template: Some("a {b}".into()), ..Record::default() };
        assert!(!only_template.is_husk());
    }
}
