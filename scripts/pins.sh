# The versions this project is built with, and where their binaries live. Sourced by every script.
#
# What pins what: the Rust toolchain is in rust-toolchain.toml, npm packages in package-lock.json,
# wasm-bindgen in Cargo.lock (its command-line half must be the very same version). Only the tools
# that no lock file knows are named here.
#
# Invariant: sourcing this file runs no tool, so a script may do it before anything is installed.
# It stays within bash 3.2 and POSIX tools, which is what a Mac has.

SAPWOOD_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
SAPWOOD_TOOLS="$SAPWOOD_ROOT/.tools"
SAPWOOD_TARGET="${CARGO_TARGET_DIR:-$SAPWOOD_ROOT/target}"

WORKER_BUILD_VERSION=0.8.7
LLVM_COV_VERSION=0.9.1
DENY_VERSION=0.20.2

# toml_value FILE KEY: the first `key = "value"` of a small TOML file of ours.
toml_value() {
  sed -n "s/^$2 *= *\"\\([^\"]*\\)\".*/\\1/p" "$1" | head -n 1
}

# toml_list FILE KEY: a one-line array of strings, comma separated.
toml_list() {
  sed -n "s/^$2 *= *\\[\\(.*\\)\\].*/\\1/p" "$1" | head -n 1 | tr -d '" '
}

# locked_version CRATE: its version in Cargo.lock.
locked_version() {
  awk -v name="name = \"$1\"" '$0 == name { getline; gsub(/version = |"/, ""); print; exit }' "$SAPWOOD_ROOT/Cargo.lock"
}

RUST_CHANNEL="$(toml_value "$SAPWOOD_ROOT/rust-toolchain.toml" channel)"
WASM_BINDGEN_VERSION="$(locked_version wasm-bindgen)"

# worker-build downloads these three unless it is told where they are. Told, it works offline and
# behind mirrors, and the versions are those of our lock files.
export WASM_BINDGEN_BIN="$SAPWOOD_TOOLS/bin/wasm-bindgen"
export ESBUILD_BIN="$SAPWOOD_TOOLS/bin/esbuild"
export WASM_OPT_BIN="$SAPWOOD_ROOT/node_modules/.bin/wasm-opt"

export WRANGLER_SEND_METRICS=false
export NO_UPDATE_NOTIFIER=1
