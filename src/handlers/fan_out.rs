//! Asking many objects at once: a few at a time, under one deadline, and saying openly which did not answer.

use super::{Call, Refusal, bound_component};
use crate::edge::domain_view;
use crate::monitoring::report;
use crate::processors::calls::{ComponentEntry, StreamAddress};
use crate::processors::stubs::{CallError, Stubs};
use futures::future::{Either, select};
use futures::{StreamExt, stream};
use sapwood_wire::problem::{Problem, ProblemCode};
use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

/// Objects asked at once. The platform lets six connections wait for an answer; one is left for everything else.
const CALLS_AT_ONCE: usize = 5;

/// What came of asking.
#[derive(Debug, PartialEq)]
pub struct Gathered<T> {
    /// Who answered what, by component and shard.
    pub answers: Vec<(ComponentEntry, T)>,
    /// Components that did not answer, whole or in part.
    pub failed: Vec<String>,
}

impl<T> Gathered<T> {
    /// Components that did not answer, or whose answer is only a part.
    pub fn incomplete(&self, is_part: impl Fn(&T) -> bool) -> Vec<String> {
        let parts = self.answers.iter().filter(|(_, answer)| is_part(answer)).map(|(entry, _)| &entry.component);
        let all: BTreeSet<&String> = parts.chain(&self.failed).collect();
        all.into_iter().cloned().collect()
    }

    /// Names components that did not answer another question, each once.
    pub fn add_failed(&mut self, more: Vec<String>) {
        self.failed.extend(more);
        self.failed.sort();
        self.failed.dedup();
    }
}

/// Asks each target, until all have answered or `deadline` is done.
pub async fn gather<T, F>(
    targets: Vec<ComponentEntry>,
    ask: impl Fn(&ComponentEntry) -> F,
    deadline: impl Future<Output = ()>,
) -> Gathered<T>
where
    F: Future<Output = Result<T, CallError>>,
{
    let mut missing: BTreeSet<(String, u16)> =
        targets.iter().map(|target| (target.component.clone(), target.shard)).collect();
    let asked = targets.into_iter().map(|target| {
        let answer = ask(&target);
        async move { (target, answer.await) }
    });
    let mut running = pin!(stream::iter(asked).buffer_unordered(CALLS_AT_ONCE));
    let mut deadline = pin!(deadline);
    let mut answers = Vec::new();
    loop {
        match select(running.next(), deadline.as_mut()).await {
            Either::Left((None, _)) | Either::Right(_) => break,
            Either::Left((Some((target, Ok(answer))), _)) => {
                missing.remove(&(target.component.clone(), target.shard));
                answers.push((target, answer));
            }
            Either::Left((Some((target, Err(error))), _)) => {
                report("ObjectNotRead", &[("component", &target.component), ("error", &error)]);
            }
        }
    }
    answers.sort_by(|(left, _), (right, _)| (&left.component, left.shard).cmp(&(&right.component, right.shard)));
    let mut failed: Vec<String> = missing.into_iter().map(|(component, _)| component).collect();
    failed.dedup();
    Gathered { answers, failed }
}

/// The objects among `known` that a question about `wanted` components (none: all) goes to, if the caller is not bound
/// to another component.
///
/// # Errors
/// 403 if a component is named that the caller may not see.
pub fn targets(
    known: &[ComponentEntry],
    wanted: &[String],
    bound: Option<&str>,
) -> Result<Vec<ComponentEntry>, Refusal> {
    if let Some(bound) = bound
        && wanted.iter().any(|component| component != bound)
    {
        let detail = format!("this key is bound to the component {bound}");
        return Err(Problem::new(ProblemCode::ForbiddenComponent, detail).into());
    }
    let is_meant = |entry: &&ComponentEntry| {
        bound.is_none_or(|bound| bound == entry.component) && (wanted.is_empty() || wanted.contains(&entry.component))
    };
    Ok(known.iter().filter(is_meant).cloned().collect())
}

/// The objects of the caller's domain that a question about these components (none: all) goes to.
///
/// # Errors
/// The directory cannot be read, the key was revoked, or a component is named that the caller may not see.
pub async fn asked(call: &Call<'_>, wanted: &[String]) -> Result<Vec<ComponentEntry>, Refusal> {
    let (directory, _) = domain_view::directory(call).await?;
    targets(&directory.components, wanted, bound_component(&call.principal))
}

