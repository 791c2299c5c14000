//! Connections in a form that people can read: sources that may do the same share a block, destinations that are
//! reached alike share a line, a whole namespace is one name. In: connections by the positions of their ends. Out:
//! blocks of short texts.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

/// More destinations than this that are reached alike share a line.
const MOST_ALONE: usize = 3;

/// Some sources that may all do the same.
pub(crate) struct Block {
    /// Who, each with its kind.
    pub(crate) sources: Vec<String>,
    /// What they may do.
    pub(crate) lines: Vec<Line>,
}

/// Some destinations that are reached alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Line {
    /// To whom.
    pub(crate) targets: Vec<String>,
    /// What is said about them: the ports.
    pub(crate) facts: Facts,
}

/// What is said about a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Facts {
    /// On which ports.
    pub(crate) ports: Vec<String>,
    /// Why, a line each; only in differences.
    pub(crate) why: Vec<String>,
}

/// What one source may do, by what is said about it.
#[derive(Default)]
pub(crate) struct Lines(Vec<(Facts, Vec<usize>, Vec<String>)>);

impl Lines {
    /// Where connections go about which this is said.
    pub(crate) fn slot(&mut self, facts: Facts) -> usize {
        self.0.iter().position(|(known, ..)| *known == facts).unwrap_or_else(|| {
            self.0.push((facts, Vec::new(), Vec::new()));
            self.0.len() - 1
        })
    }

    /// Adds a destination inside the cluster, by its position.
    pub(crate) fn inside(&mut self, slot: usize, unit: usize) {
        if let Some((_, units, _)) = self.0.get_mut(slot) {
            units.push(unit);
        }
    }

    /// Adds addresses outside, in words.
    pub(crate) fn outside(&mut self, slot: usize, words: Vec<String>) {
        if let Some((.., outside)) = self.0.get_mut(slot) {
            outside.extend(words);
        }
    }
}

/// Blocks so far, and where each set of lines is.
pub(crate) struct Gathering<'a> {
    names: &'a Names,
    blocks: Vec<Block>,
    known: FxHashMap<Vec<Line>, usize>,
}

impl<'a> Gathering<'a> {
    /// Nothing yet.
    pub(crate) fn new(names: &'a Names) -> Self {
        Self { names, blocks: Vec::new(), known: FxHashMap::default() }
    }

    /// Adds what a unit may do.
    pub(crate) fn add_unit(&mut self, unit: usize, lines: Lines) {
        self.add(Some(unit), self.names.label(unit), lines);
    }

    /// Adds what addresses outside may do.
    pub(crate) fn add_outside(&mut self, words: &[String], lines: Lines) {
        self.add(None, words.join(", "), lines);
    }

    /// The blocks, by their first source.
    pub(crate) fn finish(self) -> Vec<Block> {
        self.blocks
    }

    fn add(&mut self, source: Option<usize>, label: String, lines: Lines) {
        let mut out: Vec<Line> = Vec::new();
        for (facts, units, outside) in lines.0 {
            let mut targets = self.names.collapse(&units, source);
            targets.extend(outside);
            if targets.len() > MOST_ALONE {
                out.push(Line { targets, facts });
            } else {
                let alone = |target| Line { targets: vec![target], facts: facts.clone() };
                out.extend(targets.into_iter().map(alone));
            }
        }
        if out.is_empty() {
            return;
        }
        match self.known.get(&out) {
            Some(at) => {
                if let Some(block) = self.blocks.get_mut(*at) {
                    block.sources.push(label);
                }
            }
            None => {
                self.known.insert(out.clone(), self.blocks.len());
                self.blocks.push(Block { sources: vec![label], lines: out });
            }
        }
    }
}

/// One end inside the cluster, as people know it.
pub(crate) struct Named {
    /// Its namespace.
    pub(crate) namespace: String,
    /// `namespace/name`.
    pub(crate) name: String,
    /// Its kind.
    pub(crate) kind: String,
}

/// How the ends of a report are called.
pub(crate) struct Names {
    ends: Vec<Named>,
    /// The ends of each namespace.
    members: BTreeMap<String, Vec<usize>>,
}

impl Names {
    /// Of ends by their positions. A name that two kinds bear is followed by its kind.
    pub(crate) fn of(ends: impl IntoIterator<Item = Named>) -> Self {
        let mut ends: Vec<Named> = ends.into_iter().collect();
        let mut times: FxHashMap<String, usize> = FxHashMap::default();
        for end in &ends {
            *times.entry(end.name.clone()).or_default() += 1;
        }
        let mut members: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, end) in ends.iter_mut().enumerate() {
            if times.get(&end.name).is_some_and(|times| *times > 1) {
                end.name = format!("{} ({})", end.name, end.kind);
            }
            members.entry(end.namespace.clone()).or_default().push(at);
        }
        Self { ends, members }
    }

    /// The name of an end.
    pub(crate) fn name(&self, end: usize) -> &str {
        self.ends.get(end).map_or("", |end| &end.name)
    }

    /// The namespace of an end.
    pub(crate) fn namespace(&self, end: usize) -> &str {
        self.ends.get(end).map_or("", |end| &end.namespace)
    }

    /// The kind of an end.
    pub(crate) fn kind(&self, end: usize) -> &str {
        self.ends.get(end).map_or("", |end| &end.kind)
    }

    /// The name of an end, with its kind.
    pub(crate) fn label(&self, end: usize) -> String {
        let (name, kind) = (self.name(end), self.kind(end));
        if name.ends_with(')') { name.to_owned() } else { format!("{name} ({kind})") }
    }

    /// The name of an end within its namespace, and its kind unless the name says it.
    pub(crate) fn short(&self, end: usize) -> (String, String) {
        let (name, namespace) = (self.name(end), self.namespace(end));
        let short = name.strip_prefix(namespace).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name);
        let kind = if short.ends_with(')') { "" } else { self.kind(end) };
        (short.to_owned(), kind.to_owned())
    }

    /// The names of some ends, ascending; `namespace/*` for all of a namespace, the source itself not counted.
    fn collapse(&self, ends: &[usize], source: Option<usize>) -> Vec<String> {
        let mut names = Vec::new();
        let mut rest = ends;
        while let Some(first) = rest.first() {
            let namespace = self.namespace(*first);
            let length = rest.iter().take_while(|end| self.namespace(**end) == namespace).count();
            let (here, after) = rest.split_at(length);
            rest = after;
            let members = self.members.get(namespace).into_iter().flatten();
            let others = members.filter(|end| Some(**end) != source).count();
            let itself = here.iter().any(|end| Some(*end) == source);
            if others > 1 && here.len() == others + usize::from(itself) {
                names.push(format!("{namespace}/*"));
            } else {
                let own = |end: &usize| Some(*end) == source;
                let name = |end: &usize| if own(end) { "its other replicas" } else { self.name(*end) };
                names.extend(here.iter().map(|end| name(end).to_owned()));
            }
        }
        names
    }
}
