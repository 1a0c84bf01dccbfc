//! The only reader of variables and secrets on the Worker. It says what it finds to the engine's check and hands out
//! the checked configuration; nothing else in the shell reads the environment.
//!
//! Variables do not change within an isolate (a deploy starts new ones), so the check runs once per isolate. Bindings
//! live in the same JavaScript object: they are objects, whereas ours are text, numbers and booleans, and that is how
//! the two are told apart. Left out: any rule about values (`sapwood_engine::config`), and per-domain values, which
//! come from the domain object.

use sapwood_engine::config::{Config, ConfigProblem, Provenance, RawConfig, keys};
use std::cell::OnceCell;
use std::rc::Rc;
use worker::js_sys::{Array, Object};
use worker::wasm_bindgen::{JsCast, JsValue};

/// What the check gave: the configuration, or everything that is wrong with it.
pub type Checked = Result<Rc<Config>, Rc<[ConfigProblem]>>;

/// Names that the platform and its tools put among the variables.
const PLATFORM_PREFIX: &str = "__";

thread_local! {
    static CHECKED: OnceCell<Checked> = const { OnceCell::new() };
}

/// The configuration of this isolate, read and checked at the first call.
pub fn of(env: &worker::Env) -> Checked {
    CHECKED.with(|cell| cell.get_or_init(|| check(said(env))).clone())
}

/// The configuration that these names and values make. Names of the platform's own are left out; a value is taken for
/// a platform secret where the table says that it must be one, since the runtime does not tell the two apart.
pub fn check(said: impl IntoIterator<Item = (String, String)>) -> Checked {
    let mut raw = RawConfig::new();
    for (name, value) in said.into_iter().filter(|(name, _)| !name.starts_with(PLATFORM_PREFIX)) {
        let provenance = provenance(&name);
        raw.say(name, value, provenance);
    }
    Config::check(&raw).map(Rc::new).map_err(Rc::from)
}

fn provenance(name: &str) -> Provenance {
    match keys::find(name).map(|spec| spec.status) {
        Some(keys::Status::Used { kind, .. }) if kind.is_secret() => Provenance::Secret,
        Some(keys::Status::Mapped { to, .. }) => provenance(to),
        _ => Provenance::Var,
    }
}

/// Every variable and secret of the environment, as text.
fn said(env: &worker::Env) -> Vec<(String, String)> {
    let object: &Object = env.unchecked_ref();
    let pairs = Object::entries(object).iter().map(|pair| pair.unchecked_into::<Array>()).collect::<Vec<_>>();
    pairs.iter().filter_map(|pair| Some((pair.get(0).as_string()?, text(&pair.get(1))?))).collect()
}

/// A variable's value as it was written; `None` for bindings. `X = 5` in `wrangler.toml` arrives as a number.
fn text(value: &JsValue) -> Option<String> {
    let flag = || value.as_bool().map(|flag| flag.to_string());
    let number = || value.as_f64().map(|number| number.to_string());
    value.as_string().or_else(flag).or_else(number)
}
