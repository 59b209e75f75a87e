//! Field arithmetic on the host: the small tables and known answers that do not come from a device.
//!
//! Elements are slices of canonical words, as everywhere at this interface. None of this is on a hot path.

use zkml_device::FieldKind;

/// `2^64 - 2^32 + 1`.
pub(crate) const P: u64 = 0xffff_ffff_0000_0001;

/// An element; words past the degree are zero.
pub(crate) type Element = [u64; 3];

pub(crate) fn add_words(a: u64, b: u64) -> u64 {
    ((u128::from(a) + u128::from(b)) % u128::from(P)) as u64
}

pub(crate) fn mul_words(a: u64, b: u64) -> u64 {
    (u128::from(a) * u128::from(b) % u128::from(P)) as u64
}

pub(crate) fn neg_word(a: u64) -> u64 {
    if a == 0 { 0 } else { P - a }
}

/// The element with these words, as many as the field has.
pub(crate) fn element(words: &[u64]) -> Element {
    core::array::from_fn(|i| words.get(i).copied().unwrap_or(0))
}

pub(crate) const ONE: Element = [1, 0, 0];

pub(crate) fn add(a: Element, b: Element) -> Element {
    core::array::from_fn(|i| add_words(a[i], b[i]))
}

pub(crate) fn sub(a: Element, b: Element) -> Element {
    core::array::from_fn(|i| add_words(a[i], neg_word(b[i])))
}

/// The product, by the schoolbook method and the field's relation.
pub(crate) fn mul(field: FieldKind, a: Element, b: Element) -> Element {
    let mut c = [0; 5];
    for i in 0..field.words() {
        for j in 0..field.words() {
            c[i + j] = add_words(c[i + j], mul_words(a[i], b[j]));
        }
    }
    match field {
        FieldKind::Goldilocks => [c[0], 0, 0],
        FieldKind::Goldilocks2 => [add_words(c[0], mul_words(7, c[2])), c[1], 0],
        FieldKind::Goldilocks3 => {
            [add_words(c[0], c[3]), add_words(c[1], add_words(c[3], c[4])), add_words(c[2], c[4])]
        }
    }
}

/// `scale · eq(point, x)` for all `x`, first coordinate most significant, as words.
pub(crate) fn eq_table(field: FieldKind, point: &[u64], scale: Element) -> Vec<u64> {
    let mut table = vec![scale];
    for r in point.chunks_exact(field.words()) {
        let r = element(r);
        let split = |e: Element| {
            let high = mul(field, e, r);
            [sub(e, high), high]
        };
        table = table.into_iter().flat_map(split).collect();
    }
    table.iter().flat_map(|e| e[..field.words()].to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use p3_field::extension::{BinomialExtensionField, CubicTrinomialExtensionField};
    use p3_field::{BasedVectorSpace, Field, PrimeCharacteristicRing, PrimeField64};
    use p3_goldilocks::Goldilocks;

    use super::*;

    fn agrees<E: Field + BasedVectorSpace<Goldilocks>>(field: FieldKind) {
        let value = |i: usize| element(&[P - 1 - i as u64, 7 + i as u64, 1 << 40][..field.words()]);
        let lift = |e: Element| E::from_basis_coefficients_fn(|i| Goldilocks::from_u64(e[i]));
        let words = |e: E| {
            element(&e.as_basis_coefficients_slice().iter().map(PrimeField64::as_canonical_u64).collect::<Vec<_>>())
        };
        for i in 0..50 {
            let (a, b) = (value(i), value(i * i + 3));
            assert_eq!(mul(field, a, b), words(lift(a) * lift(b)));
            assert_eq!(add(a, sub(b, a)), b);
        }
    }

    #[test]
    fn extensions_are_those_of_the_provers() {
        agrees::<Goldilocks>(FieldKind::Goldilocks);
        agrees::<BinomialExtensionField<Goldilocks, 2>>(FieldKind::Goldilocks2);
        agrees::<CubicTrinomialExtensionField<Goldilocks>>(FieldKind::Goldilocks3);
    }
}
