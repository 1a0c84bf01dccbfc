//! Where in the system a record comes from, and whether it tells of an error or an exception.

use super::notes::Notes;
use super::severity;
use super::vocabulary::Meaning;
use super::words::Words;
use crate::level::{Level, LevelClass};
use crate::record::{ErrorType, Frame, Source};
use crate::value::Value;

/// A source as given; an unusable one stays visible as an attribute.
pub(crate) fn given(sent: Option<String>, notes: &mut Notes) -> Option<Source> {
    let word = notes.field(sent)?;
    let source = Source::from_word(&word).or_else(|| match word.to_ascii_lowercase().as_str() {
        "frontend" | "front-end" | "browser" | "client" | "web" => Some(Source::Ui),
        "server" | "back-end" | "database" => Some(Source::Backend),
        "business" => Some(Source::Logic),
        "third-party" | "third_party" | "thirdparty" => Some(Source::External),
        _ => None,
    });
    if source.is_none() {
        notes.ignore("source", Value::Text(word));
    }
    source
}

/// The source that words or, failing them, the stack speak for.
pub(crate) fn derive(words: &Words, frames: &[Frame]) -> Option<Source> {
    const ORDER: [(Meaning, Source); 4] = [
        (Meaning::FROM_UI, Source::Ui),
        (Meaning::FROM_BACKEND, Source::Backend),
        (Meaning::FROM_LOGIC, Source::Logic),
        (Meaning::FROM_EXTERNAL, Source::External),
    ];
    let said = ORDER.into_iter().find(|(meaning, _)| words.meaning.has(*meaning)).map(|(_, source)| source);
    said.or_else(|| frames.iter().find_map(|frame| of_file(frame.file.as_deref()?)))
}

/// The side on which a file runs, as far as its name says so. A script without an address may run on either side.
fn of_file(file: &str) -> Option<Source> {
    let ends = |list: &[&str]| list.iter().any(|ending| file.ends_with(ending));
    let is_page = file.starts_with("http://") || file.starts_with("https://") || file.starts_with("webpack");
    if is_page || ends(&[".jsx", ".tsx", ".vue", ".svelte"]) {
        return Some(Source::Ui);
    }
    let is_server = file.starts_with("node:") || ends(&[".py", ".java", ".kt", ".rs", ".go", ".php", ".rb", ".cs"]);
    is_server.then_some(Source::Backend)
}

/// An error type as given. A class name (`TypeError`) is an exception, and stays visible as an attribute.
pub(crate) fn given_error_type(sent: Option<String>, notes: &mut Notes) -> Option<ErrorType> {
    let word = notes.field(sent)?;
    let known = ErrorType::from_word(&word).or_else(|| match word.to_ascii_lowercase().as_str() {
        "warn" => Some(ErrorType::Warning),
        "err" => Some(ErrorType::Error),
        "fatal" | "critical" => Some(ErrorType::Exception),
        "debug" | "trace" | "notice" => Some(ErrorType::Info),
        _ => None,
    });
    if known.is_some() {
        return known;
    }
    let is_class = severity::names_a_throwable(&format!("{word}:"));
    notes.ignore("error_type", Value::Text(word));
    is_class.then_some(ErrorType::Exception)
}

/// Error or exception: fatal records, and errors with a stack, with the name of a thrown class at their head, or with
/// words that say that something was thrown, are exceptions.
pub(crate) fn derive_error_type(level: Level, has_stack: bool, words: &Words, message: &str) -> ErrorType {
    let thrown = || {
        let head = message.split(' ').next().unwrap_or_default();
        has_stack || words.meaning.has(Meaning::THROWN) || severity::names_a_throwable(head)
    };
    match level.class() {
        LevelClass::Fatal => ErrorType::Exception,
        LevelClass::Error if thrown() => ErrorType::Exception,
        LevelClass::Error => ErrorType::Error,
        LevelClass::Warn => ErrorType::Warning,
        _ => ErrorType::Info,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_source_may_use_another_word() {
        let mut notes = Notes::default();
        for (sent, expected) in [
            ("UI", Some(Source::Ui)),
            ("browser", Some(Source::Ui)),
            ("server", Some(Source::Backend)),
            ("business", Some(Source::Logic)),
            ("third-party", Some(Source::External)),
            ("", None),
        ] {
            assert_eq!(given(Some(sent.into()), &mut notes), expected, "{sent}");
        }
        assert!(notes.aside.is_empty());
        assert_eq!(given(Some("moon".into()), &mut notes), None);
        assert_eq!(notes.aside, [("source".to_string(), Value::Text("moon".into()))]);
    }

    #[test]
    fn words_then_files_tell_the_source() {
        let frame = |file: &str| vec![Frame { file: Some(file.into()), ..Frame::default() }];
        for (message, file, expected) in [
            ("button clicked", "x.py", Some(Source::Ui)),
            ("the build guide", "", None),
            ("queue worker stopped", "", Some(Source::Backend)),
            ("workflow finished", "", Some(Source::Logic)),
            ("third-party quota", "", Some(Source::External)),
            ("x", "https://shop.example/app.js", Some(Source::Ui)),
            ("x", "src/App.tsx", Some(Source::Ui)),
            ("x", "node:internal/process", Some(Source::Backend)),
            ("x", "/srv/app.py", Some(Source::Backend)),
            ("x", "index.js", None),
        ] {
            assert_eq!(derive(&Words::of(message, false), &frame(file)), expected, "{message} {file}");
        }
    }

    #[test]
    fn a_given_error_type_may_be_a_class() {
        let mut notes = Notes::default();
        for (sent, expected) in [
            ("Exception", ErrorType::Exception),
            ("warn", ErrorType::Warning),
            ("err", ErrorType::Error),
            ("fatal", ErrorType::Exception),
            ("debug", ErrorType::Info),
        ] {
            assert_eq!(given_error_type(Some(sent.into()), &mut notes), Some(expected), "{sent}");
        }
        assert!(notes.aside.is_empty());
        assert_eq!(given_error_type(Some("java.io.IOException".into()), &mut notes), Some(ErrorType::Exception));
        assert_eq!(given_error_type(Some("odd".into()), &mut notes), None);
        assert_eq!(notes.aside.len(), 2);
    }

    #[test]
    fn thrown_or_reported() {
        for (level, stack, message, expected) in [
            (Level::FATAL, false, "x", ErrorType::Exception),
            (Level::ERROR, true, "x", ErrorType::Exception),
            (Level::ERROR, false, "NullPointerException in cart", ErrorType::Exception),
            (Level::ERROR, false, "TypeError: x", ErrorType::Exception),
            (Level::ERROR, false, "error thrown by cart", ErrorType::Exception),
            (Level::ERROR, false, "unhandled rejection", ErrorType::Exception),
            (Level::ERROR, false, "payment failed", ErrorType::Error),
            (Level::ERROR, false, "all but one, with the exception of eu, failed", ErrorType::Error),
            (Level::ERROR, false, "failed without exception", ErrorType::Error),
            (Level::ERROR, false, "no unhandled exceptions", ErrorType::Error),
            (Level::ERROR, false, "an exceptional order", ErrorType::Error),
            (Level::WARN, true, "exception", ErrorType::Warning),
            (Level::INFO, false, "exception", ErrorType::Info),
        ] {
            let words = Words::of(message, false);
            assert_eq!(derive_error_type(level, stack, &words, message), expected, "{message}");
        }
    }
}
