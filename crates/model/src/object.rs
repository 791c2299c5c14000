//! An object of the input by its outside: what it is called and where it is written, whatever its kind. In: nothing.
//! Out: a plain value.

use crate::{Text, label::Labels, origin::Origin};

/// A Kubernetes object of the input. Its values are as written, valid or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// `apiVersion`; empty if it has none that can be read.
    pub api_version: Text,
    /// `kind`.
    pub kind: Text,
    /// `metadata.namespace`, if it names one.
    pub namespace: Option<Text>,
    /// `metadata.name`, else `metadata.generateName`; empty if it has neither.
    pub name: Text,
    /// Its labels, those with keys and values that are strings.
    pub labels: Labels,
    /// Its annotations, those with values that are strings.
    pub annotations: Labels,
    /// Where its name is written, or its kind.
    pub origin: Origin,
    /// Where the whole object is written.
    pub body: Origin,
}
