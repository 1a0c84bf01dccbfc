//! `sapwood-load`: load on a service on this machine, bounded in count and time.
//!
//! Exit statuses: 0, the load was borne; 1, too many errors, too slow, or nothing acknowledged; 2, it could not begin.

use clap::Parser;
use sapwood_bench::cpu;
use sapwood_bench::journal::Journal;
use sapwood_bench::load::{Plan, run};
use sapwood_bench::payload::Payload;
use sapwood_bench::report::{Bounds, Report};
use serde::Deserialize;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Load on a service on this machine.
#[derive(Parser)]
#[command(name = "sapwood-load", version)]
struct Cli {
    /// The service. Else what scripts/dev wrote.
    #[arg(long)]
    url: Option<String>,
    /// A key with the scope ingest. Else what scripts/dev wrote.
    #[arg(long)]
    key: Option<String>,
    /// The file that scripts/dev writes.
    #[arg(long, value_name = "FILE", default_value = ".dev/endpoint.json")]
    endpoint: PathBuf,
    /// Kept connections.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    connections: u16,
    /// Batches a second at a constant rate, latency counted from the intended start. Without it: as fast as answers come.
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: Option<u64>,
    /// Records of a batch.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    batch: u16,
    /// How long.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Batches at most.
    #[arg(long, default_value_t = 10_000_000)]
    batches: u64,
    /// Components that take turns.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    components: u64,
    /// Further attempts of a batch after a temporary failure, with the same key.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    retries: u32,
    /// How long an answer may take.
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    timeout_ms: u64,
    /// The service does not read records (a floor of scripts/bench): its success is taken for all of them.
    #[arg(long)]
    unread: bool,
    /// Records without ids of their own, as most services send them.
    #[arg(long, conflicts_with = "journal")]
    no_ids: bool,
    /// Decides the messages.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Part of every id and key. Else made from the clock.
    #[arg(long)]
    run: Option<String>,
    /// Note every acknowledged batch here, for the audit.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Also measure the CPU time of this process.
    #[arg(long, value_name = "PID")]
    cpu_of: Option<u32>,
    /// Batches that may fail.
    #[arg(long, value_name = "N", default_value_t = 0)]
    errors_max: u64,
    /// Fail when the 99th percentile is above this.
    #[arg(long, value_name = "MS")]
    p99_max_ms: Option<u64>,
    /// Load a service that is not on this machine. Only with its owner's consent.
    #[arg(long)]
    allow_remote: bool,
    /// All figures as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct EndpointFile {
    url: String,
    ingest_key: String,
}

fn main() -> ExitCode {
    match Cli::parse().run(&mut io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(fault) => {
            // If standard error is gone too, the status still says it.
            let _ = writeln!(io::stderr(), "sapwood-load: {fault}");
            ExitCode::from(2)
        }
    }
}

impl Cli {
    fn run(&self, out: &mut dyn Write) -> Result<bool, String> {
        let (url, key) = self.target()?;
        let journal = self
            .journal
            .as_deref()
            .map(Journal::create)
            .transpose()
            .map_err(|error| format!("the journal cannot be written ({error}): name another --journal"))?;
        let run_name = self.run.clone().unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            format!("load-{:x}-{:x}", since.as_millis(), std::process::id())
        });
        let plan = Plan {
            url,
            key,
            connections: usize::from(self.connections),
            rate: self.rate,
            records: usize::from(self.batch),
            duration: Duration::from_secs(self.seconds),
            batches_max: self.batches,
            components: self.components,
            retries: self.retries,
            timeout: Duration::from_millis(self.timeout_ms),
            is_unread: self.unread,
        };
        let payload = Payload::new(self.seed, &run_name);
        let payload = if self.no_ids { payload.without_ids() } else { payload };
        let before = self.cpu()?;
        let outcome = run(&plan, &payload, journal.as_ref());
        let cpu = before.zip(self.cpu()?).map(|(before, after)| after.saturating_sub(before));
        let bounds = Bounds { errors_max: self.errors_max, p99_max: self.p99_max_ms.map(Duration::from_millis) };
        let report = Report { outcome: &outcome, cpu, bounds };
        let written = if self.json { writeln!(out, "{}", report.as_json()) } else { report.write(out) };
        written.map_err(|error| format!("cannot write: {error}"))?;
        Ok(report.failures().is_empty())
    }

    fn cpu(&self) -> Result<Option<Duration>, String> {
        let Some(pid) = self.cpu_of else { return Ok(None) };
        let used =
            cpu::used_by(pid).ok_or(format!("no CPU time to be read for process {pid}: is it running, on Linux?"))?;
        Ok(Some(used))
    }

    /// The service and the key. The file's key goes to the file's address only.
    fn target(&self) -> Result<(String, String), String> {
        let (url, key) = match (&self.url, &self.key) {
            (Some(url), Some(key)) => (url.clone(), key.clone()),
            (url, key) => {
                let path = self.endpoint.display();
                let text = std::fs::read_to_string(&self.endpoint)
                    .map_err(|error| format!("{path}: {error}: start scripts/dev, or give --url and --key"))?;
                let file: EndpointFile = serde_json::from_str(&text)
                    .map_err(|error| format!("{path}: {error}: restart scripts/dev, or give --url and --key"))?;
                if url.as_ref().is_some_and(|url| url.trim_end_matches('/') != file.url.trim_end_matches('/')) {
                    return Err("--url without --key: the key in the file belongs to another address".to_owned());
                }
                (file.url, key.clone().unwrap_or(file.ingest_key))
            }
        };
        if !self.allow_remote && !is_on_this_machine(&url) {
            return Err(format!("{url} is not this machine: load it only with its owner's consent and --allow-remote"));
        }
        Ok((url.trim_end_matches('/').to_owned(), key))
    }
}

/// Whether the host is a loopback address. The name is compared whole: `127.0.0.1.example.com` is somewhere else.
fn is_on_this_machine(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loaded_unless_allowed() {
        for (url, expected) in [
            ("http://127.0.0.1:8787", true),
            ("http://[::1]:8787/x", true),
            ("http://localhost", true),
            ("http://127.0.0.1.example.com", false),
            ("http://localhost@example.com", false),
            ("https://127.0.0.1", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_on_this_machine(url), expected, "{url}");
        }
        let remote = Cli::parse_from(["l", "--url", "http://example.com", "--key", "k"]);
        assert!(remote.target().unwrap_err().contains("--allow-remote"));
    }

    #[test]
    fn the_file_gives_address_and_key_and_its_absence_is_said() {
        let path = std::env::temp_dir().join(format!("sapwood-load-{}.json", std::process::id()));
        std::fs::write(&path, r#"{"url":"http://127.0.0.1:1/","ingest_key":"i"}"#).unwrap();
        let file = path.to_str().unwrap();
        let target = |arguments: &[&str]| Cli::parse_from([&["l", "--endpoint", file], arguments].concat()).target();
        assert_eq!(target(&[]), Ok(("http://127.0.0.1:1".into(), "i".into())));
        assert_eq!(target(&["--key", "k"]).unwrap().1, "k");
        assert!(target(&["--url", "http://127.0.0.1:2"]).unwrap_err().contains("another address"));
        std::fs::remove_file(&path).unwrap();
        assert!(target(&[]).unwrap_err().contains("scripts/dev"));
    }
}
