//! Pods that no selector can tell apart. In: pods and namespaces. Out: shapes (a namespace, labels, a service
//! account), numbered, with the postings that find them by label.

use ringfence_model::{Text, label::Labels, workload::Pod};
use rustc_hash::FxHashMap;

/// Number of a shape.
pub(super) type ShapeId = u32;

/// Number of a namespace that has shapes.
pub(super) type NamespaceId = u32;

/// What selectors can see of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    pub(super) namespace: Text,
    pub(super) labels: Labels,
    pub(super) service_account: Text,
}

/// All shapes, never removed: a shape without pods costs nothing and often comes back.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    shapes: Vec<Shape>,
    namespace_of: Vec<NamespaceId>,
    namespaces: Vec<Text>,
    namespace_ids: FxHashMap<Text, NamespaceId>,
    by_value: FxHashMap<Shape, ShapeId>,
    by_namespace: FxHashMap<Text, Vec<ShapeId>>,
    by_label: FxHashMap<(Text, Text), Vec<ShapeId>>,
}

impl Shapes {
    /// The shape of a pod and whether it is new.
    pub(super) fn of(&mut self, pod: &Pod) -> (ShapeId, bool) {
        let shape = Shape {
            namespace: pod.namespace.clone(),
            labels: pod.labels.clone(),
            service_account: pod.service_account.clone(),
        };
        if let Some(id) = self.by_value.get(&shape) {
            return (*id, false);
        }
        let id = ShapeId::try_from(self.shapes.len()).unwrap_or(ShapeId::MAX);
        self.by_namespace.entry(shape.namespace.clone()).or_default().push(id);
        for (key, value) in shape.labels.iter() {
            self.by_label.entry((key.clone(), value.clone())).or_default().push(id);
        }
        let next = NamespaceId::try_from(self.namespaces.len()).unwrap_or(NamespaceId::MAX);
        let namespace = *self.namespace_ids.entry(shape.namespace.clone()).or_insert(next);
        if namespace == next {
            self.namespaces.push(shape.namespace.clone());
        }
        self.namespace_of.push(namespace);
        self.shapes.push(shape.clone());
        self.by_value.insert(shape, id);
        (id, true)
    }

    pub(super) fn get(&self, id: ShapeId) -> Option<&Shape> {
        self.shapes.get(id as usize)
    }

    pub(super) fn len(&self) -> usize {
        self.shapes.len()
    }

    /// The shapes of a namespace, ascending.
    pub(super) fn in_namespace(&self, namespace: &str) -> &[ShapeId] {
        self.by_namespace.get(namespace).map_or(&[], Vec::as_slice)
    }

    /// The shapes with a label, ascending.
    pub(super) fn with_label(&self, key: &Text, value: &Text) -> &[ShapeId] {
        self.by_label.get(&(key.clone(), value.clone())).map_or(&[], Vec::as_slice)
    }

    /// The names of the namespaces that have shapes, by number.
    pub(super) fn namespaces(&self) -> &[Text] {
        &self.namespaces
    }

    /// The number of a shape's namespace.
    pub(super) fn namespace_of(&self, id: ShapeId) -> Option<NamespaceId> {
        self.namespace_of.get(id as usize).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ShapeId, &Shape)> {
        (0..).zip(&self.shapes)
    }
}
