//! The `blegram` binary.

use std::process::ExitCode;

use blegram::{cli::Cli, doctor, run::run};
use clap::Parser;

/// A request makes about a hundred small allocations on one thread and frees them on another. The system allocator
/// takes locks for that; mimalloc does not.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("blegram: {}", doctor::on_one_line(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
