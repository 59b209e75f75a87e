//! Equality polynomials and multilinear extensions, as the verifier needs them: plain, scalar, bounded.

use p3_field::{ExtensionField, Field};

use crate::Shape;

/// `eq(a, b) = Π (a_i b_i + (1 - a_i)(1 - b_i))` over the common prefix of the two points.
pub fn eq_eval<F: Field>(a: &[F], b: &[F]) -> F {
    a.iter().zip(b).map(|(&a, &b)| (a * b).double() + F::ONE - a - b).product()
}

/// The table `eq(point, x)` for all `x`, most significant variable first.
pub fn eq_table<F: Field>(point: &[F]) -> Vec<F> {
    let mut table = vec![F::ONE];
    for &r in point {
        table = table
            .iter()
            .flat_map(|&e| {
                let high = e * r;
                [e - high, high]
            })
            .collect();
    }
    table
}

/// `Σ_{i < n} eq(point, i)`: the extension of the indicator of `0..n`. Costs one multiplication per variable.
pub fn prefix_indicator<F: Field>(point: &[F], n: usize) -> F {
    if n >> point.len() != 0 {
        return F::ONE;
    }
    // Walk the bits of n: below its set bits everything with a smaller bit counts in full.
    let (mut sum, mut equal_so_far) = (F::ZERO, F::ONE);
    for (i, &r) in point.iter().enumerate() {
        if n >> (point.len() - 1 - i) & 1 == 1 {
            sum += equal_so_far * (F::ONE - r);
            equal_so_far *= r;
        } else {
            equal_so_far *= F::ONE - r;
        }
    }
    sum
}

/// The extension, at `point`, of the tensor that is 1 inside the true shape and 0 in the padding.
pub fn shape_indicator<F: Field>(shape: &Shape, point: &[F]) -> F {
    let mut rest = point;
    let mut product = F::ONE;
    for (&n, variables) in shape.dims().iter().zip(shape.axis_variables()) {
        let (own, tail) = rest.split_at(variables.min(rest.len()));
        product *= prefix_indicator(own, n);
        rest = tail;
    }
    product
}

/// The multilinear extension at `point` of a row-major tensor, zero-padded; `value(i)` is cell `i`.
///
/// Costs one base × extension product per cell and two extension products per row.
pub fn evaluate<B: Field, F: ExtensionField<B>>(shape: &Shape, point: &[F], value: impl Fn(usize) -> B) -> F {
    let Some((&last, outer)) = shape.dims().split_last() else {
        return F::from(value(0));
    };
    let split = point.len().saturating_sub(crate::shape::log2_ceil(last));
    let (head, tail) = point.split_at(split);
    let inner = eq_table(tail);
    let outer_shape = outer.to_vec();
    let mut sum = F::ZERO;
    for (row, weight) in true_rows(&outer_shape, head) {
        let dot: F = inner.iter().take(last).enumerate().map(|(i, &e)| e * value(row * last + i)).sum();
        sum += weight * dot;
    }
    sum
}

/// Flat index and eq weight of every true index of the leading axes.
fn true_rows<F: Field>(dims: &[usize], point: &[F]) -> Vec<(usize, F)> {
    let mut rows = vec![(0, F::ONE)];
    let mut rest = point;
    for &n in dims {
        let (own, tail) = rest.split_at(crate::shape::log2_ceil(n).min(rest.len()));
        let table = eq_table(own);
        rows = rows
            .iter()
            .flat_map(|&(row, weight)| table.iter().take(n).enumerate().map(move |(i, &e)| (row * n + i, weight * e)))
            .collect();
        rest = tail;
    }
    rows
}

#[cfg(test)]
mod tests {
    use ark_poly::{DenseMultilinearExtension, Polynomial};
    use p3_field::{PrimeCharacteristicRing, PrimeField64};
    use p3_goldilocks::Goldilocks as F;
    use proptest::prelude::*;

    use super::*;

    // An independent implementation: ark-poly's dense extension over ark-ff's Goldilocks.
    #[derive(ark_ff::MontConfig)]
    #[modulus = "18446744069414584321"]
    #[generator = "7"]
    struct ArkConfig;
    type Ark = ark_ff::Fp64<ark_ff::MontBackend<ArkConfig, 1>>;

    fn padded(shape: &Shape, values: &[u64]) -> Vec<u64> {
        let mut out = vec![0; 1 << shape.variables()];
        for (i, &v) in values.iter().enumerate() {
            let (mut rest, mut index, mut shift) = (i, 0, 0);
            for (&n, bits) in shape.dims().iter().zip(shape.axis_variables()).rev() {
                index |= (rest % n) << shift;
                rest /= n;
                shift += bits;
            }
            out[index] = v;
        }
        out
    }

    proptest! {
        #[test]
        fn evaluation_agrees_with_ark_poly(dims in prop::collection::vec(1_usize..7, 0..4), seed in any::<u64>()) {
            let shape = Shape::new(dims).unwrap();
            let values: Vec<u64> = (0..shape.cells() as u64).map(|i| seed.wrapping_mul(i + 3) >> 20).collect();
            let coordinates: Vec<u64> = (0..shape.variables() as u64).map(|i| seed.wrapping_mul(2 * i + 9) >> 3).collect();
            let point: Vec<F> = coordinates.iter().map(|&c| F::from_u64(c)).collect();
            let ours: F = evaluate(&shape, &point, |i| F::from_u64(values[i]));
            // ark-poly's first variable is the least significant bit.
            let evaluations: Vec<Ark> = padded(&shape, &values).into_iter().map(Ark::from).collect();
            let reference = DenseMultilinearExtension::from_evaluations_vec(shape.variables(), evaluations);
            let theirs = reference.evaluate(&coordinates.iter().rev().map(|&c| Ark::from(c)).collect());
            prop_assert_eq!(theirs, Ark::from(ours.as_canonical_u64()));
        }

        #[test]
        fn prefix_indicator_is_a_partial_sum(variables in 0_usize..6, n in 0_usize..70, seed in any::<u64>()) {
            let point: Vec<F> = (0..variables as u64).map(|i| F::from_u64(seed.wrapping_mul(i + 5))).collect();
            let expected: F = eq_table(&point).into_iter().take(n).sum();
            prop_assert_eq!(prefix_indicator(&point, n), expected);
        }
    }

    #[test]
    fn eq_table_sums_to_one_and_matches_eq_eval() {
        let a: Vec<F> = [3, 5, 11].map(F::from_u64).to_vec();
        assert_eq!(eq_table(&a).into_iter().sum::<F>(), F::ONE);
        let b = [F::ONE, F::ZERO, F::ONE];
        assert_eq!(eq_eval(&a, &b), eq_table(&a)[0b101]);
    }
}
