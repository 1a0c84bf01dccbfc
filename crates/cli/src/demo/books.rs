//! Whether the books agree: what the service said it accepted, and what a search finds.
//!
//! A search for the time range and the component says how many records there are. What was there before the play is
//! counted first, so that a service that already holds records can be played into.

use crate::client::Client;
use crate::fault::Fault;
use crate::play::account::Account;
use crate::play::deliver::Clock;
use crate::replies::SearchReply;
use sapwood_engine::time::{Millis, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a search may need to agree.
const PATIENCE: Millis = Millis(20_000);
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Records found, by component.
pub(crate) type Found = BTreeMap<String, u64>;

/// Counts the records of each component from `from_ms` to `to_ms`. `None` while the service cannot say exactly.
pub(crate) fn count(
    client: &Client,
    components: &[String],
    (from_ms, to_ms): (i64, i64),
) -> Result<Option<Found>, Fault> {
    let mut found = Found::new();
    for component in components {
        let parameters = [
            ("component", component.clone()),
            ("from", Timestamp(from_ms).to_string()),
            ("to", Timestamp(to_ms).to_string()),
            ("limit", "1".to_owned()),
        ];
        let reply: SearchReply = client.read("/api/logs/search", &parameters)?;
        if reply.partial || reply.total_is_exact == Some(false) {
            return Ok(None);
        }
        found.insert(component.clone(), reply.total);
    }
    Ok(Some(found))
}

/// Counts again and again until search and account agree, or for [`PATIENCE`]; gives the records found that belong to
/// this play, by component.
pub(crate) fn await_agreement(
    client: &Client,
    clock: &dyn Clock,
    account: &Account,
    before: &Found,
    range: (i64, i64),
) -> Result<Found, Fault> {
    let components: Vec<String> = account.components.keys().cloned().collect();
    let begun = clock.now();
    loop {
        let counted = count(client, &components, range)?;
        let is_late = clock.now().since(begun) >= PATIENCE;
        if let Some(mut found) = counted {
            for (component, number) in &mut found {
                *number = number.saturating_sub(before.get(component).copied().unwrap_or(0));
            }
            if is_late || differences(account, &found).is_empty() {
                return Ok(found);
            }
        } else if is_late {
            return Ok(Found::new());
        }
        clock.pause(LOOK_AGAIN);
    }
}

/// Components whose books do not agree: name, records accepted (those stored before an answer was lost included),
/// records found.
pub(crate) fn differences(account: &Account, found: &Found) -> Vec<(String, u64, u64)> {
    let pairs = account
        .components
        .iter()
        .map(|(component, tally)| (component.clone(), tally.stored(), found.get(component).copied().unwrap_or(0)));
    pairs.filter(|(_, stored, found)| stored != found).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::deliver::tests::TestClock;
    use crate::replies::IngestReply;
    use crate::testing::{Answer, Server};

    fn account() -> Account {
        let mut account = Account::default();
        for (component, accepted) in [("a", 10), ("b", 5)] {
            account.enter(component, accepted, 1, &IngestReply { accepted, ..IngestReply::default() });
        }
        account
    }

    fn totals(totals: &[u64]) -> Server {
        Server::scripted(
            totals.iter().map(|total| Answer::new(200, format!(r#"{{"total":{total}}}"#))).collect::<Vec<_>>(),
        )
    }

    #[test]
    fn what_was_there_before_is_not_counted_and_a_late_index_is_waited_for() {
        let server = totals(&[3, 0, 12, 5, 13, 5]);
        let (client, clock) = (server.client(), TestClock::at(0));
        let before = count(&client, &["a".into(), "b".into()], (1, 9)).unwrap().unwrap();
        let found = await_agreement(&client, &clock, &account(), &before, (1, 9)).unwrap();
        assert!(differences(&account(), &found).is_empty());
        assert_eq!(clock.pauses.borrow().len(), 1);
        assert_eq!(
            server.asked()[0].path,
            "/api/logs/search?component=a&from=1970-01-01T00%3A00%3A00.001Z&to=1970-01-01T00%3A00%3A00.009Z&limit=1"
        );
    }

    #[test]
    fn a_difference_that_stays_is_named() {
        let server = Server::answering(|asked| {
            Answer::new(200, if asked.path.contains("component=a") { r#"{"total":9}"# } else { r#"{"total":5}"# })
        });
        let found = await_agreement(&server.client(), &TestClock::at(0), &account(), &Found::new(), (1, 9)).unwrap();
        assert_eq!(differences(&account(), &found), [("a".to_owned(), 10, 9)]);
    }

    #[test]
    fn an_answer_that_is_not_exact_does_not_count() {
        let server = Server::answering(|_| Answer::new(200, r#"{"total":10,"partial":true}"#));
        let found = await_agreement(&server.client(), &TestClock::at(0), &account(), &Found::new(), (1, 9)).unwrap();
        assert_eq!(differences(&account(), &found).len(), 2);
    }
}
