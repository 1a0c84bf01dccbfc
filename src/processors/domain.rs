//! The Durable Object of one domain: feeds the domain machine, delivers alerts, and holds the sockets of the live tail.
//!
//! Same rules as the stream's shell: the machine is taken out for a transition and put back only when its writes were
//! issued. Deliveries and pushes run from the alarm, or right after the call that caused them, never before it answers.

// The attribute macro of the runtime's binding makes public methods without documentation.
#![allow(missing_docs)]

mod deliver;
mod erase;
mod tail;
mod teach;

use crate::config;
use crate::monitoring::report;
use crate::processors::calls::{
    AlertCall, ComponentEntry, CreateKeyCall, DirectoryAnswer, DomainStatus, HeatCall, KeyView, LendCall, NO_ROOM,
    RegisterCall, SpreadAnswer, SpreadComponents, SpreadView, StreamAddress, TailCall,
};
use crate::processors::running_alarm::RunningAlarm;
use crate::processors::settings;
use crate::processors::stubs::{ACTOR_HEADER, CallError, Stubs};
use crate::storage::domain_rows::DomainRows;
use crate::storage::fault::Fault;
use crate::storage::sql::{self, Sql};
use sapwood_engine::baseline::Prior;
use sapwood_engine::config::Config;
use sapwood_engine::machine::domain::{Answer, DomainMachine, Effects, Event, KeyEntry, Stored};
use sapwood_engine::machine::stream::encode_told;
use sapwood_engine::shard::ShardFault;
use sapwood_engine::time::{Millis, Timestamp};
use serde::de::DeserializeOwned;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use worker::{
    DurableObject, Env, Request, Response, Result, State, WebSocket, WebSocketIncomingMessage, durable_object,
};

/// Entries of the audit log and of the list of alerts that are shown.
const LISTED_MAX: u32 = 200;

/// One domain's object.
#[durable_object]
pub struct DomainObject {
    inner: Rc<Inner>,
}

// The cells are emptied before code runs that may panic, and filled after it.
impl std::panic::RefUnwindSafe for DomainObject {}

pub(crate) struct Inner {
    state: State,
    env: Env,
    live: RefCell<Option<Live>>,
    armed_at: Cell<Option<Timestamp>>,
    running: RunningAlarm,
    delivered: Cell<u64>,
    last_error: RefCell<Option<String>>,
    /// Targets to which a delivery is under way.
    delivering: RefCell<BTreeSet<String>>,
    /// Whether steps of erasures are being carried out.
    is_erasing: Cell<bool>,
}

pub(crate) struct Live {
    domain: String,
    machine: DomainMachine,
    rows: DomainRows,
    /// The service's configuration, and the same with the domain's own values.
    base: Rc<Config>,
    config: Rc<Config>,
}

fn now() -> Timestamp {
    Timestamp(i64::try_from(worker::Date::now().as_millis()).unwrap_or(i64::MAX))
}

impl DurableObject for DomainObject {
    fn new(state: State, env: Env) -> Self {
        Self {
            inner: Rc::new(Inner {
                state,
                env,
                live: RefCell::new(None),
                armed_at: Cell::new(None),
                running: RunningAlarm::default(),
                delivered: Cell::new(0),
                last_error: RefCell::new(None),
                delivering: RefCell::new(BTreeSet::new()),
                is_erasing: Cell::new(false),
            }),
        }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let path = request.path();
        if path == "/tail" {
            return self.inner.open_tail(&request);
        }
        let actor = request.headers().get(ACTOR_HEADER)?.unwrap_or_default();
        let body = request.bytes().await?;
        let answered = match path.as_str() {
            // These wait until the streams have it too: a lesson is in force when its author hears of it.
            "/lessons/teach" | "/lessons/undo" => Rc::clone(&self.inner).answer_lesson(&path, &actor, &body).await,
            "/erasures/start" => Rc::clone(&self.inner).start_erasure(&actor, &body).await,
            _ => Rc::clone(&self.inner).answer(&path, &actor, &body),
        };
        match answered {
            Ok(response) => Ok(response),
            Err(fault) => {
                report("DomainCallFailed", &[("path", &path), ("fault", &fault)]);
                Response::error(fault.doing, 500)
            }
        }
    }

