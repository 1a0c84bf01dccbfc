//! A cluster in a box: the real machines of the engine between a disk that crashes, a network that loses, peers that lie
//! and clocks that jump, all from one seed.
//!
//! [`run`] plays a seed: clients send batches for some minutes of virtual time while faults strike, then the faults stop,
//! what is under way comes to an end, and [`check`] holds the disks, the peers and the machines against what the clients
//! were told. The machines, the order in which effects are written, the way back from disk and the choice of what goes
//! outside are the product's own code; modelled are the platform (one commit a turn, output gate, alarms at least once)
//! and everything outside.
//!
//! [`mutant::Mutant`] names broken builds. Each must be caught, or the checkers prove nothing.
//!
//! Not modelled: the edge beyond its way to shards, the bytes of HTTP, SQLite itself. The end-to-end tests have those.

mod alarm;
pub mod check;
pub mod disk;
pub mod domain;
pub mod edge;
pub mod erase;
pub mod erase_user;
pub mod ledger;
pub mod message;
pub mod mutant;
pub mod peers;
mod people;
pub mod plan;
pub mod stream;
pub mod world;

use mutant::Mutant;
use world::World;

/// How long the cluster may take to calm down: six hours, more than any wait between tries, times the tries.
const CALM_MS: i64 = 6 * 3_600_000;

/// How a seed went.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// What is wrong; empty if nothing is.
    pub violations: Vec<String>,
    /// The end of its story, if it was asked for.
    pub story: Vec<String>,
    /// Records that clients sent.
    pub records: u64,
    /// Answers that acknowledged.
    pub acknowledged: u64,
    /// Crashes of stream objects.
    pub crashes: u64,
    /// Alerts that were told.
    pub alerts: u64,
}

/// Plays a seed, with the shipped code or with a broken build.
pub fn run(seed: u64, mutant: Option<Mutant>, tells: bool) -> Verdict {
    let mut world = World::new(seed, mutant, tells);
    world.run_until(world.active_until());
    world.heal();
    world.run_until(world.active_until() + CALM_MS);
    world.run_until_written();
    if world.violations.is_empty() {
        world.check();
    }
    Verdict {
        records: world.ledger.sent.iter().map(|sent| sent.uids.end - sent.uids.start).sum(),
        acknowledged: world.ledger.sent.iter().map(|sent| sent.receipts.len() as u64).sum(),
        crashes: world.streams.iter().map(|stream| stream.life - 1).sum(),
        alerts: world.streams.iter().map(|stream| stream.disk.durable.told.len() as u64).sum(),
        story: world.story.into_iter().collect(),
        violations: world.violations,
    }
}
