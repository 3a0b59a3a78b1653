//! Real databases for tests, on SQLite or PostgreSQL: each test gets its own.
//!
//! Each database is a copy of a migrated template, which the first test of a test program makes. A SQLite database is a
//! file in a temporary folder. For PostgreSQL, `BLEGRAM_TEST_POSTGRES_URL` names the server, which `cargo xtask test`
//! starts. A test that needs PostgreSQL
//! fails if the variable is not set; no test is skipped.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use blegram_migration::Schema;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::{Conn, Db, Result, Settings, Tx, db::sealed::Sealed};

/// A database system that blegram supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// SQLite, embedded in the process.
    Sqlite,
    /// PostgreSQL, for sites with several nodes.
    Postgres,
}

/// The environment variable with the URL of the PostgreSQL server.
pub const POSTGRES_URL: &str = "BLEGRAM_TEST_POSTGRES_URL";

/// The migrated, initially empty database of one test. Dropping it deletes the SQLite file; a PostgreSQL database lasts
/// as long as the server.
#[derive(Debug)]
pub struct TestDatabase {
    db: Db,
    url: String,
    statements: Arc<Mutex<Vec<String>>>,
    folder: Option<TempDir>,
}

impl TestDatabase {
    /// Creates a database.
    ///
    /// # Panics
    /// When the database cannot be created.
    pub async fn new(backend: Backend) -> Self {
        let (url, folder) = match backend {
            Backend::Sqlite => sqlite().await,
            Backend::Postgres => (postgres().await, None),
        };
        let statements = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&statements);
        let db = connect(&url).await.observed(move |executed| {
            log.lock().unwrap_or_else(PoisonError::into_inner).push(executed.sql.to_owned());
        });
        Self { db, url, statements, folder }
    }

    /// The handle for the code under test.
    pub const fn db(&self) -> &Db {
        &self.db
    }

    /// The URL of the database, for a second handle.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the statements executed since the last call.
    pub fn take_statements(&self) -> Vec<String> {
        std::mem::take(&mut self.statements.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Executes SQL as it is, to set up what no use case creates, such as 20,000 rows or a row edited by hand.
    ///
    /// # Panics
    /// When the database rejects it.
    pub async fn execute(&self, sql: &str) {
        let tx = self.db.write().await.expect("a transaction");
        tx.inner().execute_unprepared(sql).await.expect("the statement executes");
        tx.commit().await.expect("a commit");
    }

    /// Returns the query plan of a statement, independent of its bound values.
    ///
    /// # Panics
    /// When the database rejects it.
    pub async fn plan(&self, sql: &str) -> String {
        if self.db.is_sqlite() {
            return self
                .rows(self.db.inner(), &format!("EXPLAIN QUERY PLAN {sql}"), "detail")
                .await
                .join("\n");
        }
        let tx = self.db.write().await.expect("a transaction");
        // The same placeholder may occur several times.
        let numbers = sql.split('$').skip(1).filter_map(|rest| {
            rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|number| number.parse::<usize>().ok())
        });
        let values = vec!["NULL"; numbers.max().unwrap_or(0)].join(", ");
        let call = if values.is_empty() { "planned".to_owned() } else { format!("planned({values})") };
        for statement in
            ["SET LOCAL plan_cache_mode = force_generic_plan", &format!("PREPARE planned AS {sql}")]
        {
            tx.inner().execute_unprepared(statement).await.expect("the statement executes");
        }
        let plan = self.rows(tx.inner(), &format!("EXPLAIN EXECUTE {call}"), "QUERY PLAN").await.join("\n");
        tx.inner().execute_unprepared("DEALLOCATE planned").await.expect("the statement is deallocated");
        plan
    }

    /// Counts the rows of a table.
    ///
    /// # Panics
    /// When the table does not exist.
    pub async fn count(&self, table: &str) -> usize {
        let sql = format!("SELECT '' AS line FROM \"{table}\"");
        self.lines(&sql).await.len()
    }

    /// Returns the text column `line` of a query's result.
    ///
    /// # Panics
    /// When the database rejects it.
    pub async fn lines(&self, sql: &str) -> Vec<String> {
        self.rows(self.db.inner(), sql, "line").await
    }

    /// Counts the connections to this PostgreSQL database that are idle in a transaction.
    ///
    /// # Panics
    /// On SQLite.
    pub async fn count_idle_transactions(&self) -> usize {
        let sql = "SELECT state FROM pg_stat_activity \
                   WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
        self.rows(self.db.inner(), sql, "state").await.len()
    }

    /// Returns all stored data as text, to search for what must not be there.
    ///
    /// # Panics
    /// When the data cannot be read.
    pub async fn dump(&self) -> String {
        if let Some(folder) = &self.folder {
            let files = std::fs::read_dir(folder.path())
                .expect("the folder")
                .map(|file| file.expect("a file").path());
            let contents = files.map(|file| std::fs::read(file).expect("its content"));
            return contents.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect();
        }
        let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
        let mut text = String::new();
        for table in self.rows(self.db.inner(), tables, "tablename").await {
            let sql = format!("SELECT row_to_json(it)::text AS line FROM \"{table}\" it");
            text.push_str(&self.lines(&sql).await.join("\n"));
        }
        text
    }

    async fn rows(&self, connection: &impl ConnectionTrait, sql: &str, column: &str) -> Vec<String> {
        let statement = Statement::from_string(connection.get_database_backend(), sql);
        let rows = connection.query_all_raw(statement).await.expect("the statement executes");
        rows.iter().map(|row| row.try_get("", column).expect("a text column")).collect()
    }
}