    async fn alarm(&self) -> Result<Response> {
        self.inner.running.begins(self.inner.armed_at.take());
        if let Err(fault) = Rc::clone(&self.inner).wake().await {
            report("AlarmFailed", &[("fault", &fault)]);
            self.inner.set_alarm(now().plus(Millis::from_secs(10)));
        }
        self.inner.running.ends();
        Response::empty()
    }

    async fn websocket_message(&self, socket: WebSocket, _message: WebSocketIncomingMessage) -> Result<()> {
        // Viewers only listen; pings are answered by the runtime without waking this object.
        socket.send_with_str(r#"{"error":"this socket only sends"}"#)
    }

    async fn websocket_close(&self, socket: WebSocket, code: usize, _reason: String, _clean: bool) -> Result<()> {
        // A hibernating socket must answer the close itself; codes that must not be sent become a normal close.
        let code = u16::try_from(code).ok().filter(|code| !matches!(code, 1005 | 1006 | 1015)).unwrap_or(1000);
        let closed = socket.close(Some(code), Some("bye"));
        self.inner.viewers_changed(Some(&socket));
        closed
    }

    async fn websocket_error(&self, socket: WebSocket, error: worker::Error) -> Result<()> {
        report("ViewerFailed", &[("error", &error)]);
        self.inner.viewers_changed(Some(&socket));
        Ok(())
    }
}

impl Inner {
    fn answer(self: Rc<Self>, path: &str, actor: &str, body: &[u8]) -> std::result::Result<Response, Fault> {
        match path {
            "/register" => self.register(&read(body)?),
            "/lease" => {
                let wanted: u64 = read(body)?;
                match self.transition(Event::Lease(wanted))?.answer {
                    Answer::Leased(lease) => json(&(lease.day, lease.general, lease.errors, lease.is_spent)),
                    _ => Err(Fault::new("lease", "no answer")),
                }
            }
            "/heat" => {
                let HeatCall { component, shard, load } = read(body)?;
                self.transition(Event::Heat { component, shard, load })?;
                json(&())
            }
            "/spread" => {
                let (domain, component, shards): (String, String, u16) = read(body)?;
                self.spread(&domain, actor, component, shards)
            }
            "/lend" => {
                let LendCall { component, shard, version, prior } = read(body)?;
                let prior = Prior::decode(&prior).map_err(|error| Fault::new("read a prior", error))?;
                self.transition(Event::Lent { component, shard, version, prior })?;
                json(&())
            }
            "/alert" => {
                // Builds before this one send the id and the alert alone.
                let call = read::<AlertCall>(body)
                    .or_else(|_| read(body).map(|(id, alert)| AlertCall { id, alert, version: 0 }))?;
                self.take_alert(&call)
            }
            "/tail-records" => json(&self.show(&read::<TailCall>(body)?)),
            "/directory" => {
                let domain: String = read(body)?;
                json(&self.with_live(Some(&domain), |live| Ok(live.directory()))?)
            }
            "/status" => self.status(&read::<String>(body)?),
            "/alerts" => {
                let domain: String = read(body)?;
                json(&self.with_live(Some(&domain), |live| live.rows.alerts(LISTED_MAX))?)
            }
            "/keys" => {
                let domain: String = read(body)?;
                json(&self.with_live(Some(&domain), |live| Ok(live.keys()))?)
            }
            "/erasures" => {
                let domain: String = read(body)?;
                json(&self.with_live(Some(&domain), |live| Ok(live.receipts()))?)
            }
            "/keys/create" => self.create_key(actor, read(body)?),
            "/keys/revoke" => self.revoke_key(actor, read(body)?),
            "/configure" => self.configure(actor, read(body)?),
            "/lessons" => {
                let domain: String = read(body)?;
                json(&self.with_live(Some(&domain), |live| Ok(teach::listed(live.machine.lessons())))?)
            }
            "/audit" => {
                let domain: String = read(body)?;
                json(&self.with_live(Some(&domain), |live| live.rows.audit_log(LISTED_MAX))?)
            }
            "/audit/book" => {
                let (domain, action, detail): (String, String, String) = read(body)?;
                self.with_live(Some(&domain), |live| live.rows.audit(now(), actor, &action, &detail))?;
                json(&())
            }
            _ => Err(Fault::new("route", "no such call")),
        }
    }

