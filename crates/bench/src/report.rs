//! What is said at the end: for people, or as JSON.

use crate::load::Outcome;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::time::Duration;

/// What must hold for the load to count as borne.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// Batches that may fail.
    pub errors_max: u64,
    /// The 99th percentile of latency may be at most this.
    pub p99_max: Option<Duration>,
}

/// Figures of a load.
#[derive(Debug)]
pub struct Report<'a> {
    /// What came of the load.
    pub outcome: &'a Outcome,
    /// CPU time that the observed process used meanwhile.
    pub cpu: Option<Duration>,
    /// What must hold.
    pub bounds: Bounds,
}

impl Report<'_> {
    /// What does not hold; empty if all is well.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        if self.outcome.errors > self.bounds.errors_max {
            failures.push(format!("{} batches failed, {} may", self.outcome.errors, self.bounds.errors_max));
        }
        let p99 = Duration::from_micros(self.outcome.latencies.value_at_quantile(0.99));
        if let Some(max) = self.bounds.p99_max.filter(|&max| p99 > max) {
            failures.push(format!("p99 is {:.1} ms, at most {:.1} ms may it be", millis(p99), millis(max)));
        }
        if self.outcome.acknowledged == 0 {
            failures.push("nothing was acknowledged".to_owned());
        }
        failures
    }

    fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.outcome.elapsed.as_secs_f64().max(1e-9)
    }

    fn quantile_ms(&self, quantile: f64) -> f64 {
        millis(Duration::from_micros(self.outcome.latencies.value_at_quantile(quantile)))
    }

    fn cpu_us_per_log(&self) -> Option<f64> {
        let records = self.outcome.records.max(1) as f64;
        self.cpu.map(|cpu| cpu.as_micros() as f64 / records)
    }

    /// All figures.
    pub fn as_json(&self) -> Value {
        let outcome = self.outcome;
        let unacknowledged: Vec<Value> =
            outcome.unacknowledged.iter().map(|(key, reason)| json!({"key": key, "reason": reason})).collect();
        json!({
            "seconds": outcome.elapsed.as_secs_f64(),
            "batches": outcome.acknowledged,
            "records": outcome.records,
            "logs_per_second": self.per_second(outcome.records),
            "batches_per_second": self.per_second(outcome.acknowledged),
            "accepted": outcome.fates.accepted,
            "duplicate": outcome.fates.duplicate,
            "counted_only": outcome.fates.counted_only,
            "rejected": outcome.fates.rejected,
            "errors": outcome.errors,
            "repeated": outcome.repeated,
            "p50_ms": self.quantile_ms(0.5),
            "p99_ms": self.quantile_ms(0.99),
            "p999_ms": self.quantile_ms(0.999),
            "max_ms": millis(Duration::from_micros(outcome.latencies.max())),
            "cpu_us_per_log": self.cpu_us_per_log(),
            "unacknowledged": unacknowledged,
            "failures": self.failures(),
        })
    }

    /// A few lines.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let outcome = self.outcome;
        writeln!(
            out,
            "{:.0} logs/s, {:.0} batches/s for {:.1} s",
            self.per_second(outcome.records),
            self.per_second(outcome.acknowledged),
            outcome.elapsed.as_secs_f64()
        )?;
        writeln!(
            out,
            "latency p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, max {:.2} ms",
            self.quantile_ms(0.5),
            self.quantile_ms(0.99),
            self.quantile_ms(0.999),
            millis(Duration::from_micros(outcome.latencies.max()))
        )?;
        let fates = outcome.fates;
        writeln!(
            out,
            "records {}: accepted {}, duplicate {}, counted_only {}, rejected {}; batches failed {}, repeated {}",
            outcome.records,
            fates.accepted,
            fates.duplicate,
            fates.counted_only,
            fates.rejected,
            outcome.errors,
            outcome.repeated
        )?;
        if let Some(cpu) = self.cpu_us_per_log() {
            writeln!(out, "CPU of the service {cpu:.1} us a log")?;
        }
        for (key, reason) in outcome.unacknowledged.iter().take(3) {
            writeln!(out, "failed: {key}: {reason}")?;
        }
        self.failures().iter().try_for_each(|failure| writeln!(out, "NOT BORNE: {failure}"))
    }
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}
