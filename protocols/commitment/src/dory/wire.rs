//! Bytes of an opening proof: its messages in order, in the encodings of `zkml-pairing`.

use dory_pcs::{DoryProof, FirstReduceMessage, ScalarProductMessage, SecondReduceMessage, VMVMessage};
use zkml_pairing::encoding::{FIRST_BYTES, SECOND_BYTES, TARGET_BYTES};
use zkml_pairing::{Encoding, First, Second, Target};

/// The library's opening proof.
pub(crate) type Proof = DoryProof<First, Second, Target>;

/// Bytes of a proof for a matrix of `2^columns` columns.
pub(crate) const fn proof_bytes(columns: usize) -> usize {
    let first = 4 * TARGET_BYTES + FIRST_BYTES + SECOND_BYTES;
    let second = 2 * TARGET_BYTES + 2 * FIRST_BYTES + 2 * SECOND_BYTES;
    2 * TARGET_BYTES + FIRST_BYTES + columns * (first + second) + FIRST_BYTES + SECOND_BYTES
}

/// Encodes a proof; `None` if it has no final message.
#[cfg(feature = "prover")]
pub(crate) fn encode(proof: &Proof) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(proof_bytes(proof.first_messages.len()));
    let start = &proof.vmv_message;
    start.c.encode(&mut out);
    start.d2.encode(&mut out);
    start.e1.encode(&mut out);
    for (first, second) in proof.first_messages.iter().zip(&proof.second_messages) {
        for target in [&first.d1_left, &first.d1_right, &first.d2_left, &first.d2_right] {
            target.encode(&mut out);
        }
        first.e1_beta.encode(&mut out);
        first.e2_beta.encode(&mut out);
        second.c_plus.encode(&mut out);
        second.c_minus.encode(&mut out);
        second.e1_plus.encode(&mut out);
        second.e1_minus.encode(&mut out);
        second.e2_plus.encode(&mut out);
        second.e2_minus.encode(&mut out);
    }
    let last = proof.final_message.as_ref()?;
    last.e1.encode(&mut out);
    last.e2.encode(&mut out);
    Some(out)
}

/// Decodes the proof for a matrix of `2^rows` rows and `2^columns` columns; `None` unless `bytes` is the encoding of one.
pub(crate) fn decode(bytes: &[u8], rows: usize, columns: usize) -> Option<Proof> {
    if bytes.len() != proof_bytes(columns) {
        return None;
    }
    let mut rest = bytes;
    let vmv_message = VMVMessage { c: take(&mut rest)?, d2: take(&mut rest)?, e1: take(&mut rest)? };
    let (mut first_messages, mut second_messages) = (Vec::with_capacity(columns), Vec::with_capacity(columns));
    for _ in 0..columns {
        first_messages.push(FirstReduceMessage {
            d1_left: take(&mut rest)?,
            d1_right: take(&mut rest)?,
            d2_left: take(&mut rest)?,
            d2_right: take(&mut rest)?,
            e1_beta: take(&mut rest)?,
            e2_beta: take(&mut rest)?,
        });
        second_messages.push(SecondReduceMessage {
            c_plus: take(&mut rest)?,
            c_minus: take(&mut rest)?,
            e1_plus: take(&mut rest)?,
            e1_minus: take(&mut rest)?,
            e2_plus: take(&mut rest)?,
            e2_minus: take(&mut rest)?,
        });
    }
    let final_message = Some(ScalarProductMessage { e1: take(&mut rest)?, e2: take(&mut rest)? });
    Some(DoryProof { vmv_message, first_messages, second_messages, final_message, nu: rows, sigma: columns })
}

fn take<T: Encoding>(rest: &mut &[u8]) -> Option<T> {
    let (head, tail) = rest.split_at_checked(T::BYTES)?;
    *rest = tail;
    T::decode(head)
}
