//! The tests themselves. Each returns a [`Failure`] that says which case and which change broke what.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_core::{LayerProver, ProveError, Slot, Suite};
use zkml_device::reference::Reference;
use zkml_device::{Accelerator, Device, count};

use crate::cases::{self, Case};
use crate::driver::{Proof, Setup, Side, Verdict, prove, prove_on, verify};
use crate::{Failure, case_count, seed};

mod declined;
mod statements;
mod witnesses;

pub use declined::every_relation_is_declined;
pub use statements::{replays_are_rejected, wrong_statements_are_rejected};
pub use witnesses::wrong_witnesses_are_rejected;

/// Longest proof of which every byte is flipped; of longer ones that many bytes are.
const MAX_FLIPS: usize = 400;

/// Random relations that are proven on a device.
const DEVICE_CASES: usize = 12;

/// Sizes from which on further devices are used, so that rounds and trees are begun there and ended on the host.
const BREAK_EVEN: [usize; 2] = [20, 150];

/// The protocol announces exactly the slots that it is tested for.
pub fn advertised_slots<S: Suite>(protocol: &dyn LayerProver<S>, slots: &[Slot]) -> Result<(), Failure> {
    let info = protocol.info();
    let (mut advertised, mut tested) = (info.slots.to_vec(), slots.to_vec());
    advertised.sort_unstable();
    tested.sort_unstable();
    if advertised != tested {
        return Err(Failure::new(format!("`{}` fills {advertised:?}, but the tests cover {tested:?}", info.id)));
    }
    if info.id.is_empty() || info.about.is_empty() || info.paper.is_empty() || info.setup.is_empty() {
        return Err(Failure::new(format!("`{}` leaves part of its description empty", info.id)));
    }
    match (info.slots.len(), info.companion) {
        (1, None) => Err(Failure::new(format!("`{}` fills one slot and names no companion for the other", info.id))),
        (2, Some(_)) => Err(Failure::new(format!("`{}` fills both slots and names a companion", info.id))),
        _ => Ok(()),
    }
}

/// The cases a protocol supports. At least one, or the slot is advertised in vain.
fn supported<S: Suite>(protocol: &dyn LayerProver<S>, cases: Vec<Case>) -> Result<Vec<Case>, Failure> {
    let total = cases.len();
    let mut refused = Vec::new();
    let mut kept = Vec::new();
    for case in cases {
        match protocol.supports(&case.instance()?) {
            Ok(()) => kept.push(case),
            Err(refusal) => refused.push(format!("{}: {refusal}", case.name)),
        }
    }
    println!("{} of {total} cases refused", refused.len());
    for line in &refused {
        println!("  {line}");
    }
    if kept.is_empty() {
        return Err(Failure::new(format!(
            "all {total} cases are refused, the first one because\n{}",
            refused.join("\n")
        )));
    }
    Ok(kept)
}

/// The honest proof of a case.
fn honest<S: Suite>(protocol: &dyn LayerProver<S>, setup: &Setup) -> Result<Proof<S>, Failure> {
    prove(protocol, Side::honest(setup), &setup.witness).map_err(|e| Failure::new(format!("{}: {e}", setup.name)))
}

/// An error unless the verdict is a rejection.
fn expect_rejected<S: Suite>(verdict: &Verdict<S>, setup: &Setup, change: &str) -> Result<(), Failure> {
    match verdict {
        Verdict::Rejected(_) => Ok(()),
        other => Err(Failure::new(format!("{}\n{change}: {other}", setup.name))),
    }
}

/// Honest proofs verify; both halves return the same true claims, and every input and advice column gets one.
pub fn completeness<S: Suite>(protocol: &dyn LayerProver<S>, slot: Slot) -> Result<(), Failure> {
    for case in supported(protocol, cases::all(slot, seed(), case_count())?)? {
        let checked = case.program.check(S::max_magnitude());
        checked.map_err(|e| Failure::new(format!("{} is no sound statement: {e}", case.name)))?;
        let setup = Setup::new(protocol, &case)?;
        let proof = honest(protocol, &setup)?;
        let fail = |what: String| Failure::new(format!("{}: {what}", case.name));
        let claims = match verify(protocol, Side::honest(&setup), &proof.bytes) {
            Verdict::Accepted(claims) => claims,
            other => return Err(fail(format!("the honest proof is {other}"))),
        };
        if claims != proof.claims {
            return Err(fail(format!("prover and verifier return other claims:\n{:?}\n{claims:?}", proof.claims)));
        }
        if let Some(missing) = setup.claimable().into_iter().find(|&t| claims.iter().all(|c| c.tensor != t)) {
            return Err(fail(format!("no claim ties tensor {} to the proof", missing.0)));
        }
    }
    Ok(())
}

