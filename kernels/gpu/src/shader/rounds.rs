//! The kernel of a sumcheck's round, generated from the composition.
//!
//! Binding and evaluation are one kernel: it reads four entries of every factor, writes two and adds up the sums of all
//! points and outputs. The first round, and rounds in parts, evaluate only.

use core::fmt::Write;

use zkml_device::expression::Node;
use zkml_device::{Expression, Point};

use super::{Dialect, ENTRY, Kernel, View, elements_at, number, numbers};

/// Numbers of [`round`]: `pairs` pairs from `first` on; two bases per factor follow, of its halves.
pub const ROUND: [&str; 9] = ["pairs", "first", "block", "outer", "outer_at", "inner", "inner_at", "step", "out_base"];

/// How the factors are bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// A binding per factor.
    Each,
    /// All factors in one binding.
    Together,
    /// Two bindings per factor: its halves.
    Halves,
}

impl Layout {
    /// The names that the halves of a factor have.
    fn names(self, factor: usize) -> [String; 2] {
        match self {
            Self::Each => [format!("f{factor}"), format!("f{factor}")],
            Self::Together => ["all".to_owned(), "all".to_owned()],
            Self::Halves => [format!("low{factor}"), format!("high{factor}")],
        }
    }

    /// The bindings of so many factors.
    fn bindings(self, factors: usize) -> Vec<String> {
        let mut names: Vec<String> = (0..factors).flat_map(|f| self.names(f)).collect();
        names.dedup();
        names
    }

    /// Number of bindings of so many factors.
    pub fn count(self, factors: usize) -> usize {
        match self {
            Self::Each => factors,
            Self::Together => 1,
            Self::Halves => 2 * factors,
        }
    }
}

/// Where the elements start in `args`: the challenge, the parameters, then the weights.
pub fn elements(factors: usize) -> usize {
    elements_at(ROUND.len() + 2 * factors)
}

/// The kernel of a round; with `bind`, the challenge is bound first. Partial sums are stored group by group.
pub fn round(dialect: Dialect, expression: &Expression, points: &[Point], layout: Layout, bind: bool) -> Kernel {
    let factors = expression.factors();
    let names = layout.bindings(factors);
    let mut buffers = vec![("args", View::Args), ("partials", View::Write)];
    buffers.extend(names.iter().map(|name| (name.as_str(), View::Write)));
    let composition = Composition { expression, at: elements(factors) };
    let sums = points.len() * expression.outputs().len();

    let mut text = format!("{ENTRY}{}", numbers(&ROUND));
    if bind {
        let _ = writeln!(text, "    let challenge = args_e({}u);", composition.at);
    }
    composition.constants(&mut text);
    for s in 0..sums {
        let _ = writeln!(text, "    var sum{s} = e_zero();");
    }
    text.push_str("    for (var x = group.x * 256u + lane; x < pairs; x += groups.x * 256u) {\n");
    for factor in 0..factors {
        load(&mut text, layout, factor, bind);
    }
    text.push_str(WEIGHT);
    for (index, &point) in points.iter().enumerate() {
        text.push_str("        {\n");
        composition.at_point(&mut text, point, index);
        text.push_str("        }\n");
    }
    text.push_str("    }\n");
    for s in 0..sums {
        let _ = writeln!(text, "    let total{s} = workgroup_sum(sum{s}, lane);");
    }
    text.push_str("    if (lane == 0u) {\n");
    for s in 0..sums {
        let _ = writeln!(text, "        partials_set(out_base + (group.x * {sums}u + {s}u) * DEGREE, total{s});");
    }
    text.push_str("    }\n}\n");
    dialect.kernel(&buffers, &text)
}

/// The weight of pair `x`; `inner` and `outer` are their lengths, zero for ones.
const WEIGHT: &str = "        let place = first + x;
        var weight = e_one();
        if (outer != 0u) {
            weight = args_e(outer_at + (place / block) * DEGREE);
            if (inner != 0u) { weight = e_mul(weight, args_e(inner_at + (place % inner) * DEGREE)); }
        } else if (inner != 0u) {
            weight = args_e(inner_at + (place % inner) * DEGREE);
        }
";

