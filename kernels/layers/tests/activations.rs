//! RMSNorm over real transformer activations: sizes and accuracy.

use safetensors::SafeTensors;
use zkml_core::{Goldilocks, Suite};
use zkml_layers::{LayerSpec, Lowered, NetworkSpec, RmsNorm, check_witness, lower};

const FILE: &[u8] = include_bytes!("../../../experiments/data/minilm-layer0.safetensors");
const COLUMNS: usize = 384;

fn floats(name: &str) -> Vec<f64> {
    let file = SafeTensors::deserialize(FILE).unwrap();
    let data = file.tensor(name).unwrap().data().to_vec();
    data.as_chunks::<4>().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect()
}

fn lowered(rows: usize, bits: u32, limb_bits: Option<u32>) -> (Lowered, Vec<f64>) {
    let input = floats("norm.input");
    let norm = RmsNorm { name: "norm".into(), gain: floats("norm.gain"), eps: 1e-5, output_bits: bits, limb_bits };
    let spec = NetworkSpec::calibrated([rows, COLUMNS], bits, &input, vec![LayerSpec::RmsNorm(norm)]).unwrap();
    (lower(&spec).unwrap(), input[..rows * COLUMNS].to_vec())
}

#[test]
fn accuracy_and_sizes() {
    for (bits, most, mean) in [(8, 1.2, 0.3), (11, 1.2, 0.3)] {
        for limb_bits in [None, Some(8), Some(16)] {
            let (lowered, input) = lowered(64, bits, limb_bits);
            lowered.program.check(Goldilocks::max_magnitude()).unwrap();
            let witness = lowered.forward(&lowered.input_quantisation.quantise(&input)).unwrap();
            check_witness::<Goldilocks>(&lowered.program, &witness).unwrap();
            let accuracy = lowered.accuracy(&input).unwrap();
            println!("{bits} bits, limbs {limb_bits:?}: {accuracy:?}\n{lowered}\n");
            assert!(accuracy.max_steps < most && accuracy.mean_steps < mean, "{accuracy:?}");
        }
    }
}

/// With the input's quantisation taken out, what remains is rounding of the gain and of the output.
#[test]
fn the_integer_layer_itself_is_accurate_to_a_step() {
    let (lowered, input) = lowered(64, 8, None);
    let quantised = lowered.input_quantisation.quantise(&input);
    let accuracy = lowered.accuracy(&lowered.input_quantisation.dequantise(&quantised)).unwrap();
    println!("{accuracy:?}");
    assert!(accuracy.max_steps < 1.0, "{accuracy:?}");
}

#[test]
fn every_limb_width_is_sound() {
    for limb_bits in 1..=20 {
        let (lowered, _) = lowered(2, 8, Some(limb_bits));
        assert_eq!(lowered.program.check(Goldilocks::max_magnitude()), Ok(()), "limbs of {limb_bits} bits");
    }
}

#[test]
fn automatic_limbs_suit_the_size() {
    for rows in [1, 16, 64] {
        let (automatic, _) = lowered(rows, 8, None);
        println!("{rows} rows: {automatic}\n");
        let tables: usize = automatic.tables().iter().map(|t| t.rows).sum();
        let lookups: usize = automatic.tables().iter().map(|t| t.lookups).sum();
        assert!(tables < lookups, "{tables} rows of tables for {lookups} lookups");
        assert_eq!(automatic.tables().iter().filter(|t| t.table.starts_with("range")).count(), 1);
    }
}
