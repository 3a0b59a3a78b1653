//! The order of changes by transaction number, independent of clocks.
//!
//! Rows whose changes clients sync store the number of the transaction that last changed them: on PostgreSQL its
//! `xid8`, on SQLite a counter, which the only writer increments. A reader's position is a [`ChangePosition`]: the
//! snapshot in which it read. A row is new to the reader if that snapshot does not include the row's transaction.
//! Clocks do not matter, and a long-running transaction costs only one number in the position.
//!
//! Numbers are comparable only within one database. A position names its database; in a different one, everything
//! counts as new. Rows restored from a dump have numbers of another cluster: a number that no transaction of this
//! cluster can have had yet counts as 0; any other one repeats the row at most once, and the next change of the row
//! overwrites it.

use sea_orm::{
    ActiveValue, DbBackend, DbErr, TryGetableMany,
    sea_query::{Expr, SimpleExpr},
};

use crate::{Db, Error, Result, Tx, sql};

/// What a reader has seen: the transactions visible in one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangePosition {
    /// The database: on PostgreSQL its cluster, timeline and oid; on SQLite this opening of the file.
    pub database: String,
    /// The first unassigned number (`xmax`): this transaction and later ones are not visible.
    pub end: u64,
    /// Transactions below `end` that are not visible because they were in progress, in ascending order.
    pub open: Vec<u64>,
}

impl ChangePosition {
    /// Creates a position. `open` may be in any order; numbers not below `end` are ignored.
    pub fn new(database: String, end: u64, mut open: Vec<u64>) -> Self {
        open.sort_unstable();
        open.dedup();
        open.retain(|number| *number < end);
        Self { database, end, open }
    }

    /// The values for the two placeholders of [`is_new`].
    pub(crate) fn values(&self) -> [sea_orm::Value; 2] {
        let open: Vec<String> = self.open.iter().map(ToString::to_string).collect();
        let open = open.join(",");
        [sql::signed(self.end).into(), format!("{{{open}}}").into()]
    }
}

/// A [`ChangePosition`] of bounded size, for cursors that clients hold. It may say that less was seen than was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeenPosition {
    /// A hash of the database's identity.
    database: [u8; 8],
    /// Transactions from this number on are not visible, or count as not visible.
    end: u64,
    open: Vec<u64>,
}

impl From<&ChangePosition> for SeenPosition {
    fn from(position: &ChangePosition) -> Self {
        let end = position.open.get(Self::MAX_OPEN).copied().unwrap_or(position.end);
        let open = position.open.iter().copied().take(Self::MAX_OPEN).collect();
        Self { database: tag(&position.database), end, open }
    }
}

impl SeenPosition {
    /// The maximum number of in-progress transactions that it names, the lowest first, because those may have been in
    /// progress for long. Everything above the last one counts as not seen and is repeated, which is a few moments'
    /// worth of changes. Only what was seen may be shortened like this, never [what is visible now](ChangePosition): as
    /// an upper bound it would hide changes.
    pub const MAX_OPEN: usize = 16;

    /// Returns the position, if it belongs to the database of `now` and is not in its future.
    pub fn resolve(&self, now: &ChangePosition) -> Option<ChangePosition> {
        let is_resolvable = self.database == tag(&now.database) && self.end <= now.end;
        is_resolvable.then(|| ChangePosition::new(now.database.clone(), self.end, self.open.clone()))
    }

    /// Encodes it: the database, the end, the number of open transactions, and the distance of each to the next higher
    /// one.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.database);
        write_number(self.end, bytes);
        write_number(self.open.len() as u64, bytes);
        let mut above = self.end;
        for number in self.open.iter().rev() {
            write_number(above.saturating_sub(*number), bytes);
            above = *number;
        }
    }

    /// Decodes what [`SeenPosition::write`] wrote, and advances `bytes` past it; `None` for anything else.
    pub fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (database, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        let end = read_number(bytes)?;
        let count = usize::try_from(read_number(bytes)?).ok()?;
        if count > Self::MAX_OPEN || i64::try_from(end).is_err() {
            return None;
        }
        let mut above = end;
        let mut open = Vec::with_capacity(count);
        for _ in 0..count {
            above = above.checked_sub(read_number(bytes)?.max(1))?;
            open.push(above);
        }
        open.reverse();
        Some(Self { database: *database, end, open })
    }
}

