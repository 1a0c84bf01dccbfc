//! From a message to its template: words stay, what varies becomes `<*>`.
//!
//! A chunk between white space is split at the delimiters that people put around values; a piece with a digit in it, a
//! hex run, an address, a path with a variable part or a quoted text is a variable. Runs of variables that touch
//! (`<*>,<*>` or `<*> <*>`) are one, so that the length of a list does not make a new shape.

use crate::limits;

/// How a variable is shown.
pub(super) const VARIABLE: &str = "<*>";

/// The template of a message, at most [`limits::TEMPLATE_BYTES_MAX`] bytes.
pub fn template_of(message: &str) -> String {
    let mut template = String::with_capacity(message.len().min(limits::TEMPLATE_BYTES_MAX));
    let mut tokens = 0usize;
    for chunk in message.split_whitespace() {
        tokens += 1;
        if tokens > limits::PATTERN_TOKENS_MAX || template.len() + chunk.len() > limits::TEMPLATE_BYTES_MAX {
            push_variable(&mut template, true);
            break;
        }
        push_chunk(&mut template, chunk);
    }
    template
}

/// Appends a variable, unless the template already ends with one.
fn push_variable(template: &mut String, after_space: bool) {
    let body = template.trim_end_matches([',', ' ', ';', '|']);
    if body.ends_with(VARIABLE) {
        template.truncate(body.len());
        return;
    }
    if after_space && !template.is_empty() && !template.ends_with(' ') {
        template.push(' ');
    }
    template.push_str(VARIABLE);
}

fn push_chunk(template: &mut String, chunk: &str) {
    let mut first = true;
    let mut rest = chunk;
    while !rest.is_empty() {
        let end = rest.find(is_delimiter).unwrap_or(rest.len());
        let (piece, tail) = rest.split_at(end);
        if !piece.is_empty() {
            if is_variable(piece) {
                push_variable(template, first);
            } else {
                push_word(template, piece, first);
            }
            first = false;
        }
        let Some(delimiter) = tail.chars().next() else { break };
        // A delimiter right behind a variable that ends the chunk's piece stays, so `a=<*>,` and `a=<*>` differ only
        // where the text differs.
        push_word(template, tail.get(..delimiter.len_utf8()).unwrap_or_default(), first);
        first = false;
        rest = tail.get(delimiter.len_utf8()..).unwrap_or_default();
    }
}

fn push_word(template: &mut String, word: &str, after_space: bool) {
    if after_space && !template.is_empty() {
        template.push(' ');
    }
    template.push_str(word);
}

fn is_delimiter(c: char) -> bool {
    matches!(c, '=' | ',' | ';' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '"' | '\'' | '|')
}

/// Whether a piece varies from line to line: it holds a digit, or is a path or an address.
fn is_variable(piece: &str) -> bool {
    piece.bytes().any(|byte| byte.is_ascii_digit())
        || piece.starts_with('/') && piece.len() > 1
        || piece.contains("://")
        || piece.contains('@') && piece.contains('.')
        || (piece.len() >= 8 && piece.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(message: &str, expected: &str) {
        assert_eq!(template_of(message), expected, "{message}");
    }

    #[test]
    fn values_become_variables_and_words_stay() {
        check("payment failed for order 17", "payment failed for order <*>");
        check("user=alice id=42 ok", "user=alice id=<*> ok");
        check("Connection from 10.0.0.1:22 closed", "Connection from <*> closed");
        check("open /var/log/a.log failed", "open <*> failed");
        check("mail to bob@example.com sent", "mail to <*> sent");
        check("block blk_38865049064139660 terminating", "block <*> terminating");
    }

    #[test]
    fn the_length_of_a_list_makes_no_new_shape() {
        check("sizes 1, 2, 3 done", "sizes <*> done");
        check("sizes 1 2 3 4 5 done", "sizes <*> done");
        check("ids [1,2] ok", "ids [<*>] ok");
    }

    #[test]
    fn odd_input_has_a_template_too() {
        check("", "");
        check("   ", "");
        check("日本語のログ", "日本語のログ");
        check("=", "=");
        assert!(template_of(&"x ".repeat(100_000)).len() <= limits::TEMPLATE_BYTES_MAX + 8);
        assert!(template_of(&"x".repeat(100_000)).len() <= limits::TEMPLATE_BYTES_MAX + 8);
    }

    proptest! {
        #[test]
        fn the_template_of_a_template_is_itself_bounded_and_deterministic(message in ".{0,200}") {
            let template = template_of(&message);
            prop_assert!(template.len() <= limits::TEMPLATE_BYTES_MAX + 8);
            prop_assert_eq!(template_of(&message), template);
        }
    }
}
