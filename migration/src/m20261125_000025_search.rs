use sea_orm_migration::{
    prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait},
    sea_orm::DbBackend,
};

use crate::{Pairs, execute_all};

/// The search indexes: the table, its key column, the key's type on PostgreSQL and SQLite, and the referenced table.
const INDEXES: [(&str, &str, [&str; 2], &str); 3] = [
    ("post_search", "post_id", ["UUID", "BLOB"], "posts (id)"),
    ("user_search", "user_id", ["UUID", "BLOB"], "users (id)"),
    ("hashtag_search", "name", ["TEXT", "TEXT"], "hashtags (name)"),
];

const DISMISSALS: Pairs =
    Pairs { table: "dismissed_suggestions", first: ("user_id", "users"), second: ("dismissed_id", "users") };

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    /// Creates the search indexes. A job indexes existing rows, because SQL cannot segment Korean text.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let is_postgres = manager.get_database_backend() == DbBackend::Postgres;
        for (table, key, [postgres, sqlite], of) in INDEXES {
            let statements = if is_postgres {
                vec![
                    format!(
                        "CREATE TABLE {table} ({key} {postgres} PRIMARY KEY REFERENCES {of} ON DELETE CASCADE, terms TSVECTOR NOT NULL)"
                    ),
                    format!("CREATE INDEX {table}_terms ON {table} USING gin (terms)"),
                ]
            } else {
                vec![
                    format!(
                        "CREATE TABLE {table} (row_no INTEGER PRIMARY KEY, {key} {sqlite} NOT NULL UNIQUE)"
                    ),
                    // A contentless FTS5 table: it stores the index, but not the indexed text.
                    format!(
                        "CREATE VIRTUAL TABLE {table}_terms USING fts5(terms, content='', contentless_delete=1, tokenize='unicode61')"
                    ),
                ]
            };
            for statement in statements {
                execute_all(manager, &[&statement]).await?;
            }
        }
        if !is_postgres {
            // Row numbers of posts grow with their ids, existing posts included.
            let numbers = "INSERT INTO post_search (post_id) SELECT id FROM posts ORDER BY id";
            execute_all(manager, &[numbers]).await?;
        }
        DISMISSALS.create(manager).await?;
        // Names are compared byte by byte, which gives the same order on both databases.
        let (uuid, collate, some_id) = if is_postgres {
            ("UUID", " COLLATE \"C\"", "gen_random_uuid()")
        } else {
            ("BLOB", "", "randomblob(16)")
        };
        let rest = [
            format!(
                "CREATE TABLE recent_searches (id {uuid} PRIMARY KEY, user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE, \
                 kind TEXT NOT NULL, query TEXT NOT NULL, searched_at BIGINT NOT NULL)"
            ),
            "CREATE UNIQUE INDEX recent_searches_once ON recent_searches (user_id, kind, query)".to_owned(),
            "CREATE INDEX recent_searches_user_id_id ON recent_searches (user_id, id DESC)".to_owned(),
            format!("CREATE INDEX users_username_characters ON users (username{collate})"),
            format!("CREATE INDEX hashtags_name_characters ON hashtags (name{collate})"),
            "CREATE INDEX users_follower_count ON users (follower_count DESC)".to_owned(),
            format!(
                "INSERT INTO jobs (id, kind, subject, run_at, created_at) SELECT {some_id}, 'reindex', '', 0, 0 \
                 WHERE EXISTS (SELECT 1 FROM users) ON CONFLICT DO NOTHING"
            ),
        ];
        for statement in rest {
            execute_all(manager, &[&statement]).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let is_postgres = manager.get_database_backend() == DbBackend::Postgres;
        for (table, ..) in INDEXES {
            if !is_postgres {
                execute_all(manager, &[&format!("DROP TABLE {table}_terms")]).await?;
            }
            execute_all(manager, &[&format!("DROP TABLE {table}")]).await?;
        }
        execute_all(
            manager,
            &[
                "DROP TABLE dismissed_suggestions",
                "DROP TABLE recent_searches",
                "DROP INDEX users_username_characters",
                "DROP INDEX hashtags_name_characters",
                "DROP INDEX users_follower_count",
                "DELETE FROM jobs WHERE kind = 'reindex'",
            ],
        )
        .await
    }
}
