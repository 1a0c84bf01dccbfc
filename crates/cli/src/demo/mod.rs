//! `sapwood demo`: plays files and shows what the service makes of them, from the first line to the account.
//!
//! All of it goes through the public doors. In turn: the files as the parser read them, the history, components,
//! patterns, levels per minute, the live part with the tail scrolling and the alerts as they arrive, and the account:
//! sent = accepted + duplicate + counted_only + rejected, and found = accepted. With the files' own times nothing may be
//! raised. The exit status is 1 when a sum does not come out or an expected alert stays away.
//!
//! `scripts/demo` is the door to this: it starts the service and the receiver of alerts if need be, and picks files.

mod alerts;
mod books;

use crate::Verdict;
use crate::client::Client;
use crate::endpoint::{Endpoint, EndpointArgs, Scope};
use crate::fault::Fault;
use crate::play::PlanArgs;
use crate::play::account::Account;
use crate::play::deliver::{Clock, SystemClock};
use crate::play::inject::{Injection, InjectionKind};
use crate::play::player::{Options, Player, Progress};
use crate::play::source::Source;
use crate::render::{Style, Table, cut, grouped, printable, value_line};
use crate::replies::TailFrame;
use crate::tail::{Follow, Heard};
use crate::{components, patterns, summary};
use alerts::{AlertFeed, AlertNote};
use books::Found;
use sapwood_engine::time::{Millis, Timestamp};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// Lines of the tail shown at each look; the rest is counted.
const TAIL_LINES: usize = 10;
/// Patterns shown.
const PATTERNS: usize = 10;
/// How long injected errors may need to become alerts, after the live part.
const ALERT_PATIENCE: Millis = Millis(30_000);
/// How long nothing may be raised by a backfill.
const SILENCE: Millis = Millis(6_000);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Arguments of `demo`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Demo {
    /// The files; each is a component named after it.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Length of the live part.
    #[arg(long, value_name = "N", default_value_t = 45)]
    seconds: u32,
    /// A live part of ten seconds.
    #[arg(long)]
    quick: bool,
    /// Play the files with their own times, as a backfill: nothing may be raised.
    #[arg(long)]
    original_time: bool,
    /// Where the receiver notes alerts (scripts/demo-receiver.mjs --journal). Without it alerts are not looked for.
    #[arg(long, value_name = "FILE")]
    alerts: Option<PathBuf>,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

impl Demo {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let sender = Client::new(self.endpoint.resolve(Scope::Ingest)?);
        let reading = self.endpoint.resolve(Scope::Read)?;
        let stage = Stage {
            sender: &sender,
            reader: &Client::new(reading.clone()),
            reading: &reading,
            clock: &SystemClock,
            style: Style::of_stdout(),
        };
        self.play(&stage, out)
    }

    fn plan(&self) -> PlanArgs {
        PlanArgs {
            files: self.files.clone(),
            duration: Millis::from_secs(if self.quick { 10 } else { i64::from(self.seconds) }),
            history: Millis::from_mins(60),
            speedup: None,
            original_time: self.original_time,
            inject: !self.original_time,
            batch: 200,
            run: None,
        }
    }

    fn play(&self, stage: &Stage<'_>, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let plan = self.plan();
        let start = stage.clock.now();
        let sources = plan.sources(start)?;
        stage.heading("Files", "one component each; one parser for all of them", out)?;
        write_sources(&sources, stage.style, out)?;
        let injected = plan.injections(&sources, start);
        let mut names: Vec<String> = sources.iter().map(|source| source.component.clone()).collect();
        names.sort();
        names.dedup();
        let options =
            Options { pace: plan.pace(), batch_max: plan.batch, run: format!("{:x}", plan.run_number(start)) };
        let mut player = Player::new(stage.sender, stage.clock, sources, &injected, start, &options)?;
        let range = player.range();
        let before = books::count(stage.reader, &names, range)?.unwrap_or_default();

        let mut live = Live::new(stage, self.alerts.as_deref().map(AlertFeed::from_now), &injected)?;
        let begun = stage.clock.now();
        player.send_history(plan.pace(), &mut |_| Ok(()))?;
        let took = stage.clock.now().since(begun).0.max(1) as u64;
        let sent = player.account.total().sent;
        let rate = grouped(sent * 1_000 / took);
        let what = if self.original_time { "the files' own times" } else { "the last hour" };
        stage.heading("History", what, out)?;
        writeln!(out, "{} records in {}.{:03} s ({rate}/s)", grouped(sent), took / 1_000, took % 1_000)?;
        stage.write_state(range, out)?;

        if !self.original_time {
            stage.heading("Live", "the tail of all components, and alerts as they arrive", out)?;
            player.play_live(&mut |progress| live.look(progress, out))?;
        }
        live.await_alerts(self.original_time, out)?;
        if !self.original_time {
            stage.write_state(range, out)?;
        }
        let found = books::await_agreement(stage.reader, stage.clock, &player.account, &before, range)?;
        self.close(stage, &player.account, &found, &live, out)
    }

    /// The account and the verdict.
    fn close(
        &self,
        stage: &Stage<'_>,
        account: &Account,
        found: &Found,
        live: &Live<'_, '_>,
        out: &mut dyn Write,
    ) -> Result<Verdict, Fault> {
        stage.heading("Account", "by the service's own words, and by its search", out)?;
        account.write(stage.style, out)?;
        let total = account.total();
        let mut is_good = true;
        let mut check = |holds: bool, text: String| {
            is_good &= holds;
            let (mark, text) = if holds { ("✓", stage.style.good(&text)) } else { ("✗", stage.style.bad(&text)) };
            writeln!(out, "{mark} {text}")
        };
        let [sent, accepted, duplicate, counted, rejected, stored] =
            [total.sent, total.accepted, total.duplicate, total.counted_only, total.rejected, total.stored()]
                .map(grouped);
        check(
            account.components.values().all(|tally| tally.balances()),
            format!(
                "sent = accepted + duplicate + counted_only + rejected: {sent} = {accepted} + {duplicate} + {counted} + {rejected}"
            ),
        )?;
        let differences = books::differences(account, found);
        let again = if total.stored_before > 0 {
            format!(" (with {} whose first answer was lost)", grouped(total.stored_before))
        } else {
            String::new()
        };
        let found_all = grouped(found.values().sum());
        check(differences.is_empty(), format!("found = accepted: {found_all} = {stored}{again}"))?;
        for (component, stored, found) in differences {
            check(false, format!("{}: {stored} accepted, {found} found", printable(&component)))?;
        }
        if let Some(feed) = &live.feed {
            let alerts = feed.alerts.len();
            if self.original_time {
                check(alerts == 0, format!("alerts = 0: {alerts} arrived from the past"))?;
            }
            for injection in live.injected {
                let has_come = feed.alerts.iter().any(|alert| alert.tells_of(injection));
                let way = if has_come { "" } else { ": is WEBHOOK_URL of the service the receiver's address?" };
                check(has_come, format!("alert for {} arrived, {alerts} in all{way}", describe(injection)))?;
            }
        }
        Ok(if is_good { Verdict::Good } else { Verdict::Bad })
    }
}

