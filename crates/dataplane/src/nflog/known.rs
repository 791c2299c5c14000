//! What a program's numbers stand for, ready for records. In: a program. Out: reasons that many records share.

use std::{collections::BTreeMap, sync::Arc};

use ringfence_model::verdict::Reason;

use super::Rules;
use crate::{compile::Program, prefix::RuleId};

type Numbers = BTreeMap<RuleId, Arc<[Reason]>>;

/// The reasons by their numbers, of a program and of the one before it: the kernel may still hold packets that that one logged.
#[derive(Clone, Debug, Default)]
pub struct Known {
    now: Numbers,
    before: Numbers,
}

impl Known {
    /// Takes what a program knows.
    #[must_use]
    pub fn new(program: &Program) -> Self {
        let numbers = program.rules.iter();
        let now = numbers.map(|(id, logs)| (*id, logs.reasons.iter().cloned().collect())).collect();
        Self { now, before: Numbers::new() }
    }

    /// Takes what the next version of the program knows.
    pub fn update(&mut self, program: &Program) {
        self.before = std::mem::replace(&mut self.now, Self::new(program).now);
    }
}

impl Rules for Known {
    fn reasons(&self, id: RuleId) -> Option<Arc<[Reason]>> {
        self.now.get(&id).or_else(|| self.before.get(&id)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use ringfence_model::cluster::Cluster;
    use ringfence_policy::{
        Compiled,
        generate::{self, Size},
    };

    use super::*;
    use crate::compile::{Options, compile};

    #[test]
    fn every_number_of_a_program_has_its_reasons_until_the_second_update() {
        let program = |seed| {
            let cluster = generate::cluster(seed, &Size::SMALL);
            let node = cluster.nodes.first().map(|node| node.name.clone()).unwrap_or_default();
            compile(&Compiled::new(cluster), None, &node, &Options::default())
        };
        let full = (0..100).map(program).find(|program| !program.rules.is_empty()).unwrap();
        let empty = compile(&Compiled::new(Cluster::default()), None, "", &Options::default());
        assert!(empty.rules.is_empty());
        let mut known = Known::new(&full);
        known.update(&empty);
        for (id, logs) in &full.rules {
            assert_eq!(known.reasons(*id).unwrap().to_vec(), logs.reasons);
        }
        known.update(&empty);
        assert!(full.rules.keys().all(|id| known.reasons(*id).is_none()));
    }
}
