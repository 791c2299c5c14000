//! Texts to a cluster: splits documents, parses and decodes them on every core, and puts the objects together.
//! In: texts by name. Out: the cluster, and everything that is wrong with the texts.

mod document;

use std::collections::BTreeMap;

use ipnet::IpNet;
use rayon::prelude::*;
use ringfence_model::{
    cluster::Cluster,
    diagnostic::{Diagnostic, Severity},
    object::ObjectRef,
    origin::{Origin, Source, SourceId, Sources},
    profile::Profile,
};

use crate::{
    assemble,
    decode::cursor::{Interner, quoted},
    document as documents,
};

pub(crate) use self::document::Found;
use self::document::{Nature, Outcome};

/// One text to read.
#[derive(Clone, Debug)]
pub struct Input {
    /// The name shown to people: a path, or `<stdin>`.
    pub name: String,
    /// The whole text: YAML or JSON, any number of documents.
    pub text: String,
}

/// What the texts do not say about the cluster.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The namespace of namespaced objects that name none; `default` if absent.
    pub namespace: Option<String>,
    /// Pod networks, beside those of the nodes.
    pub pod_cidrs: Vec<IpNet>,
    /// Service networks.
    pub service_cidrs: Vec<IpNet>,
    /// The CNI dialect.
    pub profile: Profile,
    /// Whether to read what verdicts do not need: containers, ConfigMaps, webhooks, monitors, and where every object is.
    pub details: bool,
}

/// What the texts hold.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The cluster.
    pub cluster: Cluster,
    /// What is wrong with the texts, in the order of the texts; then what is wrong with the objects together.
    pub diagnostics: Vec<Diagnostic>,
    /// How many objects there are of each kind that does not matter, by `apiVersion/Kind`.
    pub ignored: BTreeMap<String, usize>,
    /// How many Kubernetes objects there are, the ignored ones included.
    pub objects: usize,
    /// Every Kubernetes object of any kind, in the order of the texts; only with [`Options::details`].
    pub documents: Vec<ObjectRef>,
}

/// Reads texts as one cluster. Policies with an error are left out, as an API server would not take them; of other
/// objects the good part is kept. The result does not depend on the order of the texts, except where an object is
/// given twice: the first one counts.
#[must_use]
pub fn read(inputs: Vec<Input>, options: &Options) -> Loaded {
    let mut sources = Sources::default();
    for Input { name, text } in inputs {
        sources.add(name, text);
    }
    let texts: Vec<(SourceId, &Source)> = sources.iter().collect();
    let namespace = options.namespace.as_deref().unwrap_or("default");
    let pieces: Vec<(SourceId, &Source, documents::Document<'_>)> = (texts.par_iter())
        .flat_map_iter(|(id, source)| split(source).into_iter().map(move |document| (*id, *source, document)))
        .collect();
    let outcomes: Vec<Outcome> = (pieces.par_iter())
        .map_init(Interner::default, |names, (id, source, document)| {
            document::read(*id, &source.name, document, namespace, options.details, names)
        })
        .collect();

    let mut loaded = Loaded::default();
    for (id, source) in &texts {
        if let Err(message) = documents::check_size(source.text.len()) {
            let origin = Origin { source: *id, start: 0, end: 0 };
            loaded.diagnostics.push(Diagnostic::error("too-large", origin, message));
        }
    }
    let (mut found, mut facts) = (Vec::new(), Vec::new());
    let mut foreign: BTreeMap<String, (usize, Origin)> = BTreeMap::new();
    loaded.objects = outcomes.iter().map(|outcome| outcome.objects).sum();
    for of_source in outcomes.chunk_by(|a, b| a.source == b.source) {
        note_natures(of_source, loaded.objects, &mut loaded.diagnostics);
    }
    for outcome in outcomes {
        for kind in outcome.ignored {
            *loaded.ignored.entry(kind).or_default() += 1;
        }
        for (kind, origin) in outcome.foreign {
            foreign.entry(kind).or_insert((0, origin)).0 += 1;
        }
        found.extend(outcome.found);
        facts.extend(outcome.facts);
        loaded.documents.extend(outcome.documents);
    }
    for (kind, (count, origin)) in foreign {
        let objects = if count == 1 { "1 object".to_owned() } else { format!("{count} objects") };
        loaded.diagnostics.push(
            Diagnostic::warning(
                "foreign-policy",
                origin,
                format!("policies of the kind `{kind}` are not read"),
            )
            .with_label(format!("{objects} of this kind"))
            .with_help("verdicts are as if these policies did not exist"),
        );
    }
    drop(pieces);
    drop(texts);
    let namespaces = assemble::cluster(found, facts, options, &mut loaded.cluster, &mut loaded.diagnostics);
    note_namespaces(&namespaces, &mut loaded.diagnostics);
    loaded.cluster.sources = sources;
    loaded
}

/// The documents of a text; none if it is too large to read.
fn split(source: &Source) -> Vec<documents::Document<'_>> {
    match documents::check_size(source.text.len()) {
        Ok(()) => documents::split(&source.text),
        Err(_) => Vec::new(),
    }
}

/// Adds the findings of one text's documents, with one line about each thing that they have in common. `objects` is
/// how many all texts have.
fn note_natures(outcomes: &[Outcome], objects: usize, diagnostics: &mut Vec<Diagnostic>) {
    let has_manifests = outcomes.iter().any(|outcome| outcome.objects > 0);
    let (mut template, mut stranger) = (false, false);
    for outcome in outcomes {
        let from = diagnostics.len();
        diagnostics.extend(outcome.diagnostics.iter().cloned());
        match outcome.nature {
            Nature::Kubernetes => {}
            // Some other tool's file among manifests, with YAML that `kubectl` would not read either.
            Nature::BrokenStranger if !has_manifests && objects > 0 => {
                for found in diagnostics.iter_mut().skip(from) {
                    found.severity = Severity::Warning;
                }
            }
            Nature::BrokenStranger => {}
            Nature::Template(origin) => {
                if !template {
                    diagnostics.push(
                        Diagnostic::error("helm-template", origin, "this is a template, not a manifest")
                            .with_label("a template action that nobody has rendered")
                            .with_help("pipe the rendered manifests: `helm template . | ringfence ... -`"),
                    );
                }
                template = true;
            }
            Nature::Stranger(origin) => {
                if has_manifests {
                    diagnostics.push(
                        Diagnostic::warning(
                            "not-a-manifest",
                            origin,
                            "this document is not a Kubernetes object",
                        )
                        .with_label("a manifest has `apiVersion` and `kind`"),
                    );
                } else if !stranger {
                    diagnostics.push(Diagnostic::note(
                        "not-a-manifest",
                        origin,
                        "this text is not a Kubernetes manifest; it is ignored",
                    ));
                }
                stranger = true;
            }
        }
    }
}

fn note_namespaces(implied: &[ringfence_model::Text], diagnostics: &mut Vec<Diagnostic>) {
    let (verb, them) = match implied {
        [] => return,
        [_] => ("namespace", "is used but not given; it has"),
        _ => ("namespaces", "are used but not given; each has"),
    };
    let list = quoted(implied.iter().map(|name| &**name));
    let label = ringfence_model::workload::NAMESPACE_NAME_LABEL;
    diagnostics.push(
        Diagnostic::note(
            "implied-namespace",
            Origin::NONE,
            format!("{verb} {list} {them} only the label `{label}`"),
        )
        .with_help("give the Namespace objects if selectors look at other labels"),
    );
}