/// What a demo stands on.
struct Stage<'a> {
    sender: &'a Client,
    reader: &'a Client,
    reading: &'a Endpoint,
    clock: &'a dyn Clock,
    style: Style,
}

impl Stage<'_> {
    fn heading(&self, title: &str, note: &str, out: &mut dyn Write) -> Result<(), Fault> {
        writeln!(out, "\n{} {}", self.style.bold(&format!("── {title} ──")), self.style.dim(note))?;
        Ok(out.flush()?)
    }

    /// Components, patterns, levels per minute.
    fn write_state(&self, (from_ms, to_ms): (i64, i64), out: &mut dyn Write) -> Result<(), Fault> {
        self.heading("Components", "what each holds", out)?;
        components::write_table(&components::read(self.reader)?, self.style, out)?;
        self.heading("Patterns", "the most frequent shapes of lines", out)?;
        let reply = patterns::read(self.reader, PATTERNS, None)?;
        patterns::write_table(&reply.patterns, self.style, out)?;
        writeln!(out, "{} in all", grouped(reply.total.max(reply.patterns.len() as u64)))?;
        self.heading("Levels per minute", "of the time played", out)?;
        summary::write_chart(&summary::read(self.reader, from_ms, to_ms)?, self.style, out)?;
        Ok(())
    }
}

/// What arrives while the play goes on.
struct Live<'a, 'b> {
    stage: &'a Stage<'b>,
    tail: Option<Follow>,
    feed: Option<AlertFeed>,
    injected: &'a [Injection],
    announced: Vec<bool>,
}

impl<'a, 'b> Live<'a, 'b> {
    fn new(stage: &'a Stage<'b>, feed: Option<AlertFeed>, injected: &'a [Injection]) -> Result<Self, Fault> {
        let tail = Some(Follow::new(stage.reading, &[])?);
        Ok(Self { stage, tail, feed, injected, announced: vec![false; injected.len()] })
    }

