//! A graph of connections, ready to be drawn. In: from a report: groups (namespaces, the outside), nodes (workloads,
//! address ranges) and edges with labels. Out: Graphviz, Mermaid, SVG.

pub(crate) mod dot;
pub(crate) mod mermaid;
pub(crate) mod svg;

/// What to draw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    /// The boxes.
    pub(crate) groups: Vec<Group>,
    /// What is in them.
    pub(crate) nodes: Vec<Node>,
    /// The arrows.
    pub(crate) edges: Vec<Edge>,
    /// Lines under the drawing.
    pub(crate) notes: Vec<String>,
}

/// A box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// The namespace.
    pub(crate) name: String,
    /// Where it goes.
    pub(crate) place: Place,
    /// What all of its nodes may open to each other.
    pub(crate) within: Vec<String>,
}

/// Where a group goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A namespace: among the others.
    Inside,
    /// Sources outside the cluster: at the left.
    Before,
    /// Destinations outside the cluster: at the right.
    After,
}

/// A workload, or a range of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    /// The position of its group.
    pub(crate) group: usize,
    /// Its name.
    pub(crate) name: String,
    /// A second line: the kind.
    pub(crate) detail: String,
    /// A third line: the entry points that lead to it.
    pub(crate) entry: Option<String>,
    /// Whether everyone who may open connections reaches it on all ports: edges that this implies are left out.
    pub(crate) open_in: bool,
    /// Whether it may open all connections that the other end lets in: edges that this implies are left out.
    pub(crate) open_out: bool,
}

/// One end of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Anchor {
    /// A node.
    Node(usize),
    /// All nodes of a group.
    Group(usize),
}

/// An arrow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    /// From.
    pub(crate) from: Anchor,
    /// To.
    pub(crate) to: Anchor,
    /// The ports.
    pub(crate) label: Vec<String>,
    /// How it looks.
    pub(crate) tone: Tone,
}

/// How an edge looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Tone {
    /// As usual.
    Plain,
    /// A connection that opened.
    Opened,
    /// A connection that was cut.
    Cut,
    /// A connection that changed.
    Changed,
}

impl Tone {
    /// Its colour, if it has one of its own.
    pub(crate) fn color(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Opened => Some("#15803d"),
            Self::Cut => Some("#b91c1c"),
            Self::Changed => Some("#b45309"),
        }
    }

    /// Whether it is dashed.
    pub(crate) fn dashed(self) -> bool {
        self == Self::Cut
    }
}

impl Graph {
    /// The group with this place and name; a new one if there is none.
    pub(crate) fn group(&mut self, place: Place, name: &str) -> usize {
        let known = self.groups.iter().position(|group| group.place == place && group.name == name);
        known.unwrap_or_else(|| {
            self.groups.push(Group { name: name.to_owned(), place, within: Vec::new() });
            self.groups.len() - 1
        })
    }

    /// Adds a node.
    pub(crate) fn node(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// The node of addresses outside, by their name.
    pub(crate) fn outside(&mut self, place: Place, name: String) -> usize {
        let group = self.group(place, "Outside the cluster");
        let known = self.nodes.iter().position(|node| node.group == group && node.name == name);
        known.unwrap_or_else(|| self.node(Node { group, name, ..Node::default() }))
    }

    /// The nodes of a group.
    pub(crate) fn members(&self, group: usize) -> impl Iterator<Item = usize> + '_ {
        self.nodes.iter().enumerate().filter(move |(_, node)| node.group == group).map(|(at, _)| at)
    }

    /// Whether any node is marked as open in a direction.
    pub(crate) fn has_marks(&self) -> bool {
        self.nodes.iter().any(|node| node.open_in || node.open_out)
    }

    /// Draws one edge where all nodes of a group have the same: to all nodes of a group, and from all of them. What
    /// all nodes of a group may open to each other becomes a part of its title.
    pub(crate) fn gather(&mut self) {
        self.gather_within();
        self.gather_ends(false);
        self.gather_ends(true);
    }

    fn group_of(&self, anchor: Anchor) -> Option<usize> {
        match anchor {
            Anchor::Node(at) => self.nodes.get(at).map(|node| node.group),
            Anchor::Group(at) => Some(at),
        }
    }

    fn gather_within(&mut self) {
        for group in 0..self.groups.len() {
            let size = self.members(group).count();
            let within = |edge: &Edge| {
                let inside = |anchor| self.group_of(anchor) == Some(group);
                edge.tone == Tone::Plain && edge.from != edge.to && inside(edge.from) && inside(edge.to)
            };
            let mut edges = self.edges.iter().filter(|edge| within(edge));
            let Some(label) = edges.next().map(|edge| edge.label.clone()) else { continue };
            if size < 2
                || !edges.clone().all(|edge| edge.label == label)
                || edges.count() + 1 < size * (size - 1)
            {
                continue;
            }
            let kept = self.edges.iter().filter(|edge| !within(edge)).cloned().collect();
            self.edges = kept;
            if let Some(group) = self.groups.get_mut(group) {
                group.within = label;
            }
        }
    }

    fn gather_ends(&mut self, sources: bool) {
        let mut edges = std::mem::take(&mut self.edges);
        let ends = |edge: &Edge| if sources { (edge.to, edge.from) } else { (edge.from, edge.to) };
        let key = |edge: &Edge| {
            let (kept, gathered) = ends(edge);
            (kept, self.group_of(gathered), edge.label.clone(), edge.tone)
        };
        edges.sort_by_cached_key(|edge| (key(edge), ends(edge).1));
        let mut found = Vec::with_capacity(edges.len());
        for run in edges.chunk_by(|a, b| key(a) == key(b)) {
            let Some(first) = run.first() else { continue };
            let (kept, group, ..) = key(first);
            let all = group.filter(|group| run.len() > 1 && run.len() == self.members(*group).count());
            match all {
                // From the border of a box back into the box would only puzzle.
                Some(group) if self.group_of(kept) != Some(group) => {
                    let (from, to) =
                        if sources { (Anchor::Group(group), kept) } else { (kept, Anchor::Group(group)) };
                    found.push(Edge { from, to, ..first.clone() });
                }
                _ => found.extend(run.iter().cloned()),
            }
        }
        found.sort_by(|a, b| (a.from, a.to, &a.label).cmp(&(b.from, b.to, &b.label)));
        self.edges = found;
    }
}
