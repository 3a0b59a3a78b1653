//! The dialects of the two databases, as far as the statements of the world differ.

use clap::ValueEnum;

/// The dialect of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// The name of the database.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// A table `s` with the column `n` from `from` to before `to`.
    pub(super) fn series(self, from: u64, to: u64) -> String {
        match self {
            Self::Sqlite => format!(
                "(WITH RECURSIVE s (n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM s WHERE n + 1 < {to}) SELECT n FROM s) AS s"
            ),
            Self::Postgres => format!("generate_series({from}::bigint, {to} - 1) AS s (n)"),
        }
    }

    /// The id of row `n` of a kind, made at `ms`.
    pub(super) fn id(self, ms: &str, kind: u64, n: &str) -> String {
        match self {
            Self::Sqlite => format!("unhex(printf('%012x7%03x8000%012x', {ms}, {kind}, {n}))"),
            Self::Postgres => format!(
                "(lpad(to_hex({ms}), 12, '0') || '7{kind:03x}8000' || lpad(to_hex({n}), 12, '0'))::uuid"
            ),
        }
    }

    /// The text of an id, as in JSON.
    pub(super) fn id_text(self, ms: &str, kind: u64, n: &str) -> String {
        match self {
            Self::Sqlite => {
                format!("printf('%08x-%04x-7{kind:03x}-8000-%012x', ({ms}) >> 16, ({ms}) & 65535, {n})")
            }
            Self::Postgres => format!("{}::text", self.id(ms, kind, n)),
        }
    }

    /// The 32 digits of an id.
    pub(super) fn digits(self, id: &str) -> String {
        match self {
            Self::Sqlite => format!("lower(hex({id}))"),
            Self::Postgres => format!("replace({id}::text, '-', '')"),
        }
    }

    pub(super) fn json(self, text: &str) -> String {
        match self {
            Self::Sqlite => text.to_owned(),
            Self::Postgres => format!("({text})::jsonb"),
        }
    }

    /// The number of the transaction that changed row `n`; see `blegram_persistence::changes`.
    pub(super) fn change(self, n: &str) -> String {
        match self {
            Self::Sqlite => format!("({n} + 1)"),
            Self::Postgres => "pg_current_xact_id()::text::bigint".to_owned(),
        }
    }

    /// The search term of a number; see `blegram_domain::search::terms`.
    pub(super) fn term(self, number: &str) -> String {
        match self {
            Self::Sqlite => format!("'x' || lower(hex(CAST({number} AS TEXT)))"),
            Self::Postgres => format!("'x' || encode(convert_to(({number})::text, 'UTF8'), 'hex')"),
        }
    }
}
