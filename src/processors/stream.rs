//! The Durable Object of one component: feeds the stream machine and performs its effects.
//!
//! The machine lives in a cell while nothing goes wrong. It is taken out for each transition and put back only if all
//! of the transition's writes were issued; if one fails, or the code panics on the way, the machine is gone and the next
//! event restores it from storage. No borrow outlives a transition and no transition awaits.
//!
//! Writes of one transition are issued in one synchronous run, so SQLite commits them as one, and the runtime holds
//! every answer until they are on disk (the output gate).

// The attribute macro of the runtime's binding makes public methods without documentation.
#![allow(missing_docs)]

mod append;
mod baseline;
mod erase;
mod feedback;
mod flush;
mod forward;
mod pack;
mod read;
mod replay;
mod tail;
mod windows;

use crate::config;
use crate::monitoring::report;
use crate::processors::calls::{DeployedCall, StreamAddress};
use crate::processors::running_alarm::RunningAlarm;
use crate::processors::settings;
use crate::storage::fault::Fault;
use crate::storage::sql::{self, Sql};
use crate::storage::stream_rows::StreamRows;
use append::Intake;
use sapwood_engine::config::Config;
use sapwood_engine::machine::stream::{Effects, Event, Identity, StreamMachine, decode_told};
use sapwood_engine::time::{Millis, Timestamp};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tail::TailBuffer;
use worker::{
    DurableObject, Env, Request, Response, Result, State, WebSocket, WebSocketIncomingMessage, durable_object,
};

/// One component's object.
#[durable_object]
pub struct StreamObject {
    /// Another one after the component was erased: what was under way belongs to the one that was.
    inner: RefCell<Rc<Inner>>,
    state: Rc<State>,
    env: Env,
}

// The cells are emptied before code runs that may panic, and filled after it: see the module's story.
impl std::panic::RefUnwindSafe for StreamObject {}

/// What handlers, the committer and the alarm share.
pub(crate) struct Inner {
    state: Rc<State>,
    env: Env,
    live: RefCell<Option<Live>>,
    /// The component is being erased, or was: nothing begins any more, and what is under way finds nothing.
    closing_until: Cell<Timestamp>,
    /// Its rows are gone, or going.
    is_erased: Cell<bool>,
    intake: Intake,
    tail: TailBuffer,
    /// The alarm that is set, as far as this instance knows.
    armed_at: Cell<Option<Timestamp>>,
    running: RunningAlarm,
    damaged_rows: Cell<u64>,
    published_at: Cell<Timestamp>,
    is_awake: Cell<bool>,
    is_handing_over: Cell<bool>,
    forwarding: forward::Forwarding,
    alarms: Cell<u64>,
    /// Where the next append panics.
    #[cfg(feature = "fault-injection")]
    breaks_at: RefCell<String>,
}

/// A machine in memory, with its rows and the configuration it runs under.
pub(crate) struct Live {
    machine: StreamMachine,
    rows: StreamRows,
    /// The service's configuration, and the same with the domain's own values.
    base: Rc<Config>,
    config: Rc<Config>,
}

/// Writes of the shell's own that belong to a transition.
type Before = Box<dyn FnOnce(&StreamRows) -> std::result::Result<(), Fault>>;

/// Reads the clock: once per event.
fn now() -> Timestamp {
    Timestamp(i64::try_from(worker::Date::now().as_millis()).unwrap_or(i64::MAX))
}

impl DurableObject for StreamObject {
    fn new(state: State, env: Env) -> Self {
        let state = Rc::new(state);
        Self { inner: RefCell::new(Inner::new(Rc::clone(&state), env.clone())), state, env }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        // Always drained, whatever the answer: an undrained body breaks the answer.
        let body = request.bytes().await?;
        let path = request.path();
        let inner = self.inner();
        let answered = match path.as_str() {
            "/erase" => self.erase(&inner, &body).await,
            _ => inner.answer(&path, &body).await,
        };
        match answered {
            Ok(response) => Ok(response),
            Err(fault) => {
                report("StreamCallFailed", &[("path", &path), ("fault", &fault)]);
                Response::error(fault.doing, 500)
            }
        }
    }

    async fn alarm(&self) -> Result<Response> {
        let inner = self.inner();
        inner.alarms.set(inner.alarms.get() + 1);
        inner.running.begins(inner.armed_at.take());
        // Never an error: the runtime gives up an alarm after six of them. What failed is in the machine's sinks and
        // outbox with its own time to try again.
        if let Err(fault) = Rc::clone(&inner).wake().await
            && inner.has_rows()
        {
            report("AlarmFailed", &[("fault", &fault)]);
            inner.set_alarm(now().plus(Millis::from_secs(10)));
        }
        inner.running.ends();
        Response::empty()
    }

