//! Full or failing disks, and locked, read-only or unresponsive databases: acknowledged writes survive, and probes
//! report the cause.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
};

use blegram_persistence::testing::Backend;
use rustix::process::{Resource, Rlimit, Signal, prlimit};
use sea_orm::{ConnectionTrait, Database};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::{
    home::{Home, Process},
    people::{Person, id},
};
use crate::client::{Answer, in_time};

/// Writes posts and messages, and records those that were acknowledged.
struct Writing {
    ann: Person,
    conversation: String,
    posts: Vec<String>,
    messages: Vec<String>,
}

impl Writing {
    async fn begin(home: &Home) -> Self {
        let (ann, bob) = (home.sign_up("ann").await, home.sign_up("bob").await);
        let bob = id(&bob.get("/api/v1/me").await.json());
        let made = ann.post("/api/v1/conversations", &json!({ "members": [bob], "title": "both" })).await;
        assert_eq!(made.status, 201, "{made:?}");
        Self { ann, conversation: id(&made.json()), posts: Vec::new(), messages: Vec::new() }
    }

    /// Writes one post and one message, and returns the first rejection, if any.
    async fn write(&mut self) -> Option<Answer> {
        let post = self.ann.write(&"가".repeat(2_000)).await;
        let at = format!("/api/v1/conversations/{}/messages", self.conversation);
        let number = self.messages.len() + self.posts.len();
        let body = json!({ "client_id": format!("00000000-0000-4000-8000-{number:012}"), "text": "나".repeat(1_000) });
        let message = self.ann.post(&at, &body).await;
        for answer in [&post, &message] {
            assert!([201, 503].contains(&answer.status), "{answer:?}");
        }
        for (answer, ids) in [(&post, &mut self.posts), (&message, &mut self.messages)] {
            if answer.status == 201 {
                ids.push(id(&answer.json()));
            }
        }
        [post, message].into_iter().find(|answer| answer.status != 201)
    }

    /// Writes until a request is rejected.
    async fn write_until_rejected(&mut self) -> Answer {
        for _ in 0..2_000 {
            if let Some(rejected) = self.write().await {
                return rejected;
            }
        }
        panic!("no write was rejected");
    }

