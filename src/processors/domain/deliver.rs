//! Delivering alerts: signed webhooks (Standard Webhooks) and Slack messages.
//!
//! A message is a row before it is sent and leaves the outbox only on the target's word, so it arrives at least once;
//! its id is the same on every attempt, so a target can tell. Targets are served side by side, each in order and with
//! its own time limit, so that a slow one holds nothing up but itself.

use super::{Inner, now};
use crate::monitoring::report;
use crate::processors::outgoing;
use crate::processors::settings::{TARGET_SLACK, TARGET_WEBHOOK};
use crate::storage::fault::Fault;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sapwood_engine::config::Config;
use sapwood_engine::machine::domain::{Event, split_message_id};
use sapwood_engine::time::{Millis, Timestamp};
use sapwood_wire::notify::{
    AlertView, Delivery, TargetKind, interpret_delivery, signing_input, slack_message, webhook_payload,
};
use sha2::Sha256;
use std::collections::BTreeSet;
use std::rc::Rc;
use worker::Method;

/// Standard Webhooks asks for 15 to 30 seconds.
const TIMEOUT: Millis = Millis::from_secs(15);

enum Outcome {
    Delivered,
    Retry { why: String, not_before: Option<Timestamp> },
    Refused { why: String, disables_target: bool },
}

impl Inner {
    /// Starts delivering what is due, after the call under way is answered.
    pub(super) fn deliver_soon(self: &Rc<Self>) {
        let sender = Rc::clone(self);
        self.state.wait_until(async move {
            if let Err(fault) = sender.deliver_due().await {
                report("DeliveryFailed", &[("fault", &fault)]);
            }
        });
    }

    /// Delivers everything that is due, to all targets at once and to each in order.
    pub(super) async fn deliver_due(self: &Rc<Self>) -> Result<(), Fault> {
        let due = self.transition(Event::Wake)?.deliver;
        let targets: BTreeSet<_> = due.iter().map(|id| split_message_id(id).1.to_owned()).collect();
        let deliveries = targets.into_iter().map(|target| self.deliver_to(target));
        futures::future::join_all(deliveries).await.into_iter().collect()
    }

    /// Delivers to one target until nothing is due for it; does nothing if that is under way already, so that a target
    /// that hangs holds up only itself.
    async fn deliver_to(self: &Rc<Self>, target: String) -> Result<(), Fault> {
        if !self.delivering.borrow_mut().insert(target.clone()) {
            return Ok(());
        }
        let done = Done(self, target.clone());
        let result = self.deliver_in_order(&target).await;
        // Only now: while a delivery is under way, what is due for its target asks for no alarm.
        drop(done);
        let wake_at = self.with_live(None, |live| Ok(live.machine.wake_at_beside(&self.delivering.borrow(), now())))?;
        self.arm(wake_at);
        result
    }

    async fn deliver_in_order(self: &Rc<Self>, target: &str) -> Result<(), Fault> {
        loop {
            let due = self.transition(Event::Wake)?.deliver;
            let Some(id) = due.into_iter().find(|id| split_message_id(id).1 == target) else { return Ok(()) };
            let outcome = self.attempt(&id).await?;
            self.settle(&id, outcome)?;
        }
    }

    async fn attempt(&self, id: &str) -> Result<Outcome, Fault> {
        let (alert_id, target) = split_message_id(id);
        let (body, config) = self.with_live(None, |live| Ok((live.rows.alert(alert_id)?, Rc::clone(&live.config))))?;
        let alert = body.as_deref().and_then(|body| serde_json::from_str::<AlertView>(body).ok());
        let Some(alert) = alert else {
            return Ok(Outcome::Refused { why: "its alert cannot be read".into(), disables_target: false });
        };
        Ok(match target {
            TARGET_WEBHOOK => webhook(&config, alert_id, &alert).await,
            TARGET_SLACK => slack(&config, &alert).await,
            _ => Outcome::Refused { why: "no such target".into(), disables_target: false },
        })
    }

