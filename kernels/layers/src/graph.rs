//! The edges of a network: which values a layer reads, and how long each value is needed.

use std::collections::BTreeMap;

use crate::network::Node;
use crate::{LayerError, LayerSpec};

/// Name of the network's input among the inputs of a layer.
pub(crate) const INPUT: &str = "input";

/// The resolved edges of a network. Value 0 is the network's input, value `i + 1` the output of layer `i`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Graph {
    names: Vec<String>,
    sources: Vec<Vec<usize>>,
    /// The layer after which a value is not needed any more; `None` for the last layer's output.
    last_use: Vec<Option<usize>>,
}

impl Graph {
    /// Resolves the names. Refuses names that repeat or are malformed, inputs that no earlier layer has, a
    /// number of inputs that the kernel does not take, and layers whose output nobody uses.
    pub(crate) fn resolve(nodes: &[Node]) -> Result<Self, LayerError> {
        if nodes.is_empty() {
            return Err(LayerError::shape("model", "there is no layer"));
        }
        let mut names = vec![INPUT.to_owned()];
        let mut positions = BTreeMap::from([(INPUT, 0)]);
        let mut sources = Vec::with_capacity(nodes.len());
        for (i, node) in nodes.iter().enumerate() {
            let kernel = node.layer.kernel();
            let name = kernel.name();
            if name.is_empty() || name.contains(['/', '+']) || positions.contains_key(name) {
                let what = "layer names must be distinct, not empty, not `input`, and without `/` and `+`";
                return Err(LayerError::parameter(name, what));
            }
            let own = if node.inputs.is_empty() {
                vec![i]
            } else {
                let resolve = |input: &String| {
                    positions.get(input.as_str()).copied().ok_or_else(|| unknown(name, input, i, nodes, &names))
                };
                node.inputs.iter().map(resolve).collect::<Result<_, _>>()?
            };
            if own.len() != kernel.arity() {
                let what = format!("{} takes {} inputs, not {}", kernel.info().id, kernel.arity(), own.len());
                return Err(LayerError::shape(name, what));
            }
            positions.insert(name, i + 1);
            names.push(name.to_owned());
            sources.push(own);
        }
        let last_use = last_uses(&names, &sources)?;
        Ok(Self { names, sources, last_use })
    }

    /// Names of the inputs of a layer.
    pub(crate) fn inputs(&self, layer: usize) -> Vec<String> {
        self.sources.get(layer).into_iter().flatten().map(|&value| self.names[value].clone()).collect()
    }

    /// Computes the layers in order: `step` gets a layer's position and its inputs. Returns the last layer's value;
    /// every other value is dropped after its last use.
    pub(crate) fn walk<T>(
        &self,
        input: T,
        mut step: impl FnMut(usize, &[&T]) -> Result<T, LayerError>,
    ) -> Result<T, LayerError> {
        let mut values = vec![Some(input)];
        for (i, sources) in self.sources.iter().enumerate() {
            let inputs: Vec<&T> = sources.iter().filter_map(|&value| values[value].as_ref()).collect();
            let output = step(i, &inputs)?;
            values.push(Some(output));
            for &source in sources {
                if self.last_use[source] == Some(i) {
                    values[source] = None;
                }
            }
        }
        values.pop().flatten().ok_or_else(|| LayerError::shape("model", "there is no layer"))
    }
}

/// Also refuses values that nobody uses: their proof would state nothing about the output.
fn last_uses(names: &[String], sources: &[Vec<usize>]) -> Result<Vec<Option<usize>>, LayerError> {
    let mut last = vec![None; names.len()];
    for (layer, sources) in sources.iter().enumerate() {
        for &value in sources {
            last[value] = Some(layer);
        }
    }
    match last.iter().take(sources.len()).position(Option::is_none) {
        None => Ok(last),
        Some(value) => {
            let what = "no later layer uses its output; remove it, or make it the last layer";
            Err(LayerError::shape(&names[value], what))
        }
    }
}

fn unknown(layer: &str, input: &str, position: usize, nodes: &[Node], known: &[String]) -> LayerError {
    let later = nodes[position..].iter().map(|node| &node.layer).map(LayerSpec::kernel).any(|k| k.name() == input);
    if later {
        let what = format!("its input `{input}` is not an earlier layer; a layer can only use what comes before it");
        return LayerError::shape(layer, what);
    }
    let nearest = known.iter().min_by_key(|name| distance(name, input)).map_or(INPUT, String::as_str);
    LayerError::shape(layer, format!("there is no layer `{input}` before it; did you mean `{nearest}`?"))
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &cb) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("", "abc", 3), ("norm", "norm", 0), ("norm", "form", 1), ("norm", "nrom", 2), ("fc1", "fc2", 1)]
        {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn values_live_until_their_last_use() {
        // layer 0: input; layer 1: layer 0; layer 2: layer 1 and input.
        let names = ["input", "a", "b", "c"].map(str::to_owned).to_vec();
        let sources = vec![vec![0], vec![1], vec![2, 0]];
        let last_use = last_uses(&names, &sources).unwrap();
        assert_eq!(last_use, [Some(2), Some(1), Some(2), None]);
        let graph = Graph { names, sources, last_use };
        assert_eq!(graph.inputs(2), ["b", "input"]);
        let shared = std::sync::Arc::new(());
        let mut alive = Vec::new();
        graph
            .walk(shared.clone(), |_, inputs| {
                alive.push(std::sync::Arc::strong_count(&shared) - 1);
                Ok(inputs[0].clone())
            })
            .unwrap();
        assert_eq!(alive, [1, 2, 2]);
    }
}
