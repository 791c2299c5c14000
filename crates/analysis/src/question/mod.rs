//! Questions as people ask them. In: names, ports and requests as text, a cluster, a judge. Out: the connections that a
//! question stands for, and what becomes of them, those judged alike together.

pub mod answer;
mod asking;
mod backend;
mod cuts;
mod dns;
mod join;
pub mod name;
pub mod place;
pub mod port;
pub mod request;

use ringfence_model::{cluster::Cluster, flow::Request};

pub use answer::{Answer, Part, Refusal, Ruling, Summary, answer};
pub use name::{End, Named, Resolver, Role};
pub use place::Place;
pub use port::{PortAsk, PortItem, PortName};

/// Why a question cannot be asked: what is wrong, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Lower case, user text in backticks, no full stop.
    pub message: String,
    /// What to do next.
    pub help: Option<String>,
}

impl Problem {
    /// A problem without help.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A question as it was typed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// Who connects.
    pub from: &'a str,
    /// To whom.
    pub to: &'a str,
    /// To which port; nothing for all.
    pub port: Option<&'a str>,
    /// What is asked over the connection.
    pub request: Option<&'a str>,
    /// The namespace in which bare names are looked up first.
    pub namespace: Option<&'a str>,
}

/// A question with its names resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who connects.
    pub from: Named,
    /// To whom.
    pub to: Named,
    /// To which ports.
    pub ports: PortAsk,
    /// What is asked over the connection.
    pub request: Option<Request>,
}

impl Question {
    /// Resolves a question. A DNS request without a port is about port 53 over UDP.
    ///
    /// # Errors
    /// If a name is unknown, ambiguous or of a finished pod, or the port or request cannot be read.
    pub fn resolve(ask: &Ask<'_>, cluster: &Cluster) -> Result<Self, Problem> {
        let resolver = Resolver::new(cluster, ask.namespace);
        let request =
            ask.request.map(str::trim).filter(|text| !text.is_empty()).map(request::parse).transpose()?;
        let ports = match (PortAsk::parse(ask.port.unwrap_or_default())?, &request) {
            (PortAsk::All, Some(Request::Dns(_))) => PortAsk::parse("53/UDP")?,
            (ports, _) => ports,
        };
        Ok(Self {
            from: resolver.resolve(ask.from, Role::Source)?,
            to: resolver.resolve(ask.to, Role::Destination)?,
            ports,
            request,
        })
    }
}
