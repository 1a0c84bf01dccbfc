//! One batch to the service, for as long as it takes: a repetition carries the same `Idempotency-Key`, so that it can
//! never store anything twice.

use crate::client::{Client, ClientFault};
use crate::play::source::now;
use crate::replies::IngestReply;
use flate2::Compression;
use flate2::write::GzEncoder;
use sapwood_engine::time::Timestamp;
use std::io::Write;
use std::time::Duration;

/// Time, so that tests have their own.
pub(crate) trait Clock {
    fn now(&self) -> Timestamp;
    fn pause(&self, span: Duration);
}

/// The clock of this machine.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        now()
    }
    fn pause(&self, span: Duration) {
        std::thread::sleep(span);
    }
}

/// Records of one component that are sent together.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub component: String,
    pub key: String,
    pub records: u64,
    /// NDJSON, compressed.
    pub body: Vec<u8>,
}

/// Compresses NDJSON. Writing to memory cannot fail.
pub(crate) fn compressed(lines: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(lines.len() / 4), Compression::fast());
    encoder.write_all(lines).and_then(|()| encoder.finish()).expect("a Vec takes every byte")
}

const WAIT_MIN: Duration = Duration::from_millis(200);
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Longest wait that a service may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
/// How long a batch is tried before the play is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of a batch, and in how many attempts.
pub(crate) struct Delivery {
    pub outcome: Result<IngestReply, ClientFault>,
    pub attempts: u32,
}

/// Sends `batch` to `path`, again and again while the fault is temporary, for at most [`PATIENCE`].
pub(crate) fn deliver(
    client: &Client,
    path: &str,
    parameters: &[(&str, String)],
    batch: &Batch,
    clock: &dyn Clock,
) -> Delivery {
    let begun = clock.now();
    let mut wait = WAIT_MIN;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let outcome = client.send(path, parameters, &batch.body, &batch.key);
        let Err(fault) = &outcome else { return Delivery { outcome, attempts } };
        let has_patience = clock.now().since(begun).0 < PATIENCE.as_millis() as i64;
        if !fault.is_temporary() || !has_patience {
            return Delivery { outcome, attempts };
        }
        clock.pause(fault.retry_after().map_or(wait, |asked| asked.clamp(wait, RETRY_AFTER_MAX)));
        wait = (wait * 2).min(WAIT_MAX);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::{Answer, Server};
    use std::cell::RefCell;

    /// A clock that only pauses move.
    pub(crate) struct TestClock {
        pub now: RefCell<Timestamp>,
        pub pauses: RefCell<Vec<Duration>>,
    }

    impl TestClock {
        pub(crate) fn at(now: i64) -> Self {
            Self { now: RefCell::new(Timestamp(now)), pauses: RefCell::default() }
        }
    }

    impl Clock for TestClock {
        fn now(&self) -> Timestamp {
            *self.now.borrow()
        }
        fn pause(&self, span: Duration) {
            self.now.borrow_mut().0 += span.as_millis() as i64;
            self.pauses.borrow_mut().push(span);
        }
    }

    fn batch() -> Batch {
        let body = compressed(b"{\"message\":\"m\"}\n");
        Batch { component: "a".into(), key: "play-1-a-0".into(), records: 1, body }
    }

    const ACCEPTED: &str = r#"{"accepted":1,"duplicate":0,"counted_only":0,"rejected":0,"errors":[]}"#;

    #[test]
    fn what_failed_is_sent_again_unchanged_and_with_the_same_key() {
        let partial = r#"{"title":"part failed","components":[{"component":"a","status":503}]}"#;
        let server = Server::scripted([
            Answer::new(503, partial).with("Retry-After", "3"),
            Answer::lost(),
            Answer::new(500, "oops"),
            Answer::new(202, ACCEPTED),
        ]);
        let clock = TestClock::at(0);
        let delivery = deliver(&server.client(), "/api/logs", &[], &batch(), &clock);
        assert_eq!((delivery.outcome.unwrap().accepted, delivery.attempts), (1, 4));
        let asked = server.asked();
        assert_eq!(asked.len(), 4);
        for request in &asked {
            assert_eq!(request.header("idempotency-key"), Some("play-1-a-0"));
            assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/api/logs"));
            assert_eq!(request.body, "{\"message\":\"m\"}\n");
        }
        let pauses: Vec<_> = clock.pauses.borrow().iter().map(Duration::as_millis).collect();
        assert_eq!(pauses, [3_000, 400, 800]);
    }

    #[test]
    fn a_refusal_is_not_repeated() {
        let server = Server::scripted([Answer::new(413, r#"{"title":"too large"}"#), Answer::new(202, ACCEPTED)]);
        let delivery = deliver(&server.client(), "/api/logs", &[], &batch(), &TestClock::at(0));
        assert!(delivery.outcome.is_err());
        assert_eq!((delivery.attempts, server.asked().len()), (1, 1));
    }

    #[test]
    fn patience_ends() {
        let server = Server::answering(|_| Answer::new(503, "").with("Retry-After", "9999"));
        let clock = TestClock::at(0);
        let delivery = deliver(&server.client(), "/api/logs", &[], &batch(), &clock);
        assert!(delivery.outcome.unwrap_err().is_temporary());
        assert_eq!((delivery.attempts, clock.now().0), (3, 60_000));
    }
}