/// Asks the objects of the caller's domain, within the deadline of searches.
///
/// # Errors
/// As [`asked`].
pub async fn ask_objects<'a, T, F>(
    call: &'a Call<'_>,
    wanted: &[String],
    ask: impl Fn(Stubs<'a>, StreamAddress) -> F,
) -> Result<Gathered<T>, Refusal>
where
    F: Future<Output = Result<T, CallError>>,
{
    Ok(ask_these(call, asked(call, wanted).await?, ask).await)
}

/// As [`ask_objects`], for objects that are known already.
pub async fn ask_these<'a, T, F>(
    call: &'a Call<'_>,
    targets: Vec<ComponentEntry>,
    ask: impl Fn(Stubs<'a>, StreamAddress) -> F,
) -> Gathered<T>
where
    F: Future<Output = Result<T, CallError>>,
{
    let limit = call.config.search_deadline();
    let ask_one = |entry: &ComponentEntry| {
        let address =
            StreamAddress { domain: call.domain().to_owned(), component: entry.component.clone(), shard: entry.shard };
        ask(Stubs::new(call.env, limit), address)
    };
    let deadline = worker::Delay::from(Duration::from_millis(limit.0.max(1).unsigned_abs()));
    gather(targets, ask_one, deadline).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::cell::Cell;
    use std::future::{pending, ready};

    fn entry(component: &str, shard: u16) -> ComponentEntry {
        ComponentEntry { component: component.into(), shard, registered_at_ms: 0 }
    }

    #[test]
    fn answers_come_in_order_and_failures_are_named_once() {
        let known = vec![entry("b", 0), entry("a", 1), entry("a", 0), entry("c", 0), entry("c", 1)];
        let ask = |entry: &ComponentEntry| {
            ready(if entry.component == "c" { Err(CallError::Timeout) } else { Ok(entry.shard) })
        };
        let gathered = gather(known, ask, pending()).now_or_never().unwrap();
        let answers: Vec<_> = gathered.answers.iter().map(|(entry, answer)| (&*entry.component, *answer)).collect();
        assert_eq!(answers, [("a", 0), ("a", 1), ("b", 0)]);
        assert_eq!(gathered.failed, ["c"]);
    }

    #[test]
    fn the_deadline_keeps_what_has_come_and_names_the_rest() {
        let known = vec![entry("a", 0), entry("slow", 0), entry("b", 0)];
        let ask = |entry: &ComponentEntry| {
            let is_slow = entry.component == "slow";
            async move { if is_slow { pending().await } else { Ok(1) } }
        };
        let gathered = gather(known, ask, ready(())).now_or_never().unwrap();
        assert_eq!((gathered.answers.len(), gathered.failed), (2, vec!["slow".to_owned()]));
    }

    #[test]
    fn at_most_five_are_asked_at_once() {
        let known: Vec<_> = (0..20).map(|number| entry(&format!("c{number}"), 0)).collect();
        let running = Cell::new(0);
        let ask = |_: &ComponentEntry| {
            let running = &running;
            async move {
                running.set(running.get() + 1);
                pending::<Result<(), CallError>>().await
            }
        };
        let gathered = gather(known, ask, ready(())).now_or_never().unwrap();
        assert_eq!((running.get(), gathered.failed.len()), (CALLS_AT_ONCE, 20));
    }

    #[test]
    fn only_what_is_meant_and_allowed_is_asked() {
        let known = vec![entry("a", 0), entry("b", 0), entry("b", 1)];
        let names = |wanted: &[&str], bound| {
            let wanted: Vec<_> = wanted.iter().map(|name| (*name).to_owned()).collect();
            targets(&known, &wanted, bound).map(|found| found.len())
        };
        assert_eq!(names(&[], None), Ok(3));
        assert_eq!(names(&["b"], None), Ok(2));
        assert_eq!(names(&["nowhere"], None), Ok(0));
        assert_eq!(names(&[], Some("a")), Ok(1));
        assert_eq!(names(&["a"], Some("a")), Ok(1));
        assert!(names(&["a", "b"], Some("a")).is_err());
    }
}
