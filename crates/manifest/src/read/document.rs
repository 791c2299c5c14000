//! One document to decoded objects. In: its text. Out: the objects in it, and what is wrong with it.

use std::hash::{Hash, Hasher};

use ringfence_model::{
    diagnostic::{Diagnostic, Severity},
    object::ObjectRef,
    origin::{Origin, SourceId},
};
use rustc_hash::FxHasher;

use crate::{
    decode::{
        self, Object,
        cursor::{Decoder, Interner, Map},
        fact::{self, Fact, FactKind},
        kind::{self, Lookup, ObjectKind},
        outline,
    },
    document::Document,
    parse, template,
    tree::{Kind, Node},
};

/// A decoded object with what identifies it beside its name.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its kind.
    pub(crate) kind: &'static ObjectKind,
    /// A hash of all that it says, so that a repeated object is known to be the same.
    pub(crate) content: u64,
    /// The object.
    pub(crate) object: Object,
}

/// What a document turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Kubernetes objects, nothing at all, or something whose error is noted.
    Kubernetes,
    /// A template that nobody has rendered.
    Template(Origin),
    /// Something else.
    Stranger(Origin),
    /// A syntax error in a document that does not look like a Kubernetes object.
    BrokenStranger,
}

/// What one document holds.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The text that it is part of.
    pub(crate) source: SourceId,
    /// What it is.
    pub(crate) nature: Nature,
    /// What is wrong with it.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Objects of the kinds that matter.
    pub(crate) found: Vec<Found>,
    /// Objects of the kinds that are read for details alone.
    pub(crate) facts: Vec<Fact>,
    /// Every object; only with details.
    pub(crate) documents: Vec<ObjectRef>,
    /// `apiVersion/Kind` of the others.
    pub(crate) ignored: Vec<String>,
    /// Those of them that are policies.
    pub(crate) foreign: Vec<(String, Origin)>,
    /// How many objects there are.
    pub(crate) objects: usize,
}

/// Reads one document of a text named `name`.
pub(crate) fn read(
    source: SourceId,
    name: &str,
    document: &Document<'_>,
    namespace: &str,
    details: bool,
    names: &mut Interner,
) -> Outcome {
    let mut outcome = Outcome {
        source,
        nature: Nature::Kubernetes,
        diagnostics: Vec::new(),
        found: Vec::new(),
        facts: Vec::new(),
        documents: Vec::new(),
        ignored: Vec::new(),
        foreign: Vec::new(),
        objects: 0,
    };
    match parse::parse(document.text, document.span.start) {
        Ok(None) => {}
        Ok(Some(root)) => {
            let mut decoder = Decoder::new(source, details, names);
            whole(&mut decoder, &root, name, namespace, &mut outcome);
            outcome.diagnostics = decoder.diagnostics;
            outcome.diagnostics.sort_by_key(|found| found.origin.start);
        }
        Err(error) => {
            let origin = Origin { source, start: error.span.start, end: error.span.end };
            let mut diagnostic = Diagnostic::error("syntax", origin, error.message);
            diagnostic.help = error.help;
            outcome.diagnostics.push(diagnostic);
            if !document.text.contains("apiVersion") {
                outcome.nature = Nature::BrokenStranger;
            }
        }
    }
    let fails = outcome.diagnostics.iter().any(|found| found.severity == Severity::Error);
    if (fails || matches!(outcome.nature, Nature::Stranger(_)))
        && let Some(origin) = template_action(source, document, &outcome.diagnostics)
    {
        outcome.diagnostics.clear();
        outcome.found.clear();
        outcome.facts.clear();
        outcome.documents.clear();
        outcome.nature = Nature::Template(origin);
    }
    outcome
}

