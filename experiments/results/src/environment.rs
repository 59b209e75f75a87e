//! The machine and the build that a run was made with.

use serde::{Deserialize, Serialize};

/// Machine and build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// CPU model name.
    pub cpu: String,
    /// CPU feature flags.
    pub cpu_flags: Vec<String>,
    /// Cores that this process may run on.
    pub cores: usize,
    /// Threads that parallel loops use.
    pub threads: usize,
    /// Frequency governor of the first core, if the system tells.
    pub governor: Option<String>,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Operating system and kernel.
    pub os: String,
    /// Compiler of this executable.
    pub rustc: String,
    /// Build profile.
    pub profile: String,
    /// Optimisation level.
    pub opt_level: String,
    /// Target triple.
    pub target: String,
    /// CPU features that the compiler could use.
    pub target_features: Vec<String>,
    /// Cargo features of the workbench.
    pub features: Vec<String>,
    /// Git revision of the working directory, if it is a repository.
    pub git_revision: Option<String>,
    /// True if tracked files differ from that revision.
    pub git_dirty: Option<bool>,
    /// BLAKE3 digest of the executable.
    pub executable: String,
    /// Environment variables that change what is measured.
    pub variables: Vec<(String, String)>,
}

impl Environment {
    /// Short digest of all of it.
    pub fn digest(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        blake3::hash(&text).to_hex()[..12].to_owned()
    }
}
