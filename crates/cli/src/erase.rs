//! `sapwood erase`: a component, a domain, or one user's records leave every tier; and the receipts of it.
//!
//! Nothing is erased by the command alone: `--confirm` repeats the name, as the service wants it, and without it the
//! command only says what would go.

use crate::Verdict;
use crate::baseline::encoded;
use crate::client::Client;
use crate::endpoint::{EndpointArgs, Scope};
use crate::fault::Fault;
use crate::render::{Style, Table, grouped, printable};
use crate::replies::Moment;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;

/// Arguments of `erase`.
#[derive(clap::Args)]
pub(crate) struct Erase {
    #[command(subcommand)]
    what: What,
    /// The answer as it came.
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

#[derive(clap::Subcommand)]
enum What {
    /// All of one component.
    Component {
        /// Its name.
        name: String,
        /// The name once more. Without it only what would go is shown.
        #[arg(long, value_name = "NAME")]
        confirm: Option<String>,
    },
    /// All of the domain.
    Domain {
        /// Its name.
        name: String,
        /// The name once more. Without it only what would go is shown.
        #[arg(long, value_name = "NAME")]
        confirm: Option<String>,
    },
    /// What one user left behind.
    User {
        /// The user, as records name them (`user_id`).
        user: String,
        /// Only in this component.
        #[arg(long)]
        component: Option<String>,
        /// The user once more. Without it only what would go is shown.
        #[arg(long, value_name = "USER")]
        confirm: Option<String>,
    },
    /// The receipts, newest first, or one of them.
    Receipts {
        /// Id of one.
        id: Option<String>,
    },
}

/// A receipt, as far as it is shown.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Receipt {
    id: String,
    erases: String,
    by: String,
    requested_at_ms: i64,
    state: String,
    stage: String,
    finished_at_ms: Option<i64>,
    erased: BTreeMap<String, BTreeMap<String, u64>>,
    sent_to_data_service: Option<Sent>,
    waiting_for: Vec<String>,
    last_error: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Sent {
    records: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Receipts {
    erasures: Vec<Receipt>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct WouldGo {
    erases: String,
    records: u64,
    components: Vec<Held>,
    complete: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Held {
    component: String,
    held: BTreeMap<String, u64>,
}

impl Erase {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let client = Client::new(self.endpoint.resolve(Scope::Admin)?);
        let (path, confirm, mut parameters) = match &self.what {
            What::Receipts { id } => return self.receipts(&client, id.as_deref(), out),
            What::Component { name, confirm } => (format!("/api/components/{}", encoded(name)), confirm, Vec::new()),
            What::Domain { name, confirm } => (format!("/api/domains/{}", encoded(name)), confirm, Vec::new()),
            What::User { user, component, confirm } => {
                let mut parameters = vec![("user", user.clone())];
                parameters.extend(component.clone().map(|name| ("component", name)));
                ("/api/logs".to_owned(), confirm, parameters)
            }
        };
        match confirm {
            Some(name) => parameters.push(("confirm", name.clone())),
            None => parameters.push(("dry_run", "true".to_owned())),
        }
        let reply: Value = client.delete(&path, &parameters)?;
        if self.json {
            writeln!(out, "{reply}")?;
            return Ok(Verdict::Good);
        }
        let unreadable = |error: serde_json::Error| Fault::Request(format!("the answer cannot be read: {error}"));
        if confirm.is_some() {
            write_receipt(&serde_json::from_value(reply).map_err(unreadable)?, Style::of_stdout(), out)?;
        } else {
            write_would_go(&serde_json::from_value(reply).map_err(unreadable)?, out)?;
        }
        Ok(Verdict::Good)
    }

    fn receipts(&self, client: &Client, id: Option<&str>, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let path = id.map_or("/api/erasures".to_owned(), |id| format!("/api/erasures/{}", encoded(id)));
        if self.json {
            let reply: Value = client.read(&path, &[])?;
            writeln!(out, "{reply}")?;
        } else if id.is_some() {
            write_receipt(&client.read(&path, &[])?, Style::of_stdout(), out)?;
        } else {
            let receipts: Receipts = client.read(&path, &[])?;
            let mut table = Table::new(&["id", "what", "asked for", "by", "state", ">records"]);
            for receipt in receipts.erasures {
                table.row(vec![
                    printable(&receipt.id),
                    printable(&receipt.erases),
                    Moment::Millis(receipt.requested_at_ms).to_second(),
                    printable(&receipt.by),
                    printable(&receipt.state),
                    grouped(receipt.erased.get("objects").and_then(|it| it.get("records")).copied().unwrap_or(0)),
                ]);
            }
            table.write(out, Style::of_stdout())?;
        }
        Ok(Verdict::Good)
    }
}

fn write_would_go(reply: &WouldGo, out: &mut dyn Write) -> Result<(), Fault> {
    writeln!(out, "{} would lose {} records:", printable(&reply.erases), grouped(reply.records))?;
    for component in reply.components.iter().filter(|component| !component.held.is_empty()) {
        writeln!(out, "  {}: {}", printable(&component.component), listed(&component.held))?;
    }
    if !reply.complete {
        writeln!(out, "Not all of it could be counted.")?;
    }
    writeln!(out, "Nothing was erased. It cannot be undone: repeat the name with --confirm.")?;
    Ok(())
}

fn write_receipt(receipt: &Receipt, style: Style, out: &mut dyn Write) -> Result<(), Fault> {
    let asked = Moment::Millis(receipt.requested_at_ms).to_second();
    writeln!(out, "{}  {}", style.bold(&printable(&receipt.id)), printable(&receipt.erases))?;
    writeln!(out, "  asked for by {} at {asked}", printable(&receipt.by))?;
    for (tier, counts) in receipt.erased.iter().filter(|(_, counts)| !counts.is_empty()) {
        writeln!(out, "  {}: {}", printable(tier), listed(counts))?;
    }
    if let Some(sent) = &receipt.sent_to_data_service {
        let count = grouped(sent.records);
        writeln!(
            out,
            "  {count} records went to the data service, which has no way to delete them: that is yours to do"
        )?;
    }
    match receipt.finished_at_ms {
        Some(at) => writeln!(out, "  finished at {}", Moment::Millis(at).to_second())?,
        None => writeln!(
            out,
            "  not finished ({}): sapwood erase receipts {} shows how far it is",
            printable(&receipt.stage),
            printable(&receipt.id)
        )?,
    }
    if !receipt.waiting_for.is_empty() {
        writeln!(out, "  waits for {}", printable(&receipt.waiting_for.join(", ")))?;
    }
    if let Some(error) = &receipt.last_error {
        writeln!(out, "  {}", style.bad(&printable(error)))?;
    }
    Ok(())
}

fn listed(counts: &BTreeMap<String, u64>) -> String {
    let one = |(name, count): (&String, &u64)| format!("{} {}", grouped(*count), printable(&name.replace('_', " ")));
    counts.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Answer, Server};

    fn run(server: &Server, what: What, json: bool) -> String {
        let endpoint = EndpointArgs { url: Some(server.url()), key: Some("k".into()), ..EndpointArgs::default() };
        let mut out = Vec::new();
        assert_eq!(Erase { what, json, endpoint }.run(&mut out).unwrap(), Verdict::Good);
        String::from_utf8(out).unwrap()
    }

    const RECEIPT: &str = r#"{"id":"er_1","erases":"component cart","by":"key:1","requested_at_ms":1763632800000,
        "state":"pending","stage":"copies","erased":{"objects":{"records":1204,"journal_rows":7},"domain":{}},
        "sent_to_data_service":{"records":12},"waiting_for":["cart"],"last_error":"D1 is away"}"#;

    #[test]
    fn without_its_name_said_twice_only_what_would_go_is_shown() {
        let reply = r#"{"dry_run":true,"erases":"component a b","records":1204,"complete":false,
            "components":[{"component":"a b","held":{"records":1204,"patterns":3}}]}"#;
        let server = Server::scripted([Answer::new(200, reply)]);
        let text = run(&server, What::Component { name: "a b".into(), confirm: None }, false);
        assert!(text.contains("1,204 records") && text.contains("--confirm") && text.contains("Not all"), "{text}");
        let asked = &server.asked()[0];
        assert_eq!((asked.method.as_str(), asked.path.as_str()), ("DELETE", "/api/components/a%20b?dry_run=true"));
    }

