//! The drop log. In: trials with the records of the nodes' logs. Out: the rules that refused packets, the busiest first, each
//! with where it is written and examples.

use std::{cmp::Reverse, collections::BTreeMap};

use ringfence_lab::trial::{Denial, Kernel, Tried};
use ringfence_model::{cluster::Cluster, verdict::Direction};

use super::{ends::Ends, grid::port_text};

/// Examples for each rule.
const EXAMPLES: usize = 3;

/// Places shown for each rule.
const PLACES: usize = 3;

/// The units of both ends.
type Pair = (Option<usize>, Option<usize>);

/// What one rule refused, or would have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Drop {
    /// The rule in words.
    pub(super) rule: String,
    /// Which side of the connection it guards.
    pub(super) direction: Direction,
    /// Whether it only reports.
    pub(super) audit: bool,
    /// How many trials it refused.
    pub(super) count: usize,
    /// `file:line` of the rule, or of the policies if no single rule decided.
    pub(super) places: Vec<String>,
    /// A few of the trials.
    pub(super) examples: Vec<String>,
}

/// Everything that the logs hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Drops {
    /// By rule: those that refuse before those that only report, the busiest first.
    pub(super) rules: Vec<Drop>,
    /// Denied trials of which no log tells.
    pub(super) silent: usize,
}

impl Drops {
    /// Of everything that was tried.
    pub(super) fn of(tried: &[Tried], ends: &Ends<'_>, cluster: &Cluster) -> Self {
        let mut rules: BTreeMap<(bool, &str, Direction), (Drop, Vec<Pair>)> = BTreeMap::new();
        let mut silent = 0;
        for one in tried {
            if matches!(one.kernel, Kernel::Denied(_)) && one.denials.iter().all(|denial| denial.audit) {
                silent += 1;
            }
            for denial in &one.denials {
                let key = (denial.audit, denial.rule.as_str(), denial.direction);
                let (drop, pairs) = rules.entry(key).or_insert_with(|| (new(denial, cluster), Vec::new()));
                drop.count += 1;
                let pair = (ends.source(one), ends.target(one));
                if pairs.len() < EXAMPLES && !pairs.contains(&pair) {
                    pairs.push(pair);
                    drop.examples.push(example(one, ends));
                }
            }
        }
        let mut rules: Vec<Drop> = rules.into_values().map(|(drop, _)| drop).collect();
        // The sort is stable, so that equals stay in the order of their names.
        rules.sort_by_key(|drop| (drop.audit, Reverse(drop.count)));
        Self { rules, silent }
    }
}

fn new(denial: &Denial, cluster: &Cluster) -> Drop {
    Drop {
        rule: denial.rule.clone(),
        direction: denial.direction,
        audit: denial.audit,
        count: 0,
        places: places(denial, cluster),
        examples: Vec::new(),
    }
}

fn places(denial: &Denial, cluster: &Cluster) -> Vec<String> {
    if let Some(place) = cluster.sources.place(denial.origin) {
        return vec![place];
    }
    let places = denial.policies.iter().filter_map(|policy| cluster.sources.place(policy.origin));
    places.take(PLACES).collect()
}

/// `shop/web -> shop/cache 6379/TCP`, by unit.
fn example(tried: &Tried, ends: &Ends<'_>) -> String {
    let name = |unit: Option<usize>, otherwise: String| unit.map_or(otherwise, |at| ends.name(at).to_owned());
    let from = name(ends.source(tried), ends.endpoint(&tried.trial.from));
    let to = name(ends.target(tried), ends.destination(&tried.trial.to));
    format!("{from} -> {to} {}", port_text(tried.trial.protocol, tried.trial.port))
}
