//! What the tests need running beside them.
//!
//! Another service is another module with a `start` and an `env` of its own, and a field here.

pub(crate) mod postgres;
mod programs;
pub(crate) mod s3;

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;

use self::postgres::Postgres;
use self::programs::Programs;
use self::s3::S3;
use crate::process::{self, Process, Terminal};
use crate::{scratch, signals};

/// All services, stopped when dropped.
pub(crate) struct Services {
    postgres: Postgres,
    s3: S3,
    programs: Programs,
}

impl Services {
    /// Starts them on free ports, after clearing what a killed run has left.
    pub(crate) fn start() -> Result<Self> {
        scratch::sweep()?;
        Ok(Self { programs: Programs::find()?, postgres: Postgres::start()?, s3: S3::start()? })
    }

    /// How tests find them.
    fn env(&self) -> [(&'static str, String); 7] {
        [
            ("BLEGRAM_TEST_POSTGRES_URL", self.postgres.url()),
            ("BLEGRAM_TEST_S3_ENDPOINT", self.s3.endpoint()),
            ("BLEGRAM_TEST_S3_BUCKET", s3::BUCKET.to_owned()),
            ("BLEGRAM_TEST_S3_KEY_ID", s3::KEY_ID.to_owned()),
            ("BLEGRAM_TEST_S3_SECRET", s3::SECRET.to_owned()),
            ("BLEGRAM_TEST_NGINX", self.programs.nginx.display().to_string()),
            ("BLEGRAM_TEST_PGBOUNCER", self.programs.pgbouncer.display().to_string()),
        ]
    }

    /// Runs a program that finds the services in its environment and reports its exit code.
    pub(crate) fn run(&self, command: &mut Command, terminal: Terminal) -> Result<u8> {
        let status = Process::spawn(command.envs(self.env()), terminal, Signal::TERM)?.wait()?;
        Ok(process::exit_code(status))
    }
}

/// Runs a command beside the services; without one they stay until a signal comes.
pub(crate) fn run(words: &[String]) -> Result<u8> {
    let services = Services::start()?;
    if let [program, args @ ..] = words {
        return services.run(process::bound(program, "TERM").args(args), Terminal::Shared);
    }
    for (name, value) in services.env() {
        println!("export {name}={value}");
    }
    println!("xtask: Ctrl-C stops them");
    while signals::received().is_none() {
        sleep(Duration::from_millis(50));
    }
    Ok(0)
}