    // Live tails are the domain object's; a socket cannot reach here.
    async fn websocket_message(&self, _socket: WebSocket, _message: WebSocketIncomingMessage) -> Result<()> {
        Ok(())
    }
    async fn websocket_close(&self, _socket: WebSocket, _code: usize, _reason: String, _clean: bool) -> Result<()> {
        Ok(())
    }
    async fn websocket_error(&self, _socket: WebSocket, _error: worker::Error) -> Result<()> {
        Ok(())
    }
}

impl StreamObject {
    fn inner(&self) -> Rc<Inner> {
        Rc::clone(&self.inner.borrow())
    }
}

impl Inner {
    fn new(state: Rc<State>, env: Env) -> Rc<Self> {
        Rc::new(Self {
            state,
            env,
            live: RefCell::new(None),
            closing_until: Cell::new(Timestamp(0)),
            is_erased: Cell::new(false),
            intake: Intake::default(),
            tail: TailBuffer::default(),
            armed_at: Cell::new(None),
            running: RunningAlarm::default(),
            damaged_rows: Cell::new(0),
            published_at: Cell::new(Timestamp(0)),
            is_awake: Cell::new(false),
            is_handing_over: Cell::new(false),
            forwarding: forward::Forwarding::default(),
            alarms: Cell::new(0),
            #[cfg(feature = "fault-injection")]
            breaks_at: RefCell::default(),
        })
    }

    async fn answer(self: Rc<Self>, path: &str, body: &[u8]) -> std::result::Result<Response, Fault> {
        match path {
            "/append" => self.answer_append(body).await,
            "/heard" => self.hear(body).await,
            "/configure" => {
                let told = decode_told(body).map_err(|error| Fault::new("read the domain's view", error))?;
                self.transition(Event::Configure(told.view), now())?;
                if let Some(lessons) = told.lessons {
                    self.transition(Event::Taught(lessons), now())?;
                }
                if let Some(map) = told.map {
                    self.transition(Event::Spread(map), now())?;
                }
                self.with_live(|live| {
                    live.apply_overrides();
                    Ok(())
                })?;
                // Other settings, other deadlines.
                self.arm_after_alarm()?;
                empty()
            }
            "/deployed" if !self.has_rows() => json(&()),
            "/deployed" => {
                let call: DeployedCall =
                    serde_json::from_slice(body).map_err(|error| Fault::new("read a call", error))?;
                self.transition(Event::Deployed(call.deployment()), now())?;
                json(&())
            }
            "/feedback/give" => {
                let call = serde_json::from_slice(body).map_err(|error| Fault::new("read a call", error))?;
                json(&self.take_feedback(call)?)
            }
            "/cleanup" => {
                let call = serde_json::from_slice(body).map_err(|error| Fault::new("read a call", error))?;
                json(&self.clean_up(&call).await?)
            }
            // An object that has nothing has nothing to tell.
            "/rebuild-d1" if !self.has_rows() => json(&()),
            "/rebuild-d1" => {
                let hours = self.with_live(|live| live.rows.hours())?;
                self.transition(Event::D1Lost(hours), now())?;
                json(&())
            }
            "/erase-user" => {
                let call = serde_json::from_slice(body).map_err(|error| Fault::new("read a call", error))?;
                json(&self.erase_user(&call)?)
            }
            #[cfg(feature = "fault-injection")]
            "/panic" => self.break_at(body),
            _ => self.answer_read(path, body),
        }
    }

    /// Handles an event and performs what has to be done in the same turn: rows, then the alarm.
    fn transition(&self, event: Event, now: Timestamp) -> std::result::Result<Effects, Fault> {
        self.transition_with(event, now, None)
    }

    /// The same with writes of the shell's own before it; all of it stays, or nothing.
    fn transition_with(
        &self,
        event: Event,
        now: Timestamp,
        before: Option<Before>,
    ) -> std::result::Result<Effects, Fault> {
        #[cfg(feature = "fault-injection")]
        let is_append = matches!(event, Event::Append(_));
        let mut live = self.take_live(None)?;
        let effects = live.machine.handle(event, now);
        #[cfg(feature = "fault-injection")]
        if is_append {
            self.break_if_asked("handled");
            live.rows.sql().fails_in.set(self.failing_statement());
        }
        let (live, effects) = if effects.takes_a_transaction() || before.is_some() {
            sql::atomically(&self.state.storage(), "write a transition", move || {
                before.map_or(Ok(()), |before| before(&live.rows))?;
                live.write(effects)
            })?
        } else {
            live.write(effects)?
        };
        #[cfg(feature = "fault-injection")]
        if is_append {
            self.break_if_asked("written");
        }
        let wake_at = live.machine.wake_at();
        self.live.replace(Some(live));
        self.arm(wake_at);
        Ok(effects)
    }

