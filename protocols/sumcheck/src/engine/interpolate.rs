//! From values at `0, 1, …, d` to coefficients.

use p3_field::{Field, PrimeCharacteristicRing};
use zkml_core::Suite;
use zkml_device::count;

/// The inverse of the Vandermonde matrix of `0, 1, …, d`.
pub(super) struct Interpolation<S: Suite> {
    /// `rows[i][k]`: coefficient of `X^k` in the `i`-th Lagrange polynomial.
    rows: Vec<Vec<S::Base>>,
}

impl<S: Suite> Interpolation<S> {
    pub(super) fn new(degree: usize) -> Self {
        let rows = (0..=degree)
            .map(|i| {
                let mut coefficients = vec![S::Base::ONE];
                let mut denominator = S::Base::ONE;
                for j in (0..=degree).filter(|&j| j != i) {
                    let node = S::from_i64(j as i64);
                    denominator *= S::from_i64(i as i64) - node;
                    // Multiply by X - j.
                    coefficients.insert(0, S::Base::ZERO);
                    for k in 0..coefficients.len() - 1 {
                        let next = coefficients[k + 1];
                        coefficients[k] -= next * node;
                    }
                }
                let scale = denominator.try_inverse().unwrap_or(S::Base::ZERO);
                coefficients.into_iter().map(|c| c * scale).collect()
            })
            .collect();
        Self { rows }
    }

    /// Constant coefficient, and those of `X, X², …`.
    pub(super) fn coefficients(&self, values: &[S::Challenge]) -> (S::Challenge, Vec<S::Challenge>) {
        let degree = self.rows.len() - 1;
        count::base_ext_mul(degree * (degree + 1));
        let constant = values.first().copied().unwrap_or(S::Challenge::ZERO);
        let higher = (1..=degree).map(|k| self.rows.iter().zip(values).map(|(row, &v)| v * row[k]).sum()).collect();
        (constant, higher)
    }
}