/// The proof has exactly the predicted length, and the advice the predicted size.
pub fn costs_and_advice_are_exact<S: Suite>(protocol: &dyn LayerProver<S>, slot: Slot) -> Result<(), Failure> {
    for case in supported(protocol, cases::all(slot, seed() ^ 1, case_count() / 2)?)? {
        let setup = Setup::new(protocol, &case)?;
        let actual = honest(protocol, &setup)?.bytes.len();
        let cost = protocol.cost(&setup.statement.instance());
        let predicted = cost.proof_elements * S::challenge_bytes() + cost.proof_bytes;
        if predicted != actual {
            return Err(Failure::new(format!(
                "{}: the proof has {actual} bytes, predicted are {} elements and {} bytes = {predicted}",
                case.name, cost.proof_elements, cost.proof_bytes
            )));
        }
        let advice = setup.statement.advice.iter().filter_map(|&t| setup.witness.get(t));
        let cells: usize = advice.map(|column| column.len()).sum();
        if cells != cost.committed_cells {
            let (name, predicted) = (&case.name, cost.committed_cells);
            return Err(Failure::new(format!("{name}: {cells} cells of advice, predicted are {predicted}")));
        }
        let specs = protocol.advice_specs(&setup.statement.instance());
        if specs != protocol.advice_specs(&case.instance()?) {
            return Err(Failure::new(format!("{}: the advice changes once it is part of the program", case.name)));
        }
    }
    Ok(())
}

/// Every error term has a name and a probability below `2^-40`; none is missing where challenges matter.
pub fn soundness_terms_are_sound<S: Suite>(protocol: &dyn LayerProver<S>, slot: Slot) -> Result<(), Failure> {
    let mut all = cases::all(slot, seed() ^ 2, case_count() / 2)?;
    all.extend(cases::to_tamper(slot, seed())?);
    let mut terms_seen = 0;
    for case in supported(protocol, all)? {
        let setup = Setup::new(protocol, &case)?;
        for term in protocol.soundness(&setup.statement.instance()) {
            let (name, log2) = (&term.name, term.log2_error);
            if name.is_empty() || log2.is_nan() || log2 >= -40.0 {
                return Err(Failure::new(format!("{}: error term `{name}` is 2^{log2}", case.name)));
            }
            terms_seen += usize::from(log2.is_finite());
        }
    }
    if terms_seen == 0 {
        return Err(Failure::new("no case has any error term, but no interactive proof is perfect"));
    }
    Ok(())
}

/// The same bytes on one thread, on two, and again.
pub fn determinism<S: Suite>(protocol: &dyn LayerProver<S>, slot: Slot) -> Result<(), Failure> {
    for case in supported(protocol, cases::large(slot, seed())?)? {
        let mut proofs = Vec::new();
        for threads in [1, 2, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(Failure::new)?;
            proofs.push(pool.install(|| honest(protocol, &Setup::new(protocol, &case)?).map(|p| p.bytes))?);
        }
        if proofs.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err(Failure::new(format!("{}: the proof depends on the run or the threads", case.name)));
        }
    }
    Ok(())
}

/// The same bytes with a device that does every step it can; one that fails on the way yields its error, never a proof of
/// other bytes.
pub fn devices<S: Suite>(protocol: &dyn LayerProver<S>, slot: Slot) -> Result<(), Failure> {
    let mut cases = cases::all(slot, seed(), DEVICE_CASES)?;
    cases.extend(cases::large(slot, seed())?);
    let mut calls = 0;
    for case in supported(protocol, cases)? {
        let setup = Setup::new(protocol, &case)?;
        let expected = honest(protocol, &setup)?;
        let on = |device: &Arc<Reference>| {
            prove_on(protocol, Side::honest(&setup), &setup.witness, &Device::accelerated(Arc::clone(device) as Arc<_>))
        };
        let same = |device: Arc<Reference>| {
            let proof = on(&device).map_err(|e| Failure::new(format!("{}: {e}", case.name)))?;
            if proof.bytes == expected.bytes && proof.claims == expected.claims {
                return Ok(());
            }
            let size = device.info().break_even.rounds;
            Err(Failure::new(format!("{}: the proof depends on the device, from {size:?} on", case.name)))
        };
        let device = Arc::new(Reference::new(1));
        same(Arc::clone(&device))?;
        if device.calls() == 0 {
            continue;
        }
        BREAK_EVEN.iter().try_for_each(|&size| same(Arc::new(Reference::new(size))))?;
        calls += device.calls();
        for fails_at in [0, 1, device.calls() / 2, device.calls().saturating_sub(1)] {
            match on(&Arc::new(Reference::failing(1, fails_at))) {
                Err(ProveError::Device(_)) => {}
                Ok(proof) if proof.bytes == expected.bytes && fails_at >= device.calls() => {}
                Ok(_) => return Err(Failure::new(format!("{}: call {fails_at} failed and went unnoticed", case.name))),
                Err(other) => return Err(Failure::new(format!("{}: call {fails_at} failed: {other}", case.name))),
            }
        }
    }
    println!("{calls} calls of the device");
    Ok(())
}

