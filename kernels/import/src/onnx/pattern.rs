//! The second pass: groups of nodes that are one layer.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::Graph;
use super::node::Node;
use super::{Operator, activation, norm};

/// Nodes that are one layer.
pub(super) struct Match {
    /// The node that names the layer.
    pub(super) main: usize,
    /// The node that writes the layer's output.
    pub(super) last: usize,
    /// All nodes, ascending.
    pub(super) nodes: Vec<usize>,
    /// The value that the layer reads.
    pub(super) input: String,
    pub(super) operator: Operator,
    pub(super) note: Option<String>,
}

/// A graph with the way from values to the nodes that write and read them.
pub(super) struct View<'a> {
    pub(super) graph: &'a Graph,
    producers: BTreeMap<&'a str, usize>,
    consumers: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> View<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        let mut producers = BTreeMap::new();
        let mut consumers: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (i, node) in graph.nodes.iter().enumerate() {
            producers.insert(node.output(), i);
            for input in node.inputs.iter().filter(|v| graph.shapes.contains_key(*v)) {
                consumers.entry(input.as_str()).or_default().push(i);
            }
        }
        Self { graph, producers, consumers }
    }

    /// The node that writes a value.
    pub(super) fn producer(&self, value: &str) -> Option<(usize, &'a Node)> {
        let index = *self.producers.get(value)?;
        Some((index, self.graph.nodes.get(index)?))
    }

    /// The node of the given operator that writes a value.
    pub(super) fn made_by(&self, value: &str, operator: &str) -> Option<(usize, &'a Node)> {
        self.producer(value).filter(|(_, node)| node.operator == operator)
    }

    /// Nodes that read a value, once per input.
    pub(super) fn consumers(&self, value: &str) -> &[usize] {
        self.consumers.get(value).map_or(&[], Vec::as_slice)
    }

    /// The only reader of a value that is not the network's output.
    pub(super) fn only_consumer(&self, value: &str) -> Option<(usize, &'a Node)> {
        match self.consumers(value) {
            [only] if value != self.graph.output => Some((*only, self.graph.nodes.get(*only)?)),
            _ => None,
        }
    }

    /// Whether nothing outside `nodes` reads what they write, except for the output of `last`.
    pub(super) fn closed(&self, nodes: &BTreeSet<usize>, last: usize) -> bool {
        nodes.iter().filter(|i| **i != last).all(|i| {
            let value = self.graph.nodes.get(*i).map_or("", Node::output);
            value != self.graph.output && self.consumers(value).iter().all(|reader| nodes.contains(reader))
        })
    }
}

/// All patterns, by the index of their last node. Larger patterns win: the search starts at the end.
pub(super) fn find(view: &View) -> BTreeMap<usize, Match> {
    let mut found: BTreeMap<usize, Match> = BTreeMap::new();
    let mut taken = BTreeSet::new();
    let searches: [fn(&View, usize) -> Option<Match>; 2] = [norm::norm, activation::activation];
    for search in searches {
        for i in (0..view.graph.nodes.len()).rev() {
            let Some(matched) = search(view, i) else { continue };
            if matched.nodes.iter().all(|n| !taken.contains(n)) {
                taken.extend(matched.nodes.iter().copied());
                found.insert(matched.last, matched);
            }
        }
    }
    found
}
