//! Selectors of pods, each distinct one evaluated once. In: requirements on a pod, its namespace and its service
//! account. Out: numbered matchers with the shapes that they select, kept up to date as shapes come.

use fixedbitset::FixedBitSet;
use ringfence_model::{
    Text,
    cluster::Cluster,
    label::{Labels, Operator, Requirement, Selector},
    origin::Origin,
    workload::NAMESPACE_NAME_LABEL,
};
use rustc_hash::FxHashMap;

use super::shape::{Shape, ShapeId, Shapes};

/// Number of a matcher.
pub(super) type MatcherId = u32;

/// What a requirement looks at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Subject {
    /// A label of the pod's namespace.
    Namespace(Text),
    /// A label of the pod.
    Pod(Text),
    /// The pod's service account.
    ServiceAccount,
    /// A label that every pod has with this value.
    Constant(Text),
    /// A label that no pod has.
    Absent,
}

/// One requirement; its origin does not count when two are compared.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) subject: Subject,
    pub(super) operator: Operator,
    /// Sorted, without repeats.
    pub(super) values: Vec<Text>,
    /// The key as written.
    pub(super) key: Text,
    pub(super) origin: Origin,
}

impl Condition {
    pub(super) fn new(subject: Subject, requirement: &Requirement) -> Self {
        let mut values = requirement.values.clone();
        values.sort();
        values.dedup();
        let Requirement { key, operator, origin, .. } = requirement;
        Self { subject, operator: *operator, values, key: key.clone(), origin: *origin }
    }

    /// Whether a value (or its absence) meets it.
    fn holds(&self, actual: Option<&Text>) -> bool {
        let listed = || actual.is_some_and(|actual| self.values.binary_search(actual).is_ok());
        match self.operator {
            Operator::In => listed(),
            Operator::NotIn => !listed(),
            Operator::Exists => actual.is_some(),
            Operator::DoesNotExist => actual.is_none(),
        }
    }

    /// What it looks at, for a pod of this shape.
    pub(super) fn actual<'a>(&'a self, shape: &'a Shape, namespace: Option<&'a Labels>) -> Option<&'a Text> {
        match &self.subject {
            Subject::Namespace(key) => namespace.and_then(|labels| labels.get(key)),
            Subject::Pod(key) => shape.labels.get(key),
            Subject::ServiceAccount => Some(&shape.service_account),
            Subject::Constant(value) => Some(value),
            Subject::Absent => None,
        }
    }

    pub(super) fn holds_for(&self, shape: &Shape, namespace: Option<&Labels>) -> bool {
        self.holds(self.actual(shape, namespace))
    }

    /// The values, if only these can meet it.
    fn only_values(&self) -> Option<&[Text]> {
        (self.operator == Operator::In).then_some(self.values.as_slice())
    }
}

/// A selector of pods: all conditions must hold, in one namespace if it is restricted to one.
#[derive(Clone, Debug, Default)]
pub(super) struct Matcher {
    /// The one namespace that it is restricted to.
    pub(super) namespace: Option<Text>,
    pub(super) conditions: Vec<Condition>,
}

/// A matcher without origins: what makes two the same.
type MatcherKey = (Option<Text>, Vec<(Subject, Operator, Vec<Text>)>);

impl Matcher {
    /// Pods by a namespace selector (or one namespace) and a pod selector.
    pub(super) fn pods(
        namespace: Option<Text>,
        namespaces: Option<&Selector>,
        pods: Option<&Selector>,
    ) -> Self {
        let of = |selector: Option<&Selector>, subject: fn(Text) -> Subject| -> Vec<Condition> {
            let requirements = selector.map_or(&[][..], |selector| &selector.requirements);
            requirements.iter().map(|wanted| Condition::new(subject(wanted.key.clone()), wanted)).collect()
        };
        let mut conditions = of(namespaces, Subject::Namespace);
        conditions.extend(of(pods, Subject::Pod));
        Self { namespace, conditions }
    }

    /// Whether it selects pods of this shape.
    pub(super) fn matches(&self, shape: &Shape, namespace: Option<&Labels>) -> bool {
        self.namespace.as_ref().is_none_or(|only| *only == shape.namespace)
            && self.conditions.iter().all(|condition| condition.holds_for(shape, namespace))
    }

    fn key(&self) -> MatcherKey {
        let mut conditions: Vec<_> =
            self.conditions.iter().map(|c| (c.subject.clone(), c.operator, c.values.clone())).collect();
        conditions.sort();
        conditions.dedup();
        (self.namespace.clone(), conditions)
    }

