//! `GET /api/audit`, and `POST /api/admin/rebuild-d1`.

use super::fan_out::ask_objects;
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
    let reply = Rebuilding {
        components: gathered.answers.into_iter().map(|(entry, ())| entry.component).collect(),
        partial: !gathered.failed.is_empty(),
        failed_components: gathered.failed,
    };
    Ok(Answer::Json(json(&reply)?))
}
