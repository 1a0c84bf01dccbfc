//! `DELETE /api/components/{component}`, `DELETE /api/domains/{domain}`, `DELETE /api/logs?user=...`: what is erased from
//! every tier, with a receipt; `GET /api/erasures` and `/{id}`: the receipts.
//!
//! Only people with an administrator's key for the whole domain, and only who says twice what is to go: `confirm` repeats
//! the name. `dry_run=true` needs no confirmation, counts what the objects hold, and changes nothing.

use super::fan_out::{Gathered, ask_objects};
use super::lists::parameter_error;
use super::whole::together;
use super::{Answer, Call, Outcome, Refusal, invalid_query, json, require_whole_domain};
use crate::edge::domain_view;
use crate::edge::random;
use crate::processors::calls::{
    EraseCall, EraseUserCall, ErasureAnswer, ErasureCall, ReceiptView, ScopeView, SentView,
};
use sapwood_engine::limits::COMPONENT_BYTES_MAX;
use sapwood_engine::machine::erasure::{Counts, Sent, add_counts};
use sapwood_wire::problem::{Problem, ProblemCode};
use sapwood_wire::reply::FieldError;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Bytes of the longest name of a user.
const USER_BYTES_MAX: usize = 512;
/// Random bytes of an erasure's id.
const ID_BYTES: usize = 8;
/// Slices that a dry run counts of one object; a larger one is said to be counted in part.
const DRY_SLICES_MAX: usize = 50;

/// What is said beside the name.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    confirm: Option<String>,
    is_dry_run: bool,
    user: Option<String>,
    component: Option<String>,
}