    /// What it selects by, in one line: the same for two matchers that say the same, and for no others.
    pub(super) fn canonical(&self) -> String {
        format!("{:?}", self.key())
    }

    /// How much it asks for: a measure of how narrow it is.
    pub(super) fn demands(&self) -> usize {
        self.conditions.len() + usize::from(self.namespace.is_some())
    }

    /// Namespaces outside of which it selects nothing, if it names them.
    fn candidate_namespaces(&self) -> Option<Vec<Text>> {
        if let Some(only) = &self.namespace {
            return Some(vec![only.clone()]);
        }
        let by_name =
            |c: &&Condition| matches!(&c.subject, Subject::Namespace(key) if **key == *NAMESPACE_NAME_LABEL);
        self.conditions.iter().filter(by_name).find_map(Condition::only_values).map(<[Text]>::to_vec)
    }

    /// Whether it selects a namespace, as far as it looks at namespaces.
    fn selects_namespace(&self, name: &Text, cluster: &Cluster) -> bool {
        if self.namespace.as_ref().is_some_and(|only| only != name) {
            return false;
        }
        let mut of_namespace =
            self.conditions.iter().filter(|c| matches!(c.subject, Subject::Namespace(_))).peekable();
        if of_namespace.peek().is_none() {
            return true;
        }
        let labels = namespace_labels(cluster, name);
        of_namespace.all(|condition| match &condition.subject {
            Subject::Namespace(key) => condition.holds(labels.and_then(|labels| labels.get(key))),
            _ => true,
        })
    }

    /// Whether it selects a shape of a namespace that it selects.
    fn selects_pods(&self, shape: &Shape) -> bool {
        let mut of_pod = self.conditions.iter().filter(|c| !matches!(c.subject, Subject::Namespace(_)));
        of_pod.all(|condition| condition.holds_for(shape, None))
    }

    /// The shapes that it selects, ascending.
    fn select(&self, shapes: &Shapes, cluster: &Cluster) -> Vec<ShapeId> {
        // The shortest list that holds all it can select: by a label's values, or by the namespaces that it names.
        let by_labels = self.conditions.iter().filter_map(|c| match (&c.subject, c.only_values()) {
            (Subject::Pod(key), Some(values)) => {
                Some(values.iter().map(|value| shapes.with_label(key, value)).collect::<Vec<_>>())
            }
            _ => None,
        });
        let namespaces = self.candidate_namespaces();
        let by_namespace =
            namespaces.map(|names| names.iter().map(|name| shapes.in_namespace(name)).collect());
        let lists = by_labels
            .chain(by_namespace)
            .min_by_key(|lists| lists.iter().map(|list| list.len()).sum::<usize>());
        let mut selected: Vec<Option<bool>> = vec![None; shapes.namespaces().len()];
        let mut keep = |id: &ShapeId| {
            let (Some(shape), Some(namespace)) = (shapes.get(*id), shapes.namespace_of(*id)) else {
                return false;
            };
            let Some(known) = selected.get_mut(namespace as usize) else { return false };
            *known.get_or_insert_with(|| self.selects_namespace(&shape.namespace, cluster))
                && self.selects_pods(shape)
        };
        match lists {
            None => shapes.iter().map(|(id, _)| id).filter(&mut keep).collect(),
            Some(lists) => {
                let mut found: Vec<ShapeId> =
                    lists.into_iter().flatten().copied().filter(&mut keep).collect();
                found.sort_unstable();
                found
            }
        }
    }
}

/// The labels of a namespace.
pub(super) fn namespace_labels<'a>(cluster: &'a Cluster, name: &str) -> Option<&'a Labels> {
    cluster.namespace(name).map(|namespace| &namespace.labels)
}

/// A set of shapes: a short list while it is short, a bit for each shape when it is not.
#[derive(Clone, Debug)]
pub(super) enum ShapeSet {
    /// Ascending.
    Few(Vec<ShapeId>),
    Many(FixedBitSet),
}

/// Lists longer than this become bit sets.
const FEW: usize = 64;

impl ShapeSet {
    fn new(found: Vec<ShapeId>, shapes: usize) -> Self {
        if found.len() <= FEW {
            return Self::Few(found);
        }
        let mut bits = FixedBitSet::with_capacity(shapes);
        for id in found {
            bits.insert(id as usize);
        }
        Self::Many(bits)
    }

    pub(super) fn contains(&self, id: ShapeId) -> bool {
        match self {
            Self::Few(list) => list.binary_search(&id).is_ok(),
            Self::Many(bits) => bits.contains(id as usize),
        }
    }

