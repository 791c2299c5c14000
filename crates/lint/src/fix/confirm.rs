//! Whether a repair does what it claims. In: the claim, the cluster before and after. Out: nothing, or in what it differs.

use ringfence_analysis::diff::{Change, Diff, End, Kind, diff};
use ringfence_model::{
    cluster::Cluster,
    flow::{Endpoint, Flow},
    verdict::Outcome,
};
use ringfence_policy::Compiled;

use super::own_nodes;
use crate::finding::Claim;

/// Holds claims, which are of one kind, against the engine.
pub(super) fn confirm<'a>(
    claims: impl IntoIterator<Item = &'a Claim>,
    before: &Compiled,
    after: &Compiled,
) -> Result<(), String> {
    let found = diff(before, after, true);
    let nodes = own_nodes::compare(before, after);
    claims.into_iter().try_for_each(|claim| {
        let against = match claim {
            Claim::ChangesNothing => nodes.opened.as_ref().or(nodes.cut.as_ref()),
            Claim::Opens(_) => nodes.cut.as_ref(),
            Claim::Cuts(_) => nodes.opened.as_ref(),
            Claim::Moves(..) => None,
        };
        if let Some(pod) = against {
            return Err(format!("it changes connections of {pod} with the node that it runs on"));
        }
        confirm_one(claim, &found, before, after)
    })
}

fn confirm_one(claim: &Claim, found: &Diff, before: &Compiled, after: &Compiled) -> Result<(), String> {
    match claim {
        Claim::ChangesNothing => match found.changes.first() {
            None => Ok(()),
            Some(change) => Err(format!("it changes {}", connection(found, change))),
        },
        Claim::Opens(opened) => {
            if let Some(change) = found.changes.iter().find(|change| change.kind != Kind::Opened) {
                return Err(format!("it cuts {}", connection(found, change)));
            }
            passes(opened, before, false)?;
            passes(opened, after, true)
        }
        Claim::Cuts(cut) => {
            if let Some(change) = found.changes.iter().find(|change| change.opened) {
                return Err(format!("it opens {}", connection(found, change)));
            }
            passes(cut, before, true)?;
            passes(cut, after, false)
        }
        Claim::Moves(opened, cut) => {
            if opened.is_empty() && cut.is_empty() {
                return Err("it does not say what it does".to_owned());
            }
            passes(opened, before, false)?;
            passes(opened, after, true)?;
            passes(cut, before, true)?;
            passes(cut, after, false)
        }
    }
}

/// Whether each of some flows passes, or none of them does.
fn passes(flows: &[Flow], compiled: &Compiled, wanted: bool) -> Result<(), String> {
    for flow in flows {
        let outcome = compiled.outcome(flow);
        if matches!(outcome, Outcome::Allow | Outcome::AllowIf) != wanted {
            let name = |end: &Endpoint| named(end, compiled.cluster());
            let (from, to) = (name(&flow.from), name(&flow.to));
            return Err(format!("{from} to {to} on {}/{}: {}", flow.port, flow.protocol, outcome.as_str()));
        }
    }
    Ok(())
}

fn named(end: &Endpoint, cluster: &Cluster) -> String {
    match end {
        Endpoint::Pod(id) => cluster
            .pod(*id)
            .map_or_else(|| "no pod".to_owned(), |pod| format!("`{}/{}`", pod.namespace, pod.name)),
        Endpoint::Address(address) => address.to_string(),
        Endpoint::Name(name) => format!("`{name}`"),
    }
}

fn connection(found: &Diff, change: &Change) -> String {
    let name = |end: &End| match end {
        End::Workload(at) => found
            .workloads
            .get(*at)
            .map_or_else(String::new, |key| format!("`{}/{}`", key.namespace, key.name)),
        End::Outside(_) => "outside".to_owned(),
    };
    format!("connections from {} to {}", name(&change.from), name(&change.to))
}
