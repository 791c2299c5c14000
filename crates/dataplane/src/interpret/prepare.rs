//! A table made ready to run. In: a table as a program writes it. Out: chains whose names are resolved and whose sets are
//! indexed, or why the kernel would not take it.

use std::collections::BTreeMap;

use ringfence_model::address::Family;

use super::{
    Invalid, Machine,
    index::{self, Index},
};
use crate::nft::{Chain, Field, HookPoint, Limits, LogTo, Name, Reject, Statement, Table, Verdict};

/// A chain.
pub(super) struct Prepared {
    pub(super) name: Name,
    pub(super) rules: Vec<Vec<Step>>,
}

/// A base chain's place on its hook.
pub(super) struct Base {
    pub(super) point: HookPoint,
    pub(super) nat: bool,
    /// The hook's own order, then the order among chains of type `nat`.
    order: (i32, i32),
    pub(super) chain: usize,
}

/// A statement with its names resolved.
pub(super) enum Step {
    Is { field: Field, first: u128, last: u128, negated: bool },
    In { fields: Vec<Field>, set: usize, negated: bool },
    Family(Family),
    Reply(bool),
    State(u32),
    Mark { mask: u32, value: u32, negated: bool },
    SetMark { mask: u32, value: u32 },
    Limit,
    Random { one_in: u32 },
    Counter,
    Log(LogTo),
    Dnat(std::net::IpAddr, u16),
    Masquerade,
    Reject(Reject),
    Map { fields: Vec<Field>, map: usize },
    Go(Go),
}

/// A verdict with its name resolved.
#[derive(Clone, Copy)]
pub(super) enum Go {
    Accept,
    Drop,
    Return,
    Jump(usize),
    Goto(usize),
}

impl Machine {
    /// Prepares a table.
    ///
    /// # Errors
    /// What the kernel would refuse: names that nothing has, elements that do not fit their set, ranges that overlap, chains
    /// that reach themselves or lie deeper than [`Limits::DEPTH`].
    pub fn new(table: &Table) -> Result<Self, Invalid> {
        let number = |names: Vec<&Name>| -> BTreeMap<Name, usize> {
            names.into_iter().enumerate().map(|(at, name)| (Name::clone(name), at)).collect()
        };
        let names = Names {
            table,
            sets: number(table.sets.keys().collect()),
            maps: number(table.maps.keys().collect()),
            chains: number(table.chains.keys().collect()),
        };
        if let Some(name) = table.sets.keys().find(|name| table.maps.contains_key(*name)) {
            return Err(Invalid::Twice(name.clone()));
        }
        let mut sets = Vec::with_capacity(table.sets.len());
        for (name, set) in &table.sets {
            let elements = set.elements.iter().map(|element| (element.clone(), ()));
            sets.push(Index::new(name, &set.key, set.interval, elements)?);
        }
        let mut maps = Vec::with_capacity(table.maps.len());
        for (name, map) in &table.maps {
            let mut elements = Vec::with_capacity(map.elements.len());
            for (element, verdict) in &map.elements {
                elements.push((element.clone(), names.go(verdict)?));
            }
            maps.push(Index::new(name, &map.key, map.interval, elements.into_iter())?);
        }
        let mut chains = Vec::with_capacity(table.chains.len());
        let mut bases = Vec::new();
        for (at, (name, chain)) in table.chains.iter().enumerate() {
            if let Some(hook) = chain.hook {
                let order =
                    if hook.nat { (nat_priority(hook.point), hook.priority) } else { (hook.priority, 0) };
                bases.push(Base { point: hook.point, nat: hook.nat, order, chain: at });
            }
            let mut rules = Vec::with_capacity(chain.rules.len());
            for rule in &chain.rules {
                let steps = rule.statements.iter().map(|statement| names.step(name, statement));
                rules.push(steps.collect::<Result<Vec<_>, _>>()?);
            }
            chains.push(Prepared { name: name.clone(), rules });
        }
        bases.sort_by_key(|base| (base.point, base.order));
        depths(table)?;
        Ok(Self { sets, maps, chains, bases })
    }
}

/// Where the kernel runs chains of type `nat`, whatever their own priorities (`NF_IP_PRI_NAT_DST`, `NF_IP_PRI_NAT_SRC`).
fn nat_priority(point: HookPoint) -> i32 {
    match point {
        HookPoint::Prerouting | HookPoint::Output => -100,
        HookPoint::Input | HookPoint::Postrouting | HookPoint::Forward => 100,
    }
}

struct Names<'a> {
    table: &'a Table,
    sets: BTreeMap<Name, usize>,
    maps: BTreeMap<Name, usize>,
    chains: BTreeMap<Name, usize>,
}