    /// Handles an event, performs its writes, and sees to it that what has to leave the object does.
    fn transition(self: &Rc<Self>, event: Event) -> std::result::Result<Effects, Fault> {
        self.transition_in(None, event)
    }

    fn transition_in(self: &Rc<Self>, domain: Option<&str>, event: Event) -> std::result::Result<Effects, Fault> {
        self.transition_with(domain, event, |_| Ok(()))
    }

    /// The same with writes of the shell's own before it; all of it stays, or nothing.
    fn transition_with(
        self: &Rc<Self>,
        domain: Option<&str>,
        event: Event,
        before: impl FnOnce(&DomainRows) -> std::result::Result<(), Fault> + 'static,
    ) -> std::result::Result<Effects, Fault> {
        let mut live = self.take_live(domain)?;
        let (live, effects) = sql::atomically(&self.state.storage(), "write a transition", move || {
            before(&live.rows)?;
            let effects = live.machine.handle(event, now());
            live.write(&effects)?;
            Ok((live, effects))
        })?;
        let wake_at = live.machine.wake_at_beside(&self.delivering.borrow(), now());
        self.live.replace(Some(live));
        self.arm(wake_at);
        Ok(effects)
    }

    /// Sets the alarm if an earlier one is wanted than is set, or if what was set should have gone off.
    fn arm(&self, wake_at: Option<Timestamp>) {
        let now = now();
        if let Some(at) = wake_at
            && self.armed_at.get().is_none_or(|armed| at < armed || armed < now)
        {
            self.set_alarm(at);
        }
    }

    fn with_live<T>(
        &self,
        domain: Option<&str>,
        work: impl FnOnce(&mut Live) -> std::result::Result<T, Fault>,
    ) -> std::result::Result<T, Fault> {
        let mut live = self.take_live(domain)?;
        let result = work(&mut live)?;
        self.live.replace(Some(live));
        Ok(result)
    }

    /// The machine out of its cell, restored if it was not there. A call for another domain leaves it where it was.
    fn take_live(&self, domain: Option<&str>) -> std::result::Result<Live, Fault> {
        let known = self.live.take();
        let live = known.map_or_else(|| self.load(domain), Ok)?;
        if domain.is_some_and(|domain| domain != live.domain) {
            self.live.replace(Some(live));
            return Err(Fault::new("meet", "a call for another domain"));
        }
        Ok(live)
    }

    fn load(&self, domain: Option<&str>) -> std::result::Result<Live, Fault> {
        let rows = DomainRows::open(Sql::new(&self.state.storage()))?;
        let config = config::of(&self.env).map_err(|_| Fault::new("load", "the configuration has problems"))?;
        let domain = match (rows.domain()?, domain) {
            (Some(known), _) => known,
            (None, Some(domain)) => {
                rows.set_domain(domain)?;
                domain.to_owned()
            }
            (None, None) => return Err(Fault::new("load", "nothing was ever stored here")),
        };
        let stored = rows.stored()?;
        let overrides_unknown = settings::domain(&config);
        let machine = match DomainMachine::restore(overrides_unknown.clone(), stored.clone()) {
            Ok(machine) => machine,
            Err(error) => {
                report("DomainStateRebuilt", &[("error", &error)]);
                DomainMachine::restore(overrides_unknown, Stored { state: None, ..stored })
                    .map_err(|error| Fault::new("load", error))?
            }
        };
        for (what, error) in machine.unread() {
            report("DomainRowUnreadable", &[("what", what), ("error", error)]);
        }
        let mut live = Live { domain, machine, rows, base: Rc::clone(&config), config };
        live.apply_overrides();
        Ok(live)
    }