/// The template action because of which a document makes no sense.
fn template_action(source: SourceId, document: &Document<'_>, diagnostics: &[Diagnostic]) -> Option<Origin> {
    if !document.text.contains("{{") {
        return None;
    }
    if let Some(range) = template::looks_like_template(document.text) {
        let offset = |at: usize| document.span.start.saturating_add(u32::try_from(at).unwrap_or(u32::MAX));
        return Some(Origin { source, start: offset(range.start), end: offset(range.end) });
    }
    // In quotes a template action is valid YAML, or nearly so; where a name is wanted it is still no name.
    diagnostics.iter().filter(|found| found.severity == Severity::Error).find_map(|found| {
        let at = found.origin.start.checked_sub(document.span.start)? as usize;
        let (before, after) = document.text.split_at_checked(at)?;
        let line = before.rfind('\n').map_or(0, |end| end + 1);
        let end = after.find('\n').map_or(document.text.len(), |length| at + length);
        let text = document.text.get(line..end)?;
        let action = text.find("{{").filter(|_| text.contains("}}"))?;
        let start = document.span.start.saturating_add(u32::try_from(line + action).ok()?);
        Some(Origin { source, start, end: start.saturating_add(2) })
    })
}

/// The last part of a path.
fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// A path without its last part.
fn directory(path: &str) -> &str {
    path.strip_suffix(file_name(path))
        .map(|dir| dir.trim_end_matches(['/', '\\']))
        .filter(|dir| !dir.is_empty())
        .unwrap_or(".")
}

fn whole(d: &mut Decoder<'_>, root: &Node<'_>, name: &str, namespace: &str, outcome: &mut Outcome) {
    let stranger = |d: &Decoder<'_>| {
        let at = Map::of(root).and_then(|map| map.entries.first()).map_or(root, |(key, _)| key);
        let mut origin = d.origin(at);
        if !matches!(at.kind, Kind::Scalar { .. }) {
            origin.end = origin.start;
        }
        Nature::Stranger(origin)
    };
    let Some(map) = Map::of(root) else {
        outcome.nature = stranger(d);
        return;
    };
    let file = file_name(name);
    let is_group = |group: &str| {
        map.get("apiVersion")
            .and_then(Node::text)
            .is_some_and(|version| version.split('/').next() == Some(group))
    };
    if matches!(file, "kustomization.yaml" | "kustomization.yml" | "Kustomization")
        || (map.get("kind").and_then(Node::text) == Some("Kustomization")
            && is_group("kustomize.config.k8s.io"))
    {
        kustomization(d, &map, directory(name));
        return;
    }
    let has = |field| map.has(field);
    if has("apiVersion") && has("kind") {
        object(d, &map, namespace, outcome);
        return;
    }
    // A chart and its values look a little like manifests.
    let is_chart = matches!(file, "Chart.yaml" | "Chart.lock") || file.starts_with("values");
    let marks = ["apiVersion", "kind", "metadata", "spec"].iter().filter(|field| has(field)).count();
    if is_chart || marks < 2 {
        outcome.nature = stranger(d);
        return;
    }
    unversioned(d, &map, outcome);
    match (has("apiVersion"), has("kind")) {
        (false, false) => {
            let at = map.entries.first().map_or(root, |(key, _)| key);
            let message = "this object has no `apiVersion` and no `kind`";
            d.error(at, "missing-field", message, "both are required here");
        }
        (false, true) => d.missing(&map, "this object", "apiVersion"),
        (true, _) => d.missing(&map, "this object", "kind"),
    }
}

fn kustomization(d: &mut Decoder<'_>, map: &Map<'_, '_>, directory: &str) {
    let at = map.entries.first().map_or(map.node, |(key, _)| key);
    d.push(
        Diagnostic::warning("kustomization", d.origin(at), "a kustomization is not applied here")
            .with_label("its patches, namespace, labels and generators are not in the verdicts")
            .with_help(format!("pipe its result: `kubectl kustomize {directory} | ringfence ... -`")),
    );
}

/// An object, or the objects of a list.
fn object(d: &mut Decoder<'_>, map: &Map<'_, '_>, namespace: &str, outcome: &mut Outcome) {
    let version = d.string_field(map, "apiVersion");
    let kind = d.string_field(map, "kind");
    let Some((version, kind)) = version.zip(kind) else {
        unversioned(d, map, outcome);
        return;
    };
    if let (Some(item_kind), Some(items)) = (kind.strip_suffix("List"), map.get("items")) {
        for item in d.items(items, "`items`") {
            let Some(item) = d.map(item, "an item of this list") else { continue };
            // The items of a typed list need not repeat their kind.
            if item_kind.is_empty() || (item.has("apiVersion") && item.has("kind")) {
                if item.has("apiVersion") && item.has("kind") {
                    object(d, &item, namespace, outcome);
                } else {
                    let field = if item.has("kind") { "apiVersion" } else { "kind" };
                    d.missing(&item, "an item of this list", field);
                    unversioned(d, &item, outcome);
                }
            } else {
                one(d, &item, version, item_kind, namespace, outcome);
            }
        }
        return;
    }
    one(d, map, version, kind, namespace, outcome);
}

