//! The load against a real HTTP server that answers from a script.

// What is unwrapped here is the test's own server.
#![allow(clippy::unwrap_used)]

use sapwood_bench::journal::Journal;
use sapwood_bench::load::{Outcome, Plan, run};
use sapwood_bench::payload::Payload;
use sapwood_bench::report::{Bounds, Report};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Seen = Arc<Mutex<Vec<(String, usize)>>>;

/// A server on a free port: `answer` gets the number of the request and the records in it, and gives status and body.
struct Server {
    server: Arc<tiny_http::Server>,
    /// Idempotency key and records of every request.
    seen: Seen,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    fn new(mut answer: impl FnMut(usize, usize) -> (u16, String) + Send + 'static) -> Self {
        let server = Arc::new(tiny_http::Server::http("127.0.0.1:0").unwrap());
        let seen: Seen = Arc::default();
        let (worker, log) = (server.clone(), seen.clone());
        let thread = std::thread::spawn(move || {
            while let Ok(mut request) = worker.recv() {
                let records: Vec<serde_json::Value> = serde_json::from_reader(request.as_reader()).unwrap();
                let key = request.headers().iter().find(|header| header.field.equiv("Idempotency-Key"));
                let mut log = log.lock().unwrap();
                log.push((key.unwrap().value.to_string(), records.len()));
                let (status, body) = answer(log.len() - 1, records.len());
                drop(log);
                let _ = request.respond(tiny_http::Response::from_string(body).with_status_code(status));
            }
        });
        Self { server, seen, thread: Some(thread) }
    }

    fn plan(&self) -> Plan {
        Plan {
            url: format!("http://{}", self.server.server_addr().to_ip().unwrap()),
            key: "k".into(),
            connections: 3,
            rate: None,
            records: 5,
            duration: Duration::from_secs(30),
            batches_max: 40,
            components: 2,
            retries: 0,
            timeout: Duration::from_secs(10),
            is_unread: false,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.server.unblock();
        let _ = self.thread.take().unwrap().join();
    }
}

fn accepted(records: usize) -> (u16, String) {
    (202, format!(r#"{{"accepted":{records}}}"#))
}

fn failures(outcome: &Outcome, bounds: Bounds) -> Vec<String> {
    Report { outcome, cpu: None, bounds }.failures()
}

#[test]
fn every_acknowledged_batch_is_in_the_journal_once() {
    let server = Server::new(|_, records| accepted(records));
    let path = std::env::temp_dir().join(format!("sapwood-journal-{}", std::process::id()));
    let journal = Journal::create(&path).unwrap();
    let outcome = run(&server.plan(), &Payload::new(1, "r"), Some(&journal));
    assert_eq!((outcome.acknowledged, outcome.errors, outcome.records, outcome.fates.accepted), (40, 0, 200, 200));
    assert_eq!(outcome.latencies.len(), 40);
    assert!(failures(&outcome, Bounds::default()).is_empty());
    let text = std::fs::read_to_string(&path).unwrap();
    let mut components: BTreeMap<String, u64> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for line in text.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        *components.entry(entry["component"].as_str().unwrap().to_owned()).or_default() += 1;
        ids.extend(entry["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()));
        assert_eq!(entry["accepted"], 5);
    }
    assert_eq!(ids.len(), 200);
    assert_eq!(components, BTreeMap::from([("load-0".to_owned(), 20), ("load-1".to_owned(), 20)]));
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_temporary_failure_is_repeated_with_the_same_key() {
    let server = Server::new(|request, records| if request == 0 { (503, "{}".into()) } else { accepted(records) });
    let plan = Plan { connections: 1, batches_max: 2, retries: 3, ..server.plan() };
    let outcome = run(&plan, &Payload::new(1, "r"), None);
    assert_eq!((outcome.acknowledged, outcome.errors, outcome.repeated), (2, 0, 1));
    let keys: Vec<_> = server.seen.lock().unwrap().iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(keys, ["r-0", "r-0", "r-1"]);
}

#[test]
fn what_fails_for_good_is_counted_named_and_fails_the_load() {
    let server = Server::new(|request, records| match request {
        0 => (503, "busy".into()),
        1 => (401, "who".into()),
        // A fate is missing: as good as no answer.
        2 => accepted(records - 1),
        _ => accepted(records),
    });
    let plan = Plan { connections: 1, batches_max: 5, ..server.plan() };
    let outcome = run(&plan, &Payload::new(1, "r"), None);
    assert_eq!((outcome.acknowledged, outcome.errors), (2, 3));
    let reasons: Vec<_> = outcome.unacknowledged.iter().map(|(key, reason)| format!("{key} {reason}")).collect();
    assert_eq!(reasons, ["r-0 503: busy", "r-1 401: who", "r-2 202: {\"accepted\":4}"]);
    assert_eq!(failures(&outcome, Bounds { errors_max: 3, p99_max: None }), Vec::<String>::new());
    assert_eq!(failures(&outcome, Bounds { errors_max: 2, p99_max: None }).len(), 1);
    let report = Report { outcome: &outcome, cpu: Some(Duration::from_millis(1)), bounds: Bounds::default() };
    assert_eq!((&report.as_json()["errors"], &report.as_json()["cpu_us_per_log"]), (&3.into(), &100.0.into()));
    let mut out = Vec::new();
    report.write(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.contains("NOT BORNE: 3 batches failed, 0 may") && text.contains("CPU of the service 100.0 us"),
        "{text}"
    );
}

#[test]
fn at_a_constant_rate_a_stall_is_charged_to_every_request_that_fell_into_it() {
    let stall = Duration::from_millis(300);
    let server = Server::new(move |request, records| {
        if request == 0 {
            // What is tested is what a slow answer does to those that wait behind it.
            std::thread::sleep(stall);
        }
        accepted(records)
    });
    let plan = Plan { connections: 1, rate: Some(100), batches_max: 20, ..server.plan() };
    let outcome = run(&plan, &Payload::new(1, "r"), None);
    assert_eq!(outcome.acknowledged, 20);
    // Batch n was due at n x 10 ms and could not leave before 300 ms: even the last waited 110 ms.
    let waited = outcome.latencies.iter_recorded().filter(|value| value.value_iterated_to() >= 100_000);
    assert_eq!(waited.map(|value| value.count_at_value()).sum::<u64>(), 20);
    let bounds = Bounds { errors_max: 0, p99_max: Some(Duration::from_millis(200)) };
    assert!(failures(&outcome, bounds)[0].starts_with("p99 is "));
}

#[test]
fn a_load_ends_when_its_time_is_over_and_a_dead_service_is_an_error() {
    let server = Server::new(|_, records| accepted(records));
    let brief = Plan { duration: Duration::from_millis(50), batches_max: u64::MAX, rate: Some(100), ..server.plan() };
    assert_eq!(run(&brief, &Payload::new(1, "r"), None).acknowledged, 5);
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dead = Plan { url: format!("http://127.0.0.1:{port}"), batches_max: 2, ..server.plan() };
    let outcome = run(&dead, &Payload::new(1, "r"), None);
    assert_eq!((outcome.acknowledged, outcome.errors), (0, 2));
    let bounds = Bounds { errors_max: 9, p99_max: None };
    assert_eq!(failures(&outcome, bounds), ["nothing was acknowledged"]);
}
