//! A driver for one relation: the transcript of a real proof with an ideal commitment in place of a real one.
//!
//! The ideal commitment absorbs a digest of all committed cells, advice included, before any challenge, and at the
//! end tells the truth about every claim.

use std::panic::{AssertUnwindSafe, catch_unwind};

use core::fmt;
use std::sync::Arc;

use zkml_core::{
    Bounds, Claim, Instance, LayerProver, Program, ProveError, ProverTranscript, Relation, RelationId, Residence,
    Suite, TensorId, VerifierTranscript, Witness, mle,
};
use zkml_device::{Column, Device};

use crate::Failure;
use crate::cases::Case;

/// What is proven about which tensors, and what is absorbed before the protocol starts.
#[derive(Clone)]
pub struct Statement {
    /// The tensors, advice included.
    pub program: Program,
    /// The relation to prove.
    pub relation: Relation,
    /// The advice tensors.
    pub advice: Vec<TensorId>,
    /// Stands for public inputs, the model's digest and everything proven earlier.
    pub prefix: Vec<u8>,
}

impl Statement {
    /// The protocol's view.
    pub fn instance(&self) -> Instance<'_> {
        Instance { program: &self.program, relation: &self.relation, advice: &self.advice }
    }

    /// Digest of the program and the relation.
    fn digest(&self) -> [u8; 32] {
        *blake3::hash(format!("{:?}{:?}", self.program, self.relation).as_bytes()).as_bytes()
    }

    /// Digest of all values but virtual ones: the ideal commitment.
    fn commitment(&self, committed: &Witness) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for (i, tensor) in self.program.tensors().iter().enumerate() {
            if tensor.residence == Residence::Virtual {
                continue;
            }
            for value in committed.get(TensorId(i)).map(|c| c.to_i64()).unwrap_or_default() {
                hasher.update(&value.to_le_bytes());
            }
        }
        *hasher.finalize().as_bytes()
    }
}

/// A case, the protocol's advice for it, and the values that the ideal commitment binds.
#[derive(Clone)]
pub struct Setup {
    /// For failure messages.
    pub name: String,
    /// What is proven.
    pub statement: Statement,
    /// Its relation's place in the program.
    pub relation: RelationId,
    /// All values, advice included.
    pub witness: Witness,
}

impl Setup {
    /// Asks the protocol for its advice; also checks that its columns fit its specification.
    pub fn new<S: Suite>(protocol: &dyn LayerProver<S>, case: &Case) -> Result<Self, Failure> {
        let fail = |what: String| Failure::new(format!("{}: {what}", case.name));
        let instance = case.instance()?;
        let specs = protocol.advice_specs(&instance);
        let columns = protocol.advice(&instance, &case.witness).map_err(|e| fail(format!("no advice: {e}")))?;
        if specs.len() != columns.len() {
            return Err(fail(format!("{} advice columns for {} specifications", columns.len(), specs.len())));
        }
        let (mut program, mut witness, mut advice) = (case.program.clone(), case.witness.clone(), Vec::new());
        for (spec, column) in specs.into_iter().zip(columns) {
            if spec.shape.cells() != column.len() {
                return Err(fail(format!("advice `{}` is {}, got {} cells", spec.name, spec.shape, column.len())));
            }
            let (lo, hi) = column.range().unwrap_or((0, 0));
            let tensor = program.tensor(spec.name, spec.shape, Bounds::new(lo, hi), Residence::Committed);
            witness.set(tensor, column);
            advice.push(tensor);
        }
        let relation = case.relation()?.clone();
        let prefix = b"model and public inputs".to_vec();
        let statement = Statement { program, relation, advice, prefix };
        Ok(Self { name: case.name.clone(), statement, relation: case.relation, witness })
    }

    /// The tensors that claims may be about: the relation's inputs and the advice, each once.
    pub fn claimable(&self) -> Vec<TensorId> {
        let mut tensors = self.statement.relation.inputs();
        tensors.extend(&self.statement.advice);
        tensors.sort_unstable();
        tensors.dedup();
        tensors
    }

    /// The witness with `delta` added to one cell of one tensor.
    pub fn altered(&self, tensor: TensorId, cell: usize, delta: i64) -> Result<Witness, Failure> {
        let column = self.witness.require(&self.statement.program, tensor).map_err(Failure::new)?;
        let mut values = column.to_i64();
        let value = values.get_mut(cell).ok_or_else(|| Failure::new("no such cell"))?;
        *value = value.saturating_add(delta);
        let mut witness = self.witness.clone();
        witness.set(tensor, Arc::new(Column::with_bounds(values, 0, 0)));
        Ok(witness)
    }
}

/// A change to the claim on the output, after its point is drawn.
pub type ClaimChange<'a, S> = &'a dyn Fn(&mut Claim<<S as Suite>::Challenge>);

/// Everything one side of a proof knows.
#[derive(Clone, Copy)]
pub struct Side<'a, S: Suite> {
    /// What goes into the transcript.
    pub announced: &'a Statement,
    /// What the protocol is run on: the same, except for a prover that cheats.
    pub statement: &'a Statement,
    /// The values that the commitment binds.
    pub committed: &'a Witness,
    /// Applied to the output claim.
    pub change: Option<ClaimChange<'a, S>>,
}

