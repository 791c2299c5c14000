//! The small client of `lab exec`. In: a namespace and what to do there: connect, listen, resolve a name, fetch a page. Out:
//! what came of it. Everything waits for a bounded time.

mod http;
mod listen;
mod resolve;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use ringfence_model::port::Protocol;
use thiserror::Error;

pub use http::{Page, http_get};
pub use listen::{Heard, listen};
pub use resolve::Resolver;

use super::{Outcome, Probe, ProbeError, Prober};
use crate::namespace::{Namespace, NamespaceError};

/// Why something could not be done.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The namespace cannot be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// Not a URL that the client understands.
    #[error("`{url}` is not a URL that this client can fetch: {why}; write http://HOST[:PORT][/PATH]")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The name server says that a name has no address.
    #[error("`{name}` has no address: {server} says {answer}")]
    NoAddress {
        /// The name.
        name: String,
        /// Who was asked.
        server: SocketAddr,
        /// What it says.
        answer: String,
    },
    /// Not a name that can be asked for.
    #[error("`{name}` is not a DNS name: {why}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The name server does not answer.
    #[error("the name server {server} does not answer: {cause}")]
    NameServer {
        /// Who was asked.
        server: SocketAddr,
        /// What went wrong.
        cause: io::Error,
    },
    /// No connection, or it broke off.
    #[error("{to}: {cause}")]
    Connection {
        /// The other end.
        to: SocketAddr,
        /// What went wrong.
        cause: io::Error,
    },
    /// The other end does not speak HTTP.
    #[error("{to} does not answer with HTTP")]
    NotHttp {
        /// The other end.
        to: SocketAddr,
    },
    /// The port cannot be listened on.
    #[error("cannot listen on {protocol} port {port}: {cause}")]
    Listen {
        /// Over what.
        protocol: &'static str,
        /// The port.
        port: u16,
        /// What the kernel says.
        cause: io::Error,
    },
}

impl Prober {
    /// Asks one address once, from whatever address of the namespace the kernel chooses.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn connect(
        &self,
        from: &Namespace,
        to: SocketAddr,
        protocol: Protocol,
    ) -> Result<Outcome, ProbeError> {
        let source: IpAddr =
            if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let probe = Probe { from: 0, source, to: to.ip(), protocol, port: to.port() };
        let outcomes = self.run(std::slice::from_ref(from), &[probe])?;
        Ok(outcomes.first().copied().unwrap_or(Outcome::Silent))
    }
}
