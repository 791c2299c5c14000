//! Commands that every pod of a lab has. In: `connect`, `listen`, `resolve`, `get` and their arguments. Out: what a person wants
//! to see of it, and 0 if it worked, 1 if not.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Write},
    net::SocketAddr,
    ops::ControlFlow,
};

use clap::{Args, Parser};
use ringfence_lab::{
    control::Entered,
    probe::{
        Options, Outcome, Prober,
        client::{ClientError, Heard, Resolver, http_get, listen},
    },
};
use ringfence_model::{diagnostic::Diagnostic, origin::Origin, port::Protocol};

use crate::{context::Failure, exit::Exit, output};

/// Names that are always these commands.
const ALWAYS: [&str; 4] = ["connect", "listen", "resolve", "get"];

/// Names that are these commands where the machine has no program of the name.
const INSTEAD: [&str; 3] = ["curl", "wget", "nslookup"];

/// Where DNS is asked.
const DNS: u16 = 53;

#[derive(Parser)]
#[command(name = "ringfence lab exec POD --", no_binary_name = true)]
enum Builtin {
    /// Say whether a connection works, and how it is refused
    Connect {
        /// A name or an address
        host: String,
        /// The port
        port: u16,
        #[command(flatten)]
        over: Over,
    },
    /// Answer connections until Ctrl-C
    Listen {
        /// The port
        port: u16,
        #[command(flatten)]
        over: Over,
    },
    /// Ask the lab's DNS
    #[command(alias = "nslookup")]
    Resolve {
        /// A name
        name: String,
    },
    /// Fetch a page over HTTP
    #[command(aliases = ["curl", "wget"])]
    Get {
        /// `http://host[:port][/path]`; `http://` may be left out
        url: String,
    },
}

#[derive(Args, Clone, Copy)]
#[group(multiple = false)]
struct Over {
    /// Over UDP
    #[arg(long, short)]
    udp: bool,
    /// Over SCTP
    #[arg(long)]
    sctp: bool,
}

impl Over {
    fn protocol(self) -> Protocol {
        match self {
            Self { udp: true, .. } => Protocol::Udp,
            Self { sctp: true, .. } => Protocol::Sctp,
            Self { .. } => Protocol::Tcp,
        }
    }
}

/// Whether a name is always one of these commands.
pub(super) fn always(program: &OsStr) -> bool {
    ALWAYS.iter().any(|name| program == *name)
}

/// Whether a name is one of these commands if nothing else bears it.
pub(super) fn instead(program: &OsStr) -> bool {
    INSTEAD.iter().any(|name| program == *name)
}

/// Runs one in the pod that this process has entered.
pub(super) fn run(program: &OsStr, arguments: &[OsString], entered: &Entered) -> Result<Exit, Failure> {
    let all = std::iter::once(program).chain(arguments.iter().map(OsString::as_os_str));
    let builtin = match Builtin::try_parse_from(all) {
        Ok(builtin) => builtin,
        Err(error) => {
            // A closed terminal is no failure.
            let _ = error.print();
            return Ok(if error.exit_code() == 0 { Exit::Fine } else { Exit::Unusable });
        }
    };
    let resolver = resolver(&entered.door.resolv_conf);
    match builtin {
        Builtin::Resolve { name } => {
            let found = resolver.resolve(&entered.namespace, &name).map_err(|error| failure(&error))?;
            output::plain(|out| found.iter().try_for_each(|address| writeln!(out, "{address}")))?;
            Ok(Exit::Fine)
        }
        Builtin::Connect { host, port, over } => connect(entered, &resolver, &host, port, over.protocol()),
        Builtin::Listen { port, over } => {
            let mut tell = |heard: Heard<'_>| tell(heard);
            listen(&entered.namespace, over.protocol(), port, &mut tell).map_err(|error| failure(&error))?;
            Ok(Exit::Fine)
        }
        Builtin::Get { url } => {
            let url = if url.contains("://") { url } else { format!("http://{url}") };
            let page = http_get(&entered.namespace, &resolver, &url).map_err(|error| failure(&error))?;
            output::plain(|out| out.write_all(&page.body))?;
            Ok(if page.status < 400 { Exit::Fine } else { Exit::Finding })
        }
    }
}

/// Tries every address of a host in turn, until one answers.
fn connect(
    entered: &Entered,
    resolver: &Resolver,
    host: &str,
    port: u16,
    protocol: Protocol,
) -> Result<Exit, Failure> {
    let prober = Prober::new(Options::default());
    for address in resolver.resolve(&entered.namespace, host).map_err(|error| failure(&error))? {
        let to = SocketAddr::new(address, port);
        let outcome = prober
            .connect(&entered.namespace, to, protocol)
            .map_err(|error| Box::new(Diagnostic::error("connect", Origin::NONE, error.to_string())))?;
        let answered = matches!(outcome, Outcome::Answered { .. });
        let said = match outcome {
            Outcome::Answered { by: Some(by) } => {
                let names = &entered.door.listeners;
                let who = names.iter().find(|(number, _)| *number == by.listener);
                let who = who.map_or("a node or the outside host", |(_, name)| name);
                format!("answered by {who} on port {}", by.port)
            }
            other => other.to_string(),
        };
        output::plain(|out| writeln!(out, "{to}/{protocol} {said}"))?;
        if answered {
            return Ok(Exit::Fine);
        }
    }
    Ok(Exit::Finding)
}

/// Prints what a listener hears; a reader who has seen enough ends it.
fn tell(heard: Heard<'_>) -> ControlFlow<()> {
    let mut out = io::stdout().lock();
    let written = match heard {
        Heard::Connected(from) => writeln!(out, "{from} connected"),
        Heard::Said(from, said) => writeln!(out, "{from} {}", String::from_utf8_lossy(said).trim_end()),
        Heard::Closed(from) => writeln!(out, "{from} closed"),
        Heard::Silence => Ok(()),
    };
    if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

/// What a pod's `/etc/resolv.conf` says.
fn resolver(text: &str) -> Resolver {
    let words = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let server = words("nameserver").iter().find_map(|server| server.parse().ok());
    let server = server.unwrap_or_else(|| ringfence_lab::dns::LOOPBACK.into());
    Resolver { server: SocketAddr::new(server, DNS), search: words("search") }
}

fn failure(error: &ClientError) -> Failure {
    Box::new(Diagnostic::error("exec", Origin::NONE, error.to_string()))
}
