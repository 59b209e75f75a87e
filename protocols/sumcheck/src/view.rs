//! A claim on a view becomes a claim on the tensor behind it.
//!
//! For a view with groups `g` of axes, whose 0/1 matrices are `M_g`, and a claim `v` at `r`,
//!
//! > `v = Σ_x X(x) · Π_g M_g(r_g, x_g)`.
//!
//! Groups that only rename coordinates (identities, transpositions, aligned reshapes) have `M_g = eq`: their coordinates
//! are those of the claim. The others take a sumcheck of degree 2 over the variables of their input axes, one group after
//! the other.
//!
//! | step | prover sends | verifier |
//! |---|---|---|
//! | 1 | per variable of every group: the coefficients of `X, X²` | binds the variable to a challenge |
//! | 2 | the value `x` of the input | checks `claim = x · Π_g M_g(r_g, s_g)` |
//! | 3 | – | claims `X(s) = x` |
//!
//! Error: `2n / |E|` for `n` rounds. The verifier evaluates each `M_g` by walking its addresses: `O(positions · taps)` for a
//! sliding window. For a convolution this is the second stage of the direct sumcheck; the first is the einsum over the
//! window.

use zkml_core::{AxisGroup, Claim, Cost, Shape, Suite, VerifierTranscript, VerifyError, View};

use crate::{Weight, verify_rounds};

#[cfg(feature = "prover")]
mod prover;
#[cfg(feature = "prover")]
pub use prover::prove;

/// Variables of a group's input axes.
fn variables(group: &AxisGroup, input: &Shape) -> usize {
    let axes = input.axis_variables();
    group.input.iter().map(|&a| axes.get(a).copied().unwrap_or(0)).sum()
}

/// Number of rounds.
pub fn rounds(view: &View, output: &Shape, input: &Shape) -> usize {
    let bound = view.groups.iter().filter(|g| !g.is_free(output, input));
    bound.map(|g| variables(g, input)).sum()
}

fn only_renames(view: &View, output: &Shape, input: &Shape) -> bool {
    view.groups.iter().all(|g| g.is_free(output, input))
}

/// Verifies the reduction of `claim`, on a view of shape `output`, to one on its input of shape `input`.
///
/// Errors if the claim does not fit, or the check fails. The view must have passed [`zkml_core::Program::check`].
pub fn verify<S: Suite>(
    view: &View,
    output: &Shape,
    input: &Shape,
    claim: &Claim<S::Challenge>,
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<Claim<S::Challenge>, VerifyError> {
    if let Some(what) = malformed(view, output, claim) {
        return Err(VerifyError::Statement { scope: transcript.scope(), what });
    }
    let mut coordinates = renamed(view, output, claim);
    if only_renames(view, output, input) {
        return Ok(Claim::new(view.input, view.input_point(input, &coordinates), claim.value));
    }
    transcript.absorb_elements(&claim.point);
    transcript.absorb_elements(&[claim.value]);
    let mut last = claim.value;
    let mut product = S::Challenge::from(S::from_i64(1));
    for (group, own) in view.groups.iter().zip(&mut coordinates) {
        if !group.is_free(output, input) {
            let weights = vec![Weight::Sum; variables(group, input)];
            let (point, next) = verify_rounds(&weights, 2, last, transcript)?;
            product *= group.evaluate(output, input, own, &point);
            (*own, last) = (point, next);
        }
    }
    let [value] = transcript.read_array()?;
    transcript.check(value * product == last, "the value of the tensor behind a view")?;
    Ok(Claim::new(view.input, view.input_point(input, &coordinates), value))
}

/// What is wrong with the claim, if anything.
fn malformed<F>(view: &View, output: &Shape, claim: &Claim<F>) -> Option<String> {
    let fits = claim.tensor == view.output && claim.point.len() == output.variables();
    (!fits).then(|| "the claim is not on the view's output".to_owned())
}

/// The claim's coordinates by group of output axes.
fn renamed<F: Copy>(view: &View, output: &Shape, claim: &Claim<F>) -> Vec<Vec<F>> {
    view.groups.iter().map(|g| view.output_coordinates(g, output, &claim.point)).collect()
}

/// Messages and the prover's operations for one claim.
pub fn cost<S: Suite>(view: &View, output: &Shape, input: &Shape) -> Cost {
    if only_renames(view, output, input) {
        return Cost::default();
    }
    let rounds = rounds(view, output, input);
    let cost = Cost { proof_elements: 2 * rounds + 1, rounds, ..Cost::default() };
    #[cfg(feature = "prover")]
    let cost = prover::operations::<S>(view, output, input).plus(cost);
    cost
}
