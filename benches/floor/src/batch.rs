//! Statements from a file, and search terms for them.

use std::{fs, path::Path, time::Instant};

use anyhow::{Context, Result};
use blegram_domain::search::terms;
use sqlx::{
    AssertSqlSafe, ConnectOptions, PgConnection, SqliteConnection,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};

/// How much of a statement is printed.
const EXCERPT: usize = 60;

enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Prints the search terms of each line.
pub(crate) fn print_terms(file: &Path) -> Result<()> {
    read(file)?.lines().for_each(|line| println!("{}", terms(line)));
    Ok(())
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
}

/// Runs the statements, and prints the seconds that each took and its beginning.
///
/// `@drop-indexes TABLE …` drops the indexes of tables, except those of constraints, and `@create-indexes` creates them
/// again: to sort the entries of an index once is much faster than to insert them one by one.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(url: &str, file: &Path) -> Result<()> {
    let mut connection = Connection::open(url).await?;
    let mut indexes = Vec::new();
    for statement in read(file)?.lines() {
        let (begin, excerpt) = (Instant::now(), statement.chars().take(EXCERPT).collect::<String>());
        let statements = if let Some(tables) = statement.strip_prefix("@drop-indexes ") {
            indexes = connection.indexes(tables).await?;
            indexes.iter().map(|(name, _)| format!("DROP INDEX \"{name}\"")).collect()
        } else if statement == "@create-indexes" {
            indexes.drain(..).map(|(_, definition)| definition).collect()
        } else {
            vec![statement.to_owned()]
        };
        for statement in statements {
            connection.execute(statement).await.with_context(|| excerpt.clone())?;
        }
        println!("{:8.1} s  {excerpt}", begin.elapsed().as_secs_f64());
    }
    Ok(())
}

impl Connection {
    /// Opens the database for bulk writes: nothing is checked or synced for each row.
    async fn open(url: &str) -> Result<Self> {
        if url.starts_with("postgres") {
            let options: PgConnectOptions = url.parse()?;
            return Ok(Self::Postgres(options.disable_statement_logging().connect().await?));
        }
        let options: SqliteConnectOptions = url.parse()?;
        let options = options
            .foreign_keys(false)
            .synchronous(SqliteSynchronous::Off)
            .pragma("cache_size", "-524288")
            .pragma("temp_store", "MEMORY");
        Ok(Self::Sqlite(options.disable_statement_logging().connect().await?))
    }

    async fn execute(&mut self, statement: String) -> Result<(), sqlx::Error> {
        let statement = sqlx::raw_sql(AssertSqlSafe(statement));
        match self {
            Self::Sqlite(connection) => statement.execute(connection).await.map(drop),
            Self::Postgres(connection) => statement.execute(connection).await.map(drop),
        }
    }

    /// The names and definitions of the indexes of `tables`, except those of constraints.
    async fn indexes(&mut self, tables: &str) -> Result<Vec<(String, String)>, sqlx::Error> {
        match self {
            Self::Sqlite(connection) => {
                let sql = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL \
                           AND instr(' ' || $1 || ' ', ' ' || tbl_name || ' ') > 0";
                sqlx::query_as(sql).bind(tables).fetch_all(connection).await
            }
            Self::Postgres(connection) => {
                let sql = "SELECT indexname::text, indexdef::text FROM pg_indexes WHERE schemaname = 'public' \
                           AND tablename = ANY (string_to_array($1, ' ')) \
                           AND indexname NOT IN (SELECT conname FROM pg_constraint)";
                sqlx::query_as(sql).bind(tables).fetch_all(connection).await
            }
        }
    }
}
