//! Temporary: exhaustive single-byte changes of a proof with an intermediate round; independent error sum.
#![allow(missing_docs, clippy::all, clippy::pedantic)]
mod common;
use common::Case;
use p3_field::PrimeCharacteristicRing;
use p3_goldilocks::Goldilocks as Felt;
use p3_whir::parameters::{FoldingFactor, ProtocolParameters, SecurityAssumption, WhirConfig};
use zkml_commitment::CommittedSuite;
use zkml_core::{Goldilocks, Goldilocks3, Shape, Suite};

const LARGE: &[&[usize]] = &[&[33, 70], &[64, 17], &[9]];

fn all_bytes<S: CommittedSuite>(seed: u64) {
    let mut case = Case::<S>::new(LARGE, seed);
    let claims: Vec<_> = (0..6).map(|i| case.claim(i % 3, if i % 3 == 2 { 0.5 } else { 0.0 })).collect();
    let proof = case.open(&claims);
    case.verify(&claims, &proof).unwrap();
    let mut free = Vec::new();
    let mut panics = Vec::new();
    for position in 0..proof.len() {
        let mut altered = proof.clone();
        altered[position] ^= [1, 0x80, 0xff, 4][position % 4];
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case.verify(&claims, &altered).is_ok())) {
            Ok(false) => {}
            Ok(true) => free.push(position),
            Err(_) => panics.push(position),
        }
    }
    println!("{}: {} bytes, free {:?}, panics {:?}", S::ID, proof.len(), free, panics);
    assert!(free.is_empty() && panics.is_empty());
    // Values 0x00 and 0xff in every byte of a window of structure (length prefixes), and overlong varints.
    let mut overlong = Vec::new();
    for position in 32..proof.len() {
        let b = proof[position];
        if b < 0x80 {
            let mut altered = proof.clone();
            altered[position] |= 0x80;
            altered.insert(position + 1, 0);
            // keep the blob length right where it is a four-byte prefix somewhere before
            for fix in [false, true] {
                let mut a = altered.clone();
                if fix {
                    // find the blob prefix: the only position p with le32 == len - p - 4 - tail
                    let tail = S::challenge_bytes();
                    for p in 32..proof.len() - 4 {
                        let l = u32::from_le_bytes(proof[p..p + 4].try_into().unwrap()) as usize;
                        if l + p + 4 + tail == proof.len() && p < position {
                            a[p..p + 4].copy_from_slice(&((l + 1) as u32).to_le_bytes());
                            break;
                        }
                    }
                }
                if position % 7 == 0 || !fix {
                    if position % 5 != 0 {
                        continue;
                    }
                }
                if case.verify(&claims, &a).is_ok() {
                    overlong.push((position, fix));
                }
            }
        }
    }
    println!("overlong accepted: {overlong:?}");
    assert!(overlong.is_empty());
}

#[test]
fn bytes_g2() {
    all_bytes::<Goldilocks>(101);
}
#[test]
fn bytes_g3() {
    all_bytes::<Goldilocks3>(102);
}

type Sponge = <Goldilocks as Suite>::Challenger;

