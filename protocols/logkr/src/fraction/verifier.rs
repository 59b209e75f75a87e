//! The verifier of one layer, in every form.

use p3_field::{Field, PrimeCharacteristicRing};
use zkml_core::{Suite, VerifierTranscript, VerifyError};
use zkml_sumcheck::{Weight, verify_rounds};

use crate::Form;
use crate::difference::verify_difference;

/// `n_weight · ñ(point) + d_weight · d̃(point) = value` for the numerators `n` and denominators `d` of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FractionClaim<F> {
    /// One coordinate per variable of the layer.
    pub point: Vec<F>,
    /// `A`.
    pub n_weight: F,
    /// `B`.
    pub d_weight: F,
    /// `K`.
    pub value: F,
}

/// What the wires at `b*` say about the layer below: `κ = 2 - 2b*` and the child coordinate `β = (1 - 2b*)/κ`.
/// `None` for `b* = 1`, where the wires do not determine a point.
pub fn child_point<F: Field>(b: F) -> Option<(F, F)> {
    let kappa = (F::ONE - b).double();
    Some((kappa, (F::ONE - b.double()) * kappa.try_inverse()?))
}

/// Why a layer's challenges leave no claim on the layer below: an event of probability at most `2/|E|`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Degenerate {
    /// `b* = 1`: the wires there are the sum of the children times zero.
    NoPoint,
    /// `(A', B') = (0, 0)`: the next claim is about nothing.
    NoWeight,
}

impl Degenerate {
    /// The condition that does not hold.
    pub fn condition(self) -> &'static str {
        match self {
            Self::NoPoint => "that the children's sum and difference determine a point (b* is not 1)",
            Self::NoWeight => "that the next layer's claim is about its values (A', B' are not both 0)",
        }
    }
}

impl<F: Field> FractionClaim<F> {
    /// The claim on the layer below, from the point `(x*, b*)` and the linear form `n_weight · ω_n + d_weight · ω_d =
    /// value` of the wires there.
    pub fn from_wires(x: &[F], b: F, n_weight: F, d_weight: F, value: F) -> Result<Self, Degenerate> {
        let (kappa, beta) = child_point(b).ok_or(Degenerate::NoPoint)?;
        if n_weight == F::ZERO && d_weight == F::ZERO {
            return Err(Degenerate::NoWeight);
        }
        let point = core::iter::once(beta).chain(x.iter().copied()).collect();
        Ok(Self { point, n_weight: n_weight * kappa, d_weight: d_weight * kappa, value })
    }
}

/// Reduces the claim on a layer to the claim on the layer below, which has one variable more.
///
/// Rejects [`Degenerate`] challenges, which an honest run meets with negligible probability.
pub fn verify_layer<S: Suite>(
    form: Form,
    claim: &FractionClaim<S::Challenge>,
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<FractionClaim<S::Challenge>, VerifyError> {
    let weights: Vec<_> = claim.point.iter().map(|&z| Weight::Eq(z)).collect();
    let (x, running) = verify_rounds(&weights, 2, scale(form, claim.value), transcript)?;
    let (b, running) = verify_difference(running, transcript)?;
    let [n_weight, d_weight, value] = close_layer(form, claim, running, transcript)?;
    FractionClaim::from_wires(&x, b, n_weight, d_weight, value)
        .map_err(|why| VerifyError::Check { scope: transcript.scope(), what: why.condition() })
}

/// The layer's claim times 16 (sum of squares of `u`) or 4.
pub(super) fn scale<F: Field>(form: Form, value: F) -> F {
    match form {
        Form::Square => value.double().double().double().double(),
        Form::HalfSquare | Form::Product => value.double().double(),
    }
}

/// The end of a layer: reads the values of the wires at `(x*, b*)` and returns the weights of `ω_n` and `ω_d` in
/// the next claim, and its value.
fn close_layer<S: Suite>(
    form: Form,
    claim: &FractionClaim<S::Challenge>,
    running: S::Challenge,
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<[S::Challenge; 3], VerifyError> {
    let one = S::Challenge::ONE;
    let (a2, b) = (claim.n_weight.double(), claim.d_weight);
    match form {
        Form::Square => {
            let (c, running) = verify_difference(running, transcript)?;
            let [u] = transcript.read_array::<1>()?;
            transcript.check(running == u.square(), "the layer's last claim = u*²")?;
            let g = one - c.double();
            Ok([a2 * g, one + g * b, u])
        }
        Form::HalfSquare => {
            let [d, n] = transcript.read_array::<2>()?;
            let holds = running == b * d.square() + a2 * n * d;
            transcript.check(holds, "the layer's last claim = B ω_d² + 2A ω_n ω_d")?;
            let lambda = transcript.challenge();
            Ok([lambda, one, d + lambda * n])
        }
        Form::Product => {
            let [d, m] = transcript.read_array::<2>()?;
            transcript.check(running == d * m, "the layer's last claim = ω_d ω_m")?;
            let lambda = transcript.challenge();
            Ok([a2 * lambda, one + lambda * b, d + lambda * m])
        }
    }
}