    pub(super) fn iter(&self) -> Box<dyn Iterator<Item = ShapeId> + '_> {
        match self {
            Self::Few(list) => Box::new(list.iter().copied()),
            Self::Many(bits) => Box::new(bits.ones().map(|id| ShapeId::try_from(id).unwrap_or(ShapeId::MAX))),
        }
    }

    /// Puts a shape in or takes it out.
    fn set(&mut self, id: ShapeId, selected: bool) {
        match self {
            Self::Few(list) => match (list.binary_search(&id), selected) {
                (Ok(at), false) => {
                    list.remove(at);
                }
                (Err(at), true) => {
                    list.insert(at, id);
                    if list.len() > FEW {
                        let all = std::mem::take(list);
                        let largest = all.last().map_or(0, |id| *id as usize + 1);
                        *self = Self::new(all, largest);
                    }
                }
                _ => {}
            },
            Self::Many(bits) => {
                bits.grow(id as usize + 1);
                bits.set(id as usize, selected);
            }
        }
    }
}

/// All distinct matchers with what they select.
#[derive(Clone, Debug, Default)]
pub(super) struct Matchers {
    matchers: Vec<Matcher>,
    selected: Vec<ShapeSet>,
    by_key: FxHashMap<MatcherKey, MatcherId>,
    /// Those that can select pods of a namespace only if they name it.
    by_namespace: FxHashMap<Text, Vec<MatcherId>>,
    /// The others.
    anywhere: Vec<MatcherId>,
}

impl Matchers {
    /// The number of a matcher; a new one is evaluated against every shape.
    pub(super) fn intern(&mut self, matcher: Matcher, shapes: &Shapes, cluster: &Cluster) -> MatcherId {
        let key = matcher.key();
        if let Some(id) = self.by_key.get(&key) {
            return *id;
        }
        let id = MatcherId::try_from(self.matchers.len()).unwrap_or(MatcherId::MAX);
        self.selected.push(ShapeSet::new(matcher.select(shapes, cluster), shapes.len()));
        match matcher.candidate_namespaces() {
            Some(namespaces) => {
                for name in namespaces {
                    self.by_namespace.entry(name).or_default().push(id);
                }
            }
            None => self.anywhere.push(id),
        }
        self.matchers.push(matcher);
        self.by_key.insert(key, id);
        id
    }

    /// Adds a new shape to the matchers that select it, and returns these.
    pub(super) fn add_shape(&mut self, id: ShapeId, shapes: &Shapes, cluster: &Cluster) -> Vec<MatcherId> {
        let selecting = self.selecting(id, shapes, cluster);
        for matcher in &selecting {
            if let Some(selected) = self.selected.get_mut(*matcher as usize) {
                selected.set(id, true);
            }
        }
        selecting
    }

    /// The matchers that select a shape.
    pub(super) fn selecting(&self, id: ShapeId, shapes: &Shapes, cluster: &Cluster) -> Vec<MatcherId> {
        let Some(shape) = shapes.get(id) else { return Vec::new() };
        let namespace = namespace_labels(cluster, &shape.namespace);
        let naming = self.by_namespace.get(&shape.namespace).into_iter().flatten();
        let candidates = naming.chain(&self.anywhere).copied();
        candidates
            .filter(|id| self.get(*id).is_some_and(|matcher| matcher.matches(shape, namespace)))
            .collect()
    }

    /// Evaluates the matchers that look at namespaces again for these shapes: their namespace's labels have changed.
    pub(super) fn refresh(&mut self, changed: &[ShapeId], shapes: &Shapes, cluster: &Cluster) {
        for (matcher, selected) in self.matchers.iter().zip(&mut self.selected) {
            if !matcher.conditions.iter().any(|condition| matches!(condition.subject, Subject::Namespace(_)))
            {
                continue;
            }
            for id in changed {
                let Some(shape) = shapes.get(*id) else { continue };
                selected.set(*id, matcher.matches(shape, namespace_labels(cluster, &shape.namespace)));
            }
        }
    }

    pub(super) fn selected(&self, id: MatcherId) -> Option<&ShapeSet> {
        self.selected.get(id as usize)
    }

    pub(super) fn selects(&self, id: MatcherId, shape: ShapeId) -> bool {
        self.selected(id).is_some_and(|selected| selected.contains(shape))
    }

    pub(super) fn get(&self, id: MatcherId) -> Option<&Matcher> {
        self.matchers.get(id as usize)
    }

    pub(super) fn len(&self) -> usize {
        self.matchers.len()
    }
}
