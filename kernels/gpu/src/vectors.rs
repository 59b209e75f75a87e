//! Tables, combinations of columns, levels of fractions.

use core::ops::Range;

use zkml_device::{Buffer, Combination, Contents, DeviceError, FieldKind, Numerators};

use crate::buffer::{Vector, entry_bytes};
use crate::context::{Args, Context, Dispatch};
use crate::host;
use crate::shader::{elements_at, vectors as kernels};

/// `total` entries in parts of at most `most`: first entry and number of entries.
pub(crate) fn parts(total: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..total).step_by(most.max(1)).map(move |first| (first, most.min(total - first)))
}

pub(crate) fn request(what: &str) -> DeviceError {
    DeviceError::Request(what.to_owned())
}

/// Checks that `words` is one element.
pub(crate) fn one_element(field: FieldKind, words: &[u64]) -> Result<(), DeviceError> {
    if words.len() == field.words() { Ok(()) } else { Err(request("an element does not have the field's words")) }
}

/// Every entry is a product of entries of two small tables, which the host computes.
pub(crate) fn eq_table(
    context: &Context,
    field: FieldKind,
    point: &[u64],
    scale: &[u64],
) -> Result<Buffer, DeviceError> {
    one_element(field, scale)?;
    let variables = point.len() / field.words();
    if !point.len().is_multiple_of(field.words()) || variables >= 32 {
        return Err(request("a point has up to 31 coordinates of the field"));
    }
    let bits = variables / 2;
    let (high, low) = point.split_at((variables - bits) * field.words());
    let high = host::eq_table(field, high, host::element(scale));
    let low = host::eq_table(field, low, host::ONE);
    let low_at = elements_at(kernels::OUTER_PRODUCT.len()) + high.len();
    let (buffer, out) = context.vector("a table of eq", Contents::Elements(field), 1 << variables)?;
    let kernel = kernels::outer_product(context.dialect(field));
    let mut dispatches = Vec::new();
    for (first, count) in parts(out.len, out.fits(context)) {
        let (window, base) = out.window(context, first, count);
        let args = Args::new(&[count, first, bits, low_at, base])?.with(&high).with(&low);
        dispatches.push(context.dispatch(&kernel, args, vec![window], context.groups(count))?);
    }
    context.run(&dispatches)?;
    Ok(buffer)
}

pub(crate) fn combine(context: &Context, wanted: &Combination<'_>) -> Result<Buffer, DeviceError> {
    let field = wanted.field;
    one_element(field, wanted.constant)?;
    one_element(field, wanted.tail)?;
    if wanted.coefficients.len() != wanted.columns.len() * field.words() {
        return Err(request("a coefficient per column is needed"));
    }
    let needed = wanted.stored.min(wanted.range.end);
    let columns = wanted.columns.iter().map(|c| column(context, c, needed)).collect::<Result<Vec<_>, _>>()?;
    let (buffer, out) = context.vector("a combination", Contents::Elements(field), wanted.range.len())?;
    // The columns of one kernel; more columns are added in further passes.
    let most = context.limits.bindings.saturating_sub(2).max(1);
    let mut dispatches = Vec::new();
    for pass in 0..columns.len().div_ceil(most).max(1) {
        let end = columns.len().min((pass + 1) * most);
        combine_some(context, wanted, &out, pass * most..end, &columns, &mut dispatches)?;
    }
    context.run(&dispatches)?;
    Ok(buffer)
}

fn column(context: &Context, buffer: &Buffer, needed: usize) -> Result<Vector, DeviceError> {
    match buffer.contents() {
        Contents::Integers(_) if buffer.len() >= needed => context.find(buffer),
        Contents::Integers(_) => Err(request("a column is shorter than what is stored")),
        Contents::Elements(_) => Err(request("a buffer of integers was expected")),
    }
}

/// Adds the columns numbered `some`; the first ones come with the constant and the tail.
fn combine_some(
    context: &Context,
    wanted: &Combination<'_>,
    out: &Vector,
    some: Range<usize>,
    columns: &[Vector],
    dispatches: &mut Vec<Dispatch>,
) -> Result<(), DeviceError> {
    let words = wanted.field.words();
    let columns = &columns[some.clone()];
    let widths: Vec<usize> = columns.iter().map(|c| c.entry).collect();
    let kernel = kernels::combine(context.dialect(wanted.field), &widths);
    let most = columns.iter().map(|c| c.fits(context)).fold(out.fits(context), usize::min);
    for (at, count) in parts(out.len, most) {
        let first = wanted.range.start + at;
        let stored = wanted.stored.saturating_sub(first).min(count);
        let (window, base) = out.window(context, at, count);
        let (mut windows, mut numbers) = (vec![window], vec![count, first, wanted.stored.min(first + stored)]);
        numbers.extend([base, usize::from(some.start > 0)]);
        for column in columns {
            let (window, base) =
                if stored > 0 { column.window(context, first, stored) } else { column.window(context, 0, 0) };
            windows.push(window);
            numbers.push(base);
        }
        let args = Args::new(&numbers)?
            .with(wanted.constant)
            .with(wanted.tail)
            .with(&wanted.coefficients[some.start * words..some.end * words]);
        dispatches.push(context.dispatch(&kernel, args, windows, context.groups(count))?);
    }
    Ok(())
}

