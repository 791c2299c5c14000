//! What is checked. In: texts. Out: the compiled cluster, the objects with their places, and what was wrong with the texts.

use ringfence_manifest as manifest;
use ringfence_model::{diagnostic::Diagnostic, object::ObjectRef};
use ringfence_policy::Compiled;

use crate::settings::Settings;

/// Manifests, read and compiled.
#[derive(Debug)]
pub struct Input {
    /// The cluster, ready for questions.
    pub compiled: Compiled,
    /// Every Kubernetes object, in the order of the texts.
    pub documents: Vec<ObjectRef>,
    /// What the reader found wrong.
    pub diagnostics: Vec<Diagnostic>,
    /// How many Kubernetes objects there are.
    pub objects: usize,
}

impl Input {
    /// Reads texts as one cluster, as the settings say.
    #[must_use]
    pub fn read(texts: Vec<manifest::Input>, settings: &Settings) -> Self {
        let loaded = manifest::read(texts, &settings.reading());
        Self {
            documents: loaded.documents,
            diagnostics: loaded.diagnostics,
            objects: loaded.objects,
            compiled: Compiled::new(loaded.cluster),
        }
    }
}