    fn set_alarm(&self, at: Timestamp) {
        let at = self.running.beside(at, now());
        let date = worker::js_sys::Date::new(&worker::wasm_bindgen::JsValue::from_f64(at.0.max(0) as f64));
        match self.state.storage().as_raw().set_alarm(date, worker::wasm_bindgen::JsValue::NULL.into()) {
            Ok(_promise) => self.armed_at.set(Some(at)),
            Err(error) => report("AlarmNotSet", &[("error", &format!("{error:?}"))]),
        }
    }

    fn register(self: Rc<Self>, call: &RegisterCall) -> std::result::Result<Response, Fault> {
        let event = Event::Register { component: call.component.clone(), shard: call.shard };
        let effects = self.transition_in(Some(&call.domain), event)?;
        if effects.answer == Answer::NotYet {
            return Response::error("what was there under this name is still being erased", 503)
                .map_err(|error| Fault::new("answer", error));
        }
        if effects.answer == Answer::Full {
            return Response::error("the domain has no room for another component", 507)
                .map_err(|error| Fault::new("answer", error));
        }
        bytes(self.with_live(None, |live| {
            let lessons = Some(live.machine.lessons()).filter(|lessons| lessons.version > 0);
            let seed = live.machine.seed_for(&call.component);
            let map = live.machine.shard_map(&call.component);
            Ok(encode_told(live.machine.view(), lessons, seed.as_ref(), map))
        })?)
    }

    fn spread(
        self: Rc<Self>,
        domain: &str,
        actor: &str,
        component: String,
        shards: u16,
    ) -> std::result::Result<Response, Fault> {
        let event = Event::Spread { component: component.clone(), shards, by: actor.to_owned() };
        json(&match self.transition_in(Some(domain), event)?.answer {
            Answer::Spread(map) => {
                let window = self.with_live(None, |live| Ok(live.config.idempotency_window()))?;
                let epoch = map.current();
                SpreadAnswer::Done(SpreadView {
                    component,
                    shards: epoch.shards,
                    since_ms: epoch.since.0.max(0),
                    epochs_before: map.before(now(), window).len(),
                })
            }
            Answer::NotSpread(ShardFault::Count) => SpreadAnswer::Count,
            Answer::NotSpread(ShardFault::TooOften(until)) => SpreadAnswer::TooOften(until.0),
            Answer::NotSpread(ShardFault::Unread) => SpreadAnswer::Unread,
            _ => SpreadAnswer::NotFound,
        })
    }

    fn take_alert(self: Rc<Self>, call: &AlertCall) -> std::result::Result<Response, Fault> {
        // One that was taken is not taken again: the stream may not have heard that it was, and targets are told once.
        let (id, alert) = (&call.id, &call.alert);
        let (is_known, is_of_erased) =
            self.with_live(None, |live| Ok((live.rows.alert(id)?.is_some(), live.is_of_erased(call))))?;
        if is_of_erased {
            report("AlertOfErased", &[("id", &id)]);
        } else if !is_known {
            let (kept, body) = (id.clone(), alert.clone());
            let event = Event::Alert { id: id.clone() };
            self.transition_with(None, event, move |rows| rows.add_alert(&kept, now(), &body))?;
            self.deliver_soon();
        }
        json(&())
    }