/// FNV-1a: stable across versions. A collision would gain an attacker nothing.
fn tag(database: &str) -> [u8; 8] {
    let hash = database.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.to_be_bytes()
}

/// LEB128: seven bits per byte, the lowest first.
fn write_number(mut number: u64, bytes: &mut Vec<u8>) {
    loop {
        let [bits, ..] = (number & 0x7f).to_le_bytes();
        number >>= 7;
        if number == 0 {
            return bytes.push(bits);
        }
        bytes.push(bits | 0x80);
    }
}

fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        number |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

const SQLITE_POSITION: &str = "SELECT last FROM change_counter";

/// Reads the timeline from the name of the current WAL file: the control file is updated only some time after a
/// promotion.
const POSTGRES_POSITION: &str = "SELECT pg_current_snapshot()::text AS snapshot, concat_ws('/', \
     (SELECT system_identifier FROM pg_control_system()), \
     CASE WHEN pg_is_in_recovery() THEN 'recovery' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END, \
     (SELECT oid FROM pg_database WHERE datname = current_database())) AS database";

/// Used where these functions are not available. Each start of the server then counts as another database.
const POSTGRES_POSITION_BY_START: &str = "SELECT pg_current_snapshot()::text AS snapshot, concat_ws('/', \
     extract(epoch FROM pg_postmaster_start_time()), \
     (SELECT oid FROM pg_database WHERE datname = current_database())) AS database";

/// Reads the current position. Every change visible in it is also visible to statements that run later.
pub async fn position(db: &Db) -> Result<ChangePosition> {
    if db.is_sqlite() {
        let last: i64 = find(db, SQLITE_POSITION).await?;
        return Ok(ChangePosition::new(db.identity().to_owned(), last.unsigned_abs() + 1, Vec::new()));
    }
    let (snapshot, database): (String, String) = match find(db, POSTGRES_POSITION).await {
        Err(Error::Rejected(_)) => find(db, POSTGRES_POSITION_BY_START).await?,
        result => result?,
    };
    let (end, open) = parse_snapshot(&snapshot)
        .ok_or_else(|| Error::corrupt("pg_snapshot", &snapshot, "cannot be parsed"))?;
    Ok(ChangePosition::new(database, end, open))
}

async fn find<T: TryGetableMany>(db: &Db, sql: &str) -> Result<T> {
    sql::find(db, sql, []).await?.ok_or_else(|| Error::corrupt("change_counter", 1, "is missing"))
}

/// `xmin:xmax:xip,xip,…`
fn parse_snapshot(text: &str) -> Option<(u64, Vec<u64>)> {
    let mut parts = text.splitn(3, ':').skip(1);
    let end = parts.next()?.parse().ok()?;
    let open = parts.next()?.split(',').filter(|number| !number.is_empty());
    Some((end, open.map(|number| number.parse().ok()).collect::<Option<_>>()?))
}

/// The number of a write transaction, in the forms for updates and inserts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChangeNo(Option<i64>);

impl ChangeNo {
    pub(crate) async fn for_tx(tx: &Tx) -> Result<Self> {
        if sql::is_postgres(tx) {
            return Ok(Self(None));
        }
        let next = async || {
            const SQL: &str = "UPDATE change_counter SET last = last + 1 RETURNING last";
            let last: Option<i64> = sql::find(tx, SQL, []).await?;
            last.ok_or_else(|| Error::from(DbErr::RecordNotFound("change_counter".to_owned())))
        };
        Ok(Self(Some(*tx.change_no.get_or_try_init(next).await?)))
    }

    /// The value for an update.
    pub(crate) fn expr(self) -> SimpleExpr {
        match self.0 {
            Some(number) => number.into(),
            None => Expr::cust("pg_current_xact_id()::text::bigint"),
        }
    }

