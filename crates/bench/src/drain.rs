//! Drain, as a baseline to measure the pattern miner beside: Pinjia He et al., "Drain: An Online Log Parsing Approach
//! with Fixed Depth Tree", ICWS 2017, doi:10.1109/ICWS.2017.13, with the settings that its users start with: depth 4,
//! similarity 0.4, at most 100 children.
//!
//! A line is split at white space. The tree's first level is the number of tokens, the next ones are the first tokens
//! (one with a digit counts as `<*>`, and so does what comes when a node is full); a leaf holds groups, of which the one
//! with the largest share of equal tokens takes the line if that share reaches the threshold. A group's template keeps
//! the tokens that all its lines share.
//!
//! A faithful port, not a product: hash maps as in the original, unbounded, no counts beyond a group's own, and with
//! the masking of numbers that is usual before it as a choice.

use std::collections::HashMap;

const LEVELS_OF_TOKENS: usize = 4 - 2;
const SIMILARITY: f64 = 0.4;
const CHILDREN_MAX: usize = 100;
const WILDCARD: &str = "<*>";

/// Lines with one template.
#[derive(Debug)]
pub struct Group {
    /// Tokens, of which those that vary are `<*>`.
    pub template: Vec<String>,
    /// Lines.
    pub count: u64,
}

#[derive(Debug, Default)]
struct Node {
    children: HashMap<String, Node>,
    groups: Vec<usize>,
}

/// The tree with its groups.
#[derive(Debug, Default)]
pub struct Drain {
    by_length: HashMap<usize, Node>,
    groups: Vec<Group>,
    masks: bool,
}

impl Drain {
    /// An empty tree; with `masks`, every run of digits of a line is `<*>` before it is split.
    pub fn new(masks: bool) -> Self {
        Self { masks, ..Self::default() }
    }

    /// All groups, by birth.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The group of a line, after counting it.
    pub fn observe(&mut self, line: &str) -> usize {
        let masked = if self.masks { masked(line) } else { String::new() };
        let tokens: Vec<&str> = if self.masks { &masked } else { line }.split_whitespace().collect();
        let mut node = self.by_length.entry(tokens.len()).or_default();
        for &token in tokens.iter().take(LEVELS_OF_TOKENS) {
            node = descend(node, token);
        }
        let best = node
            .groups
            .iter()
            .filter_map(|&group| Some((group, similarity(&self.groups.get(group)?.template, &tokens))))
            .fold(None, |best: Option<(usize, (f64, usize))>, it| match best {
                Some(known) if known.1 >= it.1 => Some(known),
                _ => Some(it),
            })
            .filter(|(_, (share, _))| *share >= SIMILARITY);
        if let Some((index, _)) = best
            && let Some(group) = self.groups.get_mut(index)
        {
            for (known, &token) in group.template.iter_mut().zip(&tokens) {
                if known != token && known != WILDCARD {
                    known.clear();
                    known.push_str(WILDCARD);
                }
            }
            group.count += 1;
            return index;
        }
        node.groups.push(self.groups.len());
        self.groups.push(Group { template: tokens.iter().map(|&token| token.to_owned()).collect(), count: 1 });
        self.groups.len() - 1
    }
}

fn descend<'a>(node: &'a mut Node, token: &str) -> &'a mut Node {
    let has_digit = token.bytes().any(|byte| byte.is_ascii_digit());
    let is_open = node.children.contains_key(token)
        || !has_digit && node.children.len() + usize::from(!node.children.contains_key(WILDCARD)) < CHILDREN_MAX;
    let key = if is_open { token } else { WILDCARD };
    if !node.children.contains_key(key) {
        node.children.insert(key.to_owned(), Node::default());
    }
    // The entry was made above; the interface of maps has no way to say both without a second key.
    node.children.entry(key.to_owned()).or_default()
}

/// The share of equal tokens, and for equal shares how many places are open.
fn similarity(template: &[String], tokens: &[&str]) -> (f64, usize) {
    let equal = template.iter().zip(tokens).filter(|(known, token)| known == *token).count();
    let open = template.iter().filter(|known| *known == WILDCARD).count();
    let share = if tokens.is_empty() { 1.0 } else { equal as f64 / tokens.len() as f64 };
    (share, open)
}

fn masked(line: &str) -> String {
    let mut masked = String::with_capacity(line.len());
    let mut in_digits = false;
    for letter in line.chars() {
        let is_digit = letter.is_ascii_digit();
        if !is_digit {
            masked.push(letter);
        } else if !in_digits {
            masked.push_str(WILDCARD);
        }
        in_digits = is_digit;
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn templates(drain: &Drain) -> Vec<(String, u64)> {
        drain.groups().iter().map(|group| (group.template.join(" "), group.count)).collect()
    }

    #[test]
    fn lines_of_one_length_and_beginning_meet_where_they_share_enough() {
        let mut drain = Drain::new(false);
        let lines = ["send file a ok", "send file b ok", "send file a", "open door 1 now", "other words stand here"];
        let groups: Vec<usize> = lines.iter().map(|line| drain.observe(line)).collect();
        assert_eq!(groups, [0, 0, 1, 2, 3]);
        assert_eq!(templates(&drain)[0], ("send file <*> ok".to_owned(), 2));
    }

    #[test]
    fn first_tokens_with_digits_and_those_for_which_there_is_no_room_go_one_way() {
        let mut drain = Drain::new(false);
        assert_eq!(drain.observe("7 is the x answer"), drain.observe("8 is the x answer"));
        let first = drain.observe("a0 x y z");
        for number in 0..200 {
            drain.observe(&format!("{} x y z", "q".repeat(number + 1)));
        }
        assert_eq!(drain.observe(&format!("{} x y z", "q".repeat(190))), first);
    }

    #[test]
    fn masks_make_numbers_equal_before_they_are_compared() {
        let mut drain = Drain::new(true);
        drain.observe("took 15ms");
        drain.observe("took 7ms");
        assert_eq!(templates(&drain), [("took <*>ms".to_owned(), 2)]);
    }
}
