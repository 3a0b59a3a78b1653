//! Lists whose ids are in commit order.
//!
//! Clients page towards newer items by id (`since_id`, `prev_cursor`). A row that becomes visible after a row with a
//! larger id would be skipped for good. So a transaction that inserts into such a list locks the list first, until it
//! ends, and only then generates the id, above the newest id in the list. The next transaction sees that id after the
//! commit. Reads need no delay, and other transactions in the database do not matter.
//!
//! In most cases, an id that was generated after locking is the newest, because clocks agree. [`insert`] therefore does not
//! read the newest id first: the `INSERT` itself checks that there is none above, and only if there is, the id is read.
//!
//! The lock is taken as late as possible: locks that may have to be waited for, such as those on rows with counts and
//! on accounts that a foreign key references, come before it. All code locks lists in the same order. SQLite has one
//! writer and needs no lock.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use blegram_domain::{RequestId, Timestamp, UserId, id};
use sea_orm::{ActiveModelTrait, IntoActiveModel, prelude::Uuid};

use crate::{
    Inserted, Result, Tx,
    db::sealed::Sealed,
    rows::{self, Beside},
    sql::{self, Values},
};

/// The rows of a table, optionally only those with a given value in one column, ordered by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct List {
    table: &'static str,
    filter: Option<(&'static str, Uuid)>,
    condition: &'static str,
}

impl List {
    /// All rows of a table.
    pub(crate) const fn all(table: &'static str) -> Self {
        Self { table, filter: None, condition: "" }
    }

    /// The rows in which `column` is `id`.
    pub(crate) const fn by_column(table: &'static str, column: &'static str, id: Uuid) -> Self {
        Self { table, filter: Some((column, id)), condition: "" }
    }

    /// The rows in which `column` is `user`.
    pub(crate) const fn by_user(table: &'static str, column: &'static str, user: UserId) -> Self {
        Self::by_column(table, column, user.as_uuid())
    }

    /// Adds a condition, so that a partial index applies.
    pub(crate) const fn with(self, condition: &'static str) -> Self {
        Self { condition, ..self }
    }

    /// The name of the lock.
    fn name(&self) -> String {
        let filter = self.filter.map(|(column, id)| format!(" {column} {id}")).unwrap_or_default();
        format!("{}{filter}", self.table)
    }

    /// The condition that the newest row is older than the one with the id in `id`, a placeholder. Binds its values. With
    /// `EXISTS`, PostgreSQL would expect many newer rows, and read the whole table in search of the first.
    fn is_older(&self, id: &str, values: &mut Values) -> String {
        format!("coalesce(({}) < {id}, true)", self.newest(values))
    }

    fn newest(&self, values: &mut Values) -> String {
        let Self { table, filter, condition } = self;
        let bind = |(column, id)| format!(" WHERE {column} = {}", values.bind(id));
        let filter = filter.map(bind).unwrap_or_default();
        format!(
            "SELECT id FROM (SELECT id FROM {table}{filter}{condition} ORDER BY id DESC LIMIT 1) AS newest"
        )
    }
}

/// On SQLite, the tables whose newest id this process has followed. Only one process writes such a database, and its ids
/// only grow: once is enough.
#[derive(Debug, Default)]
pub(crate) struct Followed(Mutex<HashSet<&'static str>>);

impl Followed {
    fn contains_all(&self, lists: &[List]) -> bool {
        let tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.iter().all(|list| tables.contains(list.table))
    }

    fn insert_all(&self, lists: &[List]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(lists.iter().map(|list| list.table));
    }
}

/// Like [`lock_only`], for the list that every author on the site inserts into. A frozen process that holds the lock loses
/// it after half a second, together with its connection. `take_turn` bounds how many of its transactions wait in the
/// lock queue, because each of them would block the other processes for as long again.
pub(crate) async fn lock_for_all(tx: &Tx, list: List) -> Result<()> {
    const SQL: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 1)), \
        set_config('idle_in_transaction_session_timeout', '500', true)";
    if sql::is_postgres(tx) {
        tx.inner().take_turn().await?;
        sql::execute(tx, SQL, [list.name().into()]).await?;
    }
    Ok(())
}

