//! The fast judge against the slow one.

use ringfence_policy::generate;

use crate::common::{JUDGES, Size, clusters};

#[test]
fn compiled_agrees_with_the_reference() {
    const FLOWS: usize = 40;
    let [(_, compiled), (_, reference)] = JUDGES;
    let seeds = clusters(1000);
    let judged = seeds.clone().count() * FLOWS;
    let mut unsure = 0;
    let mut cases = seeds.filter_map(|seed| {
        let cluster = generate::cluster(seed, &Size::SMALL);
        match generate::compare(seed, &cluster, FLOWS, compiled, reference) {
            Ok(count) => {
                unsure += count;
                None
            }
            Err(case) => Some(case),
        }
    });
    let case = cases.next();
    assert!(case.is_none(), "{}\n{} more clusters differ", case.unwrap_or_default(), cases.count());
    // Being less sure than possible is right, and must stay rare.
    assert!(unsure * 10_000 <= judged, "{unsure} of {judged} verdicts are less sure than they could be");
}