    #[test]
    fn a_receipt_says_what_went_what_waits_and_what_is_left_to_do() {
        let server = Server::scripted([Answer::new(202, RECEIPT), Answer::new(200, RECEIPT)]);
        let what = What::User { user: "bob".into(), component: Some("cart".into()), confirm: Some("bob".into()) };
        let text = run(&server, what, false);
        for words in ["er_1", "1,204 records", "7 journal rows", "12 records went", "waits for cart", "D1 is away"] {
            assert!(text.contains(words), "{words} in {text}");
        }
        assert_eq!(server.asked()[0].path, "/api/logs?user=bob&component=cart&confirm=bob");
        let text = run(&server, What::Receipts { id: Some("er_1".into()) }, false);
        assert!(text.contains("not finished (copies)"), "{text}");
        assert_eq!(server.asked()[1].path, "/api/erasures/er_1");
    }

    #[test]
    fn receipts_are_listed_and_given_as_they_came() {
        let list = format!(r#"{{"erasures":[{RECEIPT}]}}"#);
        let server = Server::scripted([Answer::new(200, &*list), Answer::new(200, &*list)]);
        let text = run(&server, What::Receipts { id: None }, false);
        assert!(text.contains("er_1") && text.contains("component cart") && text.contains("1,204"), "{text}");
        let text = run(&server, What::Receipts { id: None }, true);
        assert!(text.contains(r#""erasures":[{"#), "{text}");
    }
}
