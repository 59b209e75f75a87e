//! Elements as the words in which devices keep them.

use p3_field::BasedVectorSpace;
use rayon::prelude::*;
use zkml_core::Suite;
use zkml_device::DeviceError;

use super::CHUNK;

/// The elements' canonical words, constant coefficient first; empty for a suite whose encoding is not in words.
pub fn to_words<S: Suite>(elements: &[S::Challenge]) -> Vec<u64> {
    if S::BASE_BYTES != 8 {
        return Vec::new();
    }
    let words = |elements: &[S::Challenge]| -> Vec<u64> {
        let mut bytes = Vec::with_capacity(elements.len() * S::challenge_bytes());
        for element in elements {
            for &coefficient in element.as_basis_coefficients_slice() {
                S::encode(coefficient, &mut bytes);
            }
        }
        bytes.as_chunks().0.iter().copied().map(u64::from_le_bytes).collect()
    };
    if elements.len() <= CHUNK {
        return words(elements);
    }
    elements.par_chunks(CHUNK).flat_map_iter(words).collect()
}

/// The elements with these words. Errors for a word that is not canonical: the device computes wrongly.
pub fn from_words<S: Suite>(words: &[u64]) -> Result<Vec<S::Challenge>, DeviceError> {
    let dimension = <S::Challenge as BasedVectorSpace<S::Base>>::DIMENSION;
    let wrong = || DeviceError::Invalid("a result is not a field element".to_owned());
    let element = |words: &[u64]| {
        let coefficients: Option<Vec<S::Base>> = words.iter().map(|w| S::decode(&w.to_le_bytes())).collect();
        S::Challenge::from_basis_coefficients_slice(&coefficients.ok_or_else(wrong)?).ok_or_else(wrong)
    };
    if !words.len().is_multiple_of(dimension) {
        return Err(wrong());
    }
    words.par_chunks(dimension).with_min_len(CHUNK).map(element).collect()
}