/// What would go.
#[derive(Debug, Serialize)]
struct DryRun {
    dry_run: bool,
    erases: String,
    /// Of the objects, by name.
    records: u64,
    components: Vec<Counted>,
    /// Whether all of it was counted.
    complete: bool,
    partial: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_components: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Counted {
    component: String,
    held: Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_to_data_service: Option<SentView>,
}

#[derive(Serialize)]
struct Receipts {
    erasures: Vec<ReceiptView>,
}

/// What an object holds: its counts, what was sent, and whether that is all.
type Held = (Counts, SentView, bool);

/// Erases a component.
pub async fn component(call: &Call<'_>, name: &str) -> Outcome {
    require_whole_domain(&call.principal)?;
    let wanted = read(&call.head.query(), false).map_err(invalid_query)?;
    if wanted.is_dry_run {
        let (directory, _) = domain_view::directory(call).await?;
        if !directory.components.iter().any(|entry| entry.component == name) {
            return Err(unknown(&format!("the domain has no component {name}")));
        }
        return count_whole(call, &[name.to_owned()], format!("component {name}")).await;
    }
    confirmed(&wanted, name).map_err(invalid_query)?;
    start(call, ScopeView::Component(name.to_owned())).await
}

/// Erases the caller's domain.
pub async fn domain(call: &Call<'_>, name: &str) -> Outcome {
    require_whole_domain(&call.principal)?;
    if name != call.domain() {
        let detail = format!("this key belongs to {}", call.domain());
        return Err(Problem::new(ProblemCode::ForbiddenDomain, detail).into());
    }
    let wanted = read(&call.head.query(), false).map_err(invalid_query)?;
    if wanted.is_dry_run {
        return count_whole(call, &[], "the domain".to_owned()).await;
    }
    confirmed(&wanted, name).map_err(invalid_query)?;
    start(call, ScopeView::Domain).await
}

/// Erases what one user left behind.
pub async fn user(call: &Call<'_>) -> Outcome {
    require_whole_domain(&call.principal)?;
    let wanted = read(&call.head.query(), true).map_err(invalid_query)?;
    let user = wanted.user.clone().unwrap_or_default();
    let fingerprint = fingerprint(call.domain(), &user);
    if wanted.is_dry_run {
        let components: Vec<String> = wanted.component.into_iter().collect();
        return count_user(call, &components, &user, format!("user {fingerprint}")).await;
    }
    confirmed(&wanted, &user).map_err(invalid_query)?;
    start(call, ScopeView::User { user, fingerprint, component: wanted.component }).await
}

/// All receipts, newest first.
pub async fn list(call: &Call<'_>) -> Outcome {
    require_whole_domain(&call.principal)?;
    domain_view::directory(call).await?;
    let erasures = call.stubs().erasures(call.domain()).await?;
    Ok(Answer::Json(json(&Receipts { erasures })?))
}

/// One receipt.
pub async fn one(call: &Call<'_>, id: &str) -> Outcome {
    require_whole_domain(&call.principal)?;
    domain_view::directory(call).await?;
    let erasures = call.stubs().erasures(call.domain()).await?;
    let receipt = erasures.iter().find(|receipt| receipt.id == id);
    let receipt = receipt.ok_or_else(|| unknown("no erasure has this id"))?;
    Ok(Answer::Json(json(receipt)?))
}

async fn start(call: &Call<'_>, scope: ScopeView) -> Outcome {
    domain_view::directory(call).await?;
    let bytes = random::bytes::<ID_BYTES>().ok_or_else(|| Refusal::from(Problem::new(ProblemCode::Internal, "")))?;
    let id = format!("er_{}", hex(&bytes));
    let what = match &scope {
        ScopeView::Component(name) => format!("the domain has no component {name}"),
        ScopeView::Domain | ScopeView::User { .. } => "the domain has no such component".to_owned(),
    };
    let answer = call.stubs().start_erasure(call.domain(), &call.actor(), &ErasureCall { id, scope }).await?;
    domain_view::publish_anew(call).await;
    match answer {
        ErasureAnswer::Receipt(receipt) if receipt.state == "finished" => Ok(Answer::Json(json(&receipt)?)),
        ErasureAnswer::Receipt(receipt) => Ok(Answer::Accepted(json(&receipt)?)),
        ErasureAnswer::Unknown => Err(unknown(&what)),
        ErasureAnswer::NoRoom => {
            let detail = "as many erasures are under way as may be: come again when one is finished";
            Err(Problem::new(ProblemCode::Overloaded, detail).with_retry_after(60).into())
        }
    }
}

fn unknown(detail: &str) -> Refusal {
    Problem::new(ProblemCode::NotFound, detail).into()
}

async fn count_whole(call: &Call<'_>, components: &[String], what: String) -> Outcome {
    let gathered = ask_objects(call, components, |stubs, address| async move {
        let answer = stubs.erase(&EraseCall { address, version: u64::MAX, is_dry_run: true }).await?;
        Ok((answer.counts, answer.sent, true))
    })
    .await?;
    Ok(Answer::Json(json(&dry(gathered, what))?))
}

async fn count_user(call: &Call<'_>, components: &[String], user: &str, what: String) -> Outcome {
    let gathered = ask_objects(call, components, |stubs, address| async move {
        let (mut counts, mut sent) = (Counts::new(), Sent::default());
        let (erasure, user) = (String::new(), user.to_owned());
        let mut asked = EraseUserCall { address, erasure, user, cursor: 0, is_dry_run: true };
        for _ in 0..DRY_SLICES_MAX {
            let slice = stubs.erase_user(&asked).await?;
            add_counts(&mut counts, &slice.counts);
            sent.add(slice.sent.into());
            asked.cursor = slice.cursor;
            if slice.is_done {
                return Ok((counts, sent.into(), true));
            }
        }
        Ok((counts, sent.into(), false))
    })
    .await?;
    Ok(Answer::Json(json(&dry(gathered, what))?))
}

fn dry(gathered: Gathered<Held>, erases: String) -> DryRun {
    let complete = gathered.failed.is_empty() && gathered.answers.iter().all(|(_, (_, _, is_all))| *is_all);
    let add = |(held, sent, _): &mut Held, (more_held, more_sent, _): Held| {
        add_counts(held, &more_held);
        let mut sum = Sent::from(*sent);
        sum.add(more_sent.into());
        *sent = sum.into();
    };
    let components: Vec<Counted> = together(gathered.answers, add)
        .into_iter()
        .map(|(entry, (held, sent, _))| Counted {
            component: entry.component,
            held,
            sent_to_data_service: Some(sent).filter(|sent| sent.records > 0),
        })
        .collect();
    DryRun {
        dry_run: true,
        erases,
        records: components.iter().filter_map(|one| one.held.get("records")).sum(),
        components,
        complete,
        partial: !gathered.failed.is_empty(),
        failed_components: gathered.failed,
    }
}

fn read(query: &[(String, String)], is_user: bool) -> Result<Wanted, Vec<FieldError>> {
    let (mut wanted, mut errors) = (Wanted::default(), Vec::new());
    for (name, value) in query {
        let mut refuse = |detail: &str| errors.push(parameter_error(name, "invalid_value", detail.to_owned()));
        match name.as_str() {
            "confirm" => wanted.confirm = Some(value.clone()),
            "dry_run" => match value.as_str() {
                "true" | "1" => wanted.is_dry_run = true,
                "false" | "0" => wanted.is_dry_run = false,
                _ => refuse("true or false is expected"),
            },
            "user" if is_user && value.is_empty() => refuse("the user's name, as records have it, is expected"),
            "user" if is_user && value.len() > USER_BYTES_MAX => refuse("no record has so long a name of a user"),
            "user" if is_user => wanted.user = Some(value.clone()),
            "component" if is_user && value.len() > COMPONENT_BYTES_MAX => refuse("no component has so long a name"),
            "component" if is_user => wanted.component = Some(value.clone()),
            _ => {
                let accepted = if is_user { "user, component, confirm, dry_run" } else { "confirm, dry_run" };
                errors.push(parameter_error(name, "unknown_parameter", format!("accepted are {accepted}")));
            }
        }
    }
    if is_user && wanted.user.is_none() && errors.is_empty() {
        let detail = "say whose records are to go: user=NAME".to_owned();
        errors.push(parameter_error("user", "missing_parameter", detail));
    }
    if errors.is_empty() { Ok(wanted) } else { Err(errors) }
}

/// Whether somebody said twice what is to go.
fn confirmed(wanted: &Wanted, name: &str) -> Result<(), Vec<FieldError>> {
    let (code, detail) = match &wanted.confirm {
        Some(said) if said == name => return Ok(()),
        Some(_) => ("invalid_value", "this is not the name of what is to be erased"),
        None => ("missing_parameter", "erasing cannot be undone: repeat the name of what is to go in confirm"),
    };
    Err(vec![parameter_error("confirm", code, detail.to_owned())])
}

/// What a receipt calls a user: enough to recognize whom it is about, for whoever knows the name.
fn fingerprint(domain: &str, user: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(domain.as_bytes());
    hash.update([0]);
    hash.update(user.as_bytes());
    format!("sha256:{}", hex(hash.finalize().get(..ID_BYTES).unwrap_or_default()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processors::calls::ComponentEntry;

    fn asked(query: &[(&str, &str)], is_user: bool) -> Result<Wanted, Vec<String>> {
        let query: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        read(&query, is_user).map_err(|errors| errors.into_iter().filter_map(|error| error.parameter).collect())
    }

    #[test]
    fn the_name_has_to_be_said_twice() {
        let check = |query: &[(&str, &str)]| confirmed(&asked(query, false).unwrap(), "cart").is_ok();
        assert!(check(&[("confirm", "cart")]));
        assert!(!check(&[("confirm", "Cart")]) && !check(&[("confirm", "true")]) && !check(&[]));
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let bad = [("dry_run", "maybe"), ("user", ""), ("x", "1")];
        assert_eq!(asked(&bad, true), Err(["dry_run", "user", "x"].map(str::to_owned).to_vec()));
        assert_eq!(asked(&[("user", "bob")], false), Err(vec!["user".to_owned()]));
        assert_eq!(asked(&[], true), Err(vec!["user".to_owned()]));
        let long = "x".repeat(USER_BYTES_MAX + 1);
        assert_eq!(asked(&[("user", &long)], true), Err(vec!["user".to_owned()]));
        let wanted = asked(&[("user", "bob"), ("component", "cart"), ("dry_run", "1")], true).unwrap();
        assert_eq!((wanted.user.as_deref(), wanted.component.as_deref()), (Some("bob"), Some("cart")));
        assert!(wanted.is_dry_run && wanted.confirm.is_none());
    }

    #[test]
    fn a_fingerprint_is_of_one_user_in_one_domain() {
        let bob = fingerprint("a.example", "bob");
        assert!(bob.starts_with("sha256:") && bob.len() == 23 && !bob.contains("bob"), "{bob}");
        assert_ne!(bob, fingerprint("b.example", "bob"));
        assert_ne!(bob, fingerprint("a.example", "eve"));
        assert_eq!(bob, fingerprint("a.example", "bob"));
    }

    #[test]
    fn a_dry_run_counts_the_shards_of_a_component_as_one() {
        let shard = |shard, records, last| {
            let entry = ComponentEntry { component: "a".into(), shard, registered_at_ms: 0 };
            let sent = SentView { records: 1, first_received_at_ms: Some(last - 1), last_received_at_ms: Some(last) };
            (entry, (Counts::from([("records".to_owned(), records)]), sent, true))
        };
        let whole = dry(Gathered { answers: vec![shard(0, 2, 5), shard(1, 3, 9)], failed: vec![] }, "a".into());
        assert_eq!((whole.components.len(), whole.records, whole.components[0].held["records"]), (1, 5, 5));
        let sent = SentView { records: 2, first_received_at_ms: Some(4), last_received_at_ms: Some(9) };
        assert_eq!(whole.components[0].sent_to_data_service, Some(sent));
    }

    #[test]
    fn a_dry_run_says_what_it_did_not_see() {
        let entry = |name: &str| ComponentEntry { component: name.into(), shard: 0, registered_at_ms: 0 };
        let held = |records, is_all| (Counts::from([("records".to_owned(), records)]), SentView::default(), is_all);
        let answers = vec![(entry("a"), held(2, true)), (entry("b"), held(3, true))];
        let all = dry(Gathered { answers: answers.clone(), failed: vec![] }, "the domain".into());
        assert!(all.complete && !all.partial && all.records == 5);
        assert!(dry(Gathered { answers, failed: vec!["c".into()] }, String::new()).partial);
        assert!(!dry(Gathered { answers: vec![(entry("a"), held(2, false))], failed: vec![] }, String::new()).complete);
    }
}