    /// The value for an insert: on PostgreSQL, the column's default.
    pub(crate) fn value(self) -> ActiveValue<i64> {
        self.0.map_or(ActiveValue::NotSet, ActiveValue::Set)
    }
}

/// The SQL condition that the transaction in `column` is not visible in a position, whose
/// [`values`](ChangePosition::values) are bound to `end` and `open`.
pub(crate) fn is_new(backend: DbBackend, column: &str, end: &str, open: &str) -> String {
    if backend == DbBackend::Postgres {
        // Only numbers below the end of the current snapshot: others come from another cluster. A subquery, so that it
        // is evaluated once and not for each row.
        format!(
            "(({column} >= {end} OR {column} = ANY ({open}::bigint[])) \
             AND {column} < (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint))"
        )
    } else {
        // With one writer, no transaction is in progress. The second placeholder must occur because it is bound.
        format!("({column} >= {end} AND {open} IS NOT NULL)")
    }
}

/// The SQL that selects `key` of the rows of `table` whose change, numbered by the indexed `column`, is visible in the
/// later of two positions but not in the earlier one. The positions' values are bound to the four placeholders, in that
/// order.
pub(crate) fn select_between(
    backend: DbBackend,
    (key, table, column): (&str, &str, &str),
    [since_end, since_open, until_end, until_open]: [&str; 4],
) -> String {
    // Both bounds in one range condition, so that the planner uses the index.
    let range = format!("SELECT {key} FROM {table} WHERE {column} >= {since_end} AND {column} < {until_end}");
    if backend == DbBackend::Postgres {
        let is_visible = format!("{column} <> ALL ({until_open}::bigint[])");
        format!(
            "{range} AND {is_visible} UNION SELECT {key} FROM {table} \
             WHERE {column} = ANY ({since_open}::bigint[]) AND {column} < {until_end} AND {is_visible}"
        )
    } else {
        // With one writer, no transaction is in progress. These placeholders must occur because they are bound.
        format!("{range} AND {since_open} IS NOT NULL AND {until_open} IS NOT NULL")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_snapshots_are_parsed() {
        assert_eq!(parse_snapshot("10:10:"), Some((10, vec![])));
        assert_eq!(parse_snapshot("10:20:10,14,15"), Some((20, vec![10, 14, 15])));
        for broken in ["", "10", "10:20", "10:x:", "10:20:a"] {
            assert_eq!(parse_snapshot(broken), None, "{broken}");
        }
    }

    #[test]
    fn seen_position_round_trips() {
        for (end, open) in [(1, vec![]), (300, vec![1, 2, 299]), (i64::MAX as u64, (0..40).collect())] {
            let position = ChangePosition::new("a".to_owned(), end, open);
            let mut bytes = Vec::new();
            SeenPosition::from(&position).write(&mut bytes);
            let mut rest = &bytes[..];
            let seen = SeenPosition::read(&mut rest).unwrap();
            assert!(rest.is_empty());
            let resolved = seen.resolve(&position).unwrap();
            assert_eq!((resolved.end, resolved.open), (seen.end, seen.open.clone()));
            let other_database = ChangePosition { database: "b".to_owned(), ..position.clone() };
            assert_eq!(seen.resolve(&other_database), None);
            let before = ChangePosition { end: seen.end - 1, ..position };
            assert_eq!(seen.resolve(&before), None);
        }
        assert_eq!(SeenPosition::read(&mut &[0xff; 40][..]), None);
    }

    #[test]
    fn seen_position_names_a_bounded_number_of_the_lowest_open_transactions() {
        let position = ChangePosition::new("d".to_owned(), 1_000, (5..100).rev().collect());
        assert_eq!((position.end, position.open.len()), (1_000, 95));
        let seen = SeenPosition::from(&position);
        assert_eq!((seen.end, seen.open), (21, (5..21).collect::<Vec<_>>()));
        let few = ChangePosition::new("d".to_owned(), 9, vec![8, 3, 8, 12]);
        assert_eq!((few.end, few.open), (9, vec![3, 8]));
    }
}
