//! The baseline protocol `reveal`, for both slots: the witness in the clear.
//!
//! The prover sends every input tensor's integers; the verifier recomputes the relation from them. It is the
//! yardstick: no cryptography in the relation itself, a proof as long as the witness, a verifier that works as
//! hard as plain inference.
//!
//! | step | prover sends | verifier |
//! |---|---|---|
//! | 1 | one challenge, echoed | compares it: a proof is bound to the transcript it was made for |
//! | 2 | the values of each distinct input tensor | decodes them, within the tensor's bounds |
//! | 3 | – | einsum: evaluates the output at the claim's point; lookup: finds every row in the table |
//! | 4 | – | draws a point per tensor; the revealed values' extension there becomes a claim |
//!
//! Step 4 ties the revealed values to the committed ones: two different tensors agree at a random point with
//! probability at most `variables / |E|`. A value `v` in `[lo, hi]` is sent as `v - lo` in the fewest whole bytes
//! that hold `hi - lo`, least significant first.
//!
//! Verifier work depends on the program only, and relations of more than `2^MAX_LOG_TERMS` products are refused.

use zkml_core::{
    AdviceSpec, Claim, Cost, ErrorTerm, Instance, LayerVerifier, ProtocolInfo, Refusal, Relation, Slot, Suite,
    TensorId, VerifierTranscript, VerifyError, mle,
};

mod encoding;
mod recompute;

#[cfg(feature = "prover")]
mod prover;

use encoding::Encoding;

/// Base-two logarithm of the largest number of products, or of table cells, that the verifier recomputes.
pub const MAX_LOG_TERMS: u32 = 34;

/// The protocol `reveal`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reveal;

/// What the protocol is.
const INFO: ProtocolInfo = ProtocolInfo {
    id: "reveal",
    about: "baseline: the witness in the clear, the verifier recomputes",
    paper: "none (papers/reveal.md)",
    slots: &[Slot::Einsum, Slot::Lookup],
    options: &[],
    companion: None,
    setup: "no setup; hides nothing",
};

/// The relation's distinct inputs, in order of tensor id: each is revealed once.
fn revealed(instance: &Instance<'_>) -> Vec<TensorId> {
    let mut tensors = instance.relation.inputs();
    tensors.sort_unstable();
    tensors.dedup();
    tensors
}

/// How each revealed tensor's values are encoded; `None` if one does not exist.
fn encodings<S: Suite>(instance: &Instance<'_>) -> Option<Vec<Encoding>> {
    revealed(instance).into_iter().map(|t| Encoding::of::<S>(instance.program.get(t)?)).collect()
}

fn refusal<S: Suite>(instance: &Instance<'_>) -> Result<(), Refusal> {
    let refuse = |reason: &str| {
        Err(Refusal { protocol: INFO.id, relation: instance.relation.kind(), reason: reason.to_owned() })
    };
    if matches!(instance.relation, Relation::Affine(_) | Relation::View(_)) {
        return refuse("affine relations and views need no protocol");
    }
    if encodings::<S>(instance).is_none() {
        return refuse("an input tensor does not exist, or its bounds are empty");
    }
    match recompute::log_terms(instance) {
        Some(log_terms) if log_terms <= f64::from(MAX_LOG_TERMS) => Ok(()),
        Some(_) => refuse("recomputing it takes more than 2^34 steps; use a protocol with a sublinear verifier"),
        None => refuse("its shapes do not fit together"),
    }
}

impl<S: Suite> LayerVerifier<S> for Reveal {
    fn info(&self) -> ProtocolInfo {
        INFO
    }

    fn supports(&self, instance: &Instance<'_>) -> Result<(), Refusal> {
        refusal::<S>(instance)
    }

    fn advice_specs(&self, _instance: &Instance<'_>) -> Vec<AdviceSpec> {
        Vec::new()
    }

    fn verify(
        &self,
        instance: &Instance<'_>,
        claim: Option<&Claim<S::Challenge>>,
        transcript: &mut VerifierTranscript<'_, S>,
    ) -> Result<Vec<Claim<S::Challenge>>, VerifyError> {
        let malformed = |what: String| VerifyError::Statement { scope: instance.relation.scope().to_owned(), what };
        refusal::<S>(instance).map_err(|refusal| malformed(refusal.to_string()))?;
        let expected = transcript.challenge();
        let [echo] = transcript.read_array()?;
        transcript.check(echo == expected, "the echo of the first challenge")?;
        let mut values = Vec::new();
        for encoding in encodings::<S>(instance).unwrap_or_default() {
            let bytes = transcript.read_bytes(encoding.length())?;
            values.push(encoding.decode(bytes).ok_or_else(|| transcript.encoding("a revealed tensor"))?);
        }
        let tensors = revealed(instance);
        let column = |tensor: TensorId| {
            let position = tensors.binary_search(&tensor).ok()?;
            values.get(position).map(Vec::as_slice)
        };
        match instance.relation {
            Relation::Einsum(einsum) => {
                let claim = claim.ok_or_else(|| malformed("an einsum needs a claim on its output".to_owned()))?;
                let shape = instance.shape(einsum.output);
                if claim.tensor != einsum.output || claim.point.len() != shape.variables() {
                    return Err(malformed("the claim is not on the einsum's output".to_owned()));
                }
                let value = recompute::einsum_at::<S>(instance, einsum, &claim.point, column);
                transcript.check(value == Some(claim.value), "the recomputed output at the claim's point")?;
            }
            Relation::Lookup(lookup) => {
                transcript.check(recompute::missing_row(lookup, column).is_none(), "that every row is in the table")?;
            }
            Relation::Affine(_) | Relation::View(_) => {}
        }
        Ok(tensors
            .iter()
            .zip(&values)
            .map(|(&tensor, values)| {
                let shape = instance.shape(tensor);
                let point = transcript.challenges(shape.variables());
                claim_on::<S>(tensor, &shape, point, values)
            })
            .collect())
    }

    fn soundness(&self, instance: &Instance<'_>) -> Vec<ErrorTerm> {
        let variables: usize = revealed(instance).iter().map(|&t| instance.shape(t).variables()).sum();
        vec![ErrorTerm::over_field("reveal/agreement at a random point", variables as f64, S::challenge_bits())]
    }

    fn cost(&self, instance: &Instance<'_>) -> Cost {
        let encodings = encodings::<S>(instance).unwrap_or_default();
        Cost {
            // The claims: one product per cell.
            base_ext_mul: encodings.iter().map(|e| e.cells() as f64).sum(),
            proof_elements: 1,
            proof_bytes: encodings.iter().map(Encoding::length).sum(),
            rounds: 2,
            ..Cost::default()
        }
    }
}

/// The claim that revealed values make at a point.
fn claim_on<S: Suite>(
    tensor: TensorId,
    shape: &zkml_core::Shape,
    point: Vec<S::Challenge>,
    values: &[i64],
) -> Claim<S::Challenge> {
    let cell = |i: usize| S::from_i64(values.get(i).copied().unwrap_or(0));
    let value = mle::evaluate::<S::Base, S::Challenge>(shape, &point, cell);
    Claim::new(tensor, point, value)
}
