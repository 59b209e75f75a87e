//! Sums of products of integers, in 32 bits.

use zkml_device::{Contents, DeviceError, IntegerEinsum};

use crate::buffer::Vector;
use crate::context::{Args, Context};
use crate::shader::integer as kernels;
use crate::vectors::{parts, request};

fn refuse(why: &str) -> DeviceError {
    DeviceError::Unsupported { device: crate::ID.to_owned(), step: format!("integer einsum {why}") }
}

/// The sums. Refuses what 32 bits do not hold, and operands that do not fit a binding.
pub(crate) fn einsum(context: &Context, wanted: &IntegerEinsum<'_>) -> Result<Vec<i64>, DeviceError> {
    let operands = operands(context, wanted)?;
    let outputs: usize = wanted.outer.iter().product();
    if outputs == 0 || wanted.inner.contains(&0) {
        return Ok(vec![0; outputs]);
    }
    let widths: Vec<usize> = operands.iter().map(|o| o.entry).collect();
    let kernel = kernels::einsum(context.plain_dialect(), &widths, wanted.outer.len(), wanted.inner.len());
    let (_, out) = context.vector("an integer einsum", Contents::Integers(4), outputs)?;
    let mut sums = Vec::with_capacity(outputs);
    for (first, count) in parts(outputs, out.fits(context)) {
        let (window, base) = out.window(context, first, count);
        let mut windows = vec![window];
        let mut numbers = vec![count, first, base];
        numbers.extend(wanted.outer.iter().chain(wanted.inner));
        for (operand, strides) in operands.iter().zip(wanted.strides) {
            let (window, base) = operand.window(context, 0, operand.len);
            windows.push(window);
            numbers.push(base);
            numbers.extend(strides);
        }
        let dispatch = context.dispatch(&kernel, Args::new(&numbers)?, windows, context.groups(count))?;
        let part = out.part(first, count);
        let (from, offset, bytes) = part.bytes();
        let data = context.read(&[dispatch], from, offset, bytes)?;
        sums.extend(data.chunks_exact(4).map(|w| i64::from(w.try_into().map_or(0, i32::from_le_bytes))));
    }
    Ok(sums)
}

fn operands(context: &Context, wanted: &IntegerEinsum<'_>) -> Result<Vec<Vector>, DeviceError> {
    if wanted.largest > i32::MAX as u64 {
        return Err(refuse("with sums of more than 32 bits"));
    }
    if !(1..=2).contains(&wanted.operands.len()) || wanted.strides.len() != wanted.operands.len() {
        return Err(request("an einsum has one or two operands, with strides each"));
    }
    let lengths: Vec<usize> = wanted.outer.iter().chain(wanted.inner).copied().collect();
    let mut operands = Vec::new();
    for (buffer, strides) in wanted.operands.iter().zip(wanted.strides) {
        match buffer.contents() {
            Contents::Integers(bytes) if bytes <= 4 => {}
            Contents::Integers(_) => return Err(refuse("with operands of 64 bits")),
            Contents::Elements(_) => return Err(request("the operands of an einsum are integers")),
        }
        let last = lengths.iter().zip(strides).map(|(&n, &s)| n.saturating_sub(1).saturating_mul(s));
        let last = last.fold(0, usize::saturating_add);
        if strides.len() != lengths.len() || last >= buffer.len() && !lengths.contains(&0) {
            return Err(request("the strides of an einsum leave the operand"));
        }
        let operand = context.find(buffer)?;
        if operand.len > operand.fits(context) {
            return Err(refuse("with operands that exceed a binding"));
        }
        operands.push(operand);
    }
    Ok(operands)
}
