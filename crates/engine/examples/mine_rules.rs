//! Mines a file of messages with some of the miner's rules left out: `mine_rules FILE [RULE...]` prints, for each line,
//! the id of its pattern after the last one and its template; `mine_rules rules` prints the rules' names. For
//! `scripts/bench-patterns --ablation`.

use sapwood_engine::pattern::{Miner, Rule};
use sapwood_engine::record::Record;
use sapwood_engine::time::Timestamp;
use std::process::ExitCode;

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench says what it found")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().unwrap_or_default();
    if file == "rules" {
        Rule::ALL.into_iter().for_each(|rule| println!("{rule:?}"));
        return ExitCode::SUCCESS;
    }
    for name in arguments {
        match Rule::ALL.into_iter().find(|rule| format!("{rule:?}") == name) {
            Some(rule) => rule.leave_out(),
            None => {
                eprintln!("{name} is no rule");
                return ExitCode::FAILURE;
            }
        }
    }
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut miner = Miner::default();
    let observe = |(line, seq): (&str, u64)| {
        let record = Record { message: line.trim().to_owned(), ..Record::default() };
        miner.observe(&record, seq, 0, Timestamp(0)).id
    };
    let ids: Vec<_> = text.lines().zip(1..).map(observe).collect();
    for id in ids {
        let template = miner.pattern(id).map_or("", |pattern| &pattern.template);
        println!("{}\t{template}", miner.resolve(id));
    }
    ExitCode::SUCCESS
}