fn own_sum<EF: p3_field::ExtensionField<Felt> + p3_field::TwoAdicField>(
    n: usize,
    regime: SecurityAssumption,
    level: usize,
    field: f64,
) -> Option<(f64, String)> {
    let p = ProtocolParameters {
        starting_log_inv_rate: 1,
        round_log_inv_rates: vec![],
        folding_factor: FoldingFactor::Constant(4),
        soundness_type: regime,
        security_level: level,
        pow_bits: 16,
    };
    let c = WhirConfig::<EF, Felt, Sponge>::new_with_initial_claims(n, p, 1).ok()?;
    let jb = regime == SecurityAssumption::JohnsonBound;
    let rho = |k: usize| 2f64.powi(-(k as i32));
    // list size and 1 - delta, and exceptional challenges of one fold
    let list = |k: usize| if jb { 1.0 / (2.0 * (rho(k).sqrt() / 20.0) * rho(k).sqrt()) } else { 1.0 };
    let keep = |k: usize| if jb { rho(k).sqrt() * 1.05 } else { (1.0 + rho(k)) / 2.0 };
    let gap = |m: usize, k: usize| {
        let len = 2f64.powi((m + k) as i32);
        if jb {
            let rm = (2f64.powi(m as i32) - 1.0) / len;
            8.0 * len * 10.5f64.powi(3) / (3.0 * rm)
        } else {
            len
        }
    };
    let f = (2f64).powf(-field);
    let pw = |b: usize| 2f64.powi(-(b as i32));
    let mut err = 0.0;
    let ood = c.commitment_ood_samples();
    err += ood as f64 * list(1) * f; // alpha: claims - 1 = ood
    if jb {
        err += list(1).powi(2) / 2.0 * (2f64.powi(n as i32) * f).powi(ood as i32);
    }
    let mut note = format!("fold pow {} ood {}", c.starting_folding_pow_bits(), ood);
    err += c.folding_schedule()[0] as f64 * (gap(n, 1) + 2.0 * list(1)) * f * pw(c.starting_folding_pow_bits());
    let mut k = 1;
    for (i, r) in c.round_parameters().iter().enumerate() {
        if jb {
            err +=
                list(r.log_inv_rate).powi(2) / 2.0 * (2f64.powi(r.num_variables as i32) * f).powi(r.ood_samples as i32);
        }
        err += keep(k).powi(r.num_queries as i32) * pw(r.pow_bits);
        err += list(r.log_inv_rate) * (r.ood_samples + r.num_queries) as f64 * f * pw(r.pow_bits);
        err += c.folding_schedule()[i + 1] as f64
            * (gap(r.num_variables, r.log_inv_rate) + 2.0 * list(r.log_inv_rate))
            * f
            * pw(r.folding_pow_bits);
        note += &format!(
            "; round q {} pow {} fpow {} ood {} rate {} pos {}",
            r.num_queries,
            r.pow_bits,
            r.folding_pow_bits,
            r.ood_samples,
            r.log_inv_rate,
            r.domain_size >> r.folding_factor
        );
        k = r.log_inv_rate;
    }
    let t = c.terminal();
    err += keep(k).powi(t.num_queries as i32) * pw(t.pow_bits);
    err += c.final_sumcheck_rounds() as f64 * 2.0 * f * pw(c.final_folding_pow_bits());
    note += &format!("; final q {} pow {} rounds {}", t.num_queries, t.pow_bits, c.final_sumcheck_rounds());
    Some((-err.log2(), note))
}

#[test]
fn error_sum() {
    for n in [6, 10, 12, 16, 20, 24, 28, 32] {
        let a = Goldilocks::opening_soundness(&[Shape::new([1usize << n]).unwrap()], 100);
        let b = Goldilocks3::opening_soundness(&[Shape::new([1usize << n]).unwrap()], 100);
        println!("N {n}: {:?} {} | {:?} {} cand {}", a.terms[0], a.regime, b.terms[0], b.regime, b.log2_candidates);
        for level in 100..=112 {
            if let Some((bits, note)) =
                own_sum::<<Goldilocks as Suite>::Challenge>(n, SecurityAssumption::UniqueDecoding, level, 128.0)
            {
                if (bits + a.terms[0].log2_error).abs() < 1.5 {
                    println!("   g  level {level}: own {bits:.2}  {note}");
                }
            }
        }
        for level in 128..=140 {
            if let Some((bits, note)) =
                own_sum::<<Goldilocks3 as Suite>::Challenge>(n, SecurityAssumption::JohnsonBound, level, 192.0)
            {
                if (bits + b.terms[0].log2_error).abs() < 1.5 {
                    println!("   g3 level {level}: own {bits:.2}  {note}");
                }
            }
        }
    }
}