    /// Shows what has come since the last look.
    fn look(&mut self, progress: &Progress, out: &mut dyn Write) -> Result<(), Fault> {
        let style = self.stage.style;
        let now = self.stage.clock.now();
        for (injection, announced) in self.injected.iter().zip(&mut self.announced) {
            if injection.at <= now && !*announced {
                *announced = true;
                let left = grouped((progress.total - progress.sent) as u64);
                let text = format!(">>> injected: {} ({left} records to go)", describe(injection));
                writeln!(out, "{}", style.bold(&text))?;
            }
        }
        self.show_tail(out)?;
        self.show_alerts(out)?;
        Ok(out.flush()?)
    }

    fn show_tail(&mut self, out: &mut dyn Write) -> Result<(), Fault> {
        let style = self.stage.style;
        let (mut shown, mut hidden) = (0, 0);
        while let Some(tail) = &mut self.tail {
            match tail.poll(Duration::from_millis(1)) {
                Ok(Heard::Frame(text)) => {
                    let frame: TailFrame = serde_json::from_str(&text).unwrap_or_default();
                    hidden += frame.skipped;
                    for record in &frame.records {
                        if shown < TAIL_LINES {
                            shown += 1;
                            writeln!(out, "{}", value_line(record, style))?;
                        } else {
                            hidden += 1;
                        }
                    }
                }
                Ok(Heard::Joined) => {}
                Ok(Heard::Nothing) => break,
                Ok(Heard::Lost(reason)) => {
                    writeln!(
                        out,
                        "{}",
                        style.dim(&format!("tail: connection lost ({}), trying again", printable(&reason)))
                    )?;
                    break;
                }
                Err(fault) => {
                    writeln!(out, "{}", style.bad(&format!("no live tail: {fault}")))?;
                    self.tail = None;
                }
            }
        }
        if hidden > 0 {
            writeln!(out, "{}", style.dim(&format!("… and {} more", grouped(hidden))))?;
        }
        Ok(())
    }

    fn show_alerts(&mut self, out: &mut dyn Write) -> Result<(), Fault> {
        let fresh = self.feed.as_mut().map(AlertFeed::fresh).unwrap_or_default();
        for alert in fresh {
            self.show_alert(&alert, out)?;
        }
        Ok(())
    }

    fn show_alert(&self, alert: &AlertNote, out: &mut dyn Write) -> Result<(), Fault> {
        let style = self.stage.style;
        let told: Vec<String> =
            self.injected.iter().filter(|injection| alert.tells_of(injection)).map(describe).collect();
        if told.is_empty() {
            writeln!(out, "{}", style.bold("*** alert ***"))?;
        } else {
            writeln!(out, "{}", style.bad(&format!("*** ALERT: this is the injected one: {} ***", told.join(", "))))?;
        }
        for line in alert.text.lines() {
            writeln!(out, "{}", cut(&printable(line), style.width))?;
        }
        Ok(())
    }

    /// Waits until every injected error has been told, or, after a backfill, until it is clear that nothing was.
    fn await_alerts(&mut self, is_backfill: bool, out: &mut dyn Write) -> Result<(), Fault> {
        if self.feed.is_none() {
            return Ok(());
        }
        let begun = self.stage.clock.now();
        let patience = if is_backfill { SILENCE } else { ALERT_PATIENCE };
        while self.stage.clock.now().since(begun) < patience {
            self.show_tail(out)?;
            self.show_alerts(out)?;
            out.flush()?;
            let alerts = self.feed.as_ref().map(|feed| feed.alerts.as_slice()).unwrap_or_default();
            let is_told = |injection: &Injection| alerts.iter().any(|alert| alert.tells_of(injection));
            if !is_backfill && self.injected.iter().all(is_told) {
                break;
            }
            self.stage.clock.pause(LOOK_AGAIN);
        }
        Ok(())
    }
}

fn describe(injection: &Injection) -> String {
    match injection.kind {
        InjectionKind::NeverSeen => format!("an error never seen before, in {}", injection.component),
        InjectionKind::Burst => format!("{} errors of a known kind, in {}", injection.count, injection.component),
    }
}

