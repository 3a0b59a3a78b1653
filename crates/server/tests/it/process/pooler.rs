//! PostgreSQL behind PgBouncer, as Debian packages it.

use std::{net::SocketAddr, os::unix::fs::PermissionsExt, process::Command, str::FromStr};

use blegram_persistence::testing::{Backend, TestDatabase};
use rstest::rstest;
use rustix::process::{Signal, geteuid};
use sea_orm::sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions, raw_sql};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::home::{Daemon, Home, free_address, program};

struct PgBouncer {
    address: SocketAddr,
    _daemon: Daemon,
    _folder: TempDir,
}

impl PgBouncer {
    /// Starts PgBouncer in front of the tests' PostgreSQL server.
    async fn start(mode: &str, sessions: u32, takes_turns: bool) -> Self {
        let (address, folder) = (free_address(), TempDir::new().unwrap());
        let database = TestDatabase::new(Backend::Postgres).await;
        let (_, server) = database.url().split_once('@').unwrap();
        let (host, port) = server.split('/').next().unwrap().split_once(':').unwrap();
        // As root, PgBouncer switches to the server's user, who must be able to read the configuration.
        let user = if geteuid().is_root() { "user = postgres\n" } else { "" };
        let config = format!(
            "[databases]\n* = host={host} port={port} user=postgres\n[pgbouncer]\n{user}listen_addr = {ip}\n\
             listen_port = {listen}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n\
             default_pool_size = {sessions}\nserver_round_robin = {turns}\n",
            ip = address.ip(),
            listen = address.port(),
            turns = u8::from(takes_turns),
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, config).unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let daemon = Daemon::start(Command::new(program("BLEGRAM_TEST_PGBOUNCER")).arg(&file), address).await;
        Self { address, _daemon: daemon, _folder: folder }
    }
}

#[rstest]
#[tokio::test]
async fn transaction_and_statement_pooling_are_rejected(
    #[values("transaction", "statement")] mode: &str,
    #[values(1, 2, 3, 20)] sessions: u32,
    #[values(false, true)] takes_turns: bool,
) {
    let pooler = PgBouncer::start(mode, sessions, takes_turns).await;
    let home = Home::behind(pooler.address, &[]).await;
    // Once used, the pool has open server connections to assign.
    let use_it = ["SELECT 1", "SELECT pg_sleep(0.05)"].map(|sql| query(&home, sql));
    futures_util::future::join_all(use_it).await;
    for command in ["serve", "migrate up"] {
        let rejected = home.run(command).end().await;
        rejected.assert_failure(&["pool_mode = session", "database.url"]);
        assert_eq!(rejected.stdout, "", "{rejected:?}");
    }
    let doctor = home.run("doctor").end().await;
    assert!(doctor.code == Some(1) && doctor.stdout.contains("pool_mode = session"), "{doctor:?}");
}

/// Connects without `extra_float_digits`, a startup parameter that PgBouncer rejects.
async fn connect(home: &Home) -> PgConnection {
    let options = PgConnectOptions::from_str(home.database_url()).unwrap().extra_float_digits(None);
    options.connect().await.unwrap()
}

async fn query(home: &Home, sql: &'static str) {
    let mut connection = connect(home).await;
    raw_sql(sql).execute(&mut connection).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn transaction_pooling_is_rejected_under_load(#[values(false, true)] takes_turns: bool) {
    let pooler = PgBouncer::start("transaction", 6, takes_turns).await;
    let home = Home::behind(pooler.address, &[]).await;
    let mut others = JoinSet::new();
    for _ in 0..4 {
        let mut connection = connect(&home).await;
        others.spawn(async move {
            loop {
                raw_sql("BEGIN; SELECT pg_sleep(0.002); COMMIT").execute(&mut connection).await.unwrap();
            }
        });
    }
    for _ in 0..5 {
        home.run("serve").end().await.assert_failure(&["pool_mode = session"]);
    }
}

#[rstest]
#[tokio::test]
async fn session_pooling_is_supported(#[values(1, 2, 20)] sessions: u32) {
    let pooler = PgBouncer::start("session", sessions, false).await;
    let connections = sessions.min(8).to_string();
    let home = Home::behind(pooler.address, &[("BLEGRAM_DATABASE__MAX_CONNECTIONS", &connections)]).await;
    let site = home.serve().await;
    let ann = home.sign_up("ann").await;
    assert_eq!(ann.write("through a pooler").await.status, 201);
    assert_eq!(ann.posts_of("ann").await.len(), 1);
    site.signal(Signal::TERM);
    site.end().await.assert_success();
}
