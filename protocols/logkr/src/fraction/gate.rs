//! The quadratic form of a layer, in the wires in which each form evaluates it.
//!
//! With `m_0 = n_0 + B' d_0`, `B' = B/A`, the gate is `A (m_0 d_1 + n_1 d_0)`. The x-rounds of every form have the
//! same polynomials up to a power of four; a gate fixes only which wires are bound and whether the field squares or
//! multiplies.

use p3_field::PrimeCharacteristicRing;

/// A form in `N` wires, evaluated as `SUMS` separate sums that the layer combines with scalars after summation.
pub(super) trait Gate<const N: usize, const SUMS: usize>: Copy + Send + Sync {
    /// Squarings and products per evaluation.
    const OPERATIONS: (usize, usize);

    /// The sums' terms at one point.
    fn terms<R: PrimeCharacteristicRing + Copy>(self, wires: [R; N]) -> [R; SUMS];
}

/// `p² - q² + r² - s²` in the wires `m_0 ± d_1`, `n_1 ± d_0`: four times the gate.
#[derive(Clone, Copy, Debug)]
pub(super) struct FourSquares;

impl Gate<4, 1> for FourSquares {
    const OPERATIONS: (usize, usize) = (4, 0);

    #[inline]
    fn terms<R: PrimeCharacteristicRing + Copy>(self, [p, q, r, s]: [R; 4]) -> [R; 1] {
        [p.square() - q.square() + (r.square() - s.square())]
    }
}

/// `m_0 d_1 + n_1 d_0` in the wires `m_0, d_1, n_1, d_0`: the gate.
#[derive(Clone, Copy, Debug)]
pub(super) struct TwoProducts;

impl Gate<4, 1> for TwoProducts {
    const OPERATIONS: (usize, usize) = (0, 2);

    #[inline]
    fn terms<R: PrimeCharacteristicRing + Copy>(self, [m0, d1, n1, d0]: [R; 4]) -> [R; 1] {
        [m0 * d1 + n1 * d0]
    }
}

/// `s_d² - t_d²` and `s_d s_n - t_d t_n` in the sums and differences `s_d, t_d, s_n, t_n` of the children: the gate is
/// `B/4` times the first plus `A/2` times the second.
#[derive(Clone, Copy, Debug)]
pub(super) struct SquaresAndProducts;

impl Gate<4, 2> for SquaresAndProducts {
    const OPERATIONS: (usize, usize) = (2, 2);

    #[inline]
    fn terms<R: PrimeCharacteristicRing + Copy>(self, [sd, td, sn, tn]: [R; 4]) -> [R; 2] {
        [sd.square() - td.square(), sd * sn - td * tn]
    }
}

/// `σ² - τ²` in the sum and difference of the shifted denominators: the leaf gate, where numerators are one.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeafSquares;

impl Gate<2, 1> for LeafSquares {
    const OPERATIONS: (usize, usize) = (2, 0);

    #[inline]
    fn terms<R: PrimeCharacteristicRing + Copy>(self, [sum, difference]: [R; 2]) -> [R; 1] {
        [sum.square() - difference.square()]
    }
}

/// `e_0 e_1` in the shifted denominators: the leaf gate, where numerators are one.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeafProduct;

impl Gate<2, 1> for LeafProduct {
    const OPERATIONS: (usize, usize) = (0, 1);

    #[inline]
    fn terms<R: PrimeCharacteristicRing + Copy>(self, [e0, e1]: [R; 2]) -> [R; 1] {
        [e0 * e1]
    }
}
