//! Products of narrow integers with a fixed matrix: the forward pass of a dense layer.

use rayon::prelude::*;
use zkml_core::TensorId;

use crate::lowering::Recorder;
use crate::sums::Strides;

/// Input rows that share one pass over the matrix.
const BLOCK_ROWS: usize = 8;

/// A matrix `[outputs, inputs]` of integers of at most 16 bits, one row per output.
#[derive(Debug)]
pub(crate) struct Matrix {
    values: Vec<i16>,
    inputs: usize,
    outputs: usize,
    /// Bounds the sum of magnitudes of every product with an admissible row.
    largest: u64,
}

impl Matrix {
    /// `largest` bounds the sum of magnitudes `Σ |w_oi·x_i|` for every output and every admissible row.
    /// Values and the rows to multiply must fit 16 bits.
    pub(crate) fn new(values: &[i64], inputs: usize, largest: i64) -> Self {
        Self {
            values: values.iter().map(|&v| v as i16).collect(),
            inputs,
            outputs: values.len() / inputs.max(1),
            largest: largest.unsigned_abs(),
        }
    }

    /// `finish(o, Σ_i x_bi·w_oi)` for every row `b` of `input` and every output `o`, row-major.
    pub(crate) fn multiply(&self, input: &[i64], finish: impl Fn(usize, i64) -> i64 + Sync) -> Vec<i64> {
        if i32::try_from(self.largest).is_ok() {
            self.blocks(input, dot_i32, finish)
        } else {
            self.blocks(input, dot_i64, finish)
        }
    }

    /// The sums themselves, on the recorder's device if they are worth it; `weight` is the tensor of the matrix's values.
    pub(crate) fn sums(&self, input: &[i64], weight: TensorId, recorder: &Recorder<'_>) -> Vec<i64> {
        let strides = Strides {
            outer: vec![input.len() / self.inputs.max(1), self.outputs],
            inner: vec![self.inputs],
            operands: [vec![self.inputs, 0, 1], vec![0, self.inputs, 1]],
            largest: self.largest,
        };
        let sums = recorder.sums_on_device(|| input.to_vec(), weight, &strides);
        sums.unwrap_or_else(|| self.multiply(input, |_, sum| sum))
    }

    fn blocks(
        &self,
        input: &[i64],
        dot: impl Fn(&[i16], &[i16]) -> i64 + Sync,
        finish: impl Fn(usize, i64) -> i64 + Sync,
    ) -> Vec<i64> {
        let input: Vec<i16> = input.iter().map(|&v| v as i16).collect();
        let rows = input.len() / self.inputs.max(1);
        let block = rows.div_ceil(rayon::current_num_threads().max(1)).clamp(1, BLOCK_ROWS);
        let mut output = vec![0; rows * self.outputs];
        let blocks = output.par_chunks_mut(block * self.outputs).zip(input.par_chunks(block * self.inputs));
        blocks.for_each(|(output, input)| {
            for (o, weights) in self.values.chunks_exact(self.inputs).enumerate() {
                for (output, row) in output.chunks_exact_mut(self.outputs).zip(input.chunks_exact(self.inputs)) {
                    output[o] = finish(o, dot(weights, row));
                }
            }
        });
        output
    }
}

fn dot_i32(a: &[i16], b: &[i16]) -> i64 {
    i64::from(a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum::<i32>())
}

fn dot_i64(a: &[i16], b: &[i16]) -> i64 {
    a.iter().zip(b).map(|(&a, &b)| i64::from(i32::from(a) * i32::from(b))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The plain triple loop in 128 bits.
    fn naive(matrix: &[i64], inputs: usize, rows: &[i64]) -> Vec<i64> {
        let product = |row: &[i64], w: &[i64]| row.iter().zip(w).map(|(&x, &w)| i128::from(x) * i128::from(w)).sum();
        let all = rows.chunks(inputs).flat_map(|row| matrix.chunks(inputs).map(move |w| product(row, w)));
        all.map(|v: i128| v as i64).collect()
    }

    #[test]
    fn both_widths_equal_the_triple_loop() {
        for (rows, inputs, outputs) in [(1, 1, 1), (1, 7, 3), (9, 33, 5), (17, 64, 2), (3, 300, 70)] {
            for (bits, largest) in [(8, 1 << 24), (16, i64::MAX)] {
                let value = |i: usize| ((i * 7919 + 13) % (1 << bits)) as i64 - (1 << (bits - 1));
                let matrix: Vec<i64> = (0..inputs * outputs).map(value).collect();
                let input: Vec<i64> = (0..rows * inputs).map(|i| value(3 * i + 1)).collect();
                let product = Matrix::new(&matrix, inputs, largest).multiply(&input, |_, v| v);
                assert_eq!(product, naive(&matrix, inputs, &input), "{rows} × {inputs} × {outputs}, {bits} bits");
            }
        }
    }

    #[test]
    fn extremes_of_16_bits_do_not_overflow() {
        let extreme = vec![-1 << 15; 300];
        let product = Matrix::new(&extreme, 300, 300 << 30).multiply(&extreme, |_, v| v);
        assert_eq!(product, [300 << 30]);
        let largest = (1_i64 << 31) - 1;
        let edge = Matrix::new(&[-1 << 15, -1 << 15], 2, largest).multiply(&[-1 << 15, -(1 << 15) + 1], |_, v| v);
        assert_eq!(edge, [(1 << 31) - (1 << 15)]);
    }

    #[test]
    fn the_finish_sees_the_output_position() {
        let matrix = Matrix::new(&[1, 2, 3, 4, 5, 6], 2, 1 << 10);
        assert_eq!(matrix.multiply(&[1, 0, 0, 1], |o, v| 100 * o as i64 + v), [1, 103, 205, 2, 104, 206]);
    }
}
