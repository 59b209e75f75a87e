# The workbench's commands. `just` lists them.

set positional-arguments

workbench := "cargo run --quiet --release -p workbench --"
fields := "experiments/fields/Cargo.toml"

[private]
default:
    @just --list --unsorted

# Run an experiment: `just experiment rmsnorm-logkr input.rows=16,64`
[group('experiments')]
experiment NAME *OVERRIDES:
    {{ workbench }} run "$@"

# Validate an experiment and predict sizes, soundness and cost without running it
[group('experiments')]
plan NAME *OVERRIDES:
    {{ workbench }} plan "$@"

# Turn an ONNX network into an experiment file: `just import net.onnx --calibrate samples.json`
[group('experiments')]
import *ARGS:
    {{ workbench }} import "$@"

# List experiments, protocols, kernels, suites and devices
[group('experiments')]
list *ARGS:
    {{ workbench }} list "$@"

# Explain one of them: `just describe logkr`
[group('experiments')]
describe NAME:
    {{ workbench }} describe "$@"

# Make the skeleton of a protocol, registered, that declines every relation until it is written: `just new-protocol toy`
[group('experiments')]
new-protocol NAME *ARGS:
    {{ workbench }} new protocol "$@"

# Make the skeleton of a kernel, registered, that declines every input until it is written
[group('experiments')]
new-kernel NAME *ARGS:
    {{ workbench }} new kernel "$@"

# Make an experiment file that runs, to be changed
[group('experiments')]
new-experiment NAME *ARGS:
    {{ workbench }} new experiment "$@"

# Write the JSON schema of experiment files, after a change of protocols, kernels or keys
[group('experiments')]
schema:
    {{ workbench }} schema > experiments/experiment.schema.json.new
    mv experiments/experiment.schema.json.new experiments/experiment.schema.json

# Check what a run needs on this machine, and say what to do about what is missing
[group('experiments')]
doctor *ARGS:
    {{ workbench }} doctor "$@"

# Verify a proof in a fresh process, from bytes alone
[group('experiments')]
verify *ARGS:
    {{ workbench }} verify "$@"

# Run the plain test suite and the doctests: `just test`, `just test logup`
[group('tests')]
test *FILTER:
    #!/usr/bin/env bash
    set -euo pipefail
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --workspace "$@"
        cargo test --workspace --doc "$@"
    else
        cargo test --workspace "$@"
    fi

# Run the conformance and tamper suites with many more random cases, from a new seed
[group('tests')]
test-long CASES="2000":
    #!/usr/bin/env bash
    set -euo pipefail
    export ZKML_TESTKIT_CASES="$1" ZKML_TESTKIT_SEED="${ZKML_TESTKIT_SEED:-$(date +%s)}" PROPTEST_CASES="$1"
    echo "ZKML_TESTKIT_SEED=$ZKML_TESTKIT_SEED"
    cargo test --release --workspace

# Sweeps under Ray and as a Slurm array, with workers that are killed in the middle
[group('tests')]
test-recipes *ARGS:
    experiments/recipes/test "$@"

# Follow the tutorial of docs/ in a copy of the repository: its commands and its code, with the conformance suite (minutes)
[group('tests')]
test-tutorial:
    docs/tutorial-test

# GPU tests and experiments, on the GPU, or with `just test-gpu software` on Mesa's lavapipe; fails without an adapter
[group('tests')]
test-gpu DRIVER="gpu":
    #!/usr/bin/env bash
    set -euo pipefail
    if [ "$1" = software ]; then . .ci/lavapipe; fi
    export ZKML_REQUIRE_GPU=1
    cargo test -p zkml-gpu
    cargo test -p workbench --test gpu

# Steps on the GPU and on the host, 2^16 to 2^26 elements: `just gpu-bench`, `just gpu-bench --from 16 --to 20 --json gpu.jsonl --plot gpu.svg`
[group('tests')]
gpu-bench *ARGS:
    cargo run --release -p zkml-gpu --example bench -- "$@"

