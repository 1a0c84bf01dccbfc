//! The one way SQL is run in an object, with the traps of the binding kept out (`platform.md` 1.4 has the list):
//! numbers go in as integers, rows come out through `raw()`, which reports errors that other ways turn into a hang.
//! Rows written are summed, because they are the bill.

use super::fault::Fault;
use sapwood_engine::time::Timestamp;
use std::cell::{Cell, RefCell};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use worker::js_sys::{Function, Reflect};
use worker::wasm_bindgen::prelude::Closure;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::{SqlStorage, SqlStorageValue as Value, Storage};

/// The largest integer that survives the way through a JavaScript number.
const SAFE_INTEGER_MAX: i64 = (1 << 53) - 1;

/// SQLite of one object.
pub struct Sql {
    inner: SqlStorage,
    rows_written: Cell<u64>,
    /// Statements until one fails on purpose.
    #[cfg(feature = "fault-injection")]
    pub fails_in: Cell<Option<u32>>,
}

/// Runs `work` in a transaction: if it fails or panics, nothing of what it wrote stays.
///
/// What is written between two awaits reaches the disk as one, but a statement that fails does not undo those before it.
/// A single statement needs no transaction.
pub fn atomically<T: 'static>(
    storage: &Storage,
    doing: &'static str,
    work: impl FnOnce() -> Result<T, Fault> + 'static,
) -> Result<T, Fault> {
    let fault = |error: &JsValue| Fault::new(doing, format!("{error:?}"));
    let storage: &JsValue = storage.as_raw().as_ref();
    let transaction = Reflect::get(storage, &"transactionSync".into()).map_err(|error| fault(&error))?;
    let transaction: Function = transaction.dyn_into().map_err(|error| fault(&error))?;
    let outcome: Rc<RefCell<Option<Result<T, Fault>>>> = Rc::default();
    let slot = AssertUnwindSafe(Rc::clone(&outcome));
    let work = AssertUnwindSafe(work);
    let body = Closure::once(move || {
        let (slot, work) = (slot, work);
        let result = (work.0)();
        // What is thrown undoes the transaction and comes back from the call below.
        let thrown = result.as_ref().err().map(|fault| JsValue::from_str(fault.doing));
        slot.replace(Some(result));
        thrown.map_or(Ok(JsValue::UNDEFINED), Err)
    });
    let called = transaction.call1(storage, body.as_ref());
    match (outcome.take(), called) {
        (Some(Ok(value)), Ok(_)) => Ok(value),
        (Some(Err(fault)), _) => Err(fault),
        (_, Err(error)) => Err(fault(&error)),
        (None, Ok(_)) => Err(Fault::new(doing, "the transaction did not run")),
    }
}

/// A bound integer.
pub fn int(value: i64) -> Value {
    Value::Integer(value.clamp(-SAFE_INTEGER_MAX, SAFE_INTEGER_MAX))
}

/// A bound unsigned integer.
pub fn uint(value: u64) -> Value {
    int(i64::try_from(value).unwrap_or(SAFE_INTEGER_MAX))
}

/// A bound instant.
pub fn time(value: Timestamp) -> Value {
    int(value.0)
}

/// A bound text.
pub fn text(value: impl Into<String>) -> Value {
    Value::String(value.into())
}

/// A row read back, column by column.
pub struct Columns {
    values: std::vec::IntoIter<Value>,
}

impl Columns {
    /// The next column as an integer; zero for anything else.
    pub fn int(&mut self) -> i64 {
        match self.values.next() {
            Some(Value::Integer(value)) => value,
            Some(Value::Float(value)) => value as i64,
            _ => 0,
        }
    }
    /// The next column as an unsigned integer.
    pub fn uint(&mut self) -> u64 {
        u64::try_from(self.int()).unwrap_or(0)
    }
    /// The next column as an integer, if it is not null.
    pub fn optional_int(&mut self) -> Option<i64> {
        match self.values.next() {
            Some(Value::Integer(value)) => Some(value),
            Some(Value::Float(value)) => Some(value as i64),
            _ => None,
        }
    }
    /// The next column as text; empty for anything else.
    pub fn text(&mut self) -> String {
        self.optional_text().unwrap_or_default()
    }
    /// The next column as text, if it is not null.
    pub fn optional_text(&mut self) -> Option<String> {
        match self.values.next() {
            Some(Value::String(value)) => Some(value),
            _ => None,
        }
    }
    /// The next column as bytes; empty for anything else.
    pub fn blob(&mut self) -> Vec<u8> {
        match self.values.next() {
            Some(Value::Blob(value)) => value,
            _ => Vec::new(),
        }
    }
}

impl Sql {
    /// The SQLite of this storage.
    pub fn new(storage: &Storage) -> Self {
        Self {
            inner: storage.sql(),
            rows_written: Cell::new(0),
            #[cfg(feature = "fault-injection")]
            fails_in: Cell::new(None),
        }
    }

