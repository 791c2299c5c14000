//! Who reaches whom, as the packets found it. In: trials and the units of their ends. Out: a cell for every ordered pair of
//! units, and for every destination who gets in on which ports.

use std::collections::BTreeMap;

use ringfence_lab::trial::{Kernel, Target, Trial, Tried};
use ringfence_model::{flow::Endpoint, port::Protocol};

use super::ends::Ends;

/// A protocol and a port of it.
type Port = (Protocol, u16);

/// What became of the packets to one port, whatever the family and the replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// How many got through.
    pub(super) allowed: usize,
    /// How many did not.
    pub(super) denied: usize,
    /// Of how many nobody can say.
    pub(super) undecided: usize,
}

/// Everything that was tried from one unit to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    /// By protocol and port.
    pub(super) ports: BTreeMap<(Protocol, u16), Tally>,
    /// In how many of the trials kernel and engine differ.
    pub(super) disagreements: usize,
}

/// A cell in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing was tried.
    Untried,
    /// Everything that was tried gets through.
    All,
    /// Something gets through.
    Some,
    /// Nothing gets through.
    None,
    /// Kernel and engine differ.
    Differs,
    /// No packet decides.
    Undecided,
}

impl State {
    /// The legend, in the order in which people read it.
    pub(super) const LEGEND: [(Self, &'static str); 5] = [
        (Self::All, "every probed port"),
        (Self::Some, "some ports"),
        (Self::None, "none"),
        (Self::Differs, "kernel and engine disagree"),
        (Self::Undecided, "no packet decides"),
    ];

    /// One character.
    pub(super) fn sign(self) -> char {
        match self {
            Self::Untried => ' ',
            Self::All => '#',
            Self::Some => '+',
            Self::None => '·',
            Self::Differs => '!',
            Self::Undecided => '?',
        }
    }

    /// One word, for programs.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Untried => "untried",
            Self::All => "all",
            Self::Some => "some",
            Self::None => "none",
            Self::Differs => "differs",
            Self::Undecided => "undecided",
        }
    }
}

impl Cell {
    fn add(&mut self, tried: &Tried) {
        let tally = self.ports.entry((tried.trial.protocol, tried.trial.port)).or_default();
        match tried.kernel {
            Kernel::Allowed(_) => tally.allowed += 1,
            Kernel::Denied(_) => tally.denied += 1,
            Kernel::Undecided(_) => tally.undecided += 1,
        }
        self.disagreements += usize::from(tried.disagreement.is_some());
    }

    /// In one word.
    pub(super) fn state(&self) -> State {
        let sum = |of: fn(&Tally) -> usize| self.ports.values().map(of).sum::<usize>();
        let (allowed, denied) = (sum(|tally| tally.allowed), sum(|tally| tally.denied));
        match () {
            () if self.disagreements > 0 => State::Differs,
            () if self.ports.is_empty() => State::Untried,
            () if allowed > 0 && denied == 0 => State::All,
            () if allowed > 0 => State::Some,
            () if denied > 0 => State::None,
            () => State::Undecided,
        }
    }

    /// Whether anything gets through.
    pub(super) fn is_open(&self) -> bool {
        self.ports.values().any(|tally| tally.allowed > 0)
    }

    /// The ports that some tally is about.
    pub(super) fn which(&self, is: fn(&Tally) -> bool) -> impl Iterator<Item = (Protocol, u16)> + '_ {
        self.ports.iter().filter(move |(_, tally)| is(tally)).map(|(port, _)| *port)
    }
}

/// All cells.
pub(super) struct Grid {
    cells: BTreeMap<(usize, usize), Cell>,
}

/// Who gets in on some ports of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// The ports; none if it is every port that was tried.
    pub(super) ports: Vec<(Protocol, u16)>,
    /// Whether only some of the replicas, nodes or families get through.
    pub(super) partly: bool,
    /// The sources.
    pub(super) sources: Vec<usize>,
}