# Compare predicted operations with counted ones (one thread: the counters are global)
[group('tests')]
count:
    #!/usr/bin/env bash
    set -euo pipefail
    arguments=()
    for manifest in $(grep -l '^count-ops' protocols/*/Cargo.toml); do
        name="zkml-$(basename "$(dirname "$manifest")")"
        arguments+=(-p "$name" --features "$name/count-ops")
    done
    cargo test --release "${arguments[@]}" count -- --test-threads=1

# Micro-benchmarks: `just bench`, `just bench logup`, and field libraries compared: `just bench fields`
[group('tests')]
bench *FILTER:
    #!/usr/bin/env bash
    set -euo pipefail
    if [ "${1:-}" = fields ]; then
        # `plonky2_field` alone may use unstable features, and in this folder alone.
        export RUSTC_BOOTSTRAP=plonky2_field
        cargo test --quiet --locked --profile bench --manifest-path {{ fields }}
        cargo bench --locked --manifest-path {{ fields }} -- "${@:2}"
    else
        cargo bench -p zkml-benches --bench logup --bench lookups -- "$@"
    fi

# Draw a run, by default the newest one: a page and its pictures
[group('experiments')]
report *ARGS:
    {{ workbench }} report "$@"

# Write a run's results as tables for notebooks, CSV and Parquet
[group('experiments')]
export *ARGS:
    {{ workbench }} export "$@"

# Execute the notebooks over the published results: `just notebook`, `just notebook scaling.ipynb`, `just notebook --update`
[group('experiments')]
notebook *ARGS:
    notebooks-data/notebooks/run "$@"

# Check what papers claim, in a build that counts operations: `just papers`, `just papers --list`, `just papers logkr`
[group('experiments')]
papers *ARGS:
    cargo run --quiet --release -p workbench --features count-ops -- papers "$@"

# Protocols compared under criterion, with a verdict on every difference: `just compare rmsnorm`, `just compare --help`
[group('experiments')]
compare *ARGS:
    # With the workbench among the packages, libraries have the features that it was built with, and are not built again.
    cargo bench --quiet -p zkml-benches -p workbench --bench compare -- "$@"

# Draw the README's pictures again from the published results
[group('quality')]
pictures:
    cargo run --quiet -p zkml-report --example pictures

# Formatting, lints, docs and the verifier-only build, warnings denied
[group('quality')]
check: fmt-check clippy docs verifier-only

# Format everything
[group('quality')]
fmt:
    cargo fmt --all

# Check the formatting
[group('quality')]
fmt-check:
    cargo fmt --all --check

# Lint all targets
[group('quality')]
clippy:
    cargo clippy --workspace --all-targets -- -D warnings

# Build the documentation
[group('quality')]
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Build the verifiers without the provers
[group('quality')]
verifier-only:
    cargo clippy -p zkml-registry --no-default-features -- -D warnings
    cargo clippy -p zkml-model --no-default-features -- -D warnings

# Format check and lints of the field comparison, which is outside the workspace
[group('quality')]
check-fields:
    cargo fmt --check --manifest-path {{ fields }}
    RUSTC_BOOTSTRAP=plonky2_field cargo clippy --locked --all-targets --manifest-path {{ fields }} -- -D warnings

# Build the book of docs/ into docs/book, with mdBook
[group('quality')]
book:
    #!/usr/bin/env bash
    set -euo pipefail
    if ! command -v mdbook >/dev/null; then
        echo "mdBook is not installed: cargo install mdbook --locked" >&2
        exit 1
    fi
    mdbook build docs
    echo docs/book/index.html

# Exactly what the continuous integration runs
[group('quality')]
ci:
    .ci/run

# Install the optional tools: a faster test runner
[group('quality')]
setup:
    cargo install cargo-nextest --locked