pub(crate) fn add_fractions(
    context: &Context,
    numerators: Numerators<'_>,
    denominators: &Buffer,
) -> Result<[Buffer; 2], DeviceError> {
    let Contents::Elements(field) = denominators.contents() else { return Err(request("fractions are elements")) };
    let below = context.elements(denominators, field)?;
    let half = below.len / 2;
    let (stored, ones) = match numerators {
        Numerators::Stored(buffer) => (Some(context.elements(buffer, field)?), 0),
        Numerators::Ones(ones) => (None, ones.min(below.len)),
    };
    if stored.as_ref().is_some_and(|n| n.len != below.len) {
        return Err(request("there are as many numerators as denominators"));
    }
    let contents = Contents::Elements(field);
    let (sums, sum) = context.vector("a level of numerators", contents, half)?;
    let (products, product) = context.vector("a level of denominators", contents, half)?;
    let kernel = kernels::fractions(context.dialect(field), stored.is_some());
    let mut dispatches = Vec::new();
    for (first, count) in parts(half, below.fits(context)) {
        let window = |v: &Vector, at: usize| v.window(context, at, count);
        let (d0, d0_base) = window(&below, first);
        let (d1, d1_base) = window(&below, first + half);
        let (sum, sum_base) = window(&sum, first);
        let (product, product_base) = window(&product, first);
        let (mut windows, mut numerator_bases) = (vec![d0, d1, sum, product], [0, 0]);
        if let Some(stored) = &stored {
            for (base, at) in numerator_bases.iter_mut().zip([first, first + half]) {
                let (window, start) = window(stored, at);
                windows.push(window);
                *base = start;
            }
        }
        let [n0_base, n1_base] = numerator_bases;
        let numbers = [count, n0_base, n1_base, d0_base, d1_base, sum_base, product_base, first, half, ones];
        dispatches.push(context.dispatch(&kernel, Args::new(&numbers)?, windows, context.groups(count))?);
    }
    context.run(&dispatches)?;
    Ok([sums, products])
}

/// Sends words to a new vector of elements.
pub(crate) fn upload(context: &Context, field: FieldKind, words: &[u64]) -> Result<Buffer, DeviceError> {
    if !words.len().is_multiple_of(field.words()) {
        return Err(request("the words are no whole number of elements"));
    }
    let (buffer, vector) = context.vector("a vector", Contents::Elements(field), words.len() / field.words())?;
    context.send(vector.bytes().0, bytemuck::cast_slice(words))?;
    Ok(buffer)
}

/// Reads elements back.
pub(crate) fn download(context: &Context, buffer: &Buffer) -> Result<Vec<u64>, DeviceError> {
    if !matches!(buffer.contents(), Contents::Elements(_)) {
        return Err(request("integers are not read back"));
    }
    read_vector(context, &context.find(buffer)?)
}

/// Reads a vector of elements back, in pieces so that the driver's copies stay small.
pub(crate) fn read_vector(context: &Context, vector: &Vector) -> Result<Vec<u64>, DeviceError> {
    const PIECE: usize = 64 << 20;
    let mut words = Vec::with_capacity(vector.len * vector.entry / 8);
    for (first, count) in parts(vector.len, PIECE / vector.entry) {
        let part = vector.part(first, count);
        let (from, offset, bytes) = part.bytes();
        let data = context.read(&[], from, offset, bytes)?;
        words.extend(data.chunks_exact(8).map(|word| word.try_into().map_or(0, u64::from_le_bytes)));
    }
    Ok(words)
}

/// Sends a column's integers to a new vector.
pub(crate) fn upload_column(context: &Context, column: &zkml_device::Column) -> Result<Buffer, DeviceError> {
    use zkml_device::Column;
    let (width, bytes): (usize, &[u8]) = match column {
        Column::I8(v) => (1, bytemuck::cast_slice(v)),
        Column::I16(v) => (2, bytemuck::cast_slice(v)),
        Column::I32(v) => (4, bytemuck::cast_slice(v)),
        Column::I64(v) => (8, bytemuck::cast_slice(v)),
    };
    debug_assert_eq!(entry_bytes(Contents::Integers(width)), width);
    let (buffer, vector) = context.vector("a column", Contents::Integers(width), column.len())?;
    context.send(vector.bytes().0, bytes)?;
    Ok(buffer)
}
