//! Measures what `PRAGMA secure_delete` costs on SQLite, and counts what is left of deleted texts in the raw files: see
//! `docs/decisions/0035-deleted-text-is-overwritten.md`.
//!
//! ```sh
//! cargo run --release -p blegram-persistence --example deleted_text
//! ```

#![expect(clippy::unwrap_used, reason = "a failure ends the measurement")]

use std::{fs, path::Path, time::Instant};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement, Value};
use tempfile::TempDir;

/// How many posts are written, one per transaction. A tenth of them is deleted again, also one per transaction.
const POSTS: u64 = 10_000;

/// Like `posts` and its search index.
const TABLES: &str = "\
    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
    CREATE TABLE posts (id BLOB PRIMARY KEY, author INTEGER NOT NULL, text TEXT NOT NULL); \
    CREATE INDEX posts_author ON posts (author, id); \
    CREATE TABLE search (row_no INTEGER PRIMARY KEY, post_id BLOB NOT NULL UNIQUE); \
    CREATE VIRTUAL TABLE search_terms USING fts5(terms, content='', contentless_delete=1, tokenize='unicode61')";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!(
        "| `secure_delete` | inserts/s | deletes/s | left of 1,000 phrases / words: deleted | checkpoint | merge | merge takes |"
    );
    println!("|---|---|---|---|---|---|---|");
    for round in 0..3 {
        for mode in ["OFF", "FAST", "ON"] {
            measure(mode, round).await;
        }
    }
}

async fn measure(mode: &str, round: u64) {
    let folder = TempDir::new_in("target").unwrap();
    let url = format!("sqlite:{}?mode=rwc", folder.path().join("test.db").display());
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await.unwrap();
    db.execute_unprepared(TABLES).await.unwrap();
    db.execute_unprepared(&format!("PRAGMA secure_delete = {mode}")).await.unwrap();

    let mut random = Random(round + 1);
    let start = Instant::now();
    for number in 0..POSTS {
        insert(&db, number, &mut random).await;
    }
    let inserting = start.elapsed();
    let start = Instant::now();
    for number in (0..POSTS).filter(|number| is_deleted(*number)) {
        delete(&db, number).await;
    }
    let deleting = start.elapsed();
    let deleted = count(folder.path());
    checkpoint(&db).await;
    let checked = count(folder.path());
    let start = Instant::now();
    db.execute_unprepared("INSERT INTO search_terms (search_terms) VALUES ('optimize')").await.unwrap();
    let merging = start.elapsed();
    checkpoint(&db).await;
    let merged = count(folder.path());
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let rate = |rows: u64, time: std::time::Duration| rows as f64 / time.as_secs_f64();
    println!(
        "| {mode} | {:.0} | {:.0} | {deleted} | {checked} | {merged} | {} ms |",
        rate(POSTS, inserting),
        rate(POSTS / 10, deleting),
        merging.as_millis()
    );
    db.close().await.unwrap();
}

/// Single posts, and runs of a hundred, which free whole pages.
const fn is_deleted(number: u64) -> bool {
    if number < POSTS / 2 { number.is_multiple_of(10) } else { (number / 100).is_multiple_of(10) }
}

async fn insert(db: &DatabaseConnection, number: u64, random: &mut Random) {
    let mut text = random.words();
    if is_deleted(number) {
        text.push_str(&format!(" PHRASE of deleted text zq7x{number:05}"));
    }
    db.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    let (id, author) = (id(number), Value::from(number % 50));
    run(
        db,
        "INSERT INTO posts (id, author, text) VALUES ($1, $2, $3)",
        [id.clone(), author, text.clone().into()],
    )
    .await;
    run(db, "INSERT INTO search (post_id) VALUES ($1)", [id.clone()]).await;
    let terms = "INSERT INTO search_terms (rowid, terms) SELECT row_no, $2 FROM search WHERE post_id = $1";
    run(db, terms, [id, text.into()]).await;
    db.execute_unprepared("COMMIT").await.unwrap();
}

async fn delete(db: &DatabaseConnection, number: u64) {
    db.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    for sql in [
        "DELETE FROM search_terms WHERE rowid = (SELECT row_no FROM search WHERE post_id = $1)",
        "DELETE FROM search WHERE post_id = $1",
        "DELETE FROM posts WHERE id = $1",
    ] {
        run(db, sql, [id(number)]).await;
    }
    db.execute_unprepared("COMMIT").await.unwrap();
}

async fn checkpoint(db: &DatabaseConnection) {
    db.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
}

async fn run(db: &DatabaseConnection, sql: &str, values: impl IntoIterator<Item = Value>) {
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    db.execute_raw(statement).await.unwrap();
}

/// An id in the order of the numbers, like a UUIDv7.
fn id(number: u64) -> Value {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend(number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes.into()
}

/// How often phrases and words of deleted texts are in the files.
fn count(folder: &Path) -> String {
    let files: Vec<u8> =
        fs::read_dir(folder).unwrap().flat_map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
    let count = |text: &[u8]| files.windows(text.len()).filter(|window| *window == text).count();
    format!("{} / {}", count(b"PHRASE of deleted text"), count(b"zq7x"))
}

/// A random number generator, because the texts must be the same for each mode.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    fn words(&mut self) -> String {
        let words = 3 + self.next(60);
        let letters = |random: &mut Self| {
            let length = 2 + random.next(7);
            (0..length).map(|_| char::from(b'a' + u8::try_from(random.next(26)).unwrap())).collect::<String>()
        };
        (0..words).map(|_| letters(self)).collect::<Vec<_>>().join(" ")
    }
}