    fn settle(self: &Rc<Self>, id: &str, outcome: Outcome) -> Result<(), Fault> {
        match outcome {
            Outcome::Delivered => {
                self.delivered.set(self.delivered.get() + 1);
                self.with_live(None, |live| live.rows.settle(id, Some(now()), None))?;
                self.transition(Event::Delivered(id.to_owned()))?;
            }
            Outcome::Retry { why, not_before } => {
                self.tell_error(id, &why);
                let effects = self.transition(Event::Failed { id: id.to_owned(), not_before })?;
                for (id, due) in effects.retries {
                    self.with_live(None, |live| live.rows.set_due(&id, due, &why))?;
                }
            }
            Outcome::Refused { why, disables_target } => {
                self.tell_error(id, &why);
                self.with_live(None, |live| live.rows.settle(id, None, Some(&why)))?;
                self.transition(Event::Refused { id: id.to_owned(), disables_target })?;
            }
        }
        Ok(())
    }

    fn tell_error(&self, id: &str, why: &str) {
        let target = split_message_id(id).1;
        report("AlertNotDelivered", &[("target", &target), ("why", &why)]);
        self.last_error.replace(Some(format!("{target}: {why}")));
    }
}

struct Done<'a>(&'a Inner, String);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.delivering.borrow_mut().remove(&self.1);
    }
}

async fn webhook(config: &Config, id: &str, alert: &AlertView) -> Outcome {
    let (Some(url), Some(secret)) = (config.webhook_url(), config.webhook_secret()) else {
        return Outcome::Refused { why: "WEBHOOK_URL or WEBHOOK_SECRET is not set".into(), disables_target: false };
    };
    let seconds = now().0.div_euclid(1_000);
    let body = webhook_payload(alert, alert.last_seen_ms);
    let Some(signature) = sign(secret.expose(), id, seconds, &body) else {
        return Outcome::Refused { why: "WEBHOOK_SECRET is not whsec_ and base64".into(), disables_target: false };
    };
    let seconds = seconds.to_string();
    let headers = [
        ("content-type", "application/json"),
        ("user-agent", concat!("Sapwood/", env!("CARGO_PKG_VERSION"))),
        ("webhook-id", id),
        ("webhook-timestamp", seconds.as_str()),
        ("webhook-signature", signature.as_str()),
    ];
    let answer = outgoing::send(Method::Post, url.as_str(), &headers, Some(&body), TIMEOUT).await;
    outcome(TargetKind::Webhook, answer)
}

async fn slack(config: &Config, alert: &AlertView) -> Outcome {
    let Some(url) = config.slack_webhook_url() else {
        return Outcome::Refused { why: "SLACK_WEBHOOK_URL is not set".into(), disables_target: false };
    };
    let body = slack_message(alert);
    let headers = [("content-type", "application/json")];
    let answer = outgoing::send(Method::Post, url.expose(), &headers, Some(&body), TIMEOUT).await;
    outcome(TargetKind::Slack, answer)
}

fn outcome(kind: TargetKind, answer: Result<outgoing::Answer, String>) -> Outcome {
    let answer = match answer {
        Err(why) => return Outcome::Retry { why, not_before: None },
        Ok(answer) => answer,
    };
    let now = now();
    let why = format!("answered {}", answer.status);
    match interpret_delivery(kind, answer.status, answer.retry_after.as_deref(), now.0) {
        Delivery::Delivered => Outcome::Delivered,
        Delivery::Retry { after_seconds } => {
            Outcome::Retry { why, not_before: after_seconds.map(|seconds| now.plus(Millis::from_secs(seconds.into()))) }
        }
        Delivery::Gone => Outcome::Refused { why, disables_target: true },
        Delivery::Refused => Outcome::Refused { why, disables_target: false },
    }
}

/// The signature header of Standard Webhooks 1.0; `None` if the secret is not `whsec_` and base64.
pub(crate) fn sign(secret: &str, id: &str, seconds: i64, body: &[u8]) -> Option<String> {
    let key = STANDARD.decode(secret.strip_prefix("whsec_")?).ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(&signing_input(id, seconds, body));
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_the_vector_of_the_specification_s_reference_library() {
        let secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let body = br#"{"type":"alert.opened","timestamp":"2023-11-14T22:13:20Z","data":{"id":"a1"}}"#;
        assert_eq!(
            sign(secret, "msg_01TEST", 1_700_000_000, body).as_deref(),
            Some("v1,rSermpLF6noFO1I/AQBjpKffOZocI0iqPClkOeregZM=")
        );
        assert_eq!(sign("no prefix", "a", 1, b""), None);
    }
}