/// Executes SQL as it is, in the test's transaction.
///
/// # Errors
/// The error of the database.
pub async fn execute(tx: &Tx, sql: &str) -> Result<()> {
    tx.inner().execute_unprepared(sql).await?;
    Ok(())
}

/// Runs a query as a request would, and returns the number of rows.
///
/// # Errors
/// The error of the database.
pub async fn select(conn: &impl Conn, sql: &str) -> Result<usize> {
    let statement = Statement::from_string(conn.inner().get_database_backend(), sql);
    Ok(conn.inner().query_all_raw(statement).await?.len())
}

async fn connect(url: &str) -> Db {
    let settings =
        Settings { url: url.to_owned(), max_connections: 8, statement_timeout: Duration::from_secs(30) };
    Db::connect(&settings).await.expect("a connection")
}

async fn sqlite() -> (String, Option<TempDir>) {
    static TEMPLATE: OnceCell<PathBuf> = OnceCell::const_new();
    let template = TEMPLATE.get_or_init(sqlite_template).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("test.db");
    std::fs::copy(template, &file).expect("a copy of the template");
    (format!("sqlite:{}", file.display()), Some(folder))
}

/// A migrated database file beside the test program, which all of its processes copy. It is up to date while it is newer
/// than the program, which contains the migrations.
async fn sqlite_template() -> PathBuf {
    let program = std::env::current_exe().expect("the path of the test program");
    let template = program.with_extension("template.db");
    let modified = |path: &Path| std::fs::metadata(path).and_then(|file| file.modified());
    if modified(&template).is_ok_and(|made| modified(&program).is_ok_and(|built| made > built)) {
        return template;
    }
    // Renamed when it is complete: another process may do the same at the same time.
    let folder = tempfile::tempdir_in(program.parent().expect("a folder")).expect("a temporary folder");
    let file = folder.path().join("template.db");
    migrate(&format!("sqlite:{}?mode=rwc", file.display())).await;
    std::fs::rename(&file, &template).expect("a renamed file");
    template
}

async fn migrate(url: &str) {
    let schema = Schema::connect(url).await.expect("an empty database");
    schema.up().await.expect("a migrated database");
    schema.close().await.expect("a closed database");
}

async fn postgres() -> String {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let template = TEMPLATE.get_or_init(postgres_template).await;
    let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let server = server("postgres").await;
    // `CREATE DATABASE ... TEMPLATE` fails while another session is connected to the template, as a concurrent copy
    // briefly is.
    server.execute_unprepared("SELECT pg_advisory_lock(1)").await.expect("a lock");
    let copied = server.execute_unprepared(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
    server.close().await.expect("a closed connection");
    copied.expect("a copy of the template");
    url_of(&name)
}

/// One template per test program and build, because test programs of different builds may share a server.
async fn postgres_template() -> String {
    let program = std::env::current_exe().expect("the path of the test program");
    let built = std::fs::metadata(&program).and_then(|file| file.modified()).expect("when it was built");
    let mut hasher = DefaultHasher::new();
    (program, built).hash(&mut hasher);
    let name = format!("template_{:016x}", hasher.finish());
    let server = server("postgres").await;
    server.execute_unprepared("SELECT pg_advisory_lock(2)").await.expect("a lock");
    let find = format!("SELECT 1 FROM pg_database WHERE datname = '{name}'");
    let find = Statement::from_string(server.get_database_backend(), find);
    if server.query_one_raw(find).await.expect("a query").is_none() {
        // Renamed when it is complete: a process that is killed leaves no half of it.
        let draft = format!("draft_{}", std::process::id());
        server.execute_unprepared(&format!("CREATE DATABASE {draft}")).await.expect("a new database");
        migrate(&url_of(&draft)).await;
        let rename = format!("ALTER DATABASE {draft} RENAME TO {name}");
        server.execute_unprepared(&rename).await.expect("a renamed database");
    }
    server.close().await.expect("a closed connection");
    name
}

async fn server(database: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url_of(database));
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.expect("the PostgreSQL server named by BLEGRAM_TEST_POSTGRES_URL")
}

#[expect(clippy::disallowed_methods, reason = "tests read the PostgreSQL URL from their environment")]
fn url_of(database: &str) -> String {
    let url = std::env::var(POSTGRES_URL).expect("BLEGRAM_TEST_POSTGRES_URL, which `cargo xtask test` sets");
    let (server, _) = url.rsplit_once('/').expect("a URL that ends in a database name");
    format!("{server}/{database}")
}
