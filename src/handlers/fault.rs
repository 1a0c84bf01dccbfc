//! Routes that panic, to prove what a panic does not do. Only behind the feature `fault-injection`, which no release
//! has.

use super::{Answer, Call, Outcome};
use crate::processors::calls::StreamAddress;

/// Panics at the edge, or has an object panic (`?component=`).
#[expect(clippy::panic, reason = "this is what the route is for")]
pub async fn panic(call: &Call<'_>, in_object: bool) -> Outcome {
    if !in_object {
        panic!("asked to, by a request");
    }
    let query = call.head.query();
    let component = query.iter().find(|(name, _)| name == "component").map_or("default", |(_, value)| value);
    let address = StreamAddress { domain: call.domain().to_owned(), component: component.to_owned(), shard: 0 };
    call.stubs().panic(&address).await?;
    Ok(Answer::Json(b"{}".to_vec()))
}
