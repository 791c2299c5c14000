//! The derivation of one side of a verdict. In: the reasons that the judge gave. Out: sentences, each with the place that it
//! speaks of.

use ringfence_model::{
    Text,
    cilium::{FqdnMatch, HttpMatch, L7Match},
    cluster::Cluster,
    flow::{Endpoint, Flow},
    label::Operator,
    network_policy::PolicyMeta,
    origin::Origin,
    tier::Action,
    verdict::{
        Condition, Direction, LabelMismatch, Mismatch, Missing, NearMiss, Outcome, Reason, RuleRef, Side,
    },
};

use super::tier;

/// The kind of a step, by which machine formats name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// A rule decided.
    Rule,
    /// A rule handed the decision on.
    Passed,
    /// A policy isolates.
    Isolated,
    /// The rule that came nearest.
    Nearest,
    /// Something else than a policy decided.
    Fact,
    /// A condition that must hold.
    Condition,
    /// A fact that is not known.
    Missing,
}

impl StepKind {
    /// `rule`, `passed`, `isolated`, `nearest`, `fact`, `condition` or `missing`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Passed => "passed",
            Self::Isolated => "isolated",
            Self::Nearest => "nearest",
            Self::Fact => "fact",
            Self::Condition => "condition",
            Self::Missing => "missing",
        }
    }
}

/// One step of a derivation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is.
    pub kind: StepKind,
    /// The sentence, without a full stop.
    pub text: String,
    /// The policy that it speaks of: kind and full name.
    pub policy: Option<(&'static str, String)>,
    /// Where the rule or policy is written.
    pub origin: Origin,
    /// The part of it that matters: the peer that matched or came nearest.
    pub mark: Origin,
    /// What else there is to say: why a rule did not match.
    pub details: Vec<Detail>,
}

/// An addition to a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The sentence.
    pub text: String,
    /// Where what it speaks of is written.
    pub origin: Origin,
}

/// Tells the steps of one side.
pub(super) struct Teller<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) flow: &'a Flow,
    pub(super) direction: Direction,
    pub(super) subject: &'a str,
    pub(super) other: &'a str,
    /// The port, if the part is about one only.
    pub(super) port: Option<u16>,
}