fn write_sources(sources: &[Source], style: Style, out: &mut dyn Write) -> Result<(), Fault> {
    let mut table = Table::new(&["component", ">lines", ">records", ">with time", ">errors", "from", "to"]);
    for source in sources {
        let times = || source.records.iter().filter_map(|record| record.at);
        let shown = |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| time.to_string());
        table.row(vec![
            source.component.clone(),
            grouped(source.lines as u64),
            grouped(source.records.len() as u64),
            grouped(source.with_time() as u64),
            grouped(source.errors() as u64),
            shown(times().min()),
            shown(times().max()),
        ]);
    }
    Ok(table.write(out, style)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::deliver::tests::TestClock;
    use crate::testing::{Answer, Folder, Server};
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    /// A service as small as it can be: it counts by component, and notes alerts for what was injected. `loses` records
    /// of component `b` are accepted and not found.
    fn service(journal: PathBuf, loses: u64) -> Server {
        let held: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
        Server::answering(move |asked| {
            let mut held = held.lock().unwrap();
            if asked.method == "POST" {
                let mut lines = asked.body.lines();
                let first: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
                let component = first["component"].as_str().unwrap().to_owned();
                let count = 1 + lines.count() as u64;
                *held.entry(component.clone()).or_default() += count;
                note_alerts(&asked.body, &component, &journal);
                return Answer::new(202, format!(r#"{{"accepted":{count}}}"#));
            }
            let component = asked.path.split("component=").nth(1).and_then(|rest| rest.split('&').next());
            match (asked.path.split('?').next().unwrap(), component) {
                ("/api/logs/search", Some(name)) => {
                    let count = held.get(name).copied().unwrap_or(0);
                    let lost = if name == "b" { loses.min(count) } else { 0 };
                    Answer::new(200, format!(r#"{{"total":{}}}"#, count - lost))
                }
                ("/api/logs/tail", _) => Answer::new(404, "{}"),
                _ => Answer::new(200, "{}"),
            }
        })
    }

    fn note_alerts(body: &str, component: &str, journal: &std::path::Path) {
        let mut notes = String::new();
        for line in body.lines().filter(|line| line.contains("has come loose")) {
            notes.push_str(&format!(r#"{{"id":"1","body":{line},"text":"a box"}}"#));
            notes.push('\n');
        }
        if body.matches("known trouble").count() > 1 {
            notes.push_str(&format!(r#"{{"id":"2","body":{{"kind":"burst","component":"{component}"}},"text":"b"}}"#));
            notes.push('\n');
        }
        use std::fs::OpenOptions;
        OpenOptions::new().create(true).append(true).open(journal).unwrap().write_all(notes.as_bytes()).unwrap();
    }

    fn demo(original_time: bool, loses: u64, has_receiver: bool) -> (String, Verdict) {
        let folder = Folder::new();
        let lines: String = (0..60)
            .map(|second| {
                let level = if second == 3 { "ERROR known trouble" } else { "INFO all is well" };
                format!("2026-11-20 10:00:{second:02} {level} {second}\n")
            })
            .collect();
        let files = vec![folder.write("a.raw.log", &lines.replace("ERROR", "INFO")), folder.write("b.raw.log", &lines)];
        let journal = folder.path("alerts.jsonl");
        let server = service(journal.clone(), loses);
        let demo = Demo {
            files,
            seconds: 45,
            quick: true,
            original_time,
            alerts: has_receiver.then_some(journal),
            endpoint: EndpointArgs::default(),
        };
        let (client, reading) = (server.client(), server.endpoint());
        let stage = Stage {
            sender: &client,
            reader: &client,
            reading: &reading,
            clock: &TestClock::at(1_795_200_000_000),
            style: Style { has_colour: false, width: 120 },
        };
        let mut out = Vec::new();
        let verdict = demo.play(&stage, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), verdict)
    }

    #[test]
    fn the_whole_story_is_told_and_the_books_agree() {
        let (text, verdict) = demo(false, 0, true);
        for part in [
            "── Files ──",
            "── Patterns ──",
            "── Live ──",
            "no live tail: the service answered 404",
            ">>> injected: an error never seen before, in a",
            "*** ALERT: this is the injected one: an error never seen before, in a ***\na box",
            "*** ALERT: this is the injected one: 60 errors of a known kind, in b ***",
            "✓ sent = accepted + duplicate + counted_only + rejected: 181 = 181 + 0 + 0 + 0",
            "✓ found = accepted: 181 = 181",
            "✓ alert for 60 errors of a known kind, in b arrived, 2 in all",
        ] {
            assert!(text.contains(part), "{part:?} is missing in\n{text}");
        }
        assert_eq!(verdict, Verdict::Good);
    }

    #[test]
    fn a_lost_record_is_named_and_fails_the_demo() {
        let (text, verdict) = demo(false, 1, false);
        assert!(
            text.contains("✗ found = accepted: 180 = 181") && text.contains("✗ b: 120 accepted, 119 found"),
            "{text}"
        );
        assert_eq!(verdict, Verdict::Bad);
    }

    #[test]
    fn a_backfill_must_raise_nothing() {
        let (text, verdict) = demo(true, 0, true);
        assert!(text.contains("✓ alerts = 0: 0 arrived from the past") && !text.contains("injected"), "{text}");
        assert_eq!(verdict, Verdict::Good);
    }
}
