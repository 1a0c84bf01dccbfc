//! Routes that panic, to prove what a panic does not do. Only behind the feature `fault-injection`, which no release
//! has.

use super::{Answer, Call, Outcome};
use crate::processors::calls::StreamAddress;

/// Panics at the edge, or has an object break (`?component=`, `?at=`: see `StreamObject`).
#[expect(clippy::panic, reason = "this is what the route is for")]
pub async fn panic(call: &Call<'_>, in_object: bool) -> Outcome {
    if !in_object {
        panic!("fault injected: a request asked for it");
    }
    let query = call.head.query();
    let said = |wanted: &str, default: &str| {
        query.iter().find(|(name, _)| name == wanted).map_or(default, |(_, value)| value).to_owned()
    };
    let address = StreamAddress { domain: call.domain().to_owned(), component: said("component", "default"), shard: 0 };
    Ok(Answer::Json(call.stubs().panic(&address, &said("at", "now")).await?))
}