impl Teller<'_> {
    /// The steps in the order of the reasons, then conditions and missing facts.
    pub(super) fn steps(&self, side: &Side) -> Vec<Step> {
        let mut steps: Vec<Step> =
            side.reasons.iter().map(|reason| self.reason(reason, side.outcome)).collect();
        let has = |kind| steps.iter().any(|step| step.kind == kind);
        if side.outcome == Outcome::Deny && has(StepKind::Isolated) && !has(StepKind::Nearest) {
            let way = self.direction.as_str();
            steps.push(plain(StepKind::Fact, format!("there is no {way} rule that could let it through")));
        }
        steps.extend(
            side.conditions.iter().map(|condition| plain(StepKind::Condition, condition_text(condition))),
        );
        steps.extend(side.missing.iter().map(|missing| plain(StepKind::Missing, missing_text(missing))));
        steps
    }

    fn reason(&self, reason: &Reason, outcome: Outcome) -> Step {
        let way = self.direction.as_str();
        match reason {
            Reason::NotASubject => plain(StepKind::Fact, self.not_a_subject()),
            Reason::NotIsolated => plain(
                StepKind::Fact,
                format!(
                    "no policy isolates `{}` for {way}, and no rule denies this: it passes",
                    self.subject
                ),
            ),
            Reason::SelfTraffic => plain(StepKind::Fact, "a pod always reaches itself".to_owned()),
            Reason::OwnNode => plain(
                StepKind::Fact,
                "NetworkPolicy never blocks traffic between a pod and the node that it runs on".to_owned(),
            ),
            Reason::NotEnforced => plain(
                StepKind::Fact,
                format!("the profile `{}` enforces no policies", self.cluster.profile.name),
            ),
            Reason::NoAddress(family) => {
                plain(StepKind::Fact, format!("`{}` has no {} address", self.subject, family.as_str()))
            }
            Reason::NoEndpoint => plain(StepKind::Fact, "there is no such running pod".to_owned()),
            Reason::Rule(rule) => self.rule(rule, outcome),
            Reason::Passed(rule) => Step {
                text: format!("{} passes the decision on by {}", self.policy(&rule.policy), rule_name(rule)),
                ..about(StepKind::Passed, rule)
            },
            Reason::Isolated(policy) => Step {
                kind: StepKind::Isolated,
                text: format!("isolated for {way} by {}", self.policy(policy)),
                policy: Some((policy.kind.as_str(), policy.full_name())),
                origin: policy.origin,
                mark: Origin::NONE,
                details: Vec::new(),
            },
            Reason::NearMiss(near) => self.near_miss(near),
        }
    }

    fn not_a_subject(&self) -> String {
        let subject = if self.direction == Direction::Egress { &self.flow.from } else { &self.flow.to };
        match subject {
            Endpoint::Pod(_) => {
                format!(
                    "no policy applies at `{}`: it uses its node's network, and policies never select such pods",
                    self.subject
                )
            }
            Endpoint::Address(_) | Endpoint::Name(_) => {
                format!("no policy applies at `{}`: policies select pods", self.subject)
            }
        }
    }

    fn rule(&self, rule: &RuleRef, outcome: Outcome) -> Step {
        let verb = match (rule.action, outcome) {
            (Action::Accept, Outcome::AllowIf) => "allows this under conditions",
            (Action::Accept, Outcome::Unknown) => "would allow this",
            (Action::Accept, _) => "allows this",
            (Action::Deny, Outcome::Unknown) => "would deny this",
            (Action::Deny, _) => "denies this",
            (Action::Pass, _) => "passes the decision on",
        };
        Step {
            text: format!("{} {verb} by {}", self.policy(&rule.policy), rule_name(rule)),
            ..about(StepKind::Rule, rule)
        }
    }

    fn near_miss(&self, near: &NearMiss) -> Step {
        let rule = rule_name(&near.rule);
        let text =
            format!("no rule lets this through; the nearest is {rule} of {}", self.policy(&near.rule.policy));
        let within = |detail: Detail| {
            // Equal selectors share what they are compiled to: the place can be that of another policy's.
            let (rule, at) = (near.rule.origin, detail.origin);
            let inside = at.source == rule.source && rule.start <= at.start && at.end <= rule.end;
            Detail { origin: if inside { at } else { Origin::NONE }, ..detail }
        };
        let details = near.mismatches.iter().map(|mismatch| within(self.mismatch(mismatch))).collect();
        Step { text, details, ..about(StepKind::Nearest, &near.rule) }
    }

    /// `NetworkPolicy `shop/web``, with tier and priority where it has them.
    fn policy(&self, meta: &PolicyMeta) -> String {
        let name = format!("{} `{}`", meta.kind.as_str(), meta.full_name());
        match tier::find(self.cluster, meta) {
            Some(policy) => format!("{name} ({} tier, priority {})", policy.tier.as_str(), policy.priority),
            None => name,
        }
    }

    fn mismatch(&self, mismatch: &Mismatch) -> Detail {
        let (subject, other, flow) = (self.subject, self.other, self.flow);
        let to = if self.direction == Direction::Egress { other } else { subject };
        let mut origin = Origin::NONE;
        let text = match mismatch {
            Mismatch::PodLabel(label) => {
                origin = label.origin;
                format!("it asks for pods {}; `{other}` {}", wanted(label), found(label))
            }
            Mismatch::NamespaceLabel(label) => {
                origin = label.origin;
                format!("it asks for namespaces {}; that of `{other}` {}", wanted(label), found(label))
            }
            Mismatch::OtherNamespace(own) => {
                format!("it selects pods of its own namespace `{own}`; `{other}` is in another one")
            }
            Mismatch::Port(ports) => match self.port {
                Some(port) => format!("it is for port {ports}, not {port}"),
                None => format!("it is for port {ports} only"),
            },
            Mismatch::Protocol(protocols) => {
                let names: Vec<&str> = protocols.iter().map(|protocol| protocol.as_str()).collect();
                format!("it is for {}, not {}", names.join(" and "), flow.protocol)
            }
            Mismatch::NamedPort(name) => {
                format!("`{to}` has no {} container port called `{name}`", flow.protocol)
            }
            Mismatch::Address(net) => format!("`{other}` is not in {net}"),
            Mismatch::Except(net) => format!("`{other}` is in {net}, which it excepts"),
            Mismatch::PeerKind(kind) => format!("its peer is for {kind}, which `{other}` is not one of"),
            Mismatch::Request => "the request does not meet its conditions".to_owned(),
            Mismatch::NoPeer => "its list of peers is empty: it is for nobody".to_owned(),
        };
        Detail { text, origin }
    }
}

