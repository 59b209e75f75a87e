//! The `.npy` format, versions 1 to 3: magic, version, header length, a Python dictionary, raw data.

use crate::numbers::{Element, SUPPORTED, decode};
use crate::{Array, ImportError};

const MAGIC: &[u8] = b"\x93NUMPY";

pub(crate) fn read(file: &str, bytes: &[u8], tensor: Option<&str>) -> Result<Array, ImportError> {
    if let Some(name) = tensor {
        return Err(ImportError::Named { file: file.to_owned(), name: name.to_owned() });
    }
    let malformed = |reason: &str| ImportError::Malformed { file: file.to_owned(), reason: reason.to_owned() };
    let (header, data) = split(bytes).map_err(malformed)?;
    let header = Header::parse(header).map_err(malformed)?;
    if header.fortran_order {
        return Err(ImportError::FortranOrder { source_name: file.to_owned() });
    }
    let element = match header.descr {
        "<f8" => Element::F64,
        "<f4" => Element::F32,
        "<f2" => Element::F16,
        "<i8" => Element::I64,
        "<i4" => Element::I32,
        "<i2" => Element::I16,
        "|i1" | "<i1" => Element::I8,
        "|u1" | "<u1" => Element::U8,
        other => {
            let dtype = format!("`{other}`");
            return Err(ImportError::ElementType { source_name: file.to_owned(), dtype, supported: SUPPORTED });
        }
    };
    decode(file.to_owned(), element, header.shape, data)
}

/// Header text and data.
fn split(bytes: &[u8]) -> Result<(&str, &[u8]), &'static str> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("it does not start with the .npy magic bytes")?;
    let (length, rest) = match rest {
        [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        [0 | 4.., ..] => return Err("the format version is not 1, 2 or 3"),
        _ => return Err("the header is truncated"),
    };
    let (header, data) = rest.split_at_checked(length).ok_or("the header is truncated")?;
    let header = std::str::from_utf8(header).map_err(|_| "the header is not text")?;
    Ok((header, data))
}

/// What the dictionary says.
#[derive(Debug, PartialEq, Eq)]
struct Header<'a> {
    descr: &'a str,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl<'a> Header<'a> {
    /// Parses `{'descr': '<f4', 'fortran_order': False, 'shape': (64, 384), }`.
    fn parse(text: &'a str) -> Result<Self, &'static str> {
        let body = text.trim().strip_prefix('{').and_then(|t| t.strip_suffix('}'));
        let mut rest = body.ok_or("the header is not a dictionary")?.trim_start();
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        while !rest.is_empty() {
            let (key, after) = quoted(rest).ok_or("a header key is not quoted")?;
            let value = after.trim_start().strip_prefix(':').ok_or("a header key has no value")?.trim_start();
            rest = match key {
                "descr" => {
                    let (text, after) = quoted(value).ok_or("structured element types are not supported")?;
                    descr = Some(text);
                    after
                }
                "fortran_order" => {
                    let (flag, after) = boolean(value).ok_or("`fortran_order` is neither True nor False")?;
                    fortran_order = Some(flag);
                    after
                }
                "shape" => {
                    let (dims, after) = tuple(value).ok_or("`shape` is not a tuple of lengths")?;
                    shape = Some(dims);
                    after
                }
                _ => return Err("the header has an unknown key"),
            };
            rest = rest.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        }
        Ok(Self {
            descr: descr.ok_or("the header has no `descr`")?,
            fortran_order: fortran_order.ok_or("the header has no `fortran_order`")?,
            shape: shape.ok_or("the header has no `shape`")?,
        })
    }
}

fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}

fn boolean(text: &str) -> Option<(bool, &str)> {
    text.strip_prefix("True").map(|rest| (true, rest)).or_else(|| Some((false, text.strip_prefix("False")?)))
}

fn tuple(text: &str) -> Option<(Vec<usize>, &str)> {
    let (inside, rest) = text.strip_prefix('(')?.split_once(')')?;
    let inside = inside.trim();
    let inside = inside.strip_suffix(',').unwrap_or(inside);
    if inside.is_empty() {
        return Some((Vec::new(), rest));
    }
    Some((inside.split(',').map(|n| n.trim().parse().ok()).collect::<Option<_>>()?, rest))
}
