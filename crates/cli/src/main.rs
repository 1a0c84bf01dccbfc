//! The `sapwood` command. In scope: naming the subcommands and turning what they return into an exit status. Each
//! subcommand is a file of its own that writes to the stream it is given, so that tests read what people read.
//!
//! Exit statuses: 0, all is well; 1, the command worked and found something wrong; 2, it could not work.

mod baseline;
mod block;
mod check_config;
mod client;
mod components;
mod demo;
mod deployed;
mod endpoint;
mod erase;
mod fault;
mod feedback;
mod first_sight;
mod mine;
mod parse;
mod patterns;
mod play;
mod render;
mod replay;
mod replies;
mod score;
mod search;
mod summary;
mod tail;
mod teach;
#[cfg(test)]
mod testing;
mod transfer;

use clap::{Parser, Subcommand};
use fault::Fault;
use std::io::Write;
use std::process::ExitCode;

/// Log intelligence at the edge: the operator's command.
#[derive(Parser)]
#[command(name = "sapwood", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show what the header parser sees in each line of a file.
    Parse(parse::Parse),
    /// Play log files into a service, through its public door, as if they were written now.
    Play(play::Play),
    /// Find records.
    Search(search::Search),
    /// Follow records as they arrive.
    Tail(tail::Tail),
    /// The shapes that lines have, with how often each was seen.
    Patterns(patterns::Patterns),
    /// Teach about patterns: name, merge, split, and undo it again.
    Teach(teach::Teach),
    /// The components of the domain.
    Components(components::Components),
    /// What is usual of a component, what came, and what was found.
    Baseline(baseline::Baseline),
    /// Say that an incident was noise, or real, and what follows from it.
    Feedback(feedback::Feedback),
    /// Say that a release began to run, or list the deployments that are known.
    Deployed(deployed::Deployed),
    /// Levels, minute by minute.
    Summary(summary::Summary),
    /// What a component would have raised under other settings.
    Replay(replay::Replay),
    /// Give every line of a file its pattern.
    Mine(mine::Mine),
    /// Pack the lines of a file into blocks, as a component's history is kept, and say what they take.
    Block(block::BlockCommand),
    /// Play a labelled log with its labels hidden and say what was raised.
    FirstSight(first_sight::FirstSight),
    /// Say how unusual each value of a measured series is.
    Score(score::Score),
    /// Write the records of a component, or of the domain, into a file.
    Export(transfer::Export),
    /// Bring the records of such a file in, under another component's name if wanted.
    Import(transfer::Import),
    /// Erase a component, the domain, or what one user left behind, from every tier; and show the receipts.
    Erase(erase::Erase),
    /// Play files and show what the service makes of them, from the first line to the account.
    Demo(demo::Demo),
    /// Show the configuration that would hold, where each value comes from, and everything wrong with it.
    CheckConfig(check_config::CheckConfig),
}

/// What a subcommand found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad,
}

fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let outcome = match Cli::parse().command {
        Command::Parse(command) => command.run(&mut out),
        Command::Play(command) => command.run(&mut out),
        Command::Search(command) => command.run(&mut out),
        Command::Tail(command) => command.run(&mut out),
        Command::Patterns(command) => command.run(&mut out),
        Command::Teach(command) => command.run(&mut out),
        Command::Components(command) => command.run(&mut out),
        Command::Baseline(command) => command.run(&mut out),
        Command::Feedback(command) => command.run(&mut out),
        Command::Deployed(command) => command.run(&mut out),
        Command::Summary(command) => command.run(&mut out),
        Command::Replay(command) => command.run(&mut out),
        Command::Mine(command) => command.run(&mut out),
        Command::Block(command) => command.run(&mut out),
        Command::FirstSight(command) => command.run(&mut out),
        Command::Score(command) => command.run(&mut out),
        Command::Export(command) => command.run(&mut out),
        Command::Import(command) => command.run(&mut out),
        Command::Erase(command) => command.run(&mut out),
        Command::Demo(command) => command.run(&mut out),
        Command::CheckConfig(command) => command.run(&mut out).map_err(|fault| Fault::Request(fault.to_string())),
    };
    match outcome {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => ExitCode::from(1),
        // `sapwood patterns | head`: whoever read has enough.
        Err(Fault::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(fault) => {
            // If standard error is gone too, the status still says it.
            let _ = writeln!(std::io::stderr(), "sapwood: {fault}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
