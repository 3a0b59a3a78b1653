//! Rejects planted bugs in what is shipped: the profile `dist`.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo passes the profile and the features in the environment"
)]

use std::{env, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The variable `PROFILE` says only whether it is derived from `release`.
    let folder = env::var_os("OUT_DIR").unwrap_or_default();
    let is_shipped = profile(Path::new(&folder)).is_some_and(|profile| profile == "dist");
    if is_shipped && env::var_os("CARGO_FEATURE_PLANTED_BUGS").is_some() {
        println!("cargo::error=the feature `planted-bugs` is for tests: the profile `dist` must not have it");
    }
}

/// The name of the profile, from `OUT_DIR`: `…/PROFILE/build/PACKAGE-HASH/out`.
fn profile(folder: &Path) -> Option<&str> {
    folder.ancestors().nth(3)?.file_name()?.to_str()
}