/// Reads the two values `lowI` and `highI` of a factor at pair `x`, binding and storing them first if asked to.
fn load(text: &mut String, layout: Layout, factor: usize, bind: bool) {
    let [low, high] = layout.names(factor);
    let base = |half: usize| number(ROUND.len() + 2 * factor + half);
    let _ = writeln!(text, "        let p{factor} = {} + x * DEGREE;", base(0));
    let _ = writeln!(text, "        let q{factor} = {} + x * DEGREE;", base(1));
    if !bind {
        let _ = writeln!(text, "        let l{factor} = {low}_e(p{factor});");
        let _ = writeln!(text, "        let h{factor} = {high}_e(q{factor});");
        return;
    }
    for (value, step) in [("l", ""), ("h", " + step")] {
        let _ = writeln!(text, "        let {value}{factor}a = {low}_e(p{factor}{step});");
        let _ = writeln!(
            text,
            "        let {value}{factor} = e_add({value}{factor}a, \
             e_mul(challenge, e_sub({high}_e(q{factor}{step}), {value}{factor}a)));"
        );
        let _ = writeln!(text, "        {low}_set(p{factor}{step}, {value}{factor});");
    }
}

/// An expression on its way to WGSL.
struct Composition<'a> {
    expression: &'a Expression,
    /// Where the challenge is in `args`; the parameters follow.
    at: usize,
}

impl Composition<'_> {
    /// Which nodes the outputs need.
    fn needed(&self) -> Vec<bool> {
        let nodes = self.expression.nodes();
        let mut needed = vec![false; nodes.len()];
        for &output in self.expression.outputs() {
            needed[output] = true;
        }
        for (index, node) in nodes.iter().enumerate().rev() {
            if let (true, Node::Add(a, b) | Node::Sub(a, b) | Node::Mul(a, b)) = (needed[index], node) {
                needed[*a] = true;
                needed[*b] = true;
            }
        }
        needed
    }

    /// Which nodes do not depend on the factors.
    fn constant(&self) -> Vec<bool> {
        let mut constant: Vec<bool> = Vec::with_capacity(self.expression.nodes().len());
        for node in self.expression.nodes() {
            constant.push(match *node {
                Node::Integer(_) | Node::Parameter(_) => true,
                Node::Factor(_) => false,
                Node::Add(a, b) | Node::Sub(a, b) | Node::Mul(a, b) => constant[a] && constant[b],
            });
        }
        constant
    }

    fn value(&self, node: Node) -> String {
        let integer = |node: usize| match self.expression.nodes().get(node) {
            Some(&Node::Integer(i)) => Some(i),
            _ => None,
        };
        match node {
            Node::Integer(i) => format!("e_from({})", word(i)),
            Node::Factor(i) => format!("v{i}"),
            Node::Parameter(i) => format!("args_e({}u + {}u * DEGREE)", self.at, i + 1),
            Node::Add(a, b) => format!("e_add(n{a}, n{b})"),
            Node::Sub(a, b) => format!("e_sub(n{a}, n{b})"),
            Node::Mul(a, b) => match (integer(a), integer(b)) {
                (Some(2), _) => format!("e_add(n{b}, n{b})"),
                (_, Some(2)) => format!("e_add(n{a}, n{a})"),
                (Some(i), _) => format!("e_scale(n{b}, {})", word(i)),
                (_, Some(i)) => format!("e_scale(n{a}, {})", word(i)),
                _ => format!("e_mul(n{a}, n{b})"),
            },
        }
    }

    fn nodes(&self, text: &mut String, constant: bool) {
        let (needed, constants) = (self.needed(), self.constant());
        for (index, &node) in self.expression.nodes().iter().enumerate() {
            if needed[index] && constants[index] == constant {
                let _ = writeln!(text, "        let n{index} = {};", self.value(node));
            }
        }
    }

    /// What is the same for all pairs.
    fn constants(&self, text: &mut String) {
        self.nodes(text, true);
    }

    /// Evaluates at one point and adds to its sums.
    fn at_point(&self, text: &mut String, point: Point, index: usize) {
        for i in 0..self.expression.factors() {
            let value = match point {
                Point::At(0) => format!("l{i}"),
                Point::At(1) => format!("h{i}"),
                Point::At(2) => format!("e_add(h{i}, e_sub(h{i}, l{i}))"),
                Point::At(t) => format!("e_add(l{i}, e_scale(e_sub(h{i}, l{i}), f_load(vec2<u32>({t}u, 0u))))"),
                Point::Infinity => format!("e_sub(h{i}, l{i})"),
            };
            let _ = writeln!(text, "        let v{i} = {value};");
        }
        self.nodes(text, false);
        let outputs = self.expression.outputs();
        for (o, node) in outputs.iter().enumerate() {
            let sum = index * outputs.len() + o;
            let _ = writeln!(text, "        sum{sum} = e_add(sum{sum}, e_mul(weight, n{node}));");
        }
    }
}

/// A small integer as a base element.
fn word(value: i8) -> String {
    let magnitude = format!("f_load(vec2<u32>({}u, 0u))", value.unsigned_abs());
    if value < 0 { format!("f_sub(F_ZERO, {magnitude})") } else { magnitude }
}