/// Inserts the row that `row` makes of an id above all ids in the locked `lists`, unless it conflicts with another row in
/// any unique index. On PostgreSQL, inserts the row `beside` it, too. Returns the id if the row is new.
pub(crate) async fn insert<M, A>(
    tx: &Tx,
    lists: &[List],
    now: Timestamp,
    row: impl Fn(Uuid) -> M + Send + Sync,
    beside: Option<Beside>,
) -> Result<Option<Uuid>>
where
    M: IntoActiveModel<A> + Send,
    A: ActiveModelTrait + Send,
{
    let next = || RequestId::generate(now).as_uuid();
    let inserted = |inserted, id| (inserted == Inserted::New).then_some(id);
    if !sql::is_postgres(tx) {
        follow_newest(tx, lists, now).await?;
        let id = next();
        return Ok(inserted(rows::insert(tx, row(id)).await?, id));
    }
    let (id, mut values) = (next(), Values::default());
    let placeholder = values.bind(id);
    let conditions = lists.iter().map(|list| list.is_older(&placeholder, &mut values));
    let is_newest = conditions.collect::<Vec<_>>().join(" AND ");
    if rows::insert_if(tx, row(id), (is_newest, values), beside.as_ref()).await? == Inserted::New {
        return Ok(Some(id));
    }
    follow_newest(tx, lists, now).await?;
    let (id, always) = (next(), ("true".to_owned(), Values::default()));
    Ok(inserted(rows::insert_if(tx, row(id), always, beside.as_ref()).await?, id))
}

/// Locks lists until the transaction ends. Ids that this process generates afterwards are larger than all ids in the
/// lists.
pub(crate) async fn lock(tx: &Tx, lists: &[List], now: Timestamp) -> Result<()> {
    lock_only(tx, lists).await?;
    follow_newest(tx, lists, now).await
}

/// Like [`lock`], without reading the newest ids: for [`insert`], and for callers that lock many lists before they insert
/// into each.
pub(crate) async fn lock_only(tx: &Tx, lists: &[List]) -> Result<()> {
    let mut values = Values::default();
    let Some(locks) = locks(tx, lists, &mut values) else { return Ok(()) };
    sql::execute(tx, format!("SELECT {locks}"), values).await.map(drop)
}

/// The SQL expression that locks `lists`; `None` if there is nothing to lock. In the `RETURNING` of an update of one row,
/// it locks them after that row, without a statement of its own.
pub(crate) fn locks(tx: &Tx, lists: &[List], values: &mut Values) -> Option<String> {
    if !sql::is_postgres(tx) || lists.is_empty() {
        return None;
    }
    let names: Vec<String> = lists.iter().map(|list| format!("\"{}\"", list.name())).collect();
    let names = values.bind(format!("{{{}}}", names.join(",")));
    // Sorted by key to avoid deadlocks. The seed 1 separates these advisory locks from those on relations (seed 0).
    Some(format!(
        "(SELECT count(pg_advisory_xact_lock(key)) FROM \
           (SELECT DISTINCT hashtextextended(name, 1) AS key FROM unnest({names}::text[]) AS name ORDER BY 1) AS keys)"
    ))
}

/// Makes ids generated from now on larger than all ids in the locked lists. A separate statement: one that waits for
/// the lock uses the snapshot that it took before and does not see what was committed meanwhile.
pub(crate) async fn follow_newest(tx: &Tx, lists: &[List], now: Timestamp) -> Result<()> {
    if lists.is_empty() || tx.followed.contains_all(lists) {
        return Ok(());
    }
    let is_postgres = sql::is_postgres(tx);
    let mut values = Values::default();
    let mut selects = Vec::new();
    for list in lists {
        // On SQLite of the whole table, because it is not read again for other lists.
        let list = if is_postgres { *list } else { List::all(list.table) };
        selects.push(list.newest(&mut values));
    }
    let newest: Vec<Uuid> = sql::list(tx, selects.join(" UNION ALL "), values).await?;
    if !is_postgres {
        tx.followed.insert_all(lists);
    }
    let Some(newest) = newest.into_iter().max() else { return Ok(()) };
    // Generate one id to compare with: in most cases the newest id was made by a clock that shows the same time.
    if newest >= RequestId::generate(now).as_uuid() {
        // Fails for an id that no clock can have made. Ignored: it affects only the user who inserted it.
        _ = id::advance_past(newest);
    }
    Ok(())
}
