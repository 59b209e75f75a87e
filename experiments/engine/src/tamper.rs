//! Copies of a proof with one byte changed, all of which a fresh verifying process must reject.

use crate::verify::{Files, Verdict, in_fresh_process};
use zkml_results::record::Tampering;
use zkml_results::store::write_atomic;

/// Number of tampered copies of every proof.
const COPIES: usize = 8;

/// Why tampered copies were not all rejected.
#[derive(Debug)]
pub enum NotChecked {
    /// The verifier did not reject one: the proof means nothing.
    NotRejected(String),
    /// The check could not be made.
    Impossible(String),
}

/// Changes one byte in each of `COPIES` equal parts of the proof. Positions and changes are drawn from the cell's
/// identity, so that a failure can be repeated.
pub fn check(files: &Files, proof: &[u8], identity: &str) -> Result<Vec<Tampering>, NotChecked> {
    let copy = files.proof.with_file_name("tampered.bin");
    let tampered = Files { proof: copy.clone(), ..files.clone() };
    let mut seen = Vec::new();
    for (offset, mask) in changes(proof.len(), identity) {
        let mut bytes = proof.to_vec();
        if let Some(byte) = bytes.get_mut(offset) {
            *byte ^= mask;
        }
        write_atomic(&copy, &bytes).map_err(|e| NotChecked::Impossible(e.to_string()))?;
        let what = format!("the proof with byte {offset} changed by {mask:#04x}");
        match in_fresh_process(&tampered) {
            Verdict::Rejected(reason) => seen.push(Tampering { offset, mask, reason }),
            Verdict::Accepted(..) => return Err(NotChecked::NotRejected(format!("{what} was accepted"))),
            Verdict::Broken(reason) => {
                return Err(NotChecked::NotRejected(format!("{what} was not rejected: {reason}")));
            }
            Verdict::NotRun(reason) => return Err(NotChecked::Impossible(reason)),
        }
    }
    std::fs::remove_file(&copy).map_err(|e| NotChecked::Impossible(format!("{}: {e}", copy.display())))?;
    Ok(seen)
}

/// Positions and non-zero masks, one per part.
fn changes(length: usize, identity: &str) -> Vec<(usize, u8)> {
    let mut random =
        blake3::Hasher::new_derive_key("zkml-workbench tampered copies").update(identity.as_bytes()).finalize_xof();
    let mut draw = || {
        let mut word = [0; 8];
        random.fill(&mut word);
        u64::from_le_bytes(word)
    };
    let parts = COPIES.min(length);
    (0..parts)
        .map(|part| {
            let (from, to) = (part * length / parts, (part + 1) * length / parts);
            let offset = from + (draw() % (to - from) as u64) as usize;
            (offset, (draw() % 255) as u8 + 1)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::changes;

    #[test]
    fn every_part_of_the_proof_is_changed_once() {
        let drawn = changes(8000, "identity");
        assert_eq!(drawn.len(), 8);
        for (part, (offset, mask)) in drawn.iter().enumerate() {
            assert!((part * 1000..(part + 1) * 1000).contains(offset) && *mask != 0);
        }
        assert_eq!(drawn, changes(8000, "identity"));
        assert_ne!(drawn, changes(8000, "other"));
        assert_eq!(changes(3, "identity").len(), 3);
    }
}