    /// Runs a statement that returns nothing.
    pub fn run(&self, doing: &'static str, statement: &str, values: Vec<Value>) -> Result<(), Fault> {
        #[cfg(feature = "fault-injection")]
        if let Some(left) = self.fails_in.take() {
            if left == 0 {
                return Err(Fault::new(doing, "fault injected: this statement was asked to fail"));
            }
            self.fails_in.set(Some(left - 1));
        }
        let cursor = self.inner.exec(statement, values).map_err(|error| Fault::new(doing, error))?;
        self.rows_written.set(self.rows_written.get() + cursor.rows_written() as u64);
        Ok(())
    }

    /// Runs a query and hands over row by row; `visit` says whether to go on.
    pub fn each(
        &self,
        doing: &'static str,
        query: &str,
        values: Vec<Value>,
        mut visit: impl FnMut(Columns) -> bool,
    ) -> Result<(), Fault> {
        let cursor = self.inner.exec(query, values).map_err(|error| Fault::new(doing, error))?;
        for row in cursor.raw() {
            let values = row.map_err(|error| Fault::new(doing, error))?.into_iter();
            if !visit(Columns { values }) {
                break;
            }
        }
        Ok(())
    }

    /// Runs a query and gathers what `read` makes of each row.
    pub fn all<T>(
        &self,
        doing: &'static str,
        query: &str,
        values: Vec<Value>,
        mut read: impl FnMut(&mut Columns) -> T,
    ) -> Result<Vec<T>, Fault> {
        let mut rows = Vec::new();
        self.each(doing, query, values, |mut columns| {
            rows.push(read(&mut columns));
            true
        })?;
        Ok(rows)
    }

    /// The bytes of a row of `meta`.
    pub fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        let query = "SELECT value FROM meta WHERE key = ?";
        Ok(self.all("read meta", query, vec![text(key)], Columns::blob)?.into_iter().next())
    }

    /// Writes a row of `meta`.
    pub fn set_meta(&self, key: &str, value: Vec<u8>) -> Result<(), Fault> {
        let statement = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        self.run("write meta", statement, vec![text(key), Value::Blob(value)])
    }

    /// A number in `meta`.
    ///
    /// # Errors
    /// What stands there is no number. It is not taken for none: whoever forgot how far the journal is folded would count
    /// all of it twice.
    pub fn meta_number(&self, key: &str) -> Result<Option<u64>, Fault> {
        let Some(bytes) = self.meta(key)? else { return Ok(None) };
        let number = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
        number.map(Some).ok_or_else(|| Fault::new("read meta", format!("{key} is not a number")))
    }

    /// Writes a number into `meta`.
    pub fn set_meta_number(&self, key: &str, value: u64) -> Result<(), Fault> {
        self.set_meta(key, value.to_string().into_bytes())
    }

    /// What comes back of values that the binding is known to bend, through the table that keeps our numbers whole.
    #[cfg(feature = "fault-injection")]
    pub fn traps(&self) -> Result<Vec<(String, String)>, Fault> {
        let doing = "try the traps";
        self.run(doing, "CREATE TABLE trap (number INTEGER, words TEXT, bytes BLOB) STRICT", vec![])?;
        let values = vec![
            (int(5), text("a\0b \u{1F600}"), Value::Blob(vec![0, 255])),
            (int(SAFE_INTEGER_MAX), text("5"), Value::Blob(vec![])),
            (int(i64::MIN), text(""), Value::Blob(vec![0; 4])),
        ];
        for (number, words, bytes) in values {
            self.run(doing, "INSERT INTO trap VALUES (?, ?, ?)", vec![number, words, bytes])?;
        }
        let query = "SELECT typeof(number), number, typeof(words), words, typeof(bytes), bytes FROM trap";
        let read = self.all(doing, query, vec![], |row| {
            let types = (row.text(), row.int(), row.text(), row.text(), row.text(), row.blob());
            (format!("{} {} {}", types.0, types.2, types.4), format!("{} {:?} {:?}", types.1, types.3, types.5))
        })?;
        self.run(doing, "DROP TABLE trap", vec![])?;
        Ok(read)
    }

    /// Rows written since this instance started.
    pub fn rows_written(&self) -> u64 {
        self.rows_written.get()
    }

    /// Bytes of the database.
    pub fn database_bytes(&self) -> u64 {
        self.inner.database_size() as u64
    }

    /// Brings the schema up to date: `migrations` in order, each once. Old ones stay for good, since objects migrate
    /// when they next wake, which may be years later. A database of a later build is left as it is: its tables may only
    /// have grown.
    pub fn migrate(&self, migrations: &[&str]) -> Result<(), Fault> {
        let doing = "migrate";
        let query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'meta'";
        let is_new = self.all(doing, query, vec![], Columns::int)?.first() == Some(&0);
        let done = if is_new { 0 } else { self.meta_number("schema_version")?.unwrap_or(0) };
        for (index, migration) in migrations.iter().enumerate().skip(done as usize) {
            self.run(doing, migration, vec![])?;
            self.set_meta_number("schema_version", index as u64 + 1)?;
        }
        Ok(())
    }
}
