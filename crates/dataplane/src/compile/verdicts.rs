//! What the program does with a packet that a decision is about. In: decisions. Out: verdicts, the chains behind them that
//! log, count and refuse, and the numbers by which the log names them.

use std::collections::{BTreeMap, BTreeSet};

use ringfence_model::{
    address::Family,
    network_policy::PolicyMeta,
    verdict::{Condition, Direction, Missing, Outcome, Reason, RuleRef},
};
use ringfence_policy::compiled::Decision;
use rustc_hash::FxHashMap;

use super::{
    Note,
    entry::hairpin,
    names::hash,
    options::{Options, Rate, Refusal},
};
use crate::{
    interpret::TCP,
    nft::{Chain, Field, LogTo, Name, Reject, Rule, Statement, Value, Verdict},
    prefix::{Logged, RuleId, prefix},
};

/// What a number in the log stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logs {
    /// What was done.
    pub logged: Logged,
    /// At which side.
    pub direction: Direction,
    /// What the engine said.
    pub outcome: Outcome,
    /// The rules that decided, or the policies that isolate the pod. For an audit, those of audit policies if any.
    pub reasons: Vec<Reason>,
    /// For [`Outcome::AllowIf`]: what a proxy would have to see to.
    pub conditions: Vec<Condition>,
    /// For [`Outcome::Unknown`]: what is not known.
    pub missing: Vec<Missing>,
    /// Kind and name of the first policy, and the rule's place in it, for people.
    pub name: String,
}

/// The chain that every denied packet ends in.
pub(super) const REFUSE: &str = "refuse";

/// What compiled rules are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Purpose {
    /// Packets are refused.
    Enforce,
    /// What would be refused is only logged.
    Audit,
}

/// The verdicts given so far.
pub(super) struct Verdicts<'a> {
    options: &'a Options,
    families: &'a [Family],
    known: FxHashMap<(Purpose, Direction, Decision), Verdict>,
    taken: BTreeMap<RuleId, String>,
    pub(super) rules: BTreeMap<RuleId, Logs>,
    pub(super) notes: BTreeSet<Note>,
    pub(super) chains: BTreeMap<Name, Chain>,
}

pub(super) fn rule(statements: Vec<Statement>) -> Rule {
    Rule { statements, comment: None }
}

pub(super) fn go(verdict: Verdict) -> Statement {
    Statement::Verdict(verdict)
}

pub(super) fn goto(chain: &str) -> Statement {
    go(Verdict::Goto(chain.into()))
}

pub(super) fn is(field: Field, value: Value) -> Statement {
    Statement::Is { field, value, negated: false }
}

impl<'a> Verdicts<'a> {
    pub(super) fn new(options: &'a Options, families: &'a [Family]) -> Self {
        let mut verdicts = Self {
            options,
            families,
            known: FxHashMap::default(),
            taken: BTreeMap::new(),
            rules: BTreeMap::new(),
            notes: BTreeSet::new(),
            chains: BTreeMap::new(),
        };
        verdicts.endings();
        verdicts
    }

    /// The chain in which packets end. The connection loses its mark: it counts as one that was never allowed, so that no
    /// later version takes the mark for its own, and passes again as soon as the policies say so. Each end of a connection
    /// over TCP is told by a reset when it sends something.
    fn endings(&mut self) {
        let Options { mark_mask: mask, refusal, .. } = *self.options;
        let mut rules = vec![rule(vec![Statement::SetMark { mask, value: 0 }])];
        match refusal {
            Refusal::Reject => {
                let tcp = is(Field::Protocol, Value::Protocol(TCP));
                rules.push(rule(vec![tcp, Statement::Reject(Reject::TcpReset)]));
                rules.push(rule(vec![Statement::Reject(Reject::AdminProhibited)]));
            }
            Refusal::Drop => rules.push(rule(vec![go(Verdict::Drop)])),
        }
        self.chains.insert(REFUSE.into(), Chain { hook: None, rules });
    }

    /// What to do with a packet. Returns let it pass.
    pub(super) fn of(&mut self, purpose: Purpose, direction: Direction, decision: &Decision) -> Verdict {
        let passes = decision.outcome == Outcome::Allow;
        if passes && (purpose == Purpose::Audit || self.options.log_allowed.is_none()) {
            return Verdict::Return;
        }
        let key = (purpose, direction, decision.clone());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let logged = match purpose {
            Purpose::Audit => Logged::Audit,
            Purpose::Enforce if passes => Logged::Allow,
            Purpose::Enforce => Logged::Deny,
        };
        let logs = Self::logs(logged, direction, decision);
        self.note(&logs);
        let id = self.number(&logs);
        let chain = match logged {
            Logged::Deny => self.deny(id, &logs),
            Logged::Allow => self.allow(id, &logs),
            Logged::Audit => self.audit(id, &logs),
        };
        let name: Name = format!("{}_{:08x}", logged.as_str(), id.0).into();
        self.rules.insert(id, logs);
        self.chains.insert(name.clone(), chain);
        let verdict = Verdict::Goto(name);
        self.known.insert(key, verdict.clone());
        verdict
    }

