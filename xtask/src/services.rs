//! The test services: PostgreSQL, Redis and an S3-compatible server, and the programs that tests start themselves.
//!
//! To add a service, add a module with a `start` function, a field in [`Services`], and its variables in
//! [`Services::env`].

pub(crate) mod postgres;
pub(crate) mod programs;
pub(crate) mod redis;
pub(crate) mod s3;

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;

use self::postgres::Postgres;
use self::programs::Programs;
use self::redis::Redis;
use self::s3::S3;
use crate::process::{self, Process, Terminal};
use crate::{scratch, signals};

/// All services, stopped when dropped.
pub(crate) struct Services {
    postgres: Postgres,
    redis: Redis,
    s3: S3,
    programs: Programs,
}

impl Services {
    /// Starts the services on free ports, after cleaning up what killed runs have left behind.
    pub(crate) fn start() -> Result<Self> {
        scratch::sweep()?;
        let programs = Programs::find()?;
        let redis = Redis::start(&programs.redis)?;
        Ok(Self { programs, postgres: Postgres::start()?, redis, s3: S3::start()? })
    }

    /// The environment variables by which the tests find the services.
    fn env(&self) -> [(&'static str, String); 9] {
        [
            ("BLEGRAM_TEST_POSTGRES_URL", self.postgres.url()),
            ("BLEGRAM_TEST_REDIS_URL", self.redis.url()),
            ("BLEGRAM_TEST_S3_ENDPOINT", self.s3.endpoint()),
            ("BLEGRAM_TEST_S3_BUCKET", s3::BUCKET.to_owned()),
            ("BLEGRAM_TEST_S3_KEY_ID", s3::KEY_ID.to_owned()),
            ("BLEGRAM_TEST_S3_SECRET", s3::SECRET.to_owned()),
            ("BLEGRAM_TEST_NGINX", self.programs.nginx.display().to_string()),
            ("BLEGRAM_TEST_PGBOUNCER", self.programs.pgbouncer.display().to_string()),
            ("BLEGRAM_TEST_REDIS_SERVER", self.programs.redis.display().to_string()),
        ]
    }

    /// Runs a program with the addresses of the services in its environment, and returns its exit code.
    pub(crate) fn run(&self, command: &mut Command, terminal: Terminal) -> Result<u8> {
        let status = Process::spawn(command.envs(self.env()), terminal, Signal::TERM)?.wait()?;
        Ok(process::exit_code(status))
    }
}

/// Runs a command with the services; without a command, keeps them running until a signal.
pub(crate) fn run(words: &[String]) -> Result<u8> {
    let services = Services::start()?;
    if let [program, args @ ..] = words {
        return services.run(process::bound(program, "TERM").args(args), Terminal::Shared);
    }
    for (name, value) in services.env() {
        println!("export {name}={value}");
    }
    println!("xtask: press Ctrl-C to stop the services");
    while signals::received().is_none() {
        sleep(Duration::from_millis(50));
    }
    Ok(0)
}
