//! Writes down the rows that this build makes, with what it says of them: `freeze_rows stream`, `freeze_rows follower`,
//! `freeze_rows domain`.
//! They are kept in tests/golden/rows under the name of the commit, for ever, and what stands there is never written anew.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for whoever changes a format")]

#[path = "../tests/frozen/mod.rs"]
mod frozen;
#[path = "../tests/shelf/mod.rs"]
mod shelf;

use sapwood_engine::machine::stream::StreamMachine;

fn main() {
    let (rows, told) = match std::env::args().nth(1).as_deref() {
        Some("stream") => {
            let (shelf, _) = frozen::stream();
            let restored = StreamMachine::load(frozen::identity(), &|_| frozen::settings(), &shelf).unwrap();
            (shelf.dump(), frozen::stream_told(&shelf, &restored))
        }
        Some("follower") => {
            let (shelf, _) = frozen::follower();
            let restored = StreamMachine::load(frozen::follower_identity(), &|_| frozen::settings(), &shelf).unwrap();
            (shelf.dump(), frozen::stream_told(&shelf, &restored))
        }
        Some("domain") => {
            let (machine, outbox) = frozen::domain();
            (frozen::domain_dump(&machine, &outbox), frozen::domain_told(&machine))
        }
        _ => panic!("freeze_rows stream|follower|domain"),
    };
    told.iter().for_each(|line| println!("# {line}"));
    print!("{rows}");
}
