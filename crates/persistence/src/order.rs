//! Lists whose ids are in the order in which their rows are committed.
//!
//! Clients walk lists towards newer items by id: `since_id`, `prev_cursor`. An id that becomes visible after a larger one
//! would be passed over for good. So whoever adds to such a list locks it first, until their transaction ends, and only
//! then generates the id, above the newest one in the list: whoever comes next reads it after the commit. Nothing has to
//! be held back from readers, and what other transactions of the database do does not matter.
//!
//! The lock comes as late as can be: what may have to be waited for, such as rows with counts and accounts that a foreign
//! key refers to, is locked before it. Lists are locked in one order everywhere. On SQLite the only writer needs no lock.

use blegram_domain::{RequestId, Timestamp, UserId, id};
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value, prelude::Uuid};

use crate::{Result, Tx, db::sealed::Sealed};

/// The rows of a table, or those of them in which a column has some value, ordered by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct List {
    table: &'static str,
    of: Option<(&'static str, Uuid)>,
    condition: &'static str,
}

impl List {
    /// All rows of a table.
    pub(crate) const fn all(table: &'static str) -> Self {
        Self { table, of: None, condition: "" }
    }

    /// The rows in which `column` is `id`.
    pub(crate) const fn of(table: &'static str, column: &'static str, id: Uuid) -> Self {
        Self { table, of: Some((column, id)), condition: "" }
    }

    /// The rows in which `column` is `user`.
    pub(crate) const fn of_user(table: &'static str, column: &'static str, user: UserId) -> Self {
        Self::of(table, column, user.as_uuid())
    }

    /// Only those with a further condition, which an index needs.
    pub(crate) const fn with(self, condition: &'static str) -> Self {
        Self { condition, ..self }
    }

    /// What is locked.
    fn name(&self) -> String {
        let of = self.of.map(|(column, id)| format!(" {column} {id}")).unwrap_or_default();
        format!("{}{of}", self.table)
    }

    fn newest(&self, at: usize) -> String {
        let Self { table, of, condition } = self;
        let of = of.map(|(column, _)| format!(" WHERE {column} = ${at}")).unwrap_or_default();
        format!("SELECT id FROM (SELECT id FROM {table}{of}{condition} ORDER BY id DESC LIMIT 1) AS list{at}")
    }
}

/// As [`lock`], of the list that the whole site waits for. A process that is frozen while it holds the lock loses it after
/// half a second, with its connection; and only few of its transactions stand in the queue, each of which would hold up
/// the others again.
pub(crate) async fn lock_for_all(tx: &Tx, list: List, now: Timestamp) -> Result<()> {
    const SQL: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 1)), \
        set_config('idle_in_transaction_session_timeout', '500', true)";
    if tx.inner().get_database_backend() == DbBackend::Postgres {
        tx.inner().take_turn().await?;
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, SQL, [list.name().into()]);
        tx.inner().query_all_raw(statement).await?;
    }
    follow_newest(tx, &[list], now).await
}

/// Locks lists until the transaction ends. Ids that this process generates afterwards are larger than all that they hold.
pub(crate) async fn lock(tx: &Tx, lists: &[List], now: Timestamp) -> Result<()> {
    lock_only(tx, lists).await?;
    follow_newest(tx, lists, now).await
}

/// As [`lock`], without a look at what the lists hold: for those who lock many lists before they add to each.
pub(crate) async fn lock_only(tx: &Tx, lists: &[List]) -> Result<()> {
    if tx.inner().get_database_backend() != DbBackend::Postgres || lists.is_empty() {
        return Ok(());
    }
    // Sorted by what is locked, so that no two wait for each other; the seed tells these locks from those on relations.
    const SQL: &str = "SELECT pg_advisory_xact_lock(key) FROM \
        (SELECT DISTINCT hashtextextended(name, 1) AS key FROM unnest($1::text[]) AS name ORDER BY 1) AS keys";
    let names: Vec<String> = lists.iter().map(|list| format!("\"{}\"", list.name())).collect();
    let names = format!("{{{}}}", names.join(","));
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, SQL, [names.into()]);
    tx.inner().query_all_raw(statement).await?;
    Ok(())
}

/// Makes the ids that follow larger than all that locked lists hold. A statement of its own, because one that waited for a
/// lock does not see what was committed meanwhile.
pub(crate) async fn follow_newest(tx: &Tx, lists: &[List], now: Timestamp) -> Result<()> {
    if lists.is_empty() {
        return Ok(());
    }
    let mut values: Vec<Value> = Vec::new();
    let mut selects = Vec::new();
    for list in lists {
        values.extend(list.of.map(|(_, id)| Value::from(id)));
        selects.push(list.newest(values.len()));
    }
    let sql = selects.join(" UNION ALL ");
    let statement = Statement::from_sql_and_values(tx.inner().get_database_backend(), sql, values);
    let newest: Vec<Uuid> = tx
        .inner()
        .query_all_raw(statement)
        .await?
        .iter()
        .map(|row| row.try_get("", "id"))
        .collect::<Result<_, _>>()?;
    let Some(newest) = newest.into_iter().max() else { return Ok(()) };
    // One is generated for a comparison: what is newest was mostly made by a clock that shows the same time.
    if newest >= RequestId::generate(now).as_uuid() {
        // An id that no clock can have made is in the way of nobody but those who put it there.
        _ = id::advance_past(newest);
    }
    Ok(())
}
