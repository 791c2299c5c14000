//! How chains lead into one another. In: a table. Out: nothing, or the loop, the depth or the misplaced statement that the
//! kernel would refuse.

use std::collections::BTreeMap;

use super::{
    Chain, HookPoint, Limits, Name, Statement, Table, Verdict,
    check::{TooLarge, wrong},
};

/// Checks that there is no loop, that nothing is too deep, and that what runs from a hook may run there.
pub(super) fn check(table: &Table) -> Result<(), TooLarge> {
    let mut depths = BTreeMap::new();
    for name in table.chains.keys() {
        depth(table, name, &mut depths, 0)?;
    }
    let bases = table.chains.iter().filter_map(|(name, chain)| chain.hook.map(|hook| (name, hook)));
    for (name, hook) in bases {
        let levels = depths.get(name).copied().flatten().unwrap_or(0);
        if levels > Limits::DEPTH {
            return Err(wrong(
                &format!("chain `{name}`"),
                &format!("chains lead into one another {levels} deep and may {} deep", Limits::DEPTH),
            ));
        }
        for reached in reachable(table, name) {
            let Some(chain) = table.chains.get(reached) else { continue };
            for statement in chain.rules.iter().flat_map(|rule| &rule.statements) {
                let fits = match statement {
                    Statement::Masquerade => hook.nat && hook.point == HookPoint::Postrouting,
                    Statement::Dnat(..) => {
                        hook.nat && matches!(hook.point, HookPoint::Prerouting | HookPoint::Output)
                    }
                    Statement::Reject(_) => {
                        !hook.nat
                            && matches!(hook.point, HookPoint::Input | HookPoint::Forward | HookPoint::Output)
                    }
                    _ => true,
                };
                if !fits {
                    return Err(wrong(
                        &format!("chain `{reached}`"),
                        &format!(
                            "a statement may not run at the hook of the chain `{name}`, which leads here"
                        ),
                    ));
                }
            }
        }
        if hook.nat && hook.point == HookPoint::Forward {
            return Err(wrong(&format!("chain `{name}`"), "chains of type nat have no hook forward"));
        }
        if hook.nat && hook.priority <= Limits::CONNTRACK {
            return Err(wrong(
                &format!("chain `{name}`"),
                "a chain of type nat has a priority above -200, after connection tracking",
            ));
        }
    }
    Ok(())
}

/// Chains that a chain's rules and the maps that they look into lead to.
fn targets<'a>(table: &'a Table, chain: &'a Chain) -> impl Iterator<Item = &'a Name> {
    let into = |verdict: &'a Verdict| match verdict {
        Verdict::Jump(chain) | Verdict::Goto(chain) => Some(chain),
        _ => None,
    };
    chain.rules.iter().flat_map(|rule| &rule.statements).flat_map(
        move |statement| -> Box<dyn Iterator<Item = &'a Name>> {
            match statement {
                Statement::Verdict(verdict) => Box::new(into(verdict).into_iter()),
                Statement::VerdictMap { map, .. } => Box::new(
                    table.maps.get(map).into_iter().flat_map(|map| map.elements.values()).filter_map(into),
                ),
                _ => Box::new(std::iter::empty()),
            }
        },
    )
}

/// How many chains stand one within another from this one on; `None` while it is being found out.
fn depth<'a>(
    table: &'a Table,
    name: &'a Name,
    depths: &mut BTreeMap<&'a Name, Option<usize>>,
    level: usize,
) -> Result<usize, TooLarge> {
    match depths.get(name) {
        Some(Some(known)) => return Ok(*known),
        Some(None) => return Err(wrong(&format!("chain `{name}`"), "chains lead in a circle")),
        None => {}
    }
    // Far beyond the limit there is no need to go on, nor stack to do it.
    if level > 4 * Limits::DEPTH {
        return Err(wrong(
            &format!("chain `{name}`"),
            &format!("chains lead into one another more than {} deep", Limits::DEPTH),
        ));
    }
    depths.insert(name, None);
    let mut deepest = 0;
    if let Some(chain) = table.chains.get(name) {
        let mut seen: Vec<&Name> = targets(table, chain).collect();
        seen.sort();
        seen.dedup();
        for target in seen {
            deepest = deepest.max(depth(table, target, depths, level + 1)?);
        }
    }
    depths.insert(name, Some(deepest + 1));
    Ok(deepest + 1)
}

fn reachable<'a>(table: &'a Table, from: &'a Name) -> Vec<&'a Name> {
    let mut found = std::collections::BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(name) = open.pop() {
        if let Some(chain) = table.chains.get(name) {
            open.extend(targets(table, chain).filter(|target| found.insert(target)));
        }
    }
    found.into_iter().collect()
}