    fn logs(logged: Logged, direction: Direction, decision: &Decision) -> Logs {
        let Decision { outcome, conditions, missing, reasons } = decision.clone();
        let audits = |reason: &Reason| match reason {
            Reason::Rule(rule) => rule.policy.audit,
            Reason::Isolated(policy) => policy.audit,
            _ => false,
        };
        let mut blamed = reasons;
        if logged == Logged::Audit && blamed.iter().any(audits) {
            blamed.retain(audits);
        }
        let name = name(&blamed);
        Logs { logged, direction, outcome, reasons: blamed, conditions, missing, name }
    }

    fn note(&mut self, logs: &Logs) {
        let Logs { direction, name, .. } = logs;
        let (direction, policy) = (*direction, name.clone());
        match logs.outcome {
            Outcome::AllowIf => {
                let conditions = logs.conditions.clone();
                self.notes.insert(Note::NeedsProxy { direction, policy, conditions });
            }
            Outcome::Unknown => {
                let missing = logs.missing.clone();
                self.notes.insert(Note::Missing { direction, policy, missing });
            }
            Outcome::Allow | Outcome::Deny => {}
        }
    }

    /// A number that depends on what is logged alone, unless two hashes collide.
    fn number(&mut self, logs: &Logs) -> RuleId {
        let content = identity(logs);
        let folded = hash(&content);
        let folded = folded ^ (folded >> 32);
        let mut id = RuleId(u32::try_from(folded & u64::from(u32::MAX)).unwrap_or(u32::MAX));
        while self.taken.get(&id).is_some_and(|taken| *taken != content) {
            id = RuleId(id.0.wrapping_add(1));
        }
        self.taken.insert(id, content);
        id
    }

    fn log(&self, id: RuleId, logs: &Logs, rate: Rate) -> Rule {
        let Options { group, snaplen, queue_threshold, .. } = *self.options;
        let prefix = prefix(logs.logged, logs.direction, id, &logs.name);
        let limit = Statement::Limit { rate: rate.rate, burst: rate.burst };
        rule(vec![limit, Statement::Log(LogTo { prefix, group, snaplen, queue_threshold })])
    }

    fn deny(&self, id: RuleId, logs: &Logs) -> Chain {
        let log = self.options.log_denied.map(|rate| self.log(id, logs, rate));
        let refuse = rule(vec![Statement::Counter, goto(REFUSE)]);
        Chain { hook: None, rules: self.own().chain(log).chain([refuse]).collect() }
    }

    /// Lets what a pod sends to itself pass, which no policy applies to. It is looked for where something else would happen
    /// to it, because looking it up costs more than all other tests that a packet meets which is allowed anyway.
    fn own(&self) -> impl Iterator<Item = Rule> {
        self.families.iter().map(|family| {
            let fields = vec![Field::Source(*family), Field::Destination(*family)];
            let own = Statement::In { fields, set: hairpin(*family), negated: false };
            rule(vec![own, go(Verdict::Return)])
        })
    }

    /// Logs the first packet of a connection, and lets it pass.
    fn allow(&self, id: RuleId, logs: &Logs) -> Chain {
        let mask = self.options.mark_mask;
        let mut rules = vec![
            rule(vec![Statement::Reply(true), go(Verdict::Return)]),
            rule(vec![Statement::Mark { mask, value: 0, negated: true }, go(Verdict::Return)]),
        ];
        rules.extend(self.own());
        rules.push(rule(vec![Statement::Counter]));
        rules.extend(self.options.log_allowed.map(|rate| self.log(id, logs, rate)));
        Chain { hook: None, rules }
    }

    fn audit(&self, id: RuleId, logs: &Logs) -> Chain {
        let mut rules: Vec<Rule> = self.own().collect();
        rules.push(rule(vec![Statement::Counter]));
        let rate = self.options.log_denied.unwrap_or(Rate { rate: 100, burst: 200 });
        rules.push(self.log(id, logs, rate));
        Chain { hook: None, rules }
    }
}

/// Everything that makes a number: not where things are written.
fn identity(logs: &Logs) -> String {
    let reason = |reason: &Reason| match reason {
        Reason::Rule(RuleRef { policy, direction, index, action, .. }) => {
            let kind = policy.kind.as_str();
            format!("{action:?} {kind} {} {} {index}", policy.full_name(), direction.as_str())
        }
        Reason::Isolated(policy) => format!("isolated {} {}", policy.kind.as_str(), policy.full_name()),
        other => format!("{other:?}"),
    };
    let reasons: Vec<String> = logs.reasons.iter().map(reason).collect();
    format!(
        "{} {} {} {reasons:?} {:?} {:?}",
        logs.logged.as_str(),
        logs.direction.as_str(),
        logs.outcome.as_str(),
        logs.conditions,
        logs.missing
    )
}

/// The policies for people: the first, and how many there are beside it.
fn name(reasons: &[Reason]) -> String {
    let full = |policy: &PolicyMeta| format!("{} {}", policy.kind.as_str(), policy.full_name());
    let first = reasons.iter().find_map(|reason| match reason {
        Reason::Rule(rule) => {
            Some(format!("{} {}[{}]", full(&rule.policy), rule.direction.as_str(), rule.index))
        }
        Reason::Isolated(policy) => Some(full(policy)),
        _ => None,
    });
    match (first, reasons.len()) {
        (Some(first), 2..) => format!("{first} +{}", reasons.len() - 1),
        (first, _) => first.unwrap_or_default(),
    }
}