impl Names<'_> {
    fn chain(&self, name: &Name) -> Result<usize, Invalid> {
        // A base chain cannot be entered from another chain.
        let enters = self.table.chains.get(name).is_some_and(|chain| chain.hook.is_none());
        self.chains.get(name).copied().filter(|_| enters).ok_or_else(|| Invalid::Missing(name.clone()))
    }

    fn go(&self, verdict: &Verdict) -> Result<Go, Invalid> {
        Ok(match verdict {
            Verdict::Accept => Go::Accept,
            Verdict::Drop => Go::Drop,
            Verdict::Return => Go::Return,
            Verdict::Jump(name) => Go::Jump(self.chain(name)?),
            Verdict::Goto(name) => Go::Goto(self.chain(name)?),
        })
    }

    fn step(&self, chain: &Name, statement: &Statement) -> Result<Step, Invalid> {
        let fits = |name: &Name, key: Option<&[crate::nft::KeyType]>, fields: &[Field]| {
            let key = key.ok_or_else(|| Invalid::Missing(name.clone()))?;
            let same = key.len() == fields.len()
                && key.iter().zip(fields).all(|(kind, field)| *kind == index::kind(*field));
            if same { Ok(()) } else { Err(Invalid::Fields(chain.clone(), name.clone())) }
        };
        Ok(match statement {
            Statement::Is { field, value, negated } => {
                let (first, last) =
                    index::compared(*field, *value).ok_or_else(|| Invalid::Value(chain.clone()))?;
                Step::Is { field: *field, first, last, negated: *negated }
            }
            Statement::In { fields, set, negated } => {
                fits(set, self.table.sets.get(set).map(|set| set.key.as_slice()), fields)?;
                let at = self.sets.get(set).copied().ok_or_else(|| Invalid::Missing(set.clone()))?;
                Step::In { fields: fields.clone(), set: at, negated: *negated }
            }
            Statement::VerdictMap { fields, map } => {
                fits(map, self.table.maps.get(map).map(|map| map.key.as_slice()), fields)?;
                let at = self.maps.get(map).copied().ok_or_else(|| Invalid::Missing(map.clone()))?;
                Step::Map { fields: fields.clone(), map: at }
            }
            Statement::Family(family) => Step::Family(*family),
            Statement::Reply(reply) => Step::Reply(*reply),
            Statement::State(bits) => Step::State(*bits),
            Statement::Mark { mask, value, negated } => {
                Step::Mark { mask: *mask, value: *value, negated: *negated }
            }
            Statement::SetMark { mask, value } => Step::SetMark { mask: *mask, value: *value },
            Statement::Limit { .. } => Step::Limit,
            Statement::Random(random) => Step::Random { one_in: random.one_in },
            Statement::Counter => Step::Counter,
            Statement::Log(log) if log.prefix.len() > Limits::LOG_PREFIX => {
                return Err(Invalid::Prefix(chain.clone()));
            }
            Statement::Log(log) => Step::Log(log.clone()),
            Statement::Dnat(address, port) => Step::Dnat(*address, *port),
            Statement::Masquerade => Step::Masquerade,
            Statement::Reject(reject) => Step::Reject(*reject),
            Statement::Verdict(verdict) => Step::Go(self.go(verdict)?),
        })
    }
}

/// Refuses chains that reach themselves, and base chains below which chains lie too deep.
fn depths(table: &Table) -> Result<(), Invalid> {
    let entered: BTreeMap<&Name, Vec<&Name>> =
        table.chains.iter().map(|(name, chain)| (name, enters(table, chain))).collect();
    // How many chains lie within one another from each chain on. A chain is done when all that it enters are: those of
    // depth 1 first, and so on; what is left reaches itself or lies too deep.
    let mut depth: BTreeMap<&Name, usize> = BTreeMap::new();
    let mut waits: BTreeMap<&Name, usize> = entered.iter().map(|(name, to)| (*name, to.len())).collect();
    let mut entered_by: BTreeMap<&Name, Vec<&Name>> = BTreeMap::new();
    for (from, to) in &entered {
        for to in to {
            entered_by.entry(to).or_default().push(from);
        }
    }
    let mut done: Vec<&Name> = waits.iter().filter(|(_, open)| **open == 0).map(|(name, _)| *name).collect();
    while let Some(name) = done.pop() {
        let below = entered.get(name).into_iter().flatten().filter_map(|to| depth.get(to)).max();
        let own = 1 + below.copied().unwrap_or(0);
        depth.insert(name, own);
        if own > Limits::DEPTH && table.chains.get(name).is_some_and(|chain| chain.hook.is_some()) {
            return Err(Invalid::Deep(name.clone()));
        }
        for from in entered_by.get(name).into_iter().flatten() {
            if let Some(open) = waits.get_mut(from) {
                *open -= 1;
                if *open == 0 {
                    done.push(from);
                }
            }
        }
    }
    match table.chains.keys().find(|name| !depth.contains_key(*name)) {
        Some(name) => Err(Invalid::Loop(name.clone())),
        None => Ok(()),
    }
}

/// The chains that a chain enters, each once.
fn enters<'a>(table: &'a Table, chain: &'a Chain) -> Vec<&'a Name> {
    let target = |verdict: &'a Verdict| match verdict {
        Verdict::Jump(name) | Verdict::Goto(name) => Some(name),
        Verdict::Accept | Verdict::Drop | Verdict::Return => None,
    };
    let mut names = Vec::new();
    for statement in chain.rules.iter().flat_map(|rule| &rule.statements) {
        match statement {
            Statement::Verdict(verdict) => names.extend(target(verdict)),
            Statement::VerdictMap { map, .. } => {
                let elements = table.maps.get(map).map(|map| map.elements.values());
                names.extend(elements.into_iter().flatten().filter_map(target));
            }
            _ => {}
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}
