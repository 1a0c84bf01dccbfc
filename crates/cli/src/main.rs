//! The `sapwood` command. In scope: naming the subcommands and turning what they return into an exit status. Each
//! subcommand is a file of its own that writes to the stream it is given, so that tests read what people read.
//!
//! Exit statuses: 0, all is well; 1, the command worked and found something wrong; 2, it could not work.

mod check_config;

use clap::{Parser, Subcommand};
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
        Command::CheckConfig(command) => command.run(&mut out).map_err(|fault| fault.to_string()),
    };
    match outcome {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => ExitCode::from(1),
        Err(fault) => {
            // If standard error is gone too, the status still says it.
            let _ = writeln!(std::io::stderr(), "sapwood: {fault}");
            ExitCode::from(2)
        }
    }
}