    /// Breaks in a way that the platform punishes: `now` panics here; `handled` and `written` have the next append panic
    /// between its decisions and its rows, and after its rows; `statement-N` has its statement N (from 0) fail; `sql` steps over a statement that fails half-way;
    /// `block` damages a block on disk; `values` says what became of numbers and text that went through SQLite.
    #[cfg(feature = "fault-injection")]
    #[expect(clippy::panic, reason = "this is what the route is for")]
    fn break_at(&self, at: &[u8]) -> std::result::Result<Response, Fault> {
        let at = String::from_utf8_lossy(at).into_owned();
        match at.as_str() {
            "now" => panic!("fault injected: an object was asked to panic"),
            "sql" => {
                let query = "SELECT json(x) FROM (SELECT '{}' AS x UNION ALL SELECT '{' AS x)";
                self.with_live(|live| {
                    live.rows.sql().all("step over a broken row", query, vec![], |columns| columns.text())
                })?;
                empty()
            }
            "block" => {
                self.with_live(|live| live.rows.journal().damage_block())?;
                empty()
            }
            "hours" => {
                self.with_live(|live| live.rows.damage_hours())?;
                empty()
            }
            "values" => json(&self.with_live(|live| live.rows.sql().traps())?),
            _ => {
                self.breaks_at.replace(at);
                empty()
            }
        }
    }

    #[cfg(feature = "fault-injection")]
    fn break_if_asked(&self, at: &str) {
        let is_here = *self.breaks_at.borrow() == at;
        if is_here {
            self.breaks_at.take();
        }
        assert!(!is_here, "fault injected: an append was asked to panic when {at}");
    }

    /// Which statement of this append fails, if one was asked to.
    #[cfg(feature = "fault-injection")]
    fn failing_statement(&self) -> Option<u32> {
        let number = self.breaks_at.borrow().strip_prefix("statement-").and_then(|number| number.parse().ok());
        if number.is_some() {
            self.breaks_at.take();
        }
        number
    }

    /// Whether it is being erased, and whoever erases it is coming again.
    fn is_closing(&self) -> bool {
        now() < self.closing_until.get()
    }

    /// Whether there is anything that an alarm, or a question, could be for.
    fn has_rows(&self) -> bool {
        let rows = || StreamRows::open(Sql::new(&self.state.storage()))?.identity();
        !self.is_closing() && !matches!(rows(), Ok(None))
    }

    /// Runs `work` on the machine. If it fails, or panics, the machine is forgotten.
    fn with_live<T>(
        &self,
        work: impl FnOnce(&mut Live) -> std::result::Result<T, Fault>,
    ) -> std::result::Result<T, Fault> {
        let mut live = self.take_live(None)?;
        let result = work(&mut live)?;
        self.live.replace(Some(live));
        Ok(result)
    }

    /// The machine out of its cell, restored if it was not there.
    fn take_live(&self, address: Option<&StreamAddress>) -> std::result::Result<Live, Fault> {
        if self.is_closing() {
            return Err(Fault::new("meet", "the component is being erased"));
        }
        let known = self.live.take();
        known.map_or_else(|| self.load(address), Ok)
    }

    /// Makes sure that the machine is in memory, for a call that says which object it means.
    fn meet(&self, address: &StreamAddress) -> std::result::Result<(), Fault> {
        let live = self.take_live(Some(address))?;
        let is_meant = live.machine.identity().component == address.component
            && live.machine.identity().domain == address.domain
            && live.machine.identity().shard == address.shard;
        self.live.replace(Some(live));
        if is_meant { Ok(()) } else { Err(Fault::new("meet", "a call for another object")) }
    }

