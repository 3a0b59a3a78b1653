//! Development tasks of blegram: see `cargo xtask --help`.

mod bench;
mod blegram;
mod check;
mod client;
mod clients;
mod cluster;
mod compatibility;
mod fuzz_api;
mod generate;
mod layering;
mod libraries;
mod load;
mod login_flow;
mod logins;
mod packages;
mod process;
mod readme;
mod scratch;
mod services;
mod siege;
mod signals;
mod test;
mod torture;
mod web;
mod words;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::signals::Interrupted;

/// Development tasks of blegram.
///
/// CI runs `check`, `test`, `login-flow`, and the short forms of `bench`, `siege`, `torture` and `clients` (`.ci/run`).
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Start the test services, run all tests and examples, stop the services
    ///
    /// Starts its own PostgreSQL and S3-compatible server on free ports in temporary directories, passes their
    /// addresses to the tests (`BLEGRAM_TEST_POSTGRES_URL`, `BLEGRAM_TEST_S3_…`), and stops them afterwards, also on
    /// Ctrl-C. Installs missing programs (PostgreSQL, nginx, PgBouncer) on Debian and Ubuntu, as root or with
    /// passwordless sudo. Exits with the exit code of `cargo test`. Needs no Node.js without `--web`.
    #[command(after_help = "Examples:\n  cargo xtask test\n  cargo xtask test -- -p blegram-social like\n  \
                            cargo xtask test -- --test it -- --nocapture")]
    Test {
        /// Then check and test web/, too, in Node.js and in Chromium, as `cargo xtask web --short` does
        #[arg(long)]
        web: bool,
        /// Arguments for `cargo test`
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Start the test services and run a command, or wait for Ctrl-C
    #[command(
        after_help = "Examples:\n  cargo xtask services\n  cargo xtask services -- cargo nextest run\n  \
                            cargo xtask services -- sh -c 'psql $BLEGRAM_TEST_POSTGRES_URL'"
    )]
    Services {
        /// The command to run, with the addresses of the services in its environment
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Check formatting, clippy, docs, layering, library crates, generated files, the built web app and dependencies
    ///
    /// Stops at the first failure and prints the command that fixes it. Compares `web/dist` with a fresh build if Node.js and
    /// `web/node_modules` are there, and checks dependencies with cargo-deny, if it is installed.
    Check,
    /// Regenerate docs/openapi.json, docs/asyncapi.json, docs/configuration.md, docs/metrics.md and .env.example
    Gen {
        /// Change no file; fail if one is out of date
        #[arg(long)]
        check: bool,
    },
    /// Fuzz the API with schemathesis, based on the OpenAPI document
    ///
    /// Runs blegram on an empty SQLite and on an empty PostgreSQL database, once as an anonymous client and once as a logged-in user each. Fails on
    /// any server error and any response that the document does not allow. Needs Python 3; installs schemathesis into
    /// target/xtask.
    FuzzApi(fuzz_api::Options),
    /// Log in with Chromium through another implementation of OpenID Connect
    ///
    /// Runs blegram on an empty embedded database and oidc-provider as its login provider: first and later logins, a taken
    /// nickname, a cancelled login, a callback without the cookie, and the code of a native app. Needs Node.js and
    /// Chromium; installs oidc-provider and playwright-core into target/xtask.
    LoginFlow(login_flow::Options),
    /// Generate clients from the OpenAPI document, and use them against the binary
    ///
    /// Lints both documents, generates clients in TypeScript, Python, Rust, Java, Kotlin, Swift, Go, Dart and C# with pinned
    /// generators, checks that none lacks an operation, and compiles those in the first four languages and runs
    /// a scenario with them. Records a complete run in xtask/clients/verified.json. Needs Node.js, Python 3 and
    /// Java; installs the generators into target/xtask/clients.
    #[command(after_help = "Examples:\n  cargo xtask clients\n  cargo xtask clients --short\n  \
                            cargo xtask clients --only progenitor --only hey-api")]
    Clients(clients::Options),
    /// Measure one node against floors, and write docs/benchmarks.md
    ///
    /// Runs a release build on SQLite and on PostgreSQL with durable commits, with 500,000 posts that SQL makes, and beside it the
    /// floors (`benches/floor`): the least that a server has to do for the same responses. Measures both in turns with `wrk`, then
    /// log, metrics, compression, connections, reads beside other work, and how lists grow. Prints what other processes used
    /// meanwhile. Needs Linux. Fails if a request fails, or if blegram and a floor give different JSON; never because of a figure.
    #[command(
        after_help = "Examples:\n  cargo xtask bench --short\n  cargo xtask bench --only rows --database sqlite\n  \
                            cargo xtask bench --only growth --growth 10000 --growth 10000000\n  \
                            cargo xtask bench --only growth --users 1000000 --followers 1000000"
    )]
    Bench(bench::Options),
    /// Attack one node with production settings while a good user works
    ///
    /// Plays the attacks of docs/security.md, one after the other, each against a freshly started server behind a
    /// trusted proxy, so that each client has an address of its own. Meanwhile a good user posts, uploads, searches,
    /// chats, connects and logs in. Fails if the good user is rejected or gets an error, or if memory does not stay
    /// bounded. Prints how much slower the good user was than without an attack; absolute numbers depend on the machine.
    Siege(siege::Options),
    /// Run a site with three nodes behind nginx, and check that it loses nothing
    ///
    /// Starts PostgreSQL, Redis, an S3-compatible server, three nodes and nginx with deploy/nginx.conf, prints the
    /// addresses, and waits for Ctrl-C. With `--check`, runs the community scenario, and then, while users keep requesting and
    /// 20 clients keep sending messages, restarts the nodes one by one, kills a node and kills Redis for 30 seconds. Fails if
    /// a client sees a failed request that it could not repeat, or a lost, doubled or disordered message.
    #[command(after_help = "Examples:\n  cargo xtask cluster\n  cargo xtask cluster --check")]
    Cluster(cluster::Options),
    /// Break a cluster while users chat, and check that nothing is lost
    ///
    /// Runs nodes on PostgreSQL and Redis with users of the reference client, and kills, drains, stops and cuts off nodes,
    /// clients, Redis and PostgreSQL, fills the disk, moves a clock, removes members and ends sessions. Then checks the
    /// guarantees of docs/protocol.md over what every client saw and what is stored. Prints the seed of its plan first;
    /// xtask/torture/README.md explains the output.
    Torture(torture::Options),
    /// Build, check and test the packages in web/: the TypeScript client and the web app
    ///
    /// Installs what web/package-lock.json names, then checks formatting, types and generated files, builds, compares the built
    /// app with `web/dist`, and runs the unit tests (with the size of the bundle) and the end-to-end tests against a debug binary,
    /// in Node.js and in Chromium. Needs Node.js 20 and Chromium; installs them on Debian and Ubuntu.
    #[command(after_help = "Examples:\n  cargo xtask web --short\n  cargo xtask web --build")]
    Web(web::Options),
}

fn main() -> ExitCode {
    match signals::listen().and_then(|()| run(Cli::parse().command)) {
        Ok(code) => code.into(),
        Err(error) => fail(&error),
    }
}

fn run(task: Task) -> Result<u8> {
    match task {
        Task::Test { web, args } => test::run(&args, web),
        Task::Services { command } => services::run(&command),
        Task::Check => check::run(),
        Task::Gen { check } => generate::run(check).map(|()| 0),
        Task::FuzzApi(options) => fuzz_api::run(&options),
        Task::LoginFlow(options) => login_flow::run(&options),
        Task::Clients(options) => clients::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Siege(options) => siege::run(&options),
        Task::Cluster(options) => cluster::run(&options),
        Task::Torture(options) => torture::run(&options),
        Task::Web(options) => web::run(&options),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("xtask: {error:#}");
    let signal = error.downcast_ref::<Interrupted>().map(|interrupted| 128 + interrupted.0);
    signal.and_then(|code| u8::try_from(code).ok()).unwrap_or(1).into()
}
