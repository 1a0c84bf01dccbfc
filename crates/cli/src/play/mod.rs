//! `sapwood play`: plays log files into a service through its public door, as if they were written now.
//!
//! `source` reads a file into records, `plan` gives each its time, `inject` adds what is to be found, `player` sends
//! when the time has come, `deliver` sees one batch through, `account` keeps the books.

pub(crate) mod account;
pub(crate) mod deliver;
pub(crate) mod inject;
pub(crate) mod plan;
pub(crate) mod player;
pub(crate) mod progress;
pub(crate) mod source;

use crate::Verdict;
use crate::client::Client;
use crate::endpoint::{EndpointArgs, Scope};
use crate::fault::Fault;
use crate::render::Style;
use account::Account;
use deliver::SystemClock;
use inject::{Injection, InjectionKind, injections};
use plan::Pace;
use player::{Options, Player};
use progress::ProgressBar;
use sapwood_engine::time::{Millis, Timestamp};
use serde_json::{Value, json};
use source::{Source, now};
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `play`.
#[derive(clap::Args)]
pub(crate) struct Play {
    #[command(flatten)]
    pub plan: PlanArgs,
    /// The account as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// What to play, and how.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PlanArgs {
    /// The files; each is a component named after it.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Length of the live part: 45s, 2m. What lies before is sent at once.
    #[arg(long, default_value = "45s", value_parser = span, conflicts_with_all = ["speedup", "original_time"])]
    pub duration: Millis,
    /// How far the file reaches back from now.
    #[arg(long, default_value = "60m", value_parser = span, conflicts_with_all = ["speedup", "original_time"])]
    pub history: Millis,
    /// Start now and run X times as fast as the file says.
    #[arg(long, value_name = "X", value_parser = speed, conflicts_with = "original_time")]
    pub speedup: Option<u64>,
    /// Send the file's own times, at once, as a backfill. Nothing may be raised by it.
    #[arg(long, conflicts_with = "inject")]
    pub original_time: bool,
    /// Add an error never seen before and a burst of a known one.
    #[arg(long)]
    pub inject: bool,
    /// Records of a batch at most.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub batch: usize,
    /// Names this play; the same number gives the same idempotency keys. Else made from the clock.
    #[arg(long, value_name = "N")]
    pub run: Option<u64>,
}

impl PlanArgs {
    /// How times are mapped.
    pub(crate) fn pace(&self) -> Pace {
        match self.speedup {
            _ if self.original_time => Pace::Original,
            Some(permille) => Pace::Speedup { permille },
            None => Pace::Window { history: self.history, live: self.duration },
        }
    }

    /// The files, read.
    pub(crate) fn sources(&self, reference: Timestamp) -> Result<Vec<Source>, Fault> {
        self.files.iter().map(|file| Source::read(file, reference)).collect()
    }

    /// The number of this run.
    pub(crate) fn run_number(&self, start: Timestamp) -> u64 {
        self.run.unwrap_or((start.0 as u64) << 16 ^ u64::from(std::process::id()))
    }

    /// What is injected, if anything.
    pub(crate) fn injections(&self, sources: &[Source], start: Timestamp) -> Vec<Injection> {
        if !self.inject {
            return Vec::new();
        }
        let live = match self.pace() {
            Pace::Window { live, .. } => live,
            pace => live_span(sources, pace, start),
        };
        injections(sources, self.run_number(start), start, live)
    }
}

/// How long a sped-up play takes.
fn live_span(sources: &[Source], pace: Pace, start: Timestamp) -> Millis {
    let ends = sources.iter().filter_map(|source| {
        let times: Vec<_> = source.records.iter().map(|record| record.at).collect();
        plan::planned(&times, pace, start)?.into_iter().max()
    });
    ends.max().unwrap_or(start).since(start)
}

impl Play {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let client = Client::new(self.endpoint.resolve(Scope::Ingest)?);
        let start = now();
        let sources = self.plan.sources(start)?;
        let injected = self.plan.injections(&sources, start);
        let pace = self.plan.pace();
        let options = Options { pace, batch_max: self.plan.batch, run: format!("{:x}", self.plan.run_number(start)) };
        let clock = SystemClock;
        let mut player = Player::new(&client, &clock, sources, &injected, start, &options)?;
        let mut bar = ProgressBar::new();
        let mut show = |progress: &player::Progress| Ok(bar.show(progress, &mut std::io::stderr())?);
        player.send_history(pace, &mut show)?;
        player.play_live(&mut show)?;
        let range = player.range();
        self.report(&player.account, &injected, range, out)?;
        Ok(if player.account.total().balances() { Verdict::Good } else { Verdict::Bad })
    }

    fn report(
        &self,
        account: &Account,
        injected: &[Injection],
        (from_ms, to_ms): (i64, i64),
        out: &mut dyn Write,
    ) -> Result<(), Fault> {
        if self.json {
            let injected: Vec<Value> = injected.iter().map(injection_as_json).collect();
            let mut report = account.as_json();
            report["injected"] = injected.into();
            report["from_ms"] = from_ms.into();
            report["to_ms"] = to_ms.into();
            writeln!(out, "{report}")?;
            return Ok(());
        }
        account.write(Style::of_stdout(), out)?;
        for injection in injected {
            let what = if injection.kind == InjectionKind::NeverSeen { "never seen" } else { "burst" };
            let (count, component) = (injection.count, &injection.component);
            writeln!(
                out,
                "injected: {what}, {count} x \"{}\" into {component}",
                crate::render::printable(&injection.message)
            )?;
        }
        let total = account.total();
        if !total.balances() {
            writeln!(out, "sent {} but {} answered for: see the refusals above", total.sent, total.answered())?;
        }
        Ok(())
    }
}

