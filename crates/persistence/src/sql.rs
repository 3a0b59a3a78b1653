//! Statements that are written as SQL, where SeaORM's query builder cannot express them.
//!
//! A statement of few columns is read as a tuple, in the order of its columns ([`list`], [`find`]); one of many columns
//! as a struct, by their names ([`list_named`]).

use sea_orm::{
    ConnectionTrait, DbBackend, FromQueryResult, QueryResult, Statement, StatementBuilder, TryGetableMany,
    Value, prelude::Uuid,
};

use crate::{Conn, Result, Tx, db::sealed::Sealed};

/// Runs a query, and returns its rows as values or tuples.
pub(crate) async fn list<T: TryGetableMany>(
    conn: &impl Conn,
    sql: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<T>> {
    let rows = conn.inner().query_all_raw(statement(conn, sql, values)).await?;
    Ok(rows.iter().map(QueryResult::try_get_many_by_index).collect::<Result<_, _>>()?)
}

/// Runs a query, and returns its first row as a value or tuple.
pub(crate) async fn find<T: TryGetableMany>(
    conn: &impl Conn,
    sql: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Result<Option<T>> {
    let row = conn.inner().query_one_raw(statement(conn, sql, values)).await?;
    Ok(row.map(|row| row.try_get_many_by_index()).transpose()?)
}

/// Runs a query, and returns its rows as structs with fields named after the columns.
pub(crate) async fn list_named<T: FromQueryResult>(
    conn: &impl Conn,
    sql: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<T>> {
    let rows = conn.inner().query_all_raw(statement(conn, sql, values)).await?;
    Ok(rows.iter().map(|row| T::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// Like [`list`], for a statement of the query builder, such as a `UNION` or a `RETURNING`.
pub(crate) async fn list_built<T: TryGetableMany>(
    conn: &impl Conn,
    statement: &impl StatementBuilder,
) -> Result<Vec<T>> {
    let rows = conn.inner().query_all(statement).await?;
    Ok(rows.iter().map(QueryResult::try_get_many_by_index).collect::<Result<_, _>>()?)
}

/// Executes a statement, and returns how many rows it changed.
pub(crate) async fn execute(
    tx: &Tx,
    sql: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Result<u64> {
    Ok(tx.inner().execute_raw(statement(tx, sql, values)).await?.rows_affected())
}

/// A statement with its values, for the database of `conn`.
pub(crate) fn statement(
    conn: &impl Conn,
    sql: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Statement {
    Statement::from_sql_and_values(backend(conn), sql, values)
}

/// The database, for SQL that differs.
pub(crate) fn backend(conn: &impl Conn) -> DbBackend {
    conn.inner().get_database_backend()
}

/// Whether the database is PostgreSQL. SQLite has a single writer, so it needs no locks.
pub(crate) fn is_postgres(conn: &impl Conn) -> bool {
    backend(conn) == DbBackend::Postgres
}

/// The values of a statement whose placeholders depend on its arguments.
#[derive(Debug, Clone, Default)]
pub(crate) struct Values(Vec<Value>);

impl Values {
    /// Binds a value, and returns its placeholder.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> String {
        self.0.push(value.into());
        format!("${}", self.0.len())
    }

    /// Binds several values, and returns their placeholders as a list for `IN (…)`.
    pub(crate) fn bind_all<T: Into<Value>>(&mut self, values: impl IntoIterator<Item = T>) -> String {
        values.into_iter().map(|value| self.bind(value)).collect::<Vec<_>>().join(", ")
    }
}

impl<const N: usize> From<[Value; N]> for Values {
    fn from(values: [Value; N]) -> Self {
        Self(values.into())
    }
}

impl IntoIterator for Values {
    type Item = Value;
    type IntoIter = std::vec::IntoIter<Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Encodes any number of ids as one bound value, so that the statement text is the same for all numbers and no
/// placeholder limit applies. Check the plan: PostgreSQL does not know their number. Bind it to the placeholder of [`is_one_of`] or [`select_ids`].
pub(crate) fn ids(backend: DbBackend, ids: impl IntoIterator<Item = Uuid>) -> Value {
    let ids = ids.into_iter();
    if backend == DbBackend::Postgres {
        let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
        format!("{{{}}}", ids.join(",")).into()
    } else {
        let ids: Vec<String> = ids.map(|id| format!("\"{}\"", id.simple())).collect();
        format!("[{}]", ids.join(",")).into()
    }
}

/// The SQL after a column name that tests whether its value is one of the [`ids`] bound to `placeholder`.
pub(crate) fn is_one_of(backend: DbBackend, placeholder: &str) -> String {
    if backend == DbBackend::Postgres {
        format!("= ANY ({placeholder}::uuid[])")
    } else {
        format!("IN (SELECT unhex(value) FROM json_each({placeholder}))")
    }
}

/// The SQL that selects the [`ids`] bound to `placeholder`, in a column `id`.
pub(crate) fn select_ids(backend: DbBackend, placeholder: &str) -> String {
    if backend == DbBackend::Postgres {
        format!("SELECT id FROM unnest({placeholder}::uuid[]) AS ids(id)")
    } else {
        format!("SELECT unhex(value) AS id FROM json_each({placeholder})")
    }
}

/// Converts a number to the type in which it is stored. No number that is stored reaches the limit.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
