//! The programs of this build.

use std::{env, path::PathBuf};

/// The program `name` of this build, which lies beside the folder of the test programs.
///
/// # Panics
/// If it has not been built.
pub fn program(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a test has a path");
    let path = test.ancestors().nth(2).expect("it lies in a folder of the build").join(name);
    assert!(path.exists(), "{} is not there: `cargo test --workspace` builds it", path.display());
    path
}
