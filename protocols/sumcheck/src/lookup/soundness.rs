//! The error of comparing sums of fractions at one point.

use zkml_core::ErrorTerm;

use super::Layout;

/// The error of the LogUp identity for a layout: the cleared-denominator polynomial in `(α, β)` vanishes by
/// accident, or `α` hits a pole [Haböck 2022/1530, lemma 5; columns combined by powers of `β`].
///
/// Multiplicity inclusion also needs fewer lookups than the characteristic, which every layout satisfies
/// (at most 2^40 leaves, fields of at least 63 bits).
pub fn soundness(protocol: &str, layout: &Layout, challenge_bits: f64) -> Vec<ErrorTerm> {
    let fractions = layout.leaves() as f64 + (layout.table_variables() as f64).exp2();
    let degree = layout.width().saturating_sub(1).max(1) as f64;
    vec![
        ErrorTerm::over_field(format!("{protocol}/collisions"), (fractions - 1.0) * degree, challenge_bits),
        ErrorTerm::over_field(format!("{protocol}/poles"), fractions, challenge_bits),
    ]
}
