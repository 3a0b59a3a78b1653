//! The `blegram` binary.

fn main() {}
