//! Fields by name, for code that is not generic over them.

use serde::{Deserialize, Serialize};

/// A field that accelerators compute in. Its elements travel as canonical 64-bit words: an element of a degree-`d`
/// extension is `d` words, the constant coefficient first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FieldKind {
    /// Integers modulo `p = 2^64 - 2^32 + 1`.
    Goldilocks,
    /// Goldilocks with `X^2 = 7`.
    Goldilocks2,
    /// Goldilocks with `X^3 = X + 1`.
    Goldilocks3,
}

impl FieldKind {
    /// All fields.
    pub const ALL: [Self; 3] = [Self::Goldilocks, Self::Goldilocks2, Self::Goldilocks3];

    /// Words per element: the degree.
    pub const fn words(self) -> usize {
        match self {
            Self::Goldilocks => 1,
            Self::Goldilocks2 => 2,
            Self::Goldilocks3 => 3,
        }
    }

    /// Bytes per element.
    pub const fn bytes(self) -> usize {
        8 * self.words()
    }
}