impl<'a, S: Suite> Side<'a, S> {
    /// An honest side.
    pub fn honest(setup: &'a Setup) -> Self {
        Self { announced: &setup.statement, statement: &setup.statement, committed: &setup.witness, change: None }
    }

    fn claim(&self, output: TensorId, point: Vec<S::Challenge>) -> Result<Claim<S::Challenge>, String> {
        let value = true_value::<S>(&self.announced.program, self.committed, output, &point)?;
        let mut claim = Claim::new(output, point, value);
        if let Some(change) = self.change {
            change(&mut claim);
        }
        Ok(claim)
    }
}

/// Absorbs statement and commitment, opens the relation's scope and draws the claim on the output.
macro_rules! begin {
    ($transcript:expr, $side:expr) => {{
        $transcript.absorb("prefix", &$side.announced.prefix);
        $transcript.absorb("statement", &$side.announced.digest());
        $transcript.absorb("commitment", &$side.announced.commitment($side.committed));
        $transcript.enter($side.announced.relation.scope());
        match $side.announced.relation.output() {
            Some(output) => {
                let variables = $side.announced.instance().shape(output).variables();
                let point = $transcript.challenges(variables);
                Some($side.claim(output, point))
            }
            None => None,
        }
        .transpose()
    }};
}

/// What a prover hands over.
pub struct Proof<S: Suite> {
    /// The proof.
    pub bytes: Vec<u8>,
    /// The claims that remain.
    pub claims: Vec<Claim<S::Challenge>>,
}

/// Runs the prover on `witness`, which need not be what was committed to.
pub fn prove<S: Suite>(
    protocol: &dyn LayerProver<S>,
    side: Side<'_, S>,
    witness: &Witness,
) -> Result<Proof<S>, ProveError> {
    prove_on(protocol, side, witness, &Device::cpu())
}

/// [`prove`] on a device.
pub fn prove_on<S: Suite>(
    protocol: &dyn LayerProver<S>,
    side: Side<'_, S>,
    witness: &Witness,
    device: &Device,
) -> Result<Proof<S>, ProveError> {
    let mut transcript = ProverTranscript::<S>::new();
    let claim = begin!(transcript, side).map_err(|what| ProveError::Witness { scope: "testkit".to_owned(), what })?;
    let instance = side.statement.instance();
    let claims = protocol.prove(&instance, witness, claim.as_ref(), &mut transcript, device)?;
    Ok(Proof { bytes: transcript.finish().0, claims })
}

/// What a verifier, together with a sound opening, says about a proof.
pub enum Verdict<S: Suite> {
    /// Accepted, with these true claims.
    Accepted(Vec<Claim<S::Challenge>>),
    /// Rejected by the verifier or by the opening.
    Rejected(String),
    /// The verifier panicked.
    Panicked(String),
}

impl<S: Suite> fmt::Display for Verdict<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(claims) => write!(f, "accepted with {} claims", claims.len()),
            Self::Rejected(why) => write!(f, "rejected: {why}"),
            Self::Panicked(why) => write!(f, "the verifier panicked: {why}"),
        }
    }
}

/// Runs the verifier on `bytes`, then checks its claims against the committed values.
pub fn verify<S: Suite>(protocol: &dyn LayerProver<S>, side: Side<'_, S>, bytes: &[u8]) -> Verdict<S> {
    let run = catch_unwind(AssertUnwindSafe(|| verify_claims(protocol, side, bytes)));
    match run {
        Ok(Ok(claims)) => Verdict::Accepted(claims),
        Ok(Err(why)) => Verdict::Rejected(why),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            Verdict::Panicked(text.unwrap_or_else(|| "no message".to_owned()))
        }
    }
}

fn verify_claims<S: Suite>(
    protocol: &dyn LayerProver<S>,
    side: Side<'_, S>,
    bytes: &[u8],
) -> Result<Vec<Claim<S::Challenge>>, String> {
    let mut transcript = VerifierTranscript::<S>::new(bytes);
    let claim = begin!(transcript, side)?;
    let instance = side.statement.instance();
    let claims = protocol.verify(&instance, claim.as_ref(), &mut transcript).map_err(|e| e.to_string())?;
    transcript.finish().map_err(|e| e.to_string())?;
    let inputs = side.statement.relation.inputs();
    for claim in &claims {
        if !inputs.contains(&claim.tensor) && !side.statement.advice.contains(&claim.tensor) {
            return Err(format!("a claim on tensor {}, which is no input of the relation", claim.tensor.0));
        }
        let value = true_value::<S>(&side.statement.program, side.committed, claim.tensor, &claim.point)?;
        if value != claim.value {
            return Err(format!("a claim on tensor {} is false", claim.tensor.0));
        }
    }
    Ok(claims)
}

/// The multilinear extension of a tensor's committed values.
fn true_value<S: Suite>(
    program: &Program,
    committed: &Witness,
    tensor: TensorId,
    point: &[S::Challenge],
) -> Result<S::Challenge, String> {
    let shape =
        &program.get(tensor).ok_or_else(|| format!("a claim on tensor {}, which does not exist", tensor.0))?.shape;
    if point.len() != shape.variables() {
        return Err(format!("a claim on tensor {} of shape {shape} has {} coordinates", tensor.0, point.len()));
    }
    let column = committed.require(program, tensor).map_err(|e| e.to_string())?;
    Ok(mle::evaluate::<S::Base, S::Challenge>(shape, point, |i| S::from_i64(column.get(i).unwrap_or(0))))
}
