//! What a caller can ask for.

use core::fmt;
use core::time::Duration;

/// How 64-bit arithmetic is done on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prelude {
    /// In native 64-bit integers.
    U64,
    /// In halves of 32 bits: on every adapter.
    U32,
}

impl Prelude {
    /// The name in records: `u64` or `u32`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::U64 => "u64",
            Self::U32 => "u32",
        }
    }
}

impl fmt::Display for Prelude {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A fault injected into the shaders, to test that the self-test finds it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Products are off by one, with this prelude.
    WrongProduct(Prelude),
    /// Shaders do not compile, with this prelude.
    NoShader(Prelude),
}

/// How to open the device `gpu`.
#[derive(Clone, Debug)]
pub struct Options {
    /// A part of the adapter's name, in any case; without it the fastest kind is taken.
    pub adapter: Option<String>,
    /// The only prelude to use.
    pub prelude: Option<Prelude>,
    /// The smallest size that is worth it, for all steps, instead of a measured one.
    pub break_even: Option<usize>,
    /// How long to wait for an answer.
    pub timeout: Duration,
    /// A smaller limit of bindings in bytes than the adapter's.
    #[doc(hidden)]
    pub max_binding: Option<u64>,
    /// A smaller limit of storage bindings per kernel than the adapter's.
    #[doc(hidden)]
    pub max_bindings: Option<u32>,
    /// A fault in the shaders.
    #[doc(hidden)]
    pub fault: Option<Fault>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            adapter: None,
            prelude: None,
            break_even: None,
            timeout: Duration::from_mins(1),
            max_binding: None,
            max_bindings: None,
            fault: None,
        }
    }
}

impl Options {
    /// The defaults, changed by environment variables. Values that do not parse are left out with a warning.
    ///
    /// | variable | value |
    /// |---|---|
    /// | `ZKML_GPU_ADAPTER` | a part of the adapter's name |
    /// | `ZKML_GPU_PRELUDE` | `u64` or `u32`: the only prelude to use |
    /// | `ZKML_GPU_BREAK_EVEN` | number of elements from which on every step is done on the device |
    /// | `ZKML_GPU_TIMEOUT` | seconds to wait for an answer, 60 unless given |
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let mut options = Self { adapter: variable("ZKML_GPU_ADAPTER").filter(|a| !a.is_empty()), ..Self::default() };
        let parsed = |name: &str| {
            let value = variable(name)?;
            let number = value.parse::<u64>().ok();
            if number.is_none() {
                tracing::warn!("{name}={value} is no number: ignored");
            }
            number
        };
        options.break_even = parsed("ZKML_GPU_BREAK_EVEN").and_then(|n| usize::try_from(n).ok());
        if let Some(seconds) = parsed("ZKML_GPU_TIMEOUT") {
            options.timeout = Duration::from_secs(seconds);
        }
        options.prelude = match variable("ZKML_GPU_PRELUDE").as_deref() {
            Some("u64") => Some(Prelude::U64),
            Some("u32") => Some(Prelude::U32),
            Some(other) => {
                tracing::warn!("ZKML_GPU_PRELUDE={other} is neither u64 nor u32: ignored");
                None
            }
            None => None,
        };
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_change_the_defaults_and_nonsense_does_not() {
        let options = Options::from_variables(|name| match name {
            "ZKML_GPU_ADAPTER" => Some("llvm".to_owned()),
            "ZKML_GPU_PRELUDE" => Some("u32".to_owned()),
            "ZKML_GPU_BREAK_EVEN" => Some("1024".to_owned()),
            "ZKML_GPU_TIMEOUT" => Some("soon".to_owned()),
            _ => None,
        });
        assert_eq!(options.adapter.as_deref(), Some("llvm"));
        assert_eq!((options.prelude, options.break_even), (Some(Prelude::U32), Some(1024)));
        assert_eq!(options.timeout, Duration::from_mins(1));
    }
}
