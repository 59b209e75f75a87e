//! The options of the protocol.

use std::collections::BTreeMap;

/// The name in experiment files and transcripts.
pub(crate) const ID: &str = "lasso";

/// Into how many chunks a table's row number is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Chunks {
    /// As many as make proving and committing cheapest, with memories of at most `2^16` rows where the table allows.
    #[default]
    Auto,
    /// This many; tables that do not decompose so are declined.
    Exactly(usize),
}

/// How the multisets of a memory are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MemoryCheck {
    /// Four products per memory, each in a tree [Lasso, section 5].
    #[default]
    GrandProduct,
    /// Two sums of fractions per memory (LogUp), each in a tree.
    Logup,
}

/// Most chunks.
pub(crate) const MAX_CHUNKS: usize = 4;

/// The values of `chunks`, default first.
pub(crate) const CHUNKS: &[&str] = &["auto", "1", "2", "3", "4"];
/// The values of `memory_check`, default first.
pub(crate) const MEMORY_CHECKS: &[&str] = &["grand-product", "logup"];

impl MemoryCheck {
    /// The name used in experiment files.
    pub fn name(self) -> &'static str {
        match self {
            Self::GrandProduct => "grand-product",
            Self::Logup => "logup",
        }
    }
}

/// Reads options as an experiment file gives them.
pub(crate) fn parse(options: &BTreeMap<String, String>) -> Result<(Chunks, MemoryCheck), String> {
    let (mut chunks, mut check) = (Chunks::default(), MemoryCheck::default());
    for (key, value) in options {
        match key.as_str() {
            "chunks" => chunks = parse_chunks(value)?,
            "memory_check" => check = parse_check(value)?,
            _ => return Err(format!("`{key}` is not an option of {ID}; there are `chunks` and `memory_check`")),
        }
    }
    Ok((chunks, check))
}

fn parse_chunks(value: &str) -> Result<Chunks, String> {
    if value == "auto" {
        return Ok(Chunks::Auto);
    }
    let count = value.parse().ok().filter(|n| (1..=MAX_CHUNKS).contains(n));
    count.map(Chunks::Exactly).ok_or_else(|| format!("`{value}` chunks; allowed are {}", CHUNKS.join(", ")))
}

fn parse_check(value: &str) -> Result<MemoryCheck, String> {
    let all = [MemoryCheck::GrandProduct, MemoryCheck::Logup];
    let found = all.into_iter().find(|check| check.name() == value);
    found.ok_or_else(|| format!("`{value}` is no memory check of {ID}; allowed are {}", MEMORY_CHECKS.join(", ")))
}
