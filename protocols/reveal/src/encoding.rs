//! The canonical encoding of bounded integers.

use zkml_core::{Suite, Tensor};

/// How the values of one tensor are encoded: `v - lo` in `width` bytes, least significant first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoding {
    lo: i64,
    hi: i64,
    width: usize,
    cells: usize,
}

impl Encoding {
    /// The encoding for a tensor. Its bounds are narrowed to what the suite's field can tell apart, so that no two
    /// encodings stand for the same field element. `None` for empty bounds or a tensor of absurd size.
    pub(crate) fn of<S: Suite>(tensor: &Tensor) -> Option<Self> {
        let limit = i64::try_from(S::max_magnitude()).unwrap_or(i64::MAX);
        let (lo, hi) = (tensor.bounds.lo.max(-limit), tensor.bounds.hi.min(limit));
        if lo > hi {
            return None;
        }
        let span = hi.abs_diff(lo);
        // At least one byte, also for a constant: what the verifier allocates is backed by proof bytes.
        let width = ((u64::BITS - span.leading_zeros()).div_ceil(8) as usize).max(1);
        let cells = tensor.shape.cells();
        cells.checked_mul(width)?;
        Some(Self { lo, hi, width, cells })
    }

    /// Number of values.
    pub(crate) fn cells(&self) -> usize {
        self.cells
    }

    /// Number of bytes of all values.
    pub(crate) fn length(&self) -> usize {
        self.cells * self.width
    }

    /// The values, or `None` if the length is wrong or one lies outside the bounds.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Option<Vec<i64>> {
        if bytes.len() != self.length() {
            return None;
        }
        bytes.chunks_exact(self.width).map(|chunk| self.decode_one(chunk)).collect()
    }

    fn decode_one(&self, chunk: &[u8]) -> Option<i64> {
        let mut word = [0; 8];
        word.get_mut(..chunk.len())?.copy_from_slice(chunk);
        let offset = u64::from_le_bytes(word);
        (offset <= self.hi.abs_diff(self.lo)).then(|| self.lo.wrapping_add_unsigned(offset))
    }

    /// The bytes, or the first value that lies outside the bounds.
    #[cfg(feature = "prover")]
    pub(crate) fn encode(&self, values: &[i64]) -> Result<Vec<u8>, i64> {
        let mut bytes = Vec::with_capacity(self.length());
        for &value in values {
            if value < self.lo || value > self.hi {
                return Err(value);
            }
            bytes.extend(value.abs_diff(self.lo).to_le_bytes().iter().take(self.width));
        }
        Ok(bytes)
    }
}

#[cfg(all(test, feature = "prover"))]
mod tests {
    use zkml_core::{Bounds, Goldilocks, Residence, Shape};

    use super::*;

    fn encoding(lo: i64, hi: i64, cells: usize) -> Option<Encoding> {
        let shape = Shape::new([cells]).unwrap();
        let (name, residence) = ("t".to_owned(), Residence::Committed);
        Encoding::of::<Goldilocks>(&Tensor { name, shape, bounds: Bounds::new(lo, hi), residence })
    }

    #[test]
    fn values_take_the_fewest_bytes_and_come_back() {
        for (lo, hi, width) in
            [(5, 5, 1), (0, 255, 1), (-128, 127, 1), (0, 256, 2), (-1, 1 << 40, 6), (i64::MIN, i64::MAX, 8)]
        {
            let encoding = encoding(lo, hi, 2).unwrap();
            let values = [encoding.lo, encoding.hi];
            let bytes = encoding.encode(&values).unwrap();
            assert_eq!((bytes.len(), encoding.length()), (2 * width, 2 * width), "[{lo}, {hi}]");
            assert_eq!(encoding.decode(&bytes).as_deref(), Some(&values[..]), "[{lo}, {hi}]");
        }
    }

    #[test]
    fn what_lies_outside_the_bounds_is_neither_sent_nor_read() {
        let encoding = encoding(-3, 6, 1).unwrap();
        assert_eq!((encoding.encode(&[7]), encoding.encode(&[-4])), (Err(7), Err(-4)));
        assert_eq!((encoding.decode(&[9]), encoding.decode(&[10])), (Some(vec![6]), None));
        assert_eq!((encoding.decode(&[]), encoding.decode(&[0, 0])), (None, None));
        assert!(super::tests::encoding(1, 0, 1).is_none());
    }

    #[test]
    fn no_two_encodings_stand_for_one_field_element() {
        let encoding = encoding(i64::MIN, i64::MAX, 1).unwrap();
        assert_eq!(encoding.encode(&[i64::MIN]), Err(i64::MIN));
        assert_eq!(encoding.decode(&[0xff; 8]), None);
    }
}
