//! Between the shards of a component: a follower tells the lead what came to it, and the lead takes it; and how hot a
//! shard is goes to the domain.
//!
//! One call at a time. What comes meanwhile is told with the next, a new error at once after the call under way.

use super::{Inner, json, now};
use crate::monitoring::report;
use crate::processors::calls::{HeardCall, HeatCall, StreamAddress};
use crate::storage::fault::Fault;
use sapwood_engine::machine::stream::{Event, HeardAnswer};
use std::cell::Cell;
use std::rc::Rc;
use worker::Response;

/// Calls of one alarm, or of one commit; what is left waits for the next.
const ROUNDS_MAX: usize = 64;

/// What is under way to the lead.
#[derive(Default)]
pub(super) struct Forwarding {
    is_running: Cell<bool>,
    /// Something came that the lead has to hear of at once.
    again: Cell<bool>,
}

impl Inner {
    /// Tells the lead without waiting for the alarm.
    pub(super) fn forward_soon(self: &Rc<Self>) {
        if self.forwarding.is_running.get() {
            self.forwarding.again.set(true);
            return;
        }
        let follower = Rc::clone(self);
        self.state.wait_until(follower.forward());
    }

    /// Tells the lead what it has not heard. What fails has its own time to try again in the machine.
    pub(super) async fn forward(self: Rc<Self>) {
        if self.forwarding.is_running.replace(true) {
            return;
        }
        let running = Running(&self.forwarding.is_running);
        for _ in 0..ROUNDS_MAX {
            self.forwarding.again.set(false);
            match self.forward_once().await {
                Ok(is_last) => {
                    if is_last && !self.forwarding.again.get() {
                        break;
                    }
                }
                Err(fault) => {
                    report("NotForwarded", &[("fault", &fault)]);
                    break;
                }
            }
        }
        drop(running);
        if let Err(fault) = self.arm_after_alarm() {
            report("AlarmNotSet", &[("error", &fault)]);
        }
    }

    /// One call; true if nothing is left to tell.
    async fn forward_once(&self) -> Result<bool, Fault> {
        let next = self.with_live(|live| {
            let next = live.machine.next_to_forward(&live.rows)?;
            Ok(next.map(|next| (next, live.machine.identity().clone(), Rc::clone(&live.config))))
        })?;
        let Some((next, identity, config)) = next else { return Ok(true) };
        let mut next = next;
        let is_last = next.is_last;
        if next.is_empty {
            self.transition(Event::Forwarded(Box::new(next), HeardAnswer::default()), now())?;
            return Ok(is_last);
        }
        let lead = StreamAddress { domain: identity.domain, component: identity.component, shard: 0 };
        let call = HeardCall { lead: lead.clone(), shard: identity.shard, digest: std::mem::take(&mut next.digest) };
        match self.stubs(&config).heard(&lead, &call).await {
            Ok(forgot) => {
                self.transition(Event::Forwarded(Box::new(next), HeardAnswer { forgot }), now())?;
                Ok(is_last)
            }
            Err(error) => {
                report("LeadNotReached", &[("error", &error)]);
                self.transition(Event::ForwardFailed(error.to_string()), now())?;
                Ok(true)
            }
        }
    }

    /// Takes what a follower tells.
    pub(super) async fn hear(self: Rc<Self>, body: &[u8]) -> Result<Response, Fault> {
        let HeardCall { lead, shard, digest } =
            HeardCall::decode(body).map_err(|error| Fault::new("read what a shard tells", error))?;
        if self.is_closing() {
            return Err(Fault::new("hear", "the component is being erased"));
        }
        self.meet(&lead)?;
        // Its followers may have records before it has any.
        if self.register(&lead).await?.is_some() {
            return Err(Fault::new("hear", "the domain does not know the lead"));
        }
        let effects = self.transition(Event::Heard { shard, digest }, now())?;
        let Some(HeardAnswer { forgot }) = effects.heard else {
            return Err(Fault::new("hear", "what a shard tells cannot be read"));
        };
        self.state.storage().sync().await.map_err(|error| Fault::new("hear", error))?;
        if !effects.alerts.is_empty() {
            self.hand_over_soon();
        }
        json(&forgot)
    }

    /// Tells the domain how hot this shard is. If that is lost, it is told again in a minute, if it is still so.
    pub(super) fn tell_heat(self: &Rc<Self>, load: u32) {
        let teller = Rc::clone(self);
        self.state.wait_until(async move {
            let known = teller.with_live(|live| Ok((live.machine.identity().clone(), Rc::clone(&live.config))));
            let (identity, config) = match known {
                Ok(known) => known,
                Err(fault) => return report("HeatNotTold", &[("fault", &fault)]),
            };
            let call = HeatCall { component: identity.component, shard: identity.shard, load };
            if let Err(error) = teller.stubs(&config).heat(&identity.domain, &call).await {
                report("HeatNotTold", &[("error", &error)]);
            }
        });
    }
}

/// Says that calls are under way, until it is dropped.
struct Running<'a>(&'a Cell<bool>);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
