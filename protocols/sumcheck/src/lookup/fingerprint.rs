//! Fingerprints of rows.

use p3_field::Field;

/// The challenges `α` and `β`: a row `(v_1, …, v_k)` has fingerprint `Σ β^(j-1) v_j` and denominator
/// `α - fingerprint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint<F> {
    /// The point at which the sums of fractions are compared.
    pub alpha: F,
    /// `1, β, …, β^(k-1)`.
    pub powers: Vec<F>,
}

impl<F: Field> Fingerprint<F> {
    /// Draws `β` (only for rows of several columns), then `α`.
    pub fn draw(width: usize, mut challenge: impl FnMut() -> F) -> Self {
        let beta = if width > 1 { challenge() } else { F::ONE };
        let powers = beta.powers().take(width).collect();
        Self { alpha: challenge(), powers }
    }

    /// `α - Σ β^(j-1) v_j`.
    pub fn denominator(&self, row: &[F]) -> F {
        self.alpha - self.powers.iter().zip(row).map(|(&p, &v)| p * v).sum::<F>()
    }
}