fn plain(kind: StepKind, text: String) -> Step {
    Step { kind, text, policy: None, origin: Origin::NONE, mark: Origin::NONE, details: Vec::new() }
}

fn about(kind: StepKind, rule: &RuleRef) -> Step {
    Step {
        kind,
        text: String::new(),
        policy: Some((rule.policy.kind.as_str(), rule.policy.full_name())),
        origin: rule.origin,
        mark: if rule.peer == rule.origin { Origin::NONE } else { rule.peer },
        details: Vec::new(),
    }
}

/// `egress rule 2`, counted from 1.
fn rule_name(rule: &RuleRef) -> String {
    format!("{} rule {}", rule.direction.as_str(), u64::from(rule.index) + 1)
}

fn wanted(label: &LabelMismatch) -> String {
    let values = label.values.iter().map(|value| &**value).collect::<Vec<_>>().join(", ");
    match (label.operator, label.values.as_slice()) {
        (Operator::In, [one]) => format!("with `{}={one}`", label.key),
        (Operator::In, _) => format!("with `{}` in ({values})", label.key),
        (Operator::NotIn, _) => format!("without `{}` in ({values})", label.key),
        (Operator::Exists, _) => format!("with a label `{}`", label.key),
        (Operator::DoesNotExist, _) => format!("without a label `{}`", label.key),
    }
}

fn found(label: &LabelMismatch) -> String {
    match &label.actual {
        Some(value) => format!("has `{}={value}`", label.key),
        None => "has no such label".to_owned(),
    }
}

/// A condition in words: `the request matches GET /api.*`.
#[must_use]
pub fn condition_text(condition: &Condition) -> String {
    match condition {
        Condition::L7(L7Match::Http(http)) => format!("if the HTTP request is {}", http_text(http)),
        Condition::L7(L7Match::Dns(name)) => format!("if the DNS question is for {}", fqdn_text(name)),
        Condition::L7(L7Match::Other(protocol)) => format!("if the request meets the `{protocol}` rules"),
        Condition::ResolvedFrom(name) => {
            format!("if the address is one that {} resolved to", fqdn_text(name))
        }
    }
}

fn fqdn_text(name: &FqdnMatch) -> String {
    match name {
        FqdnMatch::Name(name) => format!("`{name}`"),
        FqdnMatch::Pattern(pattern) => format!("a name like `{pattern}`"),
    }
}

fn http_text(http: &HttpMatch) -> String {
    let any = |text: &Option<Text>| text.as_deref().unwrap_or("*").to_owned();
    let mut text = format!("`{} {}`", any(&http.method), any(&http.path));
    if let Some(host) = &http.host {
        text.push_str(&format!(" for host `{host}`"));
    }
    for (name, value) in &http.headers {
        match value {
            Some(value) => text.push_str(&format!(" with header `{name}: {value}`")),
            None => text.push_str(&format!(" with a header `{name}`")),
        }
    }
    text
}

/// A missing fact in words.
#[must_use]
pub fn missing_text(missing: &Missing) -> String {
    match missing {
        Missing::PodAddress(pod) => {
            format!("not known: the address of pod `{pod}`, on which an address range depends")
        }
        Missing::NodeAddress(name) => format!("not known: the node address of `{name}`"),
        Missing::PodNode(pod) => format!("not known: the node that `{pod}` runs on"),
        Missing::NodeLabels(node) => format!("not known: the labels of node `{node}`"),
        Missing::NameAddress(name) => format!("not known: the addresses of `{name}`"),
        Missing::ApiServerAddress => "not known: the addresses of the API server".to_owned(),
        Missing::PriorityOrder(policies) => {
            let names: Vec<String> = policies.iter().map(|name| format!("`{name}`")).collect();
            format!("undefined: {} have the same priority and disagree", names.join(", "))
        }
        Missing::ExternalReference(what) => format!("not known: what `{what}` selects outside this input"),
        Missing::RequestDetail(what) => format!("not stated by the request: `{what}`"),
        Missing::NoPacket(why) => format!("no packet can decide it: {why}"),
    }
}