/// The counting build's multiplications are within 5 % of the predicted ones, in extension equivalents. The
/// counters are global: run with `--test-threads=1`.
pub fn counted_operations_are_as_predicted<S: Suite>(protocol: &dyn LayerProver<S>, slot: Slot) -> Result<(), Failure> {
    if !count::ENABLED {
        return Err(Failure::new("the counters are off: enable the feature `count-ops` of zkml-device"));
    }
    for case in supported(protocol, cases::large(slot, seed())?)? {
        let setup = Setup::new(protocol, &case)?;
        let before = count::snapshot();
        honest(protocol, &setup)?;
        let counted = count::snapshot().since(before).ext_equivalents();
        let predicted = protocol.cost(&setup.statement.instance()).ext_equivalents();
        if (counted - predicted).abs() > 0.05 * counted.max(1.0) {
            let (name, percent) = (&case.name, 100.0 * (predicted / counted - 1.0));
            let what = format!("counted {counted:.0} multiplications, predicted {predicted:.0} ({percent:+.1} %)");
            return Err(Failure::new(format!("{name}: {what}")));
        }
    }
    Ok(())
}

/// Flips one bit of each byte of each proof, or of a sample of its bytes.
pub fn flipped_bytes_are_rejected<S: Suite>(protocol: &dyn LayerProver<S>, slot: Slot) -> Result<(), Failure> {
    let mut rng = StdRng::seed_from_u64(seed() ^ 3);
    for case in supported(protocol, cases::to_tamper(slot, seed())?)? {
        let setup = Setup::new(protocol, &case)?;
        let bytes = honest(protocol, &setup)?.bytes;
        for at in positions(bytes.len(), &mut rng) {
            let bit = rng.random_range(0..8);
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            let verdict = verify(protocol, Side::honest(&setup), &changed);
            expect_rejected(&verdict, &setup, &format!("bit {bit} of byte {at} of {} flipped", bytes.len()))?;
        }
    }
    Ok(())
}

/// All positions of a short proof, or a sample of those of a long one.
fn positions(length: usize, rng: &mut StdRng) -> Vec<usize> {
    if length <= MAX_FLIPS {
        return (0..length).collect();
    }
    (0..MAX_FLIPS).map(|_| rng.random_range(0..length)).collect()
}

/// Cuts each proof at element boundaries and next to them, extends it, zeroes it in whole and in part, and swaps
/// elements.
pub fn cut_extended_and_reordered_proofs_are_rejected<S: Suite>(
    protocol: &dyn LayerProver<S>,
    slot: Slot,
) -> Result<(), Failure> {
    let mut rng = StdRng::seed_from_u64(seed() ^ 4);
    let width = S::challenge_bytes();
    for case in supported(protocol, cases::to_tamper(slot, seed())?)? {
        let setup = Setup::new(protocol, &case)?;
        let bytes = honest(protocol, &setup)?.bytes;
        let rejects = |changed: &[u8], change: String| {
            expect_rejected(&verify(protocol, Side::honest(&setup), changed), &setup, &change)
        };
        let boundaries = (0..bytes.len()).step_by(width).flat_map(|at| [at, at + 1, at + width - 1]);
        for length in boundaries.chain([bytes.len().saturating_sub(1)]).filter(|&n| n < bytes.len()) {
            rejects(&bytes[..length], format!("cut from {} to {length} bytes", bytes.len()))?;
        }
        for extra in [vec![0], vec![0; width], vec![0xff; 3], bytes.clone()].iter().filter(|e| !e.is_empty()) {
            rejects(&[&bytes[..], extra].concat(), format!("extended by {} bytes", extra.len()))?;
        }
        for (what, byte) in [("zeros", 0), ("ones", 1)] {
            let constant: Vec<u8> = (0..bytes.len()).map(|i| if i % width == 0 { byte } else { 0 }).collect();
            if constant != bytes {
                rejects(&constant, format!("the whole proof replaced by {what}"))?;
            }
        }
        for at in (0..bytes.len() / width).map(|i| i * width) {
            let mut changed = bytes.clone();
            changed[at..at + width].fill(0);
            if changed != bytes {
                rejects(&changed, format!("the element at byte {at} replaced by zero"))?;
            }
        }
        for (i, j) in swaps(bytes.len() / width, &mut rng) {
            let mut changed = bytes.clone();
            let (head, tail) = changed.split_at_mut(j * width);
            head[i * width..(i + 1) * width].swap_with_slice(&mut tail[..width]);
            if changed != bytes {
                rejects(&changed, format!("elements {i} and {j} swapped"))?;
            }
        }
    }
    Ok(())
}

/// Pairs of positions below `count`: all neighbours, and as many random pairs.
fn swaps(count: usize, rng: &mut StdRng) -> Vec<(usize, usize)> {
    let mut pairs: Vec<(usize, usize)> = (1..count).map(|j| (j - 1, j)).collect();
    if count > 2 {
        pairs.extend((0..count).map(|_| {
            let j = rng.random_range(1..count);
            (rng.random_range(0..j), j)
        }));
    }
    pairs
}