    fn status(self: Rc<Self>, domain: &str) -> std::result::Result<Response, Fault> {
        let viewers = self.state.get_websockets().len() as u64;
        let status = self.with_live(Some(domain), |live| {
            Ok(DomainStatus {
                outbox: live.machine.outbox().len() as u64,
                disabled_targets: live.machine.disabled_targets().cloned().collect(),
                alerts_dropped: live.machine.alerts_dropped(),
                delivered: self.delivered.get(),
                viewers,
                granted_today: live.machine.granted().0,
                last_error: self.last_error.borrow().clone(),
            })
        })?;
        json(&status)
    }

    fn create_key(self: Rc<Self>, actor: &str, call: (String, CreateKeyCall)) -> std::result::Result<Response, Fault> {
        let (domain, call) = call;
        let entry = KeyEntry {
            name: call.name,
            scopes: call.scopes,
            component: call.component,
            created_at: now(),
            revoked_at: None,
        };
        let event = Event::KeyCreated { id: call.id.clone(), entry: entry.clone() };
        let effects = self.transition_in(Some(&domain), event)?;
        if effects.answer == Answer::NoRoom {
            return Response::error("the domain has as many keys as it may have", NO_ROOM)
                .map_err(|error| Fault::new("answer", error));
        }
        let detail = format!("{} ({}), {}", call.id, entry.name, entry.scopes.join(" "));
        self.with_live(None, |live| live.rows.audit(now(), actor, "key.created", &detail))?;
        json(&key_view(&call.id, &entry))
    }

    fn revoke_key(self: Rc<Self>, actor: &str, call: (String, String)) -> std::result::Result<Response, Fault> {
        let (domain, id) = call;
        let effects = self.transition_in(Some(&domain), Event::RevokeKey(id.clone()))?;
        let is_known = effects.answer == Answer::Done;
        if is_known {
            self.with_live(None, |live| live.rows.audit(now(), actor, "key.revoked", &id))?;
            self.sync_soon();
        }
        json(&is_known)
    }

    fn configure(
        self: Rc<Self>,
        actor: &str,
        call: (String, Vec<(String, String)>),
    ) -> std::result::Result<Response, Fault> {
        let (domain, overrides) = call;
        let names: Vec<_> = overrides.iter().map(|(name, _)| name.as_str()).collect();
        let detail = format!("set: {}", names.join(", "));
        self.transition_in(Some(&domain), Event::Configure(overrides))?;
        let limit = self.with_live(None, |live| {
            live.rows.audit(now(), actor, "config.changed", &detail)?;
            live.apply_overrides();
            Ok(live.config.records_per_day())
        })?;
        self.transition(Event::Limit(limit))?;
        self.sync_soon();
        json(&self.with_live(None, |live| Ok(live.machine.view().version))?)
    }

    async fn wake(self: Rc<Self>) -> std::result::Result<(), Fault> {
        self.transition(Event::Wake)?;
        self.deliver_due().await?;
        self.sync_streams().await?;
        self.erase_due().await?;
        let wake_at = self.with_live(None, |live| Ok(live.machine.wake_at_beside(&self.delivering.borrow(), now())))?;
        self.arm(wake_at);
        Ok(())
    }

    /// Pushes the view to the streams that do not have it yet, at most five at once.
    async fn sync_streams(self: &Rc<Self>) -> std::result::Result<(), Fault> {
        let effects = self.transition(Event::Wake)?;
        let (view, domain, config) = self
            .with_live(None, |live| Ok((live.machine.view().clone(), live.domain.clone(), Rc::clone(&live.config))))?;
        let stubs = Stubs::new(&self.env, config.object_timeout());
        for group in effects.sync.chunks(5) {
            let pushes = group.iter().map(|(component, shard)| {
                let to = StreamAddress { domain: domain.clone(), component: component.clone(), shard: *shard };
                let (stubs, view) = (&stubs, &view);
                let known = self.with_live(None, |live| {
                    let machine = &live.machine;
                    Ok((machine.lessons_for(component, *shard).cloned(), machine.shard_map(component).cloned()))
                });
                async move {
                    let result = match known {
                        Ok((lessons, map)) => stubs.configure(&to, view, lessons.as_ref(), map.as_ref()).await,
                        Err(fault) => Err(CallError::Failed(fault.to_string())),
                    };
                    (to, result)
                }
            });
            for (to, result) in futures::future::join_all(pushes).await {
                let event = match result {
                    Ok(()) => Event::Synced { component: to.component, shard: to.shard, version: view.version },
                    Err(error) => {
                        report("ViewNotPushed", &[("component", &to.component), ("error", &error)]);
                        Event::SyncFailed
                    }
                };
                self.transition(event)?;
            }
        }
        Ok(())
    }

