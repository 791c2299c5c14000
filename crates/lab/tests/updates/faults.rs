//! What goes wrong on nodes while connections are held. In: faults: a flush by somebody else, errors of netlink, an agent that is
//! killed, a link that goes. Out: whether what is allowed goes on, nothing forbidden passes, and the program is right afterwards.

use std::{
    cell::RefCell,
    io::{self, BufRead as _, BufReader, Write as _},
    process::{Child, Command, ExitCode, Stdio},
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use nix::errno::Errno;
use ringfence_dataplane::{
    compile::Options,
    netlink::{Error, Nftables, Socket, Wire},
    node::Node,
    reconcile::{Keeper, Ownership},
};
use ringfence_lab::{
    lab::Lab,
    listen::Ledger,
    namespace::Namespace,
    plan,
    probe::Held,
    run::{Pace, Running},
};
use ringfence_model::{address::Family, cluster::Cluster, flow::Flow, port::Protocol};
use ringfence_policy::Compiled;

use crate::{
    Outcome,
    lines::{EVERY, LATE},
    trials,
    world::{cluster, flow, plan_options, pod, start, start_as},
};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        a_flush_is_put_right,
        a_flush_passes_owned_tables_by,
        errors_of_netlink_open_nothing,
        an_agent_that_is_killed_leaves_its_program,
        a_link_that_goes_takes_nothing_with_it
    ]
}

/// Only beta reaches alpha; on UDP only.
const CLOSED: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: alpha}
spec:
  podSelector: {}
  ingress:
  - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: beta}}}]
    ports: [{protocol: UDP, port: 53}]
";

/// Beta reaches alpha on all ports of TCP too.
const WIDER: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: alpha}
spec:
  podSelector: {}
  ingress:
  - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: beta}}}]
    ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 1024, endPort: 9000}]
  - from: [{ipBlock: {cidr: 203.0.113.0/24}}]
";

/// The agents' own table and bits of the mark: the lab has others.
fn agent_options() -> Options {
    Options { table: "agent".to_owned(), mark_mask: 0x0000_ff00, group: 200, ..Options::default() }
}

/// A cluster that is up, with other policies.
fn with(up: &Cluster, policies: &str) -> Outcome<Cluster> {
    let network_policies = cluster(policies)?.network_policies;
    Ok(Cluster { network_policies, ..up.clone() })
}