    /// Asserts that every acknowledged write exists, exactly once, and no other.
    async fn assert_complete(&self, home: &Home) {
        let ann = self.ann.at(home);
        let mut posts = ann.posts_of("ann").await;
        posts.reverse();
        assert_eq!(posts, self.posts);
        let mut messages = Vec::new();
        let mut cursor = String::new();
        loop {
            let at = format!("/api/v1/conversations/{}/messages?limit=100{cursor}", self.conversation);
            let page = ann.get(&at).await.json();
            messages.extend(page["items"].as_array().unwrap().iter().map(id));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        messages.sort_unstable();
        assert_eq!(messages, self.messages);
    }
}

async fn readiness(home: &Home) -> (u16, String) {
    let answer = home.stranger().get("/readyz").await;
    (answer.status, answer.body)
}

async fn wait_for_readiness(home: &Home, expected: (u16, &str)) {
    let waiting = async {
        loop {
            let (status, text) = readiness(home).await;
            if (status, &*text) == expected {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    in_time(waiting).await;
}

const READY: (u16, &str) = (200, "ready\n");
/// Anyone may probe, so the reason is in the log only.
const NO_DATABASE: (u16, &str) = (503, "not ready: database\n");
const NO_STORAGE: (u16, &str) = (503, "not ready: storage\n");

#[track_caller]
fn assert_unavailable(answer: &Answer) {
    assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("unavailable")), "{answer:?}");
}

/// A file system (tmpfs) of four MiB.
struct Small(TempDir);

impl Small {
    fn mount() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(folder.path()).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Uses up the space that is left.
    fn fill(&self) {
        let mut file = File::create(self.path().join("filler")).unwrap();
        for size in [65_536, 4_096] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.path().join("filler")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[tokio::test]
async fn full_disk_loses_no_acknowledged_writes() {
    let Some(disk) = Small::mount() else {
        eprintln!("SKIPPED: a tmpfs cannot be mounted here; the persistence tests limit SQLite by a pragma");
        return;
    };
    let home = Home::new(&[("BLEGRAM_SERVER__DATA_DIR", disk.path().to_str().unwrap())]);
    let site = home.serve().await;
    let mut writing = Writing::begin(&home).await;
    for _ in 0..2 {
        disk.fill();
        assert_unavailable(&writing.write_until_rejected().await);
        wait_for_readiness(&home, NO_DATABASE).await;
        site.logs("its disk is full").await;
        disk.free();
        for _ in 0..3 {
            assert!(writing.write().await.is_none());
        }
        wait_for_readiness(&home, READY).await;
        writing.assert_complete(&home).await;
    }
    // Other processes are not locked out, and the shutdown discards nothing.
    let database = disk.path().join("blegram.db");
    sqlite_writes(&database).await;
    site.signal(Signal::TERM);
    site.end().await.assert_success();
    let _site = home.serve().await;
    writing.assert_complete(&home).await;
}

/// Asserts that another process can take the write lock.
async fn sqlite_writes(file: &Path) {
    let database = Database::connect(format!("sqlite:{}", file.display())).await.unwrap();
    database.execute_unprepared("BEGIN IMMEDIATE; ROLLBACK").await.unwrap();
    database.close().await.unwrap();
}

fn limit_files(site: &Process, bytes: Option<u64>) {
    let limit = Rlimit { current: bytes, maximum: None };
    prlimit(Some(site.pid()), Resource::Fsize, limit).unwrap();
}

/// The kernel prevents files from growing, which SQLite reports as an I/O error.
#[tokio::test]
async fn io_errors_lose_no_acknowledged_writes() {
    let home = Home::new(&[]);
    let site = home.serve_ignoring_file_limits().await;
    let mut writing = Writing::begin(&home).await;
    for _ in 0..3 {
        limit_files(&site, Some(fs::metadata(home.path("data/blegram.db-wal")).unwrap().len()));
        let rejected = writing.write_until_rejected().await;
        assert_unavailable(&rejected);
        wait_for_readiness(&home, NO_DATABASE).await;
        site.logs("disk").await;
        limit_files(&site, None);
        for _ in 0..3 {
            assert!(writing.write().await.is_none());
        }
        wait_for_readiness(&home, READY).await;
        writing.assert_complete(&home).await;
    }
    // Killed while a transaction may be open: acknowledged writes stay, and unacknowledged ones do not prevent a
    // restart.
    limit_files(&site, Some(0));
    assert_unavailable(&writing.write_until_rejected().await);
    site.signal(Signal::KILL);
    site.end().await;
    let _site = home.serve().await;
    writing.assert_complete(&home).await;
}

#[tokio::test]
async fn lock_of_another_process_is_waited_for_once_per_request() {
    let home = Home::new(&[]);
    let site = home.serve().await;
    let ann = home.sign_up("ann").await;
    let url = format!("sqlite:{}", home.path("data/blegram.db").display());
    let settings = blegram_persistence::Settings {
        url,
        max_connections: 1,
        statement_timeout: std::time::Duration::from_secs(60),
    };
    let other = blegram_persistence::Db::connect(&settings).await.unwrap();
    let lock = other.write().await.unwrap();
    let body = json!({ "text": "hello" }).to_string();
    let fields = format!("idempotency-key: \"of-nobody-else\"\r\n{}", super::people::json_fields(&body));
    let requests = [
        ann.head("POST /api/v1/posts", &super::people::json_fields(&body)) + &body,
        ann.head("POST /api/v1/posts", &fields) + &body,
        ann.head("POST /api/v1/posts", &super::people::json_fields(&body)) + &body,
    ];
    let all = futures_util::future::join_all(requests.iter().map(|request| ann.send(request)));
    let eight = std::time::Duration::from_secs(8);
    for answer in tokio::time::timeout(eight, all).await.expect("no request waits twice") {
        assert_unavailable(&answer.unwrap());
    }
    // By now, nothing has committed for five seconds.
    wait_for_readiness(&home, NO_DATABASE).await;
    site.logs("it is locked").await;
    lock.commit().await.unwrap();
    assert_eq!(ann.write("back").await.status, 201);
    wait_for_readiness(&home, READY).await;
    other.close().await.unwrap();
}

#[tokio::test]
async fn read_only_database_makes_writes_unavailable_until_it_is_writable() {
    let home = Home::on(Backend::Postgres, &[]).await;
    let site = home.serve().await;
    let ann = home.sign_up("ann").await;
    let url = home.database().url();
    let admin = Database::connect(url).await.unwrap();
    let name = url.rsplit('/').next().unwrap();
    let set = async |value: &str| {
        let sql = format!(
            "BEGIN READ WRITE; ALTER DATABASE {name} SET default_transaction_read_only = {value}; COMMIT"
        );
        admin.execute_unprepared(&sql).await.unwrap();
    };
    set("on").await;
    // The setting applies to new connections only.
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'blegram'";
    admin.execute_unprepared(&format!("{kill} AND datname = current_database()")).await.unwrap();
    let rejected = in_time(async {
        loop {
            let answer = ann.write("hello").await;
            assert_unavailable(&answer);
            if readiness(&home).await.1 == NO_DATABASE.1 {
                return answer;
            }
        }
    });
    assert!(rejected.await.header("retry-after").is_some());
    site.logs("it is read-only").await;
    assert_eq!(ann.get("/api/v1/users/@ann").await.status, 200, "reads still work");
    set("off").await;
    // The existing connections are still read-only; the pool replaces them without a restart.
    in_time(async { while ann.write("back").await.status != 201 {} }).await;
    wait_for_readiness(&home, READY).await;
}

/// A TCP proxy between the site and another server, which can stop forwarding.
struct Frozen {
    url: String,
    passing: tokio::sync::watch::Sender<bool>,
    _connections: JoinSet<()>,
}

impl Frozen {
    async fn before(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (authority, name) = rest.split_once('/').unwrap();
        let (user, server) =
            authority.rsplit_once('@').map_or(("", authority), |(user, server)| (user, server));
        let at = if user.is_empty() { "" } else { "@" };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://{user}{at}{}/{name}", listener.local_addr().unwrap());
        let (passing, is_passing) = tokio::sync::watch::channel(true);
        let server = server.to_owned();
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut pipes = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = tokio::net::TcpStream::connect(&server).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                pipes.spawn(pass(from_client, to_server, is_passing.clone()));
                pipes.spawn(pass(from_server, to_client, is_passing.clone()));
            }
        });
        Self { url, passing, _connections: connections }
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut is_passing: tokio::sync::watch::Receiver<bool>,
) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut piece = vec![0; 65_536];
    while let Ok(size @ 1..) = from.read(&mut piece).await {
        if is_passing.wait_for(|passing| *passing).await.is_err()
            || to.write_all(&piece[..size]).await.is_err()
        {
            break;
        }
    }
}

/// Orchestrators time out after about two seconds, and then never see the reason.
#[tokio::test]
async fn probes_respond_in_time_while_the_database_hangs() {
    let home = Home::on(Backend::Postgres, &[]).await;
    let frozen = Frozen::before(home.database().url()).await;
    let home = home.set("BLEGRAM_DATABASE__URL", &frozen.url);
    let _site = home.serve().await;
    wait_for_readiness(&home, READY).await;
    frozen.passing.send(false).unwrap();
    let four = std::time::Duration::from_secs(4);
    let probes = futures_util::future::join_all((0..20).map(|_| readiness(&home)));
    for (status, text) in tokio::time::timeout(four, probes).await.expect("the probes respond in time") {
        assert_eq!((status, &*text), NO_DATABASE);
    }
    assert_eq!(home.stranger().get("/healthz").await.status, 200);
    frozen.passing.send(true).unwrap();
    wait_for_readiness(&home, READY).await;
}

/// The same for the image storage.
#[tokio::test]
async fn probes_respond_in_time_while_the_storage_hangs() {
    let endpoint = blegram_media::testing::s3().endpoint.unwrap();
    let frozen = Frozen::before(endpoint.as_str()).await;
    let home = super::postgres::on_bucket(Home::new(&[])).set("BLEGRAM_MEDIA__S3_ENDPOINT", &frozen.url);
    let _site = home.serve().await;
    frozen.passing.send(false).unwrap();
    let four = std::time::Duration::from_secs(4);
    let probes = futures_util::future::join_all((0..20).map(|_| readiness(&home)));
    for (status, text) in tokio::time::timeout(four, probes).await.expect("the probes respond in time") {
        assert_eq!((status, &*text), NO_STORAGE);
    }
    frozen.passing.send(true).unwrap();
    wait_for_readiness(&home, READY).await;
}
