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

/// Reduces the claim on a layer to the claim on the layer below, which has one variable more.
///
/// Rejects `b* = 1` and a next claim with `(A', B') = (0, 0)`; an honest run meets either with probability at most
/// `2/|E|`.
pub fn verify_layer<S: Suite>(
    form: Form,
    claim: &FractionClaim<S::Challenge>,
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<FractionClaim<S::Challenge>, VerifyError> {
    let weights: Vec<_> = claim.point.iter().map(|&z| Weight::Eq(z)).collect();
    let (x, running) = verify_rounds(&weights, 2, scale(form, claim.value), transcript)?;
    let (b, running) = verify_difference(running, transcript)?;
    let (kappa, beta) = child_point(b).ok_or_else(|| VerifyError::Check {
        scope: transcript.scope(),
        what: "that the children's sum and difference determine a point (b* is not 1)",
    })?;
    let (n_weight, d_weight, value) = close_layer(form, claim, running, transcript)?;
    let next = FractionClaim {
        point: std::iter::once(beta).chain(x).collect(),
        n_weight: n_weight * kappa,
        d_weight: d_weight * kappa,
        value,
    };
    let vacuous = next.n_weight == S::Challenge::ZERO && next.d_weight == S::Challenge::ZERO;
    transcript.check(!vacuous, "that the next layer's claim is about its values (A', B' are not both 0)")?;
    Ok(next)
}

/// The layer's claim times 16 (sum of squares of `u`) or 4.
pub(super) fn scale<F: Field>(form: Form, value: F) -> F {
    match form {
        Form::Square => value.double().double().double().double(),
        Form::HalfSquare | Form::Product => value.double().double(),
    }
}

/// The end of a layer: reads the values of the wires at `(x*, b*)` and returns `A'/κ`, `B'/κ` and `K'`.
fn close_layer<S: Suite>(
    form: Form,
    claim: &FractionClaim<S::Challenge>,
    running: S::Challenge,
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<(S::Challenge, S::Challenge, S::Challenge), VerifyError> {
    let one = S::Challenge::ONE;
    let (a2, b) = (claim.n_weight.double(), claim.d_weight);
    match form {
        Form::Square => {
            let (c, running) = verify_difference(running, transcript)?;
            let [u] = transcript.read_array::<1>()?;
            transcript.check(running == u.square(), "the layer's last claim = u*²")?;
            let g = one - c.double();
            Ok((a2 * g, one + g * b, u))
        }
        Form::HalfSquare => {
            let [d, n] = transcript.read_array::<2>()?;
            let holds = running == b * d.square() + a2 * n * d;
            transcript.check(holds, "the layer's last claim = B ω_d² + 2A ω_n ω_d")?;
            let lambda = transcript.challenge();
            Ok((lambda, one, d + lambda * n))
        }
        Form::Product => {
            let [d, m] = transcript.read_array::<2>()?;
            transcript.check(running == d * m, "the layer's last claim = ω_d ω_m")?;
            let lambda = transcript.challenge();
            Ok((a2 * lambda, one + lambda * b, d + lambda * m))
        }
    }
}
