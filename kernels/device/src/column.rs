//! Integer vectors in the narrowest machine type that holds them.

use serde::{Deserialize, Serialize};

/// A vector of integers: the values of one tensor, row-major, true (unpadded) shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Column {
    /// 8-bit values.
    I8(Vec<i8>),
    /// 16-bit values.
    I16(Vec<i16>),
    /// 32-bit values.
    I32(Vec<i32>),
    /// 64-bit values.
    I64(Vec<i64>),
}

/// Runs `$body` with `$v` bound to the slice behind a [`Column`], whatever its width.
#[macro_export]
macro_rules! with_column {
    ($column:expr, $v:ident => $body:expr) => {
        match $column {
            $crate::Column::I8($v) => $body,
            $crate::Column::I16($v) => $body,
            $crate::Column::I32($v) => $body,
            $crate::Column::I64($v) => $body,
        }
    };
}

impl Column {
    /// Stores `values` in the narrowest type that holds `[lo, hi]` and all of them.
    pub fn with_bounds(values: Vec<i64>, lo: i64, hi: i64) -> Self {
        let (lo, hi) = values.iter().fold((lo, hi), |(lo, hi), &v| (lo.min(v), hi.max(v)));
        if i8::try_from(lo).is_ok() && i8::try_from(hi).is_ok() {
            Self::I8(values.iter().map(|&v| v as i8).collect())
        } else if i16::try_from(lo).is_ok() && i16::try_from(hi).is_ok() {
            Self::I16(values.iter().map(|&v| v as i16).collect())
        } else if i32::try_from(lo).is_ok() && i32::try_from(hi).is_ok() {
            Self::I32(values.iter().map(|&v| v as i32).collect())
        } else {
            Self::I64(values)
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        with_column!(self, v => v.len())
    }

    /// True for an empty column.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at `index`, or `None` past the end.
    pub fn get(&self, index: usize) -> Option<i64> {
        #[allow(clippy::useless_conversion, reason = "the macro also expands to i64")]
        {
            with_column!(self, v => v.get(index).map(|&x| i64::from(x)))
        }
    }

    /// All values, widened.
    pub fn to_i64(&self) -> Vec<i64> {
        #[allow(clippy::useless_conversion, reason = "the macro also expands to i64")]
        {
            with_column!(self, v => v.iter().map(|&x| i64::from(x)).collect())
        }
    }

    /// The values at the given places, and zeros where there is none.
    #[must_use]
    pub fn gather(&self, places: &[Option<usize>]) -> Self {
        fn at<T: Copy + Default>(values: &[T], places: &[Option<usize>]) -> Vec<T> {
            places.iter().map(|&p| p.and_then(|p| values.get(p)).copied().unwrap_or_default()).collect()
        }
        match self {
            Self::I8(v) => Self::I8(at(v, places)),
            Self::I16(v) => Self::I16(at(v, places)),
            Self::I32(v) => Self::I32(at(v, places)),
            Self::I64(v) => Self::I64(at(v, places)),
        }
    }

    /// Bytes that the values occupy in memory.
    pub fn bytes(&self) -> usize {
        match self {
            Self::I8(v) => v.len(),
            Self::I16(v) => 2 * v.len(),
            Self::I32(v) => 4 * v.len(),
            Self::I64(v) => 8 * v.len(),
        }
    }

    /// Smallest and largest value, or `None` if empty.
    pub fn range(&self) -> Option<(i64, i64)> {
        #[allow(clippy::useless_conversion, reason = "the macro also expands to i64")]
        {
            with_column!(self, v => {
                let lo = v.iter().min()?;
                let hi = v.iter().max()?;
                Some((i64::from(*lo), i64::from(*hi)))
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrowest_type_holds_bounds_and_values() {
        assert!(matches!(Column::with_bounds(vec![1, -128], -5, 127), Column::I8(_)));
        assert!(matches!(Column::with_bounds(vec![1], 0, 255), Column::I16(_)));
        assert!(matches!(Column::with_bounds(vec![1 << 40], 0, 1), Column::I64(_)));
        assert_eq!(Column::with_bounds(vec![3, -7], 0, 0).range(), Some((-7, 3)));
    }
}
