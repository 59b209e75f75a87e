//! Columns: a name, a unit, a meaning and values of one type.

/// What a column's values are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nothing: names, states, dates and other text.
    None,
    /// Whatever the matrix's axis is.
    Axis,
    /// A plain number of things.
    Count,
    /// A quotient of two of a kind.
    Ratio,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Mebibytes.
    Mebibytes,
    /// Bits, as the logarithm of an error to base 1/2.
    Bits,
    /// Cells, that is elements of the base field.
    Cells,
    /// Steps of a quantisation.
    Steps,
    /// Megahertz.
    Megahertz,
    /// Joules.
    Joules,
    /// Multiplications of field elements.
    Products,
    /// Multiplications of challenge-field elements per second.
    ProductsPerSecond,
    /// Multiplications of challenge-field elements per joule.
    ProductsPerJoule,
}

impl Unit {
    /// The unit in the data dictionary.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::None => "–",
            Self::Axis => "of the axis",
            Self::Count => "count",
            Self::Ratio => "ratio",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Bytes => "bytes",
            Self::Mebibytes => "MiB",
            Self::Bits => "bits",
            Self::Cells => "cells",
            Self::Steps => "quantisation steps",
            Self::Megahertz => "MHz",
            Self::Joules => "J",
            Self::Products => "products",
            Self::ProductsPerSecond => "products/s",
            Self::ProductsPerJoule => "products/J",
        }
    }

    /// True if values are whole numbers.
    pub(super) fn whole(self) -> bool {
        matches!(self, Self::Count | Self::Bytes | Self::Cells)
    }
}

/// The values of a column, of one type; any can be missing.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Text in UTF-8, never empty.
    Text(Vec<Option<String>>),
    /// Whole numbers.
    Integer(Vec<Option<i64>>),
    /// Finite double-precision numbers.
    Number(Vec<Option<f64>>),
    /// Yes or no.
    Boolean(Vec<Option<bool>>),
}

impl Values {
    /// The type's word in the data dictionary.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) => "integer",
            Self::Number(_) => "number",
            Self::Boolean(_) => "boolean",
        }
    }

    /// Number of values, missing ones included.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::Number(values) => values.len(),
            Self::Boolean(values) => values.len(),
        }
    }

    /// True without any value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name, unique in the table; measured columns end in their unit.
    pub name: String,
    /// What the values are measured in.
    pub unit: Unit,
    /// What they mean.
    pub about: String,
    /// The values, one per row.
    pub values: Values,
}

/// Columns in the making: definitions in order, each applied to all rows.
pub(super) struct Columns<'a, R> {
    rows: &'a [R],
    columns: Vec<Column>,
}

impl<'a, R> Columns<'a, R> {
    pub(super) fn of(rows: &'a [R]) -> Self {
        Self { rows, columns: Vec::new() }
    }

    pub(super) fn done(self) -> Vec<Column> {
        self.columns
    }

    fn push(&mut self, name: &str, unit: Unit, about: &str, values: Values) {
        self.columns.push(Column { name: name.to_owned(), unit, about: about.to_owned(), values });
    }

    /// Text; empty text is no value.
    pub(super) fn text(&mut self, name: &str, about: &str, get: impl Fn(&R) -> Option<String>) {
        let values = self.rows.iter().map(|row| get(row).filter(|t| !t.is_empty())).collect();
        self.push(name, Unit::None, about, Values::Text(values));
    }

    pub(super) fn boolean(&mut self, name: &str, about: &str, get: impl Fn(&R) -> Option<bool>) {
        let values = self.rows.iter().map(get).collect();
        self.push(name, Unit::None, about, Values::Boolean(values));
    }

    pub(super) fn integer(&mut self, name: &str, unit: Unit, about: &str, get: impl Fn(&R) -> Option<usize>) {
        let values = self.rows.iter().map(|row| get(row).and_then(|v| i64::try_from(v).ok())).collect();
        self.push(name, unit, about, Values::Integer(values));
    }

    /// Numbers; one that is not finite is no value. A unit of whole things makes them integers.
    pub(super) fn number(&mut self, name: &str, unit: Unit, about: &str, get: impl Fn(&R) -> Option<f64>) {
        let values = self.rows.iter().map(|row| get(row).filter(|v| v.is_finite()));
        let values = if unit.whole() {
            Values::Integer(values.map(|v| v.map(|v| v.round() as i64)).collect())
        } else {
            Values::Number(values.collect())
        };
        self.push(name, unit, about, values);
    }

    /// Values that are numbers if all of them read as numbers, whole ones if all do, and text otherwise.
    pub(super) fn axis(&mut self, name: &str, about: &str, get: impl Fn(&R) -> Option<String>) {
        let texts: Vec<Option<String>> = self.rows.iter().map(get).collect();
        let values = all(&texts, whole)
            .map(Values::Integer)
            .or_else(|| all(&texts, finite).map(Values::Number))
            .unwrap_or(Values::Text(texts));
        self.push(name, Unit::Axis, about, values);
    }
}

/// All values read in the same way, or nothing; what is missing stays missing.
fn all<T>(texts: &[Option<String>], read: impl Fn(&str) -> Option<T>) -> Option<Vec<Option<T>>> {
    let one = |text: &Option<String>| match text.as_deref() {
        None => Some(None),
        Some(text) => read(text).map(Some),
    };
    texts.iter().map(one).collect()
}

/// A whole number that is written as this program would write it: `007` is a name.
fn whole(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().filter(|v| v.to_string() == text)
}

/// A finite number in digits, without a zero in front of others.
fn finite(text: &str) -> Option<f64> {
    let digits = text.trim_start_matches('-').as_bytes();
    let plain = match digits {
        [b'0', next, ..] => !next.is_ascii_digit(),
        [first, ..] => first.is_ascii_digit(),
        [] => false,
    };
    text.parse::<f64>().ok().filter(|v| plain && v.is_finite())
}
