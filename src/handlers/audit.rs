//! `GET /api/audit`, and `POST /api/admin/rebuild-d1`.

use super::fan_out::{Gathered, ask_objects};
use super::whole::names;
use super::{Answer, Call, Outcome, json, require_whole_domain};
use crate::edge::domain_view;
use crate::processors::calls::AuditView;
use serde::Serialize;

#[derive(Serialize)]
struct AuditLog {
    entries: Vec<AuditView>,
}

#[derive(Serialize)]
struct Rebuilding {
    components: Vec<String>,
    partial: bool,
    failed_components: Vec<String>,
}

/// Lists what was done to the domain, newest first.
pub async fn audit(call: &Call<'_>) -> Outcome {
    require_whole_domain(&call.principal)?;
    domain_view::directory(call).await?;
    let entries = call.stubs().audit(call.domain()).await?;
    Ok(Answer::Json(json(&AuditLog { entries })?))
}

/// Has every object send all that it has to D1 again, which is how a lost D1 comes back. The objects do so behind the
/// reply; what is there already is overwritten with the same.
pub async fn rebuild_d1(call: &Call<'_>) -> Outcome {
    require_whole_domain(&call.principal)?;
    domain_view::directory(call).await?;
    // Booked first: an action that was carried out and not booked would be the worse mistake.
    call.stubs().book(call.domain(), &call.actor(), "d1.rebuild", "all components").await?;
    let gathered = ask_objects(call, &[], |stubs, address| async move { stubs.rebuild_d1(&address).await }).await?;
    Ok(Answer::Json(json(&rebuilding(gathered))?))
}

/// A component is named as rebuilding when all of its objects are.
fn rebuilding(gathered: Gathered<()>) -> Rebuilding {
    let Gathered { answers, failed } = gathered;
    let components = names(answers).into_iter().filter(|component| !failed.contains(component)).collect();
    Rebuilding { components, partial: !failed.is_empty(), failed_components: failed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processors::calls::ComponentEntry;

    #[test]
    fn a_component_is_named_once_and_only_when_all_of_its_shards_rebuild() {
        let shard =
            |component: &str, shard| (ComponentEntry { component: component.into(), shard, registered_at_ms: 0 }, ());
        let answers = vec![shard("cart", 0), shard("cart", 1), shard("pay", 0), shard("web", 0)];
        let told = rebuilding(Gathered { answers, failed: vec!["pay".into()] });
        assert_eq!((told.components, told.partial), (vec!["cart".to_owned(), "web".to_owned()], true));
        assert_eq!(told.failed_components, ["pay"]);
    }
}
