//! Our own telemetry: one line of JSON for what an operator should know. It never flows through our own ingest, and it
//! never carries text of records or secrets.

use std::fmt::{Display, Write};

/// Writes one internal event: a noun and a past verb (`RowsDamaged`), with its fields.
pub fn report(event: &str, fields: &[(&str, &dyn Display)]) {
    let line = line(event, fields);
    #[cfg(target_arch = "wasm32")]
    worker::console_log!("{line}");
    #[cfg(not(target_arch = "wasm32"))]
    drop(line);
}

fn line(event: &str, fields: &[(&str, &dyn Display)]) -> String {
    let mut line = format!("{{\"event\":\"{event}\"");
    for (name, value) in fields {
        let value = serde_json::Value::String(value.to_string());
        // Writing into a String cannot fail.
        let _infallible = write!(line, ",\"{name}\":{value}");
    }
    line.push('}');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_of_json_whatever_its_values() {
        let line = line("RowsDamaged", &[("error", &"a \"b\"\nc"), ("count", &3)]);
        assert_eq!(line, r#"{"event":"RowsDamaged","error":"a \"b\"\nc","count":"3"}"#);
        report("Nothing", &[]);
    }
}