/// Runs a program of the oracle's side in a namespace.
fn tool(place: &Namespace, program: &str, arguments: &[&str]) -> Outcome<String> {
    let output = place.run(|| Command::new(program).args(arguments).output())??;
    if !output.status.success() {
        return Err(format!("`{program}` failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Connections of which CLOSED and WIDER allow the first two and forbid the last two, from both sides' view.
fn flows(up: &Cluster) -> Outcome<(Vec<Flow>, Vec<Flow>)> {
    let udp = (Protocol::Udp, 53);
    let (alpha, beta) = (pod(up, "stay0")?, pod(up, "stay1")?);
    let (other, gamma) = (pod(up, "stay4")?, pod(up, "stay2")?);
    let allowed = vec![
        flow(beta, alpha, Family::V4, udp),
        flow(other, alpha, Family::V6, udp),
        flow(beta, gamma, Family::V4, (Protocol::Tcp, 8080)),
    ];
    let forbidden = vec![flow(gamma, alpha, Family::V4, udp), flow(gamma, alpha, Family::V6, udp)];
    Ok((allowed, forbidden))
}

/// Both kinds of connections, held.
struct Both {
    allowed: Held,
    forbidden: Held,
    ledger: std::sync::Arc<Ledger>,
}

impl Both {
    /// Opens them while everything is allowed.
    fn open(running: &mut Running) -> Outcome<Self> {
        let (allowed, forbidden) = flows(running.lab().cluster())?;
        let pace = Pace { every: EVERY, pushed_every: Some(EVERY), lasting: Duration::from_secs(600) };
        let both = Self {
            allowed: running.hold(&allowed, pace)?,
            forbidden: running.hold(&forbidden, pace)?,
            ledger: running.ledger(),
        };
        if !both.allowed.await_established(LATE) || !both.forbidden.await_established(LATE) {
            return Err("connections are not established".into());
        }
        Ok(both)
    }

    /// Nothing of the allowed ones was lost.
    fn complete(&self, since: Duration) -> Outcome<usize> {
        let until = self.ledger.now();
        thread::sleep(LATE / 10);
        let mut through = 0;
        for account in self.allowed.accounts() {
            let missed = account.missed(since, until, LATE).count();
            if missed > 0 || account.passed(since, self.ledger.now()).next().is_none() {
                return Err(format!("{missed} messages are lost: {:?}", account.failed).into());
            }
            through += account.passed(since, self.ledger.now()).count();
        }
        Ok(through)
    }

    /// How much of the forbidden ones passed.
    fn passed(&self, since: Duration) -> usize {
        let now = self.ledger.now();
        self.forbidden.accounts().iter().map(|account| account.passed(since, now).count()).sum()
    }

    fn silent(&self, since: Duration) -> Outcome {
        thread::sleep(EVERY * 8);
        match self.passed(since) {
            0 => Ok(()),
            passed => Err(format!("{passed} forbidden messages arrived").into()),
        }
    }
}

/// Waits for something.
fn until(what: &str, mut holds: impl FnMut() -> bool) -> Outcome<Duration> {
    let start = Instant::now();
    while !holds() {
        if start.elapsed() > LATE * 2 {
            return Err(format!("not in time: {what}").into());
        }
        thread::sleep(Duration::from_micros(200));
    }
    Ok(start.elapsed())
}

#[expect(clippy::print_stderr, reason = "says how long repairs take")]
fn a_flush_is_put_right() -> Outcome {
    let mut running = start_as(&cluster("")?, Options::default(), Some(Ownership::Shared))?;
    let both = Both::open(&mut running)?;
    let up = running.lab().cluster().clone();
    running.update(&with(&up, CLOSED)?)?;
    let begun = both.ledger.now();
    both.silent(begun)?;
    let places: Vec<Namespace> = running.lab().nodes().map(|(_, place)| place.clone()).collect();
    let changes: [&[&str]; 4] = [
        &["delete", "table", "inet", "ringfence"],
        &["insert", "rule", "inet", "ringfence", "judge4", "goto", "passed"],
        &["flush", "chain", "inet", "ringfence", "forward"],
        &["flush", "ruleset"],
    ];
    let mut slowest = Duration::ZERO;
    for change in changes {
        let before = running.repairs();
        for place in &places {
            tool(place, "nft", change)?;
        }
        let wanted = before + places.len() as u64;
        slowest = slowest.max(until("every node is repaired", || running.repairs() >= wanted)?);
        both.silent(both.ledger.now())?;
    }
    let through = both.complete(begun)?;
    eprintln!("repaired within {slowest:?} of the last change; {through} messages went through");
    Ok(())
}

fn a_flush_passes_owned_tables_by() -> Outcome {
    let mut running = start(&cluster("")?, Options::default())?;
    let places: Vec<Namespace> = running.lab().nodes().map(|(_, place)| place.clone()).collect();
    let first = places.first().ok_or("no node")?;
    if !tool(first, "nft", &["list", "tables", "inet"])?.contains("ringfence") {
        return Err("no table".into());
    }
    let owned = tool(first, "nft", &["list", "ruleset"])?.contains("flags owner");
    let both = Both::open(&mut running)?;
    let up = running.lab().cluster().clone();
    running.update(&with(&up, CLOSED)?)?;
    let since = both.ledger.now();
    for place in &places {
        tool(place, "nft", &["flush", "ruleset"])?;
    }
    if owned {
        both.silent(since)?;
        if running.repairs() > 0 {
            return Err("there was nothing to repair".into());
        }
    }
    both.complete(since)?;
    Ok(())
}

/// What goes wrong with the next datagrams.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Send(Errno),
    Answer(Errno),
}

/// A wire on which a datagram meets a fault.
struct Faulty {
    socket: Socket,
    script: Rc<RefCell<Script>>,
    forged: Option<Vec<u8>>,
}

/// How many datagrams still pass before the fault, and what the socket takes.
#[derive(Default)]
struct Script {
    fault: Option<(usize, Fault)>,
    room: Option<usize>,
}

impl Wire for Faulty {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        let mut script = self.script.borrow_mut();
        match script.fault {
            Some((0, Fault::Send(errno))) => {
                script.fault = None;
                Err(io::Error::from_raw_os_error(errno as i32))
            }
            Some((0, Fault::Answer(errno))) => {
                script.fault = None;
                let header = |range: std::ops::Range<usize>| datagram.get(range).unwrap_or_default().to_vec();
                let parts = [
                    36_u32.to_ne_bytes().to_vec(),
                    2_u16.to_ne_bytes().to_vec(),
                    0x100_u16.to_ne_bytes().to_vec(),
                    header(8..12),
                    vec![0; 4],
                    (-(errno as i32)).to_ne_bytes().to_vec(),
                    header(0..16),
                ];
                self.forged = Some(parts.concat());
                Ok(())
            }
            Some((left, fault)) => {
                script.fault = Some((left - 1, fault));
                self.socket.send(datagram)
            }
            None => self.socket.send(datagram),
        }
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        match self.forged.take() {
            Some(forged) => *buffer = forged,
            None => self.socket.receive(buffer)?,
        }
        Ok(())
    }

    fn room(&mut self, bytes: usize) -> usize {
        self.script.borrow().room.unwrap_or_else(|| self.socket.room(bytes))
    }

    fn port(&self) -> u32 {
        self.socket.port()
    }
}

#[expect(clippy::print_stderr, reason = "the counts are what the test is for")]
fn errors_of_netlink_open_nothing() -> Outcome {
    let mut running = start(&cluster("")?, Options::default())?;
    let both = Both::open(&mut running)?;
    let up = running.lab().cluster().clone();
    let (closed, wider) = (Compiled::new(with(&up, CLOSED)?), Compiled::new(with(&up, WIDER)?));
    let mut nodes = Vec::new();
    for (place, namespace) in running.lab().nodes() {
        let script = Rc::<RefCell<Script>>::default();
        let socket = namespace.run(Socket::open)??;
        let wire = Faulty { socket, script: Rc::clone(&script), forged: None };
        let keeper = Keeper::over(Nftables::over(wire), "agent", Ownership::Shared);
        let node = Node::start(keeper, &closed, None, &place.name, agent_options())?;
        nodes.push((node, script, namespace.clone()));
    }
    let begun = both.ledger.now();
    let faults = [
        Fault::Send(Errno::EBUSY),
        Fault::Send(Errno::ENOBUFS),
        Fault::Answer(Errno::EBUSY),
        Fault::Answer(Errno::ENOBUFS),
        Fault::Answer(Errno::EEXIST),
        Fault::Answer(Errno::ENOENT),
        Fault::Answer(Errno::EINVAL),
        Fault::Answer(Errno::ENOMEM),
    ];
    let (mut failed, mut wide) = (0, false);
    for fault in faults {
        for point in 0..5 {
            wide = !wide;
            for (node, script, _) in &mut nodes {
                script.borrow_mut().fault = Some((point, fault));
                let result = node.update(if wide { &wider } else { &closed }, None);
                script.borrow_mut().fault = None;
                if let Err(error) = result {
                    failed += 1;
                    if !node.is_unsure() {
                        return Err(format!("{fault:?} at {point}: sure after `{error}`").into());
                    }
                    node.repair()?;
                    node.update(if wide { &wider } else { &closed }, None)?;
                }
                if node.is_unsure() || node.repair()? {
                    return Err(format!("{fault:?} at {point} leaves something to repair").into());
                }
            }
            thread::sleep(EVERY * 2);
        }
    }
    both.silent(begun)?;
    // A program that does not fit is refused whole.
    let mut refused = 0;
    for (node, script, _) in &mut nodes {
        script.borrow_mut().room = Some(600);
        let before = node.program().table.clone();
        match node.update(if wide { &closed } else { &wider }, None) {
            // A node without pods of the namespace has nothing to change.
            Ok(updated) if updated.changes == 0 => {}
            Err(Error::TooBig { .. }) => refused += 1,
            other => return Err(format!("a program beyond the socket: {other:?}").into()),
        }
        script.borrow_mut().room = None;
        if node.program().table.chains.len() != before.chains.len() {
            return Err("another program".into());
        }
        node.repair()?;
    }
    both.silent(begun)?;
    // Somebody else lets everything pass, and be marked: what was marked meanwhile ends with the repair.
    let opened = both.ledger.now();
    for (_, _, place) in &nodes {
        tool(place, "nft", &["insert", "rule", "inet", "agent", "judge4", "goto", "passed"])?;
    }
    until("forbidden messages pass", || both.passed(opened) > 20)?;
    for (node, ..) in &mut nodes {
        if !node.repair()? {
            return Err("a foreign rule was not found".into());
        }
    }
    both.silent(both.ledger.now())?;
    // The next process finds everything, and disturbs nothing.
    let names: Vec<String> = nodes.iter().map(|(node, ..)| node.name().to_string()).collect();
    let places: Vec<Namespace> = nodes.into_iter().map(|(_, _, place)| place).collect();
    let restarted = both.ledger.now();
    for (place, name) in places.iter().zip(&names) {
        let keeper = place.run(|| Keeper::open("agent", Ownership::Shared))??;
        Node::start(keeper, &closed, None, name, agent_options())?;
    }
    both.silent(restarted)?;
    let through = both.complete(begun)?;
    eprintln!("{failed} updates failed; {through} messages went through");
    if failed == 0 || refused == 0 { Err("no update failed".into()) } else { Ok(()) }
}

/// The variable that makes this program an agent, with the name of its node.
const AGENT: &str = "RINGFENCE_UPDATES_AGENT";

/// Runs as an agent if the environment says so: in the network namespace of its node, changing policies until it is killed.
#[expect(clippy::print_stderr, reason = "tells the parent")]
pub(crate) fn role() -> Option<ExitCode> {
    let node = std::env::var(AGENT).ok()?;
    let failed = agent(&node).err()?;
    eprintln!("{}", failed.message().unwrap_or("failed"));
    Some(ExitCode::FAILURE)
}

fn agent(node: &str) -> Outcome {
    let up = plan::plan(&cluster("")?, &plan_options())?.cluster;
    let (closed, wider) = (Compiled::new(with(&up, CLOSED)?), Compiled::new(with(&up, WIDER)?));
    let ownership = ringfence_dataplane::features::Features::probe()?.ownership();
    let keeper = Keeper::open("agent", ownership)?;
    let mut node = Node::start(keeper, &closed, None, node, agent_options())?;
    writeln!(io::stdout(), "up")?;
    for _ in 0..100_000 {
        node.update(&wider, None)?;
        node.update(&closed, None)?;
    }
    Ok(())
}

fn spawn(place: &Namespace, node: &str) -> Outcome<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env(AGENT, node).stdout(Stdio::piped());
    let mut child = place.run(|| command.spawn())??;
    let mut first = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut first)?;
    if first == "up\n" { Ok(child) } else { Err("the agent did not start".into()) }
}

