//! The committed vector as the library's polynomial.

use dory_pcs::primitives::arithmetic::{DoryRoutines, Group, PairingCurve};
use dory_pcs::{DoryError, Mode, MultilinearLagrange, Polynomial, ProverSetup};
use p3_bn254::Bn254 as Felt;
use p3_field::PrimeCharacteristicRing;
use rayon::prelude::*;
use zkml_pairing::Scalar;

/// Columns that one task adds up.
const COLUMNS_PER_TASK: usize = 16;

/// `2^n` cells, row-major: the trailing variables number the columns.
pub(crate) struct Matrix<'a>(pub(crate) &'a [Felt]);

impl Polynomial<Scalar> for Matrix<'_> {
    fn num_vars(&self) -> usize {
        self.0.len().trailing_zeros() as usize
    }

    /// The value at a point whose first coordinate is the least significant.
    fn evaluate(&self, point: &[Scalar]) -> Scalar {
        let mut values = self.0.to_vec();
        for &coordinate in point {
            let r = Felt::from(coordinate);
            values = values.chunks_exact(2).map(|pair| pair[0] + r * (pair[1] - pair[0])).collect();
        }
        values.first().copied().unwrap_or_default().into()
    }

    fn commit<E, Mo, M1>(
        &self,
        nu: usize,
        sigma: usize,
        setup: &ProverSetup<E>,
    ) -> Result<(E::GT, Vec<E::G1>, Scalar), DoryError>
    where
        E: PairingCurve,
        Mo: Mode,
        M1: DoryRoutines<E::G1>,
        E::G1: Group<Scalar = Scalar>,
        E::GT: Group<Scalar = Scalar>,
    {
        let (rows, columns) = (1 << nu, 1 << sigma);
        if self.0.len() != rows * columns {
            return Err(DoryError::InvalidSize { expected: rows * columns, actual: self.0.len() });
        }
        let (Some(first), Some(second)) = (setup.g1_vec.get(..columns), setup.g2_vec.get(..rows)) else {
            return Err(DoryError::InvalidInput(format!("the setup is too small for 2^{sigma} columns")));
        };
        let row = |cells: &[Felt]| {
            let scalars: Vec<Scalar> = cells.iter().map(|&cell| cell.into()).collect();
            M1::msm(first, &scalars)
        };
        let commitments: Vec<E::G1> = self.0.par_chunks(columns).map(row).collect();
        let blind = Mo::sample();
        Ok((Mo::mask(E::multi_pair_g2_setup(&commitments, second), &setup.ht, &blind), commitments, blind))
    }
}

impl MultilinearLagrange<Scalar> for Matrix<'_> {
    fn vector_matrix_product(&self, left_vec: &[Scalar], _nu: usize, sigma: usize) -> Vec<Scalar> {
        let columns = 1 << sigma;
        let weights: Vec<Felt> = left_vec.iter().map(|&weight| weight.into()).collect();
        let mut sums = Felt::zero_vec(columns);
        sums.par_chunks_mut(COLUMNS_PER_TASK).enumerate().for_each(|(task, sums)| {
            for (row, &weight) in self.0.chunks_exact(columns).zip(&weights) {
                let cells = row.iter().skip(task * COLUMNS_PER_TASK);
                sums.iter_mut().zip(cells).for_each(|(sum, &cell)| *sum += weight * cell);
            }
        });
        sums.into_iter().map(Scalar::from).collect()
    }
}