impl Grid {
    /// Of everything that was tried.
    pub(super) fn of(tried: &[Tried], ends: &Ends<'_>) -> Self {
        let mut cells: BTreeMap<(usize, usize), Cell> = BTreeMap::new();
        for one in tried.iter().filter(|one| !is_hairpin(one)) {
            if let (Some(from), Some(to)) = (ends.source(one), ends.target(one)) {
                cells.entry((from, to)).or_default().add(one);
            }
        }
        Self { cells }
    }

    /// The cells that hold something, by source, then destination.
    pub(super) fn cells(&self) -> impl Iterator<Item = (usize, usize, &Cell)> {
        self.cells.iter().map(|((from, to), cell)| (*from, *to, cell))
    }

    /// What a cell holds in one word.
    pub(super) fn state(&self, from: usize, to: usize) -> State {
        self.cells.get(&(from, to)).map_or(State::Untried, Cell::state)
    }

    /// The units that are a source of something, ascending.
    pub(super) fn sources(&self) -> Vec<usize> {
        let mut sources: Vec<usize> = self.cells.keys().map(|(from, _)| *from).collect();
        sources.dedup();
        sources
    }

    /// The units that are a destination, ascending.
    pub(super) fn targets(&self) -> Vec<usize> {
        let mut targets: Vec<usize> = self.cells.keys().map(|(_, to)| *to).collect();
        targets.sort_unstable();
        targets.dedup();
        targets
    }

    /// The units from which a destination was tried.
    pub(super) fn tried_from(&self, to: usize) -> Vec<usize> {
        self.cells.keys().filter(|(_, at)| *at == to).map(|(from, _)| *from).collect()
    }

    /// Who gets in where: sources that get in on the same ports together, those who get in on every port first.
    pub(super) fn ways(&self, to: usize) -> Vec<Way> {
        let mut ways: BTreeMap<(Option<Port>, bool), Vec<usize>> = BTreeMap::new();
        for (from, _, cell) in self.cells().filter(|(_, at, cell)| *at == to && cell.is_open()) {
            if cell.ports.values().all(|tally| tally.allowed > 0) && cell.ports.len() > 1 {
                let partly = cell.ports.values().any(|tally| tally.denied > 0);
                ways.entry((None, partly)).or_default().push(from);
                continue;
            }
            for (port, tally) in cell.ports.iter().filter(|(_, tally)| tally.allowed > 0) {
                ways.entry((Some(*port), tally.denied > 0)).or_default().push(from);
            }
        }
        let mut joined: Vec<Way> = Vec::new();
        for ((port, partly), sources) in ways {
            let same = |way: &&mut Way| {
                way.sources == sources && way.partly == partly && !way.ports.is_empty() && port.is_some()
            };
            match joined.iter_mut().find(same) {
                Some(way) => way.ports.extend(port),
                None => joined.push(Way { ports: port.into_iter().collect(), partly, sources }),
            }
        }
        joined
    }
}

/// Whether a Service, by chance, sent a pod back to itself, which always works and says nothing.
fn is_hairpin(tried: &Tried) -> bool {
    let Trial { from, to: Target::Service { .. }, .. } = &tried.trial else { return false };
    matches!(&tried.kernel, Kernel::Allowed(Some(pod)) if *from == Endpoint::Pod(*pod))
}

/// `TCP 80,443`, `ICMP echo`: ports in pieces, one a protocol.
pub(super) fn ports_text(ports: &[(Protocol, u16)]) -> String {
    let mut pieces: Vec<(Protocol, String)> = Vec::new();
    for (protocol, port) in ports {
        match pieces.iter_mut().find(|(known, _)| known == protocol) {
            Some((_, text)) => text.push_str(&format!(",{}", number(*protocol, *port))),
            None => pieces.push((*protocol, format!("{protocol} {}", number(*protocol, *port)))),
        }
    }
    pieces.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(", ")
}

/// `5432/TCP`, `echo/ICMP`.
pub(super) fn port_text(protocol: Protocol, port: u16) -> String {
    format!("{}/{protocol}", number(protocol, port))
}

fn number(protocol: Protocol, port: u16) -> String {
    match (protocol, port) {
        (Protocol::Icmp, 8) | (Protocol::Icmpv6, 128) => "echo".to_owned(),
        _ => port.to_string(),
    }
}
