//! Repository chores that need a branch or a loop; the shell scripts in `scripts/` call them.
//!
//! `cargo run -p xtask -- fences` checks the rules of the house that no compiler knows: who may depend on
//! whom, links that lead somewhere, files that say what they are for, nothing of one machine in what is
//! committed. Every fence reports all that is wrong with it, not the first thing.
//!
//! In scope: checks that read the repository and `cargo tree`. Out of scope: building, running and
//! formatting (scripts/check), and anything that needs the network. There are no dependencies, so that the
//! chores compile in a second.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod arrows;
mod links;
mod tracked;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A fence: its name and what it found wrong, one line each.
type Fence = (&'static str, fn(&Repository) -> Vec<String>);

const FENCES: &[Fence] = &[
    ("dependency arrows", arrows::check_arrows),
    ("lints are on in every crate", arrows::check_lints),
    ("files say what they are for", tracked::check_headers),
    ("nothing of one machine is committed", tracked::check_machine_paths),
    ("tests are neither ignored nor focused", tracked::check_ignored_tests),
    ("links lead somewhere", links::check_links),
];

/// The working copy: its root and the text files git knows or would add.
struct Repository {
    root: PathBuf,
    files: Vec<TextFile>,
}

/// One file of the repository, by its path from the root with forward slashes.
struct TextFile {
    path: String,
    text: String,
}

impl TextFile {
    fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|it| it == extension)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments != ["fences"] {
        eprintln!("usage: cargo run -p xtask -- fences");
        return ExitCode::from(2);
    }
    let repository = match tracked::read_repository() {
        Ok(repository) => repository,
        Err(message) => {
            eprintln!("fences: {message}");
            return ExitCode::FAILURE;
        }
    };
    let mut broken = 0;
    for (name, check) in FENCES {
        let findings = check(&repository);
        println!("{} {name}", if findings.is_empty() { "ok    " } else { "BROKEN" });
        for finding in &findings {
            println!("         {finding}");
        }
        broken += findings.len();
    }
    println!("fences: {} files, {broken} findings", repository.files.len());
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
