//! The floors of `cargo xtask bench`: the least that a server in Rust has to do for the same answers.
//!
//! `serve` answers some operations of blegram on blegram's own database: hyper, sqlx, one hand-written statement per read,
//! one transaction of bare statements per write, JSON written once. It has no limits, no log, no conditional requests, no
//! events. It exists to be compared with, so nothing else uses it.
//!
//! - [`server`]: HTTP and the routes
//! - [`database`]: connections, and what one statement returns
//! - [`read`], [`mod@write`]: the statements
//! - [`json`]: the responses, field for field
//! - [`broadcast`]: a bare fan-out to WebSocket connections, with as much of the gateway's protocol as the load generator
//!   needs
//! - [`codec`]: bytes and CPU time of each compression level
//! - [`batch`]: runs the statements that create the world of the benchmark
//!
//! To add a floor, add its route to [`server`] and a row to `xtask/src/bench/rows.rs`.

mod batch;
mod broadcast;
mod codec;
mod database;
mod json;
mod read;
mod server;
mod write;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// The allocator of the binary `blegram`, so that the two do not differ in it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about = "The floors of `cargo xtask bench`")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the floors on the database of a blegram
    Serve {
        /// URL of the database
        #[arg(long)]
        database: String,
        /// Address to listen on
        #[arg(long)]
        listen: SocketAddr,
        /// URL of the site that the links in responses start with
        #[arg(long)]
        site: String,
    },
    /// Serve a bare fan-out to WebSocket connections
    Broadcast {
        /// Address to listen on
        #[arg(long)]
        listen: SocketAddr,
    },
    /// Print the search terms of each line of a file
    Terms {
        /// The file
        file: PathBuf,
    },
    /// Run the statements of a file, one per line, on one connection
    Batch {
        /// URL of the database
        #[arg(long)]
        database: String,
        /// The file
        file: PathBuf,
    },
    /// Compress a file with each codec and level, and print bytes and CPU time as JSON
    Compress {
        /// The file
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve { database, listen, site } => server::run(&database, listen, site),
        Command::Broadcast { listen } => broadcast::run(listen),
        Command::Terms { file } => batch::print_terms(&file),
        Command::Batch { database, file } => batch::run(&database, &file),
        Command::Compress { file } => codec::run(&file),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("blegram-floor: {error:#}");
            ExitCode::FAILURE
        }
    }
}
