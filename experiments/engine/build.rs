//! Records what the executable was built with, for the environment of every run.

use std::process::Command;

fn main() {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let rustc = Command::new(variable("RUSTC")).arg("-V").output();
    let rustc = rustc.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default();
    println!("cargo:rustc-env=WORKBENCH_RUSTC={rustc}");
    println!("cargo:rustc-env=WORKBENCH_PROFILE={}", variable("PROFILE"));
    println!("cargo:rustc-env=WORKBENCH_OPT_LEVEL={}", variable("OPT_LEVEL"));
    println!("cargo:rustc-env=WORKBENCH_TARGET={}", variable("TARGET"));
    println!("cargo:rustc-env=WORKBENCH_TARGET_FEATURES={}", variable("CARGO_CFG_TARGET_FEATURE"));
    println!("cargo:rerun-if-changed=build.rs");
}