/// Lists an object whose API version cannot be read, if its kind can.
fn unversioned(d: &mut Decoder<'_>, map: &Map<'_, '_>, outcome: &mut Outcome) {
    if let Some(kind) = map.str("kind").filter(|_| d.details) {
        outcome.documents.push(outline::outline(d, map, "", kind));
    }
}

fn one(
    d: &mut Decoder<'_>,
    map: &Map<'_, '_>,
    version: &str,
    kind: &str,
    namespace: &str,
    outcome: &mut Outcome,
) {
    outcome.objects += 1;
    if d.details {
        outcome.documents.push(outline::outline(d, map, version, kind));
    }
    let version_node = map.get("apiVersion").unwrap_or(map.node);
    let kind_node = map.get("kind").unwrap_or(map.node);
    let (known, old) = match kind::lookup(version, kind) {
        Lookup::Known(known) => (known, false),
        Lookup::Removed { kind: known, release, current } => {
            d.push(
                Diagnostic::warning(
                    "removed-api-version",
                    d.origin(version_node),
                    format!("`{version}` {kind} is rejected by API servers from Kubernetes {release} on"),
                )
                .with_label(format!("now `{current}`"))
                .with_help("it is read here as if the version were the new one"),
            );
            (known, true)
        }
        Lookup::WrongVersion { current } => {
            let message = format!("there is no {kind} in `{version}`");
            let allowed = format!("a {kind} is in `{current}`");
            unknown(d, version_node, "unknown-api-version", message, allowed);
            return;
        }
        Lookup::Misspelt { kind: near } => {
            let message = format!("there is no kind `{kind}` in `{version}`");
            unknown(d, kind_node, "unknown-kind", message, format!("did you mean `{near}`?"));
            return;
        }
        Lookup::ForeignPolicy => {
            outcome.foreign.push((format!("{version}/{kind}"), d.origin(kind_node)));
            outcome.ignored.push(format!("{version}/{kind}"));
            return;
        }
        Lookup::Other => {
            if d.details
                && let Some(known) = FactKind::lookup(version, kind)
            {
                outcome.facts.extend(fact::decode(d, map, known, namespace));
                return;
            }
            outcome.ignored.push(format!("{version}/{kind}"));
            return;
        }
    };
    if let Some(object) = decode::object(d, map, known, old, namespace) {
        let mut hasher = FxHasher::default();
        fingerprint(map.node).hash(&mut hasher);
        outcome.found.push(Found { kind: known, content: hasher.finish(), object });
    }
}

fn unknown(d: &mut Decoder<'_>, node: &Node<'_>, code: &'static str, message: String, allowed: String) {
    d.push(
        Diagnostic::error(code, d.origin(node), message)
            .with_label(allowed)
            .with_help("the API server would reject this object; it is left out"),
    );
}

/// A hash of what a node says, whatever its place and the order of its keys.
fn fingerprint(node: &Node<'_>) -> u64 {
    let mut hasher = FxHasher::default();
    match &node.kind {
        Kind::Scalar { text, plain } => (0_u8, text, plain).hash(&mut hasher),
        Kind::Seq(items) => {
            1_u8.hash(&mut hasher);
            for item in items {
                fingerprint(item).hash(&mut hasher);
            }
        }
        Kind::Map(entries) => {
            2_u8.hash(&mut hasher);
            let entries = entries.iter().map(|(key, value)| {
                let mut hasher = FxHasher::default();
                (key.text(), fingerprint(value)).hash(&mut hasher);
                hasher.finish()
            });
            entries.fold(0, u64::wrapping_add).hash(&mut hasher);
        }
    }
    hasher.finish()
}
