//! WHIR's code: Reed-Solomon over two-adic subgroups.
//!
//! A code word is the discrete Fourier transform of coefficients that are followed by zeros. The library transforms on the
//! host; a large transform goes to the prover's device if there is one, and only the coefficients are sent. Both give the
//! same field elements. The library's interface has no errors: a transform that fails on the device is noted with the
//! reason ([`zkml_device::Device::left_to_the_host`]) and done on the host.

use p3_dft::{Radix2DFTSmallBatch, TwoAdicSubgroupDft};
use p3_goldilocks::Goldilocks as Felt;
use p3_matrix::dense::RowMajorMatrix;

/// The code. Everything that it adds to the transcript is the library's, for any transform over two-adic subgroups.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encoder {
    host: Radix2DFTSmallBatch<Felt>,
    #[cfg(feature = "prover")]
    device: zkml_device::Device,
}

impl TwoAdicSubgroupDft<Felt> for Encoder {
    type Evaluations = RowMajorMatrix<Felt>;

    fn dft_batch(&self, matrix: RowMajorMatrix<Felt>) -> RowMajorMatrix<Felt> {
        #[cfg(feature = "prover")]
        if let Some(transformed) = prover::transform(&self.device, &matrix) {
            return transformed;
        }
        self.host.dft_batch(matrix)
    }
}

#[cfg(feature = "prover")]
mod prover {
    use p3_field::{Field, PrimeField64, TwoAdicField};
    use p3_matrix::Matrix;
    use rayon::prelude::*;
    use zkml_device::{Device, DeviceError, Fourier};

    use super::{Encoder, Felt, RowMajorMatrix};

    impl Encoder {
        /// The code with its large transforms on this device.
        pub(crate) fn on(device: &Device) -> Self {
            Self { device: device.clone(), ..Self::default() }
        }
    }

    /// The transform of every column, or `None` if the host is to do it.
    pub(super) fn transform(device: &Device, matrix: &RowMajorMatrix<Felt>) -> Option<RowMajorMatrix<Felt>> {
        let session = device.for_encoding(matrix.values.len())?;
        let (width, height) = (matrix.width(), matrix.height());
        let log_height = height.checked_ilog2().filter(|_| height.is_power_of_two())?;
        if width == 0 || log_height as usize > Felt::TWO_ADICITY {
            return None;
        }
        let given = matrix.values.iter().rposition(|value| !value.is_zero()).map_or(0, |last| last / width + 1);
        let words = |value: &Felt| value.as_canonical_u64();
        let rows: Vec<u64> = matrix.values.get(..given * width)?.par_iter().map(words).collect();
        let root = Felt::two_adic_generator(log_height as usize).as_canonical_u64();
        let request = Fourier { rows: &rows, width, log_height, root };
        let transformed = session.accelerator().fourier(&request).and_then(|words| {
            let complete = words.len() == matrix.values.len();
            let short = || DeviceError::Invalid("a code word of another length".to_owned());
            complete.then_some(words).ok_or_else(short)
        });
        match transformed {
            Ok(words) => Some(RowMajorMatrix::new(words.into_iter().map(Felt::new).collect(), width)),
            Err(error) => {
                session.leave(&format!("encoding of a code word: {error}"));
                None
            }
        }
    }
}