    fn load(&self, address: Option<&StreamAddress>) -> std::result::Result<Live, Fault> {
        let rows = StreamRows::open(Sql::new(&self.state.storage()))?;
        let config = config::of(&self.env).map_err(|_| Fault::new("load", "the configuration has problems"))?;
        let known = rows.identity()?;
        let identity = match (known, address) {
            (Some(identity), _) => identity,
            (None, Some(address)) => {
                let identity = Identity {
                    domain: address.domain.clone(),
                    component: address.component.clone(),
                    shard: address.shard,
                };
                rows.set_identity(&identity)?;
                identity
            }
            (None, None) => return Err(Fault::new("load", "nothing was ever stored here")),
        };
        let (machine, damaged) = restore(&rows, identity, &config)?;
        if damaged > 0 {
            self.damaged_rows.set(self.damaged_rows.get() + damaged);
            report("RowsDamaged", &[("count", &damaged)]);
        }
        let mut live = Live { machine, rows, base: Rc::clone(&config), config };
        live.apply_overrides();
        Ok(live)
    }

    /// Sets the alarm if the machine wants an earlier one than is set.
    ///
    /// Not while an alarm is being worked off: it arms the next one when it is done, and if it is broken off the runtime
    /// runs it again.
    fn arm(&self, wake_at: Option<Timestamp>) {
        if let Some(at) = wake_at
            && !self.is_awake.get()
            && self.armed_at.get().is_none_or(|armed| at < armed || armed < now())
        {
            self.set_alarm(at);
        }
    }

    fn set_alarm(&self, at: Timestamp) {
        let at = self.running.beside(at, now());
        let date = worker::js_sys::Date::new(&worker::wasm_bindgen::JsValue::from_f64(at.0.max(0) as f64));
        // Not awaited: it is part of the transition's commit, and the output gate holds the answer for it.
        match self.state.storage().as_raw().set_alarm(date, worker::wasm_bindgen::JsValue::NULL.into()) {
            Ok(_promise) => self.armed_at.set(Some(at)),
            Err(error) => report("AlarmNotSet", &[("error", &format!("{error:?}"))]),
        }
    }

    async fn wake(self: Rc<Self>) -> std::result::Result<(), Fault> {
        let awake = Awake::begin(&self.is_awake);
        let effects = self.transition(Event::Wake, now())?;
        if effects.checkpoint {
            // Everything is folded now, and nobody else had a turn.
            self.turn_journal_over();
        }
        Rc::clone(&self).perform_outside(effects).await?;
        drop(awake);
        self.arm_after_alarm()
    }

    fn arm_after_alarm(&self) -> std::result::Result<(), Fault> {
        let wake_at = self.with_live(|live| Ok(live.machine.wake_at()))?;
        self.arm(wake_at);
        Ok(())
    }

    fn stubs(&self, config: &Config) -> crate::processors::stubs::Stubs<'_> {
        crate::processors::stubs::Stubs::new(&self.env, config.object_timeout())
    }
}

/// Says that an alarm is being worked off, until it is dropped.
struct Awake<'a>(&'a Cell<bool>);

impl<'a> Awake<'a> {
    fn begin(flag: &'a Cell<bool>) -> Self {
        flag.set(true);
        Self(flag)
    }
}

impl Drop for Awake<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Live {
    fn write(mut self, effects: Effects) -> std::result::Result<(Self, Effects), Fault> {
        effects.write(&mut self.machine, &mut self.rows)?;
        Ok((self, effects))
    }

    /// Brings the settings in line with what the domain says.
    fn apply_overrides(&mut self) {
        let config = settings::of_domain(&self.base, &self.machine.view().overrides);
        self.machine.set_settings(settings::stream(&config));
        self.machine.data_service_configured(settings::data_service_identity(&config));
        self.config = config;
    }
}

/// A machine from its rows, with the number of rows that could not be read.
fn restore(
    rows: &StreamRows,
    identity: Identity,
    config: &Rc<Config>,
) -> std::result::Result<(StreamMachine, u64), Fault> {
    let settings_of = |overrides: &[(String, String)]| settings::stream(&settings::of_domain(config, overrides));
    let restored = StreamMachine::load(identity, &settings_of, rows)?;
    if let Some(error) = restored.rebuilt {
        report("StateRebuilt", &[("error", &error)]);
    }
    for (seq, error) in restored.unreadable {
        report("RowUnreadable", &[("seq", &seq), ("error", &error)]);
    }
    Ok((restored.machine, restored.damaged))
}

fn json<T: serde::Serialize>(value: &T) -> std::result::Result<Response, Fault> {
    let body = serde_json::to_vec(value).map_err(|error| Fault::new("write an answer", error))?;
    bytes(body)
}

fn bytes(body: Vec<u8>) -> std::result::Result<Response, Fault> {
    Response::from_bytes(body).map_err(|error| Fault::new("write an answer", error))
}

fn empty() -> std::result::Result<Response, Fault> {
    bytes(Vec::new())
}
