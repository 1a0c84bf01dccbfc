//! Carrying out erasures: each step of the machine's plan as calls to streams, D1 and KV.
//!
//! Steps run one after another from the request that asked for them, and from the alarm until nothing is due; what fails
//! or dies on the way is due again. Whoever asked hears how far it is after a moment, not after the end: D1 may be away
//! for hours.

use super::{Inner, Live, json, read};
use crate::monitoring::report;
use crate::processors::calls::{
    AlertCall, EraseCall, EraseUserCall, ErasureAnswer, ErasureCall, ReceiptView, StreamAddress, exemplar_ids,
    view_key, without_exemplars,
};
use crate::processors::stubs::{CallError, Stubs};
use crate::storage::d1::{self, Copies, UserCopies};
use crate::storage::fault::Fault;
use futures::channel::oneshot;
use futures::future::{Either, join_all, select};
use sapwood_engine::machine::domain::{Answer, Event};
use sapwood_engine::machine::erasure::{Counts, Part, Scope, Step, StepOutcome};
use sapwood_engine::time::{Millis, Timestamp};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use worker::Response;

/// How long an answer waits for the end, at most; and no longer than half of what the caller waits for it.
const WAIT_MAX: Millis = Millis(3_000);
/// Streams that are called at once.
const CALLS_AT_ONCE: usize = 5;

impl Inner {
    /// Begins an erasure, or finds the one that sees to it, and says how far it is.
    pub(super) async fn start_erasure(self: Rc<Self>, actor: &str, body: &[u8]) -> Result<Response, Fault> {
        let (domain, call): (String, ErasureCall) = read(body)?;
        let scope = Scope::from(call.scope);
        let alerts = self.with_live(Some(&domain), |live| match &scope {
            Scope::Component(name) => live.rows.alerts_of(Some(name)),
            Scope::Domain => live.rows.alerts_of(None),
            Scope::User { .. } => Ok(Vec::new()),
        })?;
        let event = Event::Erase { id: call.id, scope, by: actor.to_owned(), alerts };
        let id = match self.transition(event)?.answer {
            Answer::Erasing(id, _) => id,
            Answer::NotFound => return json(&ErasureAnswer::Unknown),
            Answer::NoRoom => return json(&ErasureAnswer::NoRoom),
            _ => return Err(Fault::new("erase", "no answer")),
        };
        let wait = self.with_live(None, |live| {
            live.apply_overrides();
            Ok(WAIT_MAX.0.min(live.config.object_timeout().0 / 2).max(1).unsigned_abs())
        })?;
        self.sync_soon();
        let (sender, ended) = oneshot::channel();
        let runner = Rc::clone(&self);
        self.state.wait_until(async move {
            if let Err(fault) = runner.erase_due().await {
                report("ErasureFailed", &[("fault", &fault)]);
            }
            // Nobody waits any more if it took long.
            let _heard = sender.send(());
        });
        match select(pin!(ended), pin!(worker::Delay::from(Duration::from_millis(wait)))).await {
            Either::Left(_) | Either::Right(_) => {}
        }
        let receipt = self.with_live(None, |live| Ok(live.machine.erasure(&id).map(ReceiptView::from)))?;
        json(&receipt.map_or(ErasureAnswer::Unknown, |receipt| ErasureAnswer::Receipt(Box::new(receipt))))
    }

    /// Carries out what is due, until nothing is; does nothing if that is under way already.
    pub(super) async fn erase_due(self: &Rc<Self>) -> Result<(), Fault> {
        if self.is_erasing.replace(true) {
            return Ok(());
        }
        let _done = Done(self);
        loop {
            let steps = self.transition(Event::ErasureDue)?.steps;
            if steps.is_empty() {
                return Ok(());
            }
            for group in steps.chunks(CALLS_AT_ONCE) {
                let outcomes = join_all(group.iter().map(|(id, step)| self.carry_out(id, step))).await;
                for ((id, step), outcome) in group.iter().zip(outcomes) {
                    let outcome = outcome.unwrap_or_else(|error| {
                        report("ErasureStepFailed", &[("id", id), ("error", &error)]);
                        StepOutcome::Failed(error.to_string())
                    });
                    self.transition(Event::ErasureStep { id: id.clone(), step: step.clone(), outcome })?;
                }
            }
        }
    }