    fn sync_soon(self: &Rc<Self>) {
        let pusher = Rc::clone(self);
        self.state.wait_until(async move {
            if let Err(fault) = pusher.sync_streams().await {
                report("SyncFailed", &[("fault", &fault)]);
            }
        });
    }
}

impl Live {
    fn write(&mut self, effects: &Effects) -> std::result::Result<(), Fault> {
        for (name, shard, component) in &effects.components {
            self.rows.add_component(name, *shard, component)?;
        }
        for (name, shard, prior) in &effects.priors {
            self.rows.set_prior(name, *shard, prior)?;
        }
        for (id, entry) in &effects.keys {
            self.rows.set_key(id, entry)?;
        }
        for (id, target, due) in &effects.messages {
            self.rows.add_message(id, target, *due)?;
        }
        for (name, shard) in &effects.components_gone {
            self.rows.remove_component(name, *shard)?;
        }
        for id in &effects.alerts_gone {
            self.rows.remove_alert(id)?;
        }
        for (id, body) in &effects.erasures {
            self.rows.set_erasure(id, body.clone())?;
        }
        for id in &effects.erasures_gone {
            self.rows.remove_erasure(id)?;
        }
        for (who, action, detail) in &effects.booked {
            self.rows.audit(now(), who, action, detail)?;
        }
        if effects.lessons_changed {
            self.rows.set_lessons(self.machine.lessons().encode())?;
        }
        if effects.state_changed {
            self.rows.set_state(self.machine.encode_state())?;
        }
        Ok(())
    }

    fn apply_overrides(&mut self) {
        let config = settings::of_domain(&self.base, &self.machine.view().overrides);
        self.machine.set_settings(settings::domain(&config));
        self.config = config;
    }

    fn directory(&self) -> DirectoryAnswer {
        let components = self.machine.components().map(|(name, shard, component)| ComponentEntry {
            component: name.to_owned(),
            shard,
            registered_at_ms: component.registered_at.0,
        });
        let view = self.machine.view();
        DirectoryAnswer {
            components: components.collect(),
            version: view.version,
            revoked: view.revoked.clone(),
            overrides: view.overrides.clone(),
            spread: SpreadComponents::new(self.machine.shard_maps()),
        }
    }

    fn keys(&self) -> Vec<KeyView> {
        let mut keys: Vec<_> = self.machine.keys().map(|(id, entry)| key_view(id, entry)).collect();
        keys.sort_by_key(|key| std::cmp::Reverse(key.created_at_ms));
        keys
    }
}

fn key_view(id: &str, entry: &KeyEntry) -> KeyView {
    KeyView {
        id: id.to_owned(),
        name: entry.name.clone(),
        scopes: entry.scopes.clone(),
        component: entry.component.clone(),
        created_at_ms: entry.created_at.0,
        revoked_at_ms: entry.revoked_at.map(|at| at.0),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> std::result::Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| Fault::new("read a call", error))
}

fn json<T: serde::Serialize>(value: &T) -> std::result::Result<Response, Fault> {
    bytes(serde_json::to_vec(value).map_err(|error| Fault::new("write an answer", error))?)
}

fn bytes(body: Vec<u8>) -> std::result::Result<Response, Fault> {
    Response::from_bytes(body).map_err(|error| Fault::new("write an answer", error))
}
