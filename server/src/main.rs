//! The `roompass` command.

fn main() {}
