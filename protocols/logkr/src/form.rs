//! Which identity turns the products of a layer into sums of powers.

use std::str::FromStr;

/// How a layer multiplies two wires. See `papers/logkr.md` for the messages of each form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Form {
    /// `4ab = (a + b)² - (a - b)²` throughout: the layer is a signed sum of squares of one wire vector and ends in
    /// one value.
    #[default]
    Square,
    /// Squares where an operand meets itself (`d·d` in a fraction tree), products elsewhere; two values per layer.
    HalfSquare,
    /// Products in the sum/difference basis; two values per layer.
    Product,
}

impl Form {
    /// All forms, default first.
    pub const ALL: [Self; 3] = [Self::Square, Self::HalfSquare, Self::Product];

    /// The name used in experiment files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Square => "square",
            Self::HalfSquare => "half-square",
            Self::Product => "product",
        }
    }
}

impl FromStr for Form {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|form| form.name() == name).ok_or_else(|| {
            let allowed: Vec<&str> = Self::ALL.iter().map(|form| form.name()).collect();
            format!("`{name}` is not a form of logkr; allowed are {}", allowed.join(", "))
        })
    }
}
