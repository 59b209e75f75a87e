//! Discrete Fourier transforms: what the host prepares for [`crate::shader::fourier`].

use std::collections::HashMap;
use std::sync::Mutex;

use zkml_device::{Contents, DeviceError, FieldKind, Fourier};

use crate::buffer::Vector;
use crate::context::{Args, Context, lock};
use crate::host::{P, add_words, mul_words, neg_word};
use crate::shader::fourier::{LOG_RADIX, pass, series_at_once};
use crate::vectors::{read_vector, request};

/// Powers of roots of unity on the adapter, for the last root of every height.
#[derive(Debug, Default)]
pub(crate) struct Powers(Mutex<HashMap<u32, (u64, Vector)>>);

/// `base^exponent`.
fn power(base: u64, exponent: u64) -> u64 {
    let square_and_multiply = |(result, base): (u64, u64), bit: u32| {
        let result = if exponent >> bit & 1 == 1 { mul_words(result, base) } else { result };
        (result, mul_words(base, base))
    };
    (0..64 - exponent.leading_zeros()).fold((1, base), square_and_multiply).0
}

/// `1, base, base^2, …`.
fn powers(base: u64, count: usize) -> impl Iterator<Item = u64> {
    core::iter::successors(Some(1), move |&last| Some(mul_words(last, base))).take(count)
}

/// Logarithms of the radices of the passes: as few passes as possible, as even as possible.
fn radices(log_height: u32) -> Vec<u32> {
    let passes = log_height.div_ceil(LOG_RADIX);
    (0..passes).map(|i| log_height / passes + u32::from(i < log_height % passes)).collect()
}

/// Exponents below `2^split` are in the first table of powers; the second is enough for the butterflies of any pass.
fn split(log_height: u32) -> u32 {
    if log_height <= LOG_RADIX { 0 } else { log_height / 2 }
}

impl Powers {
    /// The two tables, sent at the first use.
    fn of(&self, context: &Context, log_height: u32, root: u64) -> Result<Vector, DeviceError> {
        let mut known = lock(&self.0);
        if let Some((of, vector)) = known.get(&log_height)
            && *of == root
        {
            return Ok(vector.clone());
        }
        let low = 1_usize << split(log_height);
        let high = 1 << (log_height - split(log_height));
        let table: Vec<u64> = powers(root, low).chain(powers(power(root, low as u64), high)).collect();
        let contents = Contents::Elements(FieldKind::Goldilocks);
        let (_, vector) = context.vector("powers of a root of unity", contents, table.len())?;
        context.send(vector.bytes().0, bytemuck::cast_slice(&table))?;
        known.insert(log_height, (root, vector.clone()));
        Ok(vector)
    }
}

/// The transform. A matrix must fit a binding: a larger one is refused, for the host to do.
pub(crate) fn fourier(context: &Context, roots: &Powers, wanted: &Fourier<'_>) -> Result<Vec<u64>, DeviceError> {
    wanted.check()?;
    let (log_height, height) = (wanted.log_height, 1_u64 << wanted.log_height);
    let expected = if height == 1 { 1 } else { P - 1 };
    if wanted.root >= P || power(wanted.root, height.div_ceil(2)) != expected {
        return Err(request("the root of unity is not of the matrix's order"));
    }
    let words = wanted.words().ok_or_else(|| request("a matrix of more words than the host can address"))?;
    let most = crate::buffer::window_entries(context, 8).min(1 << 31);
    if words > most {
        let step = format!("Fourier transforms of {words} words (a binding of this adapter holds {most})");
        return Err(DeviceError::Unsupported { device: crate::ID.to_owned(), step });
    }
    let contents = Contents::Elements(FieldKind::Goldilocks);
    // The rows that are not sent are zero: so is a new buffer.
    let (_, mut before) = context.vector("a matrix to be transformed", contents, words)?;
    context.send(before.bytes().0, bytemuck::cast_slice(wanted.rows))?;
    let radices = radices(log_height);
    if radices.is_empty() {
        return read_vector(context, &before);
    }
    let (_, mut after) = context.vector("a transformed matrix", contents, words)?;
    let table = roots.of(context, log_height, wanted.root)?;
    let kernel = pass(context.plain_dialect());
    let (mut dispatches, mut done) = (Vec::with_capacity(radices.len()), 0);
    for log_radix in radices {
        let series = words >> log_radix;
        let scale = log_height - done - log_radix;
        let numbers = [log_radix, done, log_height, scale, split(log_height)].map(|n| n as usize);
        let args = Args::new(&[&[series, wanted.width], &numbers[..]].concat())?;
        let windows = [(&before, words), (&table, table.len), (&after, words)];
        let windows = windows.map(|(vector, len)| vector.window(context, 0, len).0).to_vec();
        let groups = context.groups(series.div_ceil(series_at_once(log_radix)).saturating_mul(256));
        dispatches.push(context.dispatch(&kernel, args, windows, groups)?);
        core::mem::swap(&mut before, &mut after);
        done += log_radix;
    }
    context.run(&dispatches)?;
    read_vector(context, &before)
}

/// A transform in two passes, three rows of which are computed here by the definition. Right as well if the adapter's
/// bindings are too small for it: then it transforms nothing.
pub(crate) fn known_answer(context: &Context) -> Result<bool, DeviceError> {
    const LOG_HEIGHT: u32 = LOG_RADIX + 1;
    const WIDTH: usize = 3;
    // 7 generates the multiplicative group.
    let root = power(7, (P - 1) >> LOG_HEIGHT);
    let rows: Vec<u64> = powers(P - 3, WIDTH * 400).map(|p| p ^ (p >> 40)).map(|p| p % P).collect();
    let wanted = Fourier { rows: &rows, width: WIDTH, log_height: LOG_HEIGHT, root };
    let answer = match fourier(context, &Powers::default(), &wanted) {
        Err(refusal) if refusal.is_refusal() => return Ok(true),
        answer => answer?,
    };
    let value = |k: u64, column: usize| {
        let cells = rows.iter().skip(column).step_by(WIDTH);
        let terms = cells.zip(powers(power(root, k), 1 << LOG_HEIGHT)).map(|(&cell, power)| mul_words(cell, power));
        terms.fold(0, add_words)
    };
    let right = |k: u64| (0..WIDTH).all(|column| answer.get(k as usize * WIDTH + column) == Some(&value(k, column)));
    let all = answer.len() == WIDTH << LOG_HEIGHT;
    debug_assert_eq!(power(root, 1 << (LOG_HEIGHT - 1)), neg_word(1));
    Ok(all && [1, 200, 511].into_iter().all(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_do_all_levels_and_the_tables_serve_them() {
        for log_height in 0..=32 {
            let radices = radices(log_height);
            assert_eq!(radices.iter().sum::<u32>(), log_height);
            assert_eq!(radices.len(), log_height.div_ceil(LOG_RADIX) as usize);
            for log_radix in radices {
                assert!((1..=LOG_RADIX).contains(&log_radix) && split(log_height) + log_radix <= log_height);
            }
        }
    }

    #[test]
    fn powers_are_products() {
        assert_eq!(power(7, P - 1), 1);
        assert_eq!(powers(P - 5, 4).collect::<Vec<_>>(), [1, P - 5, 25, P - 125]);
        assert_eq!([power(3, 0), power(3, 1), power(3, 5)], [1, 3, 243]);
    }
}