fn injection_as_json(injection: &Injection) -> Value {
    let kind = if injection.kind == InjectionKind::NeverSeen { "never_seen" } else { "burst" };
    json!({"kind": kind, "component": injection.component, "message": injection.message, "at": injection.at.0,
        "count": injection.count})
}

/// Reads `45s`, `500ms`, `2m`, `1h`; a bare number is seconds.
pub(crate) fn span(text: &str) -> Result<Millis, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("a number with ms, s, m or h, such as 45s".to_owned()),
    };
    let number: i64 = number.parse().map_err(|_| "a number with ms, s, m or h, such as 45s".to_owned())?;
    number.checked_mul(factor).filter(|&span| span <= 30 * 86_400_000).map(Millis).ok_or("at most 30 days".to_owned())
}

/// Reads a speed-up as thousandths.
fn speed(text: &str) -> Result<u64, String> {
    let factor: f64 = text.trim_end_matches('x').parse().map_err(|_| "a number such as 60 or 0.5".to_owned())?;
    if !(0.001..=1e9).contains(&factor) {
        return Err("between 0.001 and 1000000000".to_owned());
    }
    Ok((factor * 1_000.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Answer, Folder, Server};
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        play: Play,
    }

    fn play(arguments: &[&str], server: &Server) -> (Value, Verdict) {
        let url = server.url();
        let fixed = ["play", "--json", "--url", &url, "--key", "k"];
        let line = Line::parse_from(fixed.iter().chain(arguments));
        let mut out = Vec::new();
        let verdict = line.play.run(&mut out).unwrap();
        (serde_json::from_slice(&out).unwrap(), verdict)
    }

    const LINES: &str = "2026-11-20 10:00:00 ERROR a b\n2026-11-20 10:00:01 INFO c d\n2026-11-20 10:00:02 INFO c d\n";

    #[test]
    fn files_are_components_and_the_account_is_given() {
        let server = Server::answering(|asked| {
            let lines = asked.body.lines().count();
            Answer::new(202, format!(r#"{{"accepted":{},"duplicate":1}}"#, lines - 1))
        });
        let folder = Folder::new();
        let one = folder.write("One.raw.log", LINES);
        let two = folder.write("two.log", LINES);
        let files = [one.to_str().unwrap(), two.to_str().unwrap()];
        let (report, verdict) = play(&[files[0], files[1], "--original-time", "--run", "7"], &server);
        assert_eq!(verdict, Verdict::Good);
        assert_eq!((&report["total"]["sent"], &report["total"]["duplicate"]), (&6.into(), &2.into()));
        assert_eq!(report["components"]["one"]["accepted"], 2);
        assert_eq!(server.asked()[0].header("idempotency-key"), Some("play-7-one-0"));
        assert_eq!(server.asked()[0].header("x-api-key"), Some("k"));
    }

    #[test]
    fn a_fast_play_with_injections_ends_after_its_time() {
        let server =
            Server::answering(|asked| Answer::new(202, format!(r#"{{"accepted":{}}}"#, asked.body.lines().count())));
        let folder = Folder::new();
        let file = folder.write("a.log", LINES);
        let (report, verdict) = play(&[file.to_str().unwrap(), "--speedup", "1000", "--inject"], &server);
        assert_eq!((verdict, &report["total"]["sent"]), (Verdict::Good, &(3 + 61).into()));
        assert_eq!(
            (&report["injected"][0]["kind"], &report["injected"][1]["count"]),
            (&"never_seen".into(), &60.into())
        );
    }

    #[test]
    fn an_account_that_does_not_balance_is_no_success() {
        let server = Server::answering(|_| Answer::new(202, r#"{"accepted":1}"#));
        let folder = Folder::new();
        let file = folder.write("a.log", LINES);
        let (report, verdict) = play(&[file.to_str().unwrap(), "--original-time"], &server);
        assert_eq!((verdict, &report["total"]["accepted"]), (Verdict::Bad, &1.into()));
        let mut out = Vec::new();
        let line = Line::parse_from(["play", "x.log"]);
        let mut account = Account::default();
        account.enter_refused("a", 2, "r".into());
        line.play.report(&account, &[], (0, 1), &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("sent 2 but 0 answered for"));
    }

    #[test]
    fn spans_and_speeds_are_read_or_refused() {
        for (text, expected) in [("45s", 45_000), ("500ms", 500), ("2m", 120_000), ("1h", 3_600_000), ("7", 7_000)] {
            assert_eq!(span(text), Ok(Millis(expected)), "{text}");
        }
        for text in ["", "s", "1d", "-1s", "99999999999999h", "1.5s"] {
            assert!(span(text).is_err(), "{text}");
        }
        assert_eq!((speed("60x"), speed("0.5")), (Ok(60_000), Ok(500)));
        assert!(speed("0").is_err() && speed("fast").is_err());
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        for arguments in [
            vec!["play", "a", "--original-time", "--inject"],
            vec!["play", "a", "--speedup", "2", "--duration", "5s"],
            vec!["play"],
        ] {
            assert!(Line::try_parse_from(&arguments).is_err(), "{arguments:?}");
        }
    }
}
