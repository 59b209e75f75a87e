//! A cell with its keys made, to be proven again and again in this process: what benchmarks measure.

use std::path::Path;

use zkml_commitment::CommittedSuite;
use zkml_core::ProtocolSet;
use zkml_model::{Plan, Proof, ProvingKey};
use zkml_results::clock::{Time, timed};
use zkml_results::record::ProofTimes;

use crate::cell::{prove_once, times_of};
use crate::devices::Chosen;
use crate::network::Network;
use crate::plan;
use crate::spec::Experiment;
use crate::suites::{self, WithSuite};

/// A cell that is ready to be proven.
pub trait Prepared {
    /// Makes one proof, forward pass included, and keeps it.
    fn prove(&mut self) -> Result<ProofTimes, String>;

    /// Verifies the last proof from its bytes, the key's and the public values'.
    fn verify(&self) -> Result<Time, String>;
}

/// Reads the data of an experiment without a matrix, plans it and makes its keys. `data` is the folder that its files are
/// relative to. Errors are in words.
pub fn prepare(experiment: &Experiment, data: &Path) -> Result<Box<dyn Prepared>, String> {
    suites::with_suite(&experiment.suite, Preparing { experiment, data })
        .unwrap_or_else(|| Err(format!("unknown suite `{}`", experiment.suite)))
}

struct Preparing<'a> {
    experiment: &'a Experiment,
    data: &'a Path,
}

impl WithSuite for Preparing<'_> {
    type Output = Result<Box<dyn Prepared>, String>;

    fn run<S: CommittedSuite>(self, protocols: &dyn ProtocolSet<S>) -> Self::Output {
        let network = Network::load(self.experiment, self.data).map_err(|f| f.problem)?;
        let statement = plan::statement(self.experiment, &network).map_err(|f| f.problem)?;
        let plan = Plan::<S>::new(statement, protocols).map_err(|e| e.to_string())?;
        let witness = network.forward(&zkml_device::Device::cpu()).map_err(|e| e.to_string())?;
        let key = ProvingKey::new(plan, &witness).map_err(|e| e.to_string())?;
        let device = Chosen::open(&self.experiment.device)?;
        Ok(Box::new(Ready { network, key, device, last: None }))
    }
}

struct Ready<S: CommittedSuite> {
    network: Network,
    key: ProvingKey<S>,
    device: Chosen,
    last: Option<Last>,
}

/// The last proof, with the public values it is about.
struct Last {
    proof: Proof,
    public: Vec<u8>,
}

impl<S: CommittedSuite> Prepared for Ready<S> {
    fn prove(&mut self) -> Result<ProofTimes, String> {
        self.last = None;
        let (proof, witness, forward, proving) = prove_once(&self.network, &self.key, &self.device.for_a_proof())?;
        let times = times_of(&proof, forward, proving);
        let public = zkml_model::public_bytes(&self.key.plan().statement().program, &witness);
        self.last = Some(Last { proof, public: public.map_err(|e| e.to_string())? });
        Ok(times)
    }

    fn verify(&self) -> Result<Time, String> {
        let last = self.last.as_ref().ok_or("nothing has been proven yet")?;
        let (verdict, time) = timed(|| suites::verify(self.key.verifying_bytes(), &last.public, &last.proof.bytes));
        verdict.map_err(|e| e.to_string())?;
        Ok(time)
    }
}
