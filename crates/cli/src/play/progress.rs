//! How far a play is, on standard error: a bar that redraws on a terminal, a line every few seconds elsewhere.

use crate::play::player::Progress;
use crate::render::{bar, grouped};
use sapwood_engine::time::Millis;
use std::io::{self, IsTerminal, Write};

/// The bar.
pub(crate) struct ProgressBar {
    is_terminal: bool,
    shown_at: Option<Millis>,
}

impl ProgressBar {
    /// On standard error.
    pub(crate) fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), shown_at: None }
    }

    /// Shows `progress` if it is time to.
    pub(crate) fn show(&mut self, progress: &Progress, out: &mut dyn Write) -> io::Result<()> {
        let pause = Millis(if self.is_terminal { 100 } else { 5_000 });
        let is_last = progress.sent == progress.total;
        if !is_last && self.shown_at.is_some_and(|at| progress.elapsed.0 - at.0 < pause.0) {
            return Ok(());
        }
        self.shown_at = Some(progress.elapsed);
        let line = line(progress);
        match (self.is_terminal, is_last) {
            (true, false) => write!(out, "\r{line}")?,
            (true, true) => writeln!(out, "\r{line}")?,
            (false, _) => writeln!(out, "{line}")?,
        }
        out.flush()
    }
}

fn line(progress: &Progress) -> String {
    let (sent, total) = (progress.sent as u64, progress.total as u64);
    let per_second = sent * 1_000 / progress.elapsed.0.max(1) as u64;
    let phase = if progress.is_live { "live   " } else { "history" };
    format!(
        "{phase} ▕{:<30}▏ {} of {} records, {}/s  ",
        bar(sent, total, 30),
        grouped(sent),
        grouped(total),
        grouped(per_second)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(is_terminal: bool) -> String {
        let mut bar = ProgressBar { is_terminal, shown_at: None };
        let mut out = Vec::new();
        for (sent, elapsed) in [(1, 10), (2, 60), (3, 1_000), (4, 1_100)] {
            let progress = Progress { sent, total: 4, is_live: sent > 2, elapsed: Millis(elapsed) };
            bar.show(&progress, &mut out).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_terminal_is_redrawn_and_a_file_gets_few_lines() {
        let terminal = shown(true);
        assert_eq!((terminal.matches('\r').count(), terminal.matches('\n').count()), (3, 1));
        let file = shown(false);
        assert_eq!(file.lines().count(), 2);
        assert!(file.contains("history ▕") && file.ends_with("4 of 4 records, 3/s  \n"), "{file}");
    }
}
