//! Dotted key paths such as `model.0.protocol`.

use std::fmt;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// A key of a map.
    Key(String),
    /// A position in a list, from zero.
    Index(usize),
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Index(index) => write!(f, "{index}"),
        }
    }
}

/// A path from the top of an experiment file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeyPath(Vec<Segment>);

impl KeyPath {
    /// Reads `a.b.0`: numbers are list positions.
    pub fn parse(text: &str) -> Self {
        let segment = |s: &str| s.parse().map_or_else(|_| Segment::Key(s.to_owned()), Segment::Index);
        Self(text.split('.').filter(|s| !s.is_empty()).map(segment).collect())
    }

    /// The steps.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The path one key further down.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.segment(&Segment::Key(key.to_owned()))
    }

    /// The path one list position further down.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.segment(&Segment::Index(index))
    }

    /// The path one step further down.
    #[must_use]
    pub fn segment(&self, segment: &Segment) -> Self {
        let mut path = self.clone();
        path.0.push(segment.clone());
        path
    }

    /// The path one step up; `None` at the top.
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.to_vec()))
    }

    /// What is left of `self` below `prefix`; `None` if `self` is elsewhere.
    pub fn below(&self, prefix: &Self) -> Option<Self> {
        self.0.strip_prefix(prefix.0.as_slice()).map(|rest| Self(rest.to_vec()))
    }

    /// `self` followed by `rest`.
    #[must_use]
    pub fn join(&self, rest: &Self) -> Self {
        Self(self.0.iter().chain(&rest.0).cloned().collect())
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            write!(f, "{}{segment}", if i == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}
