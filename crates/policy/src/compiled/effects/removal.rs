//! What is taken away. In: a policy's parts or one of its rules, and what has been taken away before. Out: policy sets without.

use std::{borrow::Cow, sync::Arc};

use ringfence_model::verdict::Direction;
use rustc_hash::FxHashMap;

use super::study::Study;
use crate::compiled::{
    PartId, SetId,
    rule::{Part, Rule, RuleSet},
};

/// What is left of each part that something was taken from; nothing of one that is gone.
pub(super) type Left = FxHashMap<PartId, Option<Arc<Part>>>;

/// Something to take away.
pub(super) struct Removal {
    /// The parts that it is taken from, with what is left of each.
    parts: Vec<(PartId, Option<Arc<Part>>)>,
    /// The rules that go, with their parts.
    rules: Vec<(PartId, Arc<Rule>)>,
}

/// One direction of one policy set, with something and without it.
pub(super) struct Change<'s> {
    pub(super) set: SetId,
    pub(super) direction: Direction,
    pub(super) full: Cow<'s, RuleSet>,
    pub(super) reduced: RuleSet,
    /// The rules that go.
    pub(super) removed: Vec<&'s Rule>,
    /// Whether it may matter to more than what these rules match.
    pub(super) wide: bool,
}

impl Removal {
    /// Whole parts, as far as they are left.
    pub(super) fn of_parts(study: &Study<'_>, left: &Left, ids: &[PartId]) -> Self {
        let parts = ids.iter().filter_map(|id| Some((*id, study.part(left, *id)?)));
        let rules = |(id, part): (PartId, &Arc<Part>)| -> Vec<(PartId, Arc<Rule>)> {
            part.ingress.iter().chain(&part.egress).map(|rule| (id, rule.clone())).collect()
        };
        Self { rules: parts.flat_map(rules).collect(), parts: ids.iter().map(|id| (*id, None)).collect() }
    }

    /// One rule of a part. Whether the part isolates its subject stays as it is.
    pub(super) fn of_rule(study: &Study<'_>, left: &Left, id: PartId, rule: &Arc<Rule>) -> Self {
        let without = |rules: &[Arc<Rule>]| -> Vec<Arc<Rule>> {
            rules.iter().filter(|known| !Arc::ptr_eq(known, rule)).cloned().collect()
        };
        let reduced = study.part(left, id).map(|part| {
            Arc::new(Part {
                meta: part.meta.clone(),
                ingress: without(&part.ingress),
                egress: without(&part.egress),
                ..**part
            })
        });
        Self { parts: vec![(id, reduced)], rules: vec![(id, rule.clone())] }
    }

    /// The parts that it is taken from.
    pub(super) fn parts(&self) -> impl Iterator<Item = PartId> + '_ {
        self.parts.iter().map(|(id, _)| *id)
    }

    pub(super) fn has_rules(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Takes it away for good.
    pub(super) fn apply(self, left: &mut Left) {
        left.extend(self.parts);
    }

    /// What is left of a part.
    fn part<'p>(&'p self, study: &'p Study<'_>, left: &'p Left, id: PartId) -> Option<&'p Arc<Part>> {
        match self.parts.iter().find(|(known, _)| *known == id) {
            Some((_, part)) => part.as_ref(),
            None => study.part(left, id),
        }
    }

    /// The rules of a set without it.
    pub(super) fn reduced(
        &self,
        study: &Study<'_>,
        left: &Left,
        set: SetId,
        direction: Direction,
    ) -> RuleSet {
        RuleSet::new(study.parts_of(set).iter().filter_map(|id| self.part(study, left, *id)), direction)
    }

    /// What it does to a set; nothing if the set stays as it is, or as good as.
    pub(super) fn change<'s>(
        &'s self,
        study: &'s Study<'_>,
        left: &Left,
        set: SetId,
        direction: Direction,
    ) -> Option<Change<'s>> {
        let here = |id: &PartId| study.parts_of(set).contains(id);
        let rules = self.rules.iter().filter(|(id, rule)| rule.direction == direction && here(id));
        let removed: Vec<&Rule> = rules.map(|(_, rule)| &**rule).collect();
        let isolated = self.parts.iter().any(|(id, rest)| {
            let isolates = |part: &Arc<Part>| part.isolates(direction);
            study.part(left, *id).is_some_and(isolates) && !rest.as_ref().is_some_and(isolates) && here(id)
        });
        if removed.is_empty() && !isolated {
            return None;
        }
        let full = study.rules(left, set, direction)?;
        let reduced = self.reduced(study, left, set, direction);
        // Who isolates does not matter to verdicts, only whether anybody does.
        let opened = !full.isolating.is_empty() && reduced.isolating.is_empty();
        if removed.is_empty() && !opened {
            return None;
        }
        // Without what it requires, the other rules of the subject select more.
        let wide = opened || removed.iter().any(|rule| !rule.requires.is_empty());
        Some(Change { set, direction, full, reduced, removed, wide })
    }
}