#[expect(clippy::print_stderr, reason = "the counts are what the test is for")]
fn an_agent_that_is_killed_leaves_its_program() -> Outcome {
    let mut running = start(&cluster("")?, Options::default())?;
    let both = Both::open(&mut running)?;
    let nodes: Vec<(String, Namespace)> =
        running.lab().nodes().map(|(place, namespace)| (place.name.to_string(), namespace.clone())).collect();
    let agents = || nodes.iter().map(|(name, place)| spawn(place, name)).collect::<Outcome<Vec<Child>>>();
    let mut children = agents()?;
    let begun = both.ledger.now();
    for round in 0..6 {
        // Another moment of an update each time.
        thread::sleep(Duration::from_micros(30_000 + round * 1_700));
        for child in &mut children {
            child.kill()?;
            child.wait()?;
        }
        both.silent(begun)?;
        children = agents()?;
    }
    for child in &mut children {
        child.kill()?;
        child.wait()?;
    }
    both.silent(begun)?;
    let through = both.complete(begun)?;
    eprintln!("{} agents killed; {through} messages went through", nodes.len() * 7);
    Ok(())
}

fn a_link_that_goes_takes_nothing_with_it() -> Outcome {
    let mut running = start(&cluster("")?, Options::default())?;
    let both = Both::open(&mut running)?;
    let up = running.lab().cluster().clone();
    running.update(&with(&up, CLOSED)?)?;
    let begun = both.ledger.now();
    let lost = pod(running.lab().cluster(), "go6")?;
    let place = running.lab().pod(lost).ok_or("no pod")?.clone();
    let links = tool(&place, "ip", &["-o", "link"])?;
    let name =
        links.split_whitespace().filter(|word| word.contains('@')).find_map(|word| word.split('@').next());
    tool(&place, "ip", &["link", "delete", name.ok_or("no link")?])?;
    both.silent(begun)?;
    // The pod is taken away, and something else changes.
    let mut wanted = with(running.lab().cluster(), WIDER)?;
    wanted.pods.retain(|pod| &*pod.name != "go6");
    for workload in &mut wanted.workloads {
        workload.pods.clear();
    }
    running.update(&wanted)?;
    both.silent(begun)?;
    both.complete(begun)?;
    let left: &Lab = running.lab();
    if left.cluster().pods.iter().any(|pod| &*pod.name == "go6") {
        Err("the pod stays".into())
    } else {
        Ok(())
    }
}
