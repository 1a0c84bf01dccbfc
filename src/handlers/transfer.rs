//! `GET /api/logs/export` and `POST /api/logs/import`: a component's or a domain's records as a file, and back under
//! another name.
//!
//! Both need an administrator's key for the whole domain and are booked when they begin. An export is read page by page,
//! oldest first, so that no answer grows with the component; an import takes batches as any intake does, and nothing
//! comes in by it that could not come in by the front door. The file itself is the command's business (`sapwood export`).

use super::lists::parameter_error;
use super::{Answer, Call, Outcome, ingest, invalid_query, json, require_whole_domain, search};
use sapwood_wire::query::parse_search;
use worker::Request;

/// Bytes of the note that an import leaves in the audit log.
const NOTE_BYTES_MAX: usize = 300;

/// One page, oldest first. It takes what a search takes, but for the order.
pub async fn export(call: &Call<'_>) -> Outcome {
    require_whole_domain(&call.principal)?;
    let asked = call.head.query().into_iter().filter(|(name, _)| name != "order");
    let asked: Vec<_> = asked.chain([("order".to_owned(), "asc".to_owned())]).collect();
    let query = parse_search(asked, call.now.0).map_err(invalid_query)?;
    if query.cursor.is_none() {
        let components = &query.filter.components;
        let what = if components.is_empty() { "all components".to_owned() } else { components.join(", ") };
        call.stubs().book(call.domain(), &call.actor(), "logs.export", &what).await?;
    }
    let pages = search::pages(call, &query).await?;
    Ok(Answer::Json(json(&search::merge(pages, &query))?))
}

/// A batch of records that were exported; the first of an import (`part=0`) is booked.
pub async fn import(call: &Call<'_>, request: &mut Request) -> Outcome {
    require_whole_domain(&call.principal)?;
    let (part, note) = read(&call.head.query()).map_err(invalid_query)?;
    if part == 0 {
        call.stubs().book(call.domain(), &call.actor(), "logs.import", &note).await?;
    }
    ingest::ingest(call, request).await
}

/// Which part of an import this is, and what the audit log says of it.
fn read(query: &[(String, String)]) -> Result<(u64, String), Vec<sapwood_wire::reply::FieldError>> {
    let mut errors = Vec::new();
    let (mut part, mut note) = (0, String::new());
    for (name, value) in query {
        match name.as_str() {
            "part" => match value.parse() {
                Ok(number) => part = number,
                Err(_) => {
                    errors.push(parameter_error(
                        name,
                        "invalid_value",
                        "the number of the part, from 0, is expected".into(),
                    ));
                }
            },
            "note" if value.len() <= NOTE_BYTES_MAX => note.clone_from(value),
            "note" => {
                errors.push(parameter_error(name, "invalid_value", format!("at most {NOTE_BYTES_MAX} bytes are kept")));
            }
            _ => errors.push(parameter_error(name, "unknown_parameter", "accepted are part and note".into())),
        }
    }
    if errors.is_empty() { Ok((part, note)) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_says_which_part_it_is_and_may_leave_a_note() {
        let asked = |query: &[(&str, &str)]| {
            let query: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            read(&query).map_err(|errors| errors.into_iter().filter_map(|error| error.parameter).collect::<Vec<_>>())
        };
        assert_eq!(asked(&[]), Ok((0, String::new())));
        assert_eq!(asked(&[("part", "3"), ("note", "shop of a.example")]), Ok((3, "shop of a.example".to_owned())));
        let long = "x".repeat(NOTE_BYTES_MAX + 1);
        let bad = [("part", "-1"), ("note", long.as_str()), ("x", "1")];
        assert_eq!(asked(&bad), Err(["part", "note", "x"].map(str::to_owned).to_vec()));
    }
}