    async fn carry_out(self: &Rc<Self>, id: &str, step: &Step) -> Result<StepOutcome, CallError> {
        let failed = |fault: Fault| CallError::Failed(fault.to_string());
        let (domain, config) =
            self.with_live(None, |live| Ok((live.domain.clone(), Rc::clone(&live.config)))).map_err(failed)?;
        let stubs = Stubs::new(&self.env, config.object_timeout());
        let address =
            |component: &str, shard| StreamAddress { domain: domain.clone(), component: component.to_owned(), shard };
        match step {
            Step::Count { component, shard } => {
                let call = EraseCall { address: address(component, *shard), version: u64::MAX, is_dry_run: true };
                let answer = stubs.erase(&call).await?;
                Ok(StepOutcome::Counted { counts: answer.counts, sent: answer.sent.into() })
            }
            Step::Erase { component, shard, version } => {
                let call = EraseCall { address: address(component, *shard), version: *version, is_dry_run: false };
                let answer = stubs.erase(&call).await?;
                let busy = || StepOutcome::Failed("the object has something under way".to_owned());
                Ok(if answer.is_busy { busy() } else { StepOutcome::Erased(answer.counts) })
            }
            Step::EraseUser { component, shard, user, cursor } => {
                let (address, user, cursor) = (address(component, *shard), user.clone(), *cursor);
                let call = EraseUserCall { address, erasure: id.to_owned(), user, cursor, is_dry_run: false };
                let answer = stubs.erase_user(&call).await?;
                if answer.is_done {
                    self.strip_alerts(id, &call.address, &stubs).await?;
                }
                Ok(StepOutcome::UserErased {
                    cursor: answer.cursor,
                    counts: answer.counts,
                    sent: answer.sent.into(),
                    is_done: answer.is_done,
                    reached: answer.reached_ms.map(Timestamp),
                })
            }
            Step::Sweep => self.sweep(id, &domain).await.map_err(failed),
            Step::Retell { component, shard } => {
                stubs.rebuild_d1(&address(component, *shard)).await?;
                Ok(StepOutcome::Retold)
            }
        }
    }

    /// Takes out of the alerts of a component the lines whose records are gone. Of a line that has expired nobody can say
    /// whose it was, so that it goes too.
    async fn strip_alerts(
        self: &Rc<Self>,
        id: &str,
        address: &StreamAddress,
        stubs: &Stubs<'_>,
    ) -> Result<(), CallError> {
        let failed = |fault: Fault| CallError::Failed(fault.to_string());
        let read = |live: &mut Live| -> Result<Vec<(String, String)>, Fault> {
            let ids = live.rows.alerts_of(Some(&address.component))?;
            let bodies = ids.into_iter().map(|id| Ok(live.rows.alert(&id)?.map(|body| (id, body))));
            bodies.filter_map(Result::transpose).collect()
        };
        let alerts = self.with_live(None, read).map_err(failed)?;
        let shown: BTreeSet<String> = alerts.iter().flat_map(|(_, body)| exemplar_ids(body)).collect();
        let shown: Vec<String> = shown.into_iter().collect();
        if shown.is_empty() {
            return Ok(());
        }
        let present: BTreeSet<String> = stubs.present(address, &shown).await?.into_iter().collect();
        let asked: BTreeSet<&String> = shown.iter().collect();
        // What was shown since is not known to be gone.
        let is_gone = |shown: &str| asked.iter().any(|it| *it == shown) && !present.contains(shown);
        let stripped = self.with_live(None, |live| {
            let mut stripped = 0;
            for (id, body) in &alerts {
                if let Some((body, gone)) = without_exemplars(body, is_gone) {
                    live.rows.set_alert(id, &body)?;
                    stripped += gone;
                }
            }
            Ok(stripped)
        });
        match stripped.map_err(failed)? {
            0 => Ok(()),
            stripped => {
                let counts = Counts::from([("exemplars_of_alerts".to_owned(), stripped)]);
                self.transition(Event::AlertsStripped { id: id.to_owned(), counts }).map(|_| ()).map_err(failed)
            }
        }
    }

