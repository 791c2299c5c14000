//! Requirements that no labels can meet together. In: requirements of one selector. Out: the two that exclude each other.

use std::collections::BTreeMap;

use ringfence_model::label::{Operator, Requirement};

/// The first requirement that cannot hold beside an earlier one (or earlier ones, the last of which is returned first).
pub(crate) fn contradiction<'r>(
    requirements: impl IntoIterator<Item = &'r Requirement>,
) -> Option<(&'r Requirement, &'r Requirement)> {
    let mut by_key: BTreeMap<&str, Vec<&'r Requirement>> = BTreeMap::new();
    for requirement in requirements {
        let earlier = by_key.entry(&requirement.key).or_default();
        if let Some(other) = excluding(earlier, requirement) {
            return Some((other, requirement));
        }
        earlier.push(requirement);
    }
    None
}

/// What a requirement cannot hold beside.
fn excluding<'r>(earlier: &[&'r Requirement], new: &Requirement) -> Option<&'r Requirement> {
    let last = earlier.last()?;
    let all = || earlier.iter().copied().chain(std::iter::once(new));
    let holds = |value: Option<&str>| all().all(|requirement| requirement.holds(value));
    let values = all().filter(|one| one.operator == Operator::In).flat_map(|one| &one.values);
    let mut listed = values.peekable();
    let possible = if listed.peek().is_some() {
        listed.any(|value| holds(Some(value)))
    } else {
        // Without a list any value will do that no list excludes; there are more values than can be excluded.
        holds(None) || all().all(|one| one.operator != Operator::DoesNotExist)
    };
    if possible {
        return None;
    }
    let pair = |one: &Requirement| {
        let values = one.values.iter().chain(&new.values);
        let both = |value: Option<&str>| one.holds(value) && new.holds(value);
        let mut values = values.map(|value| &**value);
        !(both(None) || values.any(|value| both(Some(value))))
    };
    Some(earlier.iter().copied().find(|one| pair(one)).unwrap_or(last))
}

#[cfg(test)]
mod tests {
    use ringfence_model::origin::Origin;

    use super::*;

    fn is(operator: Operator, values: &[&str]) -> Requirement {
        let values = values.iter().map(|value| (*value).into()).collect();
        Requirement { key: "k".into(), operator, values, origin: Origin::NONE }
    }

    #[test]
    fn what_excludes_each_other_is_found() {
        use Operator::{DoesNotExist, Exists, In, NotIn};
        let impossible = [
            vec![is(In, &["a"]), is(NotIn, &["a"])],
            vec![is(In, &["a"]), is(In, &["b"])],
            vec![is(In, &["a", "b"]), is(In, &["b", "c"]), is(NotIn, &["b"])],
            vec![is(Exists, &[]), is(DoesNotExist, &[])],
            vec![is(DoesNotExist, &[]), is(In, &["a"])],
        ];
        for requirements in &impossible {
            assert!(contradiction(requirements).is_some(), "{requirements:?}");
        }
        let possible = [
            vec![is(In, &["a", "b"]), is(NotIn, &["a"])],
            vec![is(NotIn, &["a"]), is(DoesNotExist, &[])],
            vec![is(NotIn, &["a"]), is(Exists, &[])],
            vec![is(Exists, &[]), is(In, &["a"])],
        ];
        for requirements in &possible {
            assert!(contradiction(requirements).is_none(), "{requirements:?}");
        }
    }
}
