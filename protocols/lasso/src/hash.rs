//! Fingerprints of rows and counters.

use p3_field::{ExtensionField, Field};
use zkml_core::Suite;

use crate::decompose::{Decomposition, Memory};

/// The challenges `γ` and `τ`: a row `(v_0, …)` of `e` entries with counter `t` has the fingerprint
/// `Σ γ^l v_l + γ^e t - τ`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hash<F> {
    /// `1, γ, γ², …`: one more than a row has entries.
    powers: Vec<F>,
    tau: F,
}

impl<F: Field> Hash<F> {
    /// Draws `γ`, then `τ`, for rows of up to `entries` entries.
    pub(crate) fn draw(entries: usize, mut challenge: impl FnMut() -> F) -> Self {
        let gamma = challenge();
        let powers = gamma.powers().take(entries + 1).collect();
        Self { powers, tau: challenge() }
    }

    /// The fingerprint's constant: `-τ`.
    pub(crate) fn constant(&self) -> F {
        -self.tau
    }

    /// `δ`: what one step of the counter adds to the fingerprint of a memory's row.
    pub(crate) fn step(&self, memory: &Memory<'_>) -> F {
        self.powers.get(memory.entries.len()).copied().unwrap_or(F::ZERO)
    }

    /// The coefficient of every column in the fingerprint of what a lookup claims to read, counter left out.
    pub(crate) fn coefficients<S: Suite<Challenge = F>>(
        &self,
        decomposition: &Decomposition<'_>,
        memory: &Memory<'_>,
    ) -> Vec<F>
    where
        F: ExtensionField<S::Base>,
    {
        let mut coefficients = vec![F::ZERO; decomposition.columns()];
        for (entry, &power) in memory.entries.iter().zip(&self.powers) {
            for &(factor, source) in entry {
                if let Some(slot) = coefficients.get_mut(decomposition.position(source)) {
                    *slot += power * S::from_i64(factor);
                }
            }
        }
        coefficients
    }

    /// The fingerprint, with counter 0, of a memory's row at a point: the *init* leaf.
    pub(crate) fn init_at<S: Suite<Challenge = F>>(&self, memory: &Memory<'_>, point: &[F]) -> F {
        let values = (0..memory.table.width()).map(|column| memory.table.evaluate::<S>(column, point));
        values.zip(&self.powers).map(|(value, &power)| value * power).sum::<F>() - self.tau
    }

    /// The fingerprints, with counter 0, of all rows of a memory: one base × extension product per entry but the
    /// first.
    #[cfg(feature = "prover")]
    pub(crate) fn init_rows<S: Suite<Challenge = F>>(&self, memory: &Memory<'_>) -> Vec<F>
    where
        F: ExtensionField<S::Base>,
    {
        let (rows, width) = (memory.table.rows(), memory.table.width());
        zkml_device::count::base_ext_mul(rows * width.saturating_sub(1));
        let entry = |column, row| S::from_i64(memory.table.get(column, row).unwrap_or(0));
        let later = self.powers.get(1..width).unwrap_or(&[]);
        let row = |row| {
            let rest = later.iter().enumerate().map(|(i, &power)| power * entry(i + 1, row));
            rest.sum::<F>() + entry(0, row) - self.tau
        };
        (0..rows).map(row).collect()
    }
}
