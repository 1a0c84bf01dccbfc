//! Why a command could not do its work, in a sentence that ends with what to do next.

use crate::client::ClientFault;
use crate::endpoint::EndpointFault;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It is not known where the service is, or with which key.
    Endpoint(EndpointFault),
    /// The service could not be reached, or refused.
    Client(ClientFault),
    /// A file could not be read.
    File(PathBuf, io::Error),
    /// What was asked makes no sense with these files.
    Request(String),
    /// Standard output is gone.
    Output(io::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(fault) => fault.fmt(f),
            Self::Client(fault) => fault.fmt(f),
            Self::File(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Self::Request(text) => f.write_str(text),
            Self::Output(error) => write!(f, "cannot write: {error}"),
        }
    }
}

impl From<EndpointFault> for Fault {
    fn from(fault: EndpointFault) -> Self {
        Self::Endpoint(fault)
    }
}

impl From<ClientFault> for Fault {
    fn from(fault: ClientFault) -> Self {
        Self::Client(fault)
    }
}

impl From<io::Error> for Fault {
    /// Only writing to the output uses `?` on an `io::Error`; reading a file names the file.
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