    /// Removes the copies in D1 and KV.
    async fn sweep(self: &Rc<Self>, id: &str, domain: &str) -> Result<StepOutcome, Fault> {
        let plan = self.with_live(None, |live| Ok(live.machine.erasure(id).cloned()))?;
        let Some(plan) = plan else { return Err(Fault::new("sweep", "no such erasure")) };
        let copies = match &plan.scope {
            Scope::Component(name) => Copies::Component(name),
            Scope::Domain => Copies::All,
            Scope::User { user, component, .. } => {
                let until = |it: &Part| (it.component.clone(), plan.swept_up_to(&it.component).0);
                let until = plan.parts.iter().map(until).collect();
                let component = component.as_deref();
                Copies::User(UserCopies { user, component, until, until_elsewhere: plan.requested_at.0 })
            }
        };
        let (mut counts, is_done) = match self.env.d1("LOGS_DB") {
            Ok(database) => d1::erase(&database, domain, &copies).await?,
            // Without the binding nothing can have been written.
            Err(_) => (Counts::new(), true),
        };
        let mut keys = Vec::new();
        if !matches!(plan.scope, Scope::User { .. }) {
            let address = |it: &Part| StreamAddress {
                domain: domain.to_owned(),
                component: it.component.clone(),
                shard: it.shard,
            };
            keys.extend(plan.parts.iter().map(|it| address(it).summary_key()));
        }
        if plan.scope == Scope::Domain {
            keys.push(view_key(domain));
        }
        let gone = self.remove_published(&keys).await?;
        if gone > 0 {
            counts.insert("kv".to_owned(), gone);
        }
        Ok(StepOutcome::Swept { counts, is_done })
    }

    /// Removes entries of KV; how many there were.
    async fn remove_published(&self, keys: &[String]) -> Result<u64, Fault> {
        let Ok(kv) = self.env.kv("LOGS_KV") else { return Ok(0) };
        let mut gone = 0;
        for key in keys {
            let found = kv.get(key).text().await.map_err(|error| Fault::new("read from KV", error))?;
            kv.delete(key).await.map_err(|error| Fault::new("delete from KV", error))?;
            gone += u64::from(found.is_some());
        }
        Ok(gone)
    }
}

struct Done<'a>(&'a Inner);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.is_erasing.set(false);
    }
}

/// What of an alert says whose it is.
#[derive(Deserialize)]
struct Origin {
    component: String,
}

impl Live {
    /// Whether an alert comes from a component that was erased: one that has a say is in the directory, and knows of the
    /// erasure.
    pub(super) fn is_of_erased(&self, call: &AlertCall) -> bool {
        let is_listed = |name: &str| self.machine.components().any(|(known, _, _)| known == name);
        serde_json::from_str::<Origin>(&call.alert).is_ok_and(|Origin { component }| {
            !is_listed(&component) || self.machine.is_of_old_life(&component, call.version)
        })
    }

    /// Receipts, newest first.
    pub(super) fn receipts(&self) -> Vec<ReceiptView> {
        let mut receipts: Vec<_> = self.machine.erasures().map(ReceiptView::from).collect();
        receipts.sort_by(|left, right| {
            right.requested_at_ms.cmp(&left.requested_at_ms).then_with(|| right.id.cmp(&left.id))
        });
        receipts
    }
}
