//! Labels and label selectors. In: keys and values. Out: matches, by the rules of
//! `k8s.io/apimachinery/pkg/apis/meta/v1.LabelSelector`.

use crate::{Text, origin::Origin};

/// A set of labels, sorted by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Vec<(Text, Text)>);

impl Labels {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Text> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// Sets a key; an older value of it is replaced.
    pub fn insert(&mut self, key: impl Into<Text>, value: impl Into<Text>) {
        let (key, value) = (key.into(), value.into());
        match self.0.binary_search_by(|(known, _)| known.cmp(&key)) {
            Ok(at) => {
                if let Some(slot) = self.0.get_mut(at) {
                    slot.1 = value;
                }
            }
            Err(at) => self.0.insert(at, (key, value)),
        }
    }

    /// Keys and values in the order of the keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Text, &Text)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether every one of `wanted` is here with the same value (how a Service selects pods).
    #[must_use]
    pub fn contains_all(&self, wanted: &Self) -> bool {
        wanted.iter().all(|(key, value)| self.get(key) == Some(value))
    }
}

impl<K: Into<Text>, V: Into<Text>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut sorted: Vec<(Text, Text)> = pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        // A later pair replaces an earlier one: keep the last of each key.
        sorted.reverse();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        sorted.dedup_by(|later, kept| later.0 == kept.0);
        Self(sorted)
    }
}

/// How a requirement compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// The key is there with one of the values.
    In,
    /// The key is absent, or its value is none of the values.
    NotIn,
    /// The key is there.
    Exists,
    /// The key is absent.
    DoesNotExist,
}

impl Operator {
    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In => "In",
            Self::NotIn => "NotIn",
            Self::Exists => "Exists",
            Self::DoesNotExist => "DoesNotExist",
        }
    }
}

/// One condition of a selector. An entry of `matchLabels` is an `In` with one value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement {
    /// The label key, as written.
    pub key: Text,
    /// How it compares.
    pub operator: Operator,
    /// The values, as written (none for `Exists` and `DoesNotExist`).
    pub values: Vec<Text>,
    /// Where it is written.
    pub origin: Origin,
}

impl Requirement {
    /// Whether a label with this value (or its absence) meets the requirement.
    #[must_use]
    pub fn holds(&self, actual: Option<&str>) -> bool {
        let listed = || actual.is_some_and(|actual| self.values.iter().any(|value| **value == *actual));
        match self.operator {
            Operator::In => listed(),
            Operator::NotIn => !listed(),
            Operator::Exists => actual.is_some(),
            Operator::DoesNotExist => actual.is_none(),
        }
    }
}

/// A label selector: all requirements must hold; none at all (`{}`) selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector {
    /// The conditions, `matchLabels` first (by key), then `matchExpressions` as written.
    pub requirements: Vec<Requirement>,
    /// Where the selector is written.
    pub origin: Origin,
}

impl Selector {
    /// Whether the labels meet every requirement.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements
            .iter()
            .all(|requirement| requirement.holds(labels.get(&requirement.key).map(|v| &**v)))
    }

    /// Whether it is `{}`, which selects everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirement(operator: Operator, values: &[&str]) -> Requirement {
        let values = values.iter().map(|v| Text::from(*v)).collect();
        Requirement { key: "k".into(), operator, values, origin: Origin::NONE }
    }

    #[test]
    fn absent_keys_meet_not_in_and_does_not_exist() {
        assert!(requirement(Operator::NotIn, &["a"]).holds(None));
        assert!(requirement(Operator::DoesNotExist, &[]).holds(None));
        assert!(!requirement(Operator::In, &["a"]).holds(None));
        assert!(!requirement(Operator::Exists, &[]).holds(None));
        assert!(!requirement(Operator::NotIn, &["a"]).holds(Some("a")));
        assert!(requirement(Operator::NotIn, &["a"]).holds(Some("")));
    }

    #[test]
    fn the_last_value_of_a_key_wins_and_keys_are_sorted() {
        let labels: Labels = [("b", "1"), ("a", "2"), ("b", "3")].into_iter().collect();
        assert_eq!(labels.get("b").map(|v| &**v), Some("3"));
        assert_eq!(labels.iter().map(|(k, _)| &**k).collect::<Vec<_>>(), ["a", "b"]);
        assert!(Selector::default().matches(&labels));
    }
}
