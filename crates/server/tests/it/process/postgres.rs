//! PostgreSQL: schema migrations, and the errors when the database is unreachable.

use std::net::TcpListener;

use blegram_media::S3;
use blegram_migration::Schema;
use blegram_persistence::testing::{Backend, TestDatabase};
use rstest::rstest;
use rustix::process::Signal;
use secrecy::ExposeSecret;

use super::home::{Ended, Home, free_address};

/// 32 bytes, as `openssl rand -base64 32` prints them.
const KEY: &str = "3q2+7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs=";

/// A database without any schema.
async fn unmigrated() -> TestDatabase {
    let database = TestDatabase::new(Backend::Postgres).await;
    let schema = Schema::connect(database.url()).await.unwrap();
    let changes = schema.status().await.unwrap().len();
    schema.down(u32::try_from(changes).unwrap()).await.unwrap();
    schema.close().await.unwrap();
    database
}

fn home_at(url: &str) -> Home {
    Home::new(&[("BLEGRAM_DATABASE__URL", url)])
}

fn count(page: &str, word: &str) -> usize {
    page.lines().filter(|line| line.starts_with(word)).count()
}

#[tokio::test]
async fn schema_is_migrated_only_on_request() {
    let database = unmigrated().await;
    let home = home_at(database.url());
    let rejected = home.run("serve").end().await;
    rejected.assert_failure(&[
        "the database schema is out of date",
        "`blegram migrate up`",
        "database.migrate = true",
    ]);
    let before = home.run("migrate status").end().await;
    before.assert_success();
    let changes = before.stdout.lines().count();
    assert!(changes > 0 && count(&before.stdout, "pending  m20") == changes, "{before:?}");

    for _ in 0..2 {
        let up = home.run("migrate up").end().await;
        up.assert_success();
        assert_eq!(count(&up.stdout, "applied  m20"), changes, "{up:?}");
    }
    let site = home.serve().await;
    home.sign_up("ann").await;
    assert!(site.stdout().contains("Data        PostgreSQL\n"), "{}", site.stdout());
    site.signal(Signal::TERM);
    site.end().await.assert_success();

    let down = home.run("migrate down").end().await;
    down.assert_success();
    assert_eq!(count(&down.stdout, "applied  m20"), changes - 1, "{down:?}");
    assert!(down.stdout.lines().last().unwrap().starts_with("pending  m20"), "the latest: {down:?}");
    home.run("serve").end().await.assert_failure(&["blegram migrate up"]);
}

/// Stores the images of `home` in the tests' S3 bucket.
pub(crate) fn on_bucket(home: Home) -> Home {
    let S3 { bucket, prefix, endpoint, access_key_id, secret_access_key, .. } = blegram_media::testing::s3();
    home.set("BLEGRAM_MEDIA__STORAGE", &format!("s3://{bucket}/{prefix}"))
        .set("BLEGRAM_MEDIA__S3_ENDPOINT", endpoint.unwrap().as_str())
        .set("BLEGRAM_MEDIA__S3_PATH_STYLE", "true")
        .set("BLEGRAM_MEDIA__S3_ACCESS_KEY_ID", access_key_id.expose_secret())
        .set("BLEGRAM_MEDIA__S3_SECRET_ACCESS_KEY", secret_access_key.expose_secret())
}

#[tokio::test]
async fn nodes_that_migrate_at_start_can_start_concurrently() {
    let database = unmigrated().await;
    let node = || {
        on_bucket(home_at(database.url()))
            .set("BLEGRAM_DATABASE__MIGRATE", "true")
            .set("BLEGRAM_SECRETS__KEY", KEY)
    };
    let one = node();
    let other = node().sharing_the_address_of(&one);
    let _sites = tokio::join!(one.serve(), other.serve());
    assert!(!one.path("data").exists(), "a node stores no local files");

    let ann = one.sign_up("ann").await;
    let csrf = ann.get("/api/v1/auth/csrf").await.json();
    assert_eq!(ann.write("for everybody").await.status, 201);
    let ann = ann.at(&other);
    assert_eq!(ann.posts_of("ann").await.len(), 1);
    assert_eq!(ann.get("/api/v1/auth/csrf").await.json(), csrf, "both nodes sign with the same key");
}

/// The ways in which a database can be unreachable.
enum Missing {
    /// Nothing listens on the port.
    Down,
    /// A server accepts the connection and sends nothing.
    Mute,
    /// The server has no such database.
    Unknown,
}

#[rstest]
#[case::down(Missing::Down)]
#[case::mute(Missing::Mute)]
#[case::unknown(Missing::Unknown)]
#[tokio::test]
async fn unreachable_database_is_reported_without_its_password(#[case] missing: Missing) {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = match missing {
        Missing::Down => free_address().to_string(),
        Missing::Mute => mute.local_addr().unwrap().to_string(),
        Missing::Unknown => server().await,
    };
    let home = home_at(&format!("postgres://postgres:hunter2@{address}/nowhere"));
    let run = |command: &'static str| home.run(command).end();
    let (serve, status, doctor) = tokio::join!(run("serve"), run("migrate status"), run("doctor"));
    for rejected in [&serve, &status] {
        rejected.assert_failure(&["cannot connect to the database at database.url"]);
        assert_eq!(rejected.stdout, "", "{rejected:?}");
    }
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    let advice = "check database.url, and that the server is running and accepts connections from this machine\n\nSome checks failed";
    assert!(doctor.stdout.contains("FAIL  database") && doctor.stdout.contains(advice), "{doctor:?}");
    for Ended { stdout, stderr, .. } in [serve, status, doctor] {
        let output = stdout + &stderr;
        assert!(!output.contains("hunter2"), "{output}");
        let reasons = ["timed out", "does not exist"].map(|reason| output.matches(reason).count());
        assert_eq!(reasons.iter().sum::<usize>(), 1, "the reason appears once: {output}");
    }
}

#[tokio::test]
async fn invalid_database_url_is_not_repeated() {
    // The first slash ends the host part, so the start of the password is taken for the port.
    let home = home_at("postgres://ann:hunter/2@127.0.0.1/blegram");
    for command in ["serve", "config check", "doctor"] {
        let rejected = home.run(command).end().await;
        rejected.assert_failure(&["database.url", "BLEGRAM_DATABASE__URL", "encoded"]);
        assert!(!format!("{rejected:?}").contains("hunter"), "{rejected:?}");
    }
}

/// Host and port of the tests' PostgreSQL server.
async fn server() -> String {
    let database = TestDatabase::new(Backend::Postgres).await;
    let (_, rest) = database.url().split_once('@').unwrap();
    rest.split('/').next().unwrap().to_owned()
}
