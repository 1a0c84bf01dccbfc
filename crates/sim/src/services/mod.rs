//! The services of the world, one file each: what they say, how often, and in which layout.
//!
//! Statements stand in order of frequency within their severity. No text here comes from a real log.

mod edge_proxy;
mod host_daemons;
mod inventory;
mod jobs;
mod ledger;
mod storefront;

use crate::layout::Layout;

/// How serious a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Info,
    /// Odd.
    Warn,
    /// Broken.
    Error,
}

impl Severity {
    /// As most loggers spell it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// As Python's loggers spell it.
    pub const fn python_word(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

/// One log statement in the source of a service.
#[derive(Clone, Copy, Debug)]
pub struct Statement {
    /// How serious.
    pub severity: Severity,
    /// Logger, module, program or source file.
    pub origin: &'static str,
    /// The text with holes, see [`crate::fill`].
    pub text: &'static str,
    /// Lines of a stack trace that follow.
    pub stack: &'static [&'static str],
}

/// A service.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Its name, and that of its file.
    pub name: &'static str,
    /// Its part of all lines, relative to the others'.
    pub share: u64,
    /// How it writes.
    pub layout: Layout,
    /// What it says.
    pub statements: &'static [Statement],
}

/// All services. The position is part of a line's `template_id`.
pub const SERVICES: [Service; 6] = [
    Service { name: "edge-proxy", share: 40, layout: Layout::Access, statements: edge_proxy::STATEMENTS },
    Service { name: "storefront", share: 20, layout: Layout::Application, statements: storefront::STATEMENTS },
    Service { name: "host-daemons", share: 10, layout: Layout::Syslog, statements: host_daemons::STATEMENTS },
    Service { name: "jobs", share: 10, layout: Layout::Worker, statements: jobs::STATEMENTS },
    Service { name: "ledger", share: 10, layout: Layout::Json, statements: ledger::STATEMENTS },
    Service { name: "inventory", share: 10, layout: Layout::KeyValue, statements: inventory::STATEMENTS },
];

const fn info(origin: &'static str, text: &'static str) -> Statement {
    Statement { severity: Severity::Info, origin, text, stack: &[] }
}

const fn warn(origin: &'static str, text: &'static str) -> Statement {
    Statement { severity: Severity::Warn, origin, text, stack: &[] }
}

const fn error(origin: &'static str, text: &'static str) -> Statement {
    Statement { severity: Severity::Error, origin, text, stack: &[] }
}

const fn crash(origin: &'static str, text: &'static str, stack: &'static [&'static str]) -> Statement {
    Statement { severity: Severity::Error, origin, text, stack }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fill::KINDS;
    use std::collections::BTreeSet;

    #[test]
    fn every_service_has_thirty_statements_of_all_severities_and_none_twice() {
        for service in SERVICES {
            assert!(service.statements.len() >= 30, "{} has {}", service.name, service.statements.len());
            let texts: BTreeSet<_> = service.statements.iter().map(|s| (s.origin, s.text)).collect();
            assert_eq!(texts.len(), service.statements.len(), "{} repeats itself", service.name);
            for severity in [Severity::Info, Severity::Warn, Severity::Error] {
                assert!(service.statements.iter().any(|s| s.severity == severity), "{} {severity:?}", service.name);
            }
        }
    }

    #[test]
    fn every_hole_is_of_a_known_kind() {
        for service in SERVICES {
            for statement in service.statements {
                for text in std::iter::once(&statement.text).chain(statement.stack) {
                    for hole in text.split('{').skip(1) {
                        let kind = hole.split('}').next().unwrap();
                        assert!(KINDS.contains(&kind), "{}: {{{kind}}} in {text}", service.name);
                    }
                }
            }
        }
    }
}
