use sea_orm_migration::{
    prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait},
    sea_orm::DbBackend,
};

use crate::execute_all;

/// Rows of conversations store the number of the transaction that last changed them (decision 24).
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The columns with transaction numbers.
const COLUMNS: [(&str, &str); 5] = [
    // The last change that `sync` reports.
    ("conversations", "changed_no"),
    // The insert. Never changes, so its index costs updates nothing.
    ("conversations", "begun_no"),
    // The last change of `activity_id`.
    ("conversations", "activity_no"),
    ("conversation_members", "changed_no"),
    ("conversation_events", "changed_no"),
];

/// Existing rows have number 0: they were committed before every cursor that holds a number.
const INDEXES: [&str; 4] = [
    "CREATE INDEX conversation_events_changed_no ON conversation_events (changed_no)",
    "CREATE INDEX conversations_begun_no ON conversations (begun_no)",
    // `updated_at` is no longer read. Without it in an index, updates of a membership write no index at all.
    "DROP INDEX conversation_members_user_id",
    "CREATE INDEX conversation_members_user_id ON conversation_members (user_id, conversation_id)",
];

/// Nodes of the previous version run beside newer ones during an upgrade, and do not write transaction numbers. Their
/// inserts get them from the column default, their updates from these triggers, which do nothing when the statement
/// sets the number itself.
const POSTGRES_TRIGGERS: [&str; 5] = [
    "CREATE FUNCTION set_changed_no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     NEW.changed_no := pg_current_xact_id()::text::bigint; RETURN NEW; END $$",
    "CREATE FUNCTION set_activity_no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     NEW.activity_no := pg_current_xact_id()::text::bigint; RETURN NEW; END $$",
    "CREATE TRIGGER conversations_changed_no BEFORE UPDATE OF updated_at ON conversations \
     FOR EACH ROW WHEN (NEW.changed_no = OLD.changed_no) EXECUTE FUNCTION set_changed_no()",
    "CREATE TRIGGER conversations_activity_no BEFORE UPDATE OF activity_id ON conversations \
     FOR EACH ROW WHEN (NEW.activity_no = OLD.activity_no AND NEW.activity_id <> OLD.activity_id) \
     EXECUTE FUNCTION set_activity_no()",
    "CREATE TRIGGER conversation_members_changed_no BEFORE UPDATE OF updated_at ON conversation_members \
     FOR EACH ROW WHEN (NEW.changed_no = OLD.changed_no) EXECUTE FUNCTION set_changed_no()",
];

/// SQLite has no readable transaction numbers. Its only writer increments a counter.
const SQLITE_COUNTER: [&str; 2] = [
    "CREATE TABLE change_counter (id INTEGER PRIMARY KEY CHECK (id = 1), last BIGINT NOT NULL)",
    "INSERT INTO change_counter (id, last) VALUES (1, 0)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let is_postgres = manager.get_database_backend() == DbBackend::Postgres;
        for (table, column) in COLUMNS {
            let add = format!("ALTER TABLE {table} ADD COLUMN {column} BIGINT NOT NULL DEFAULT 0");
            let number = format!(
                "ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT (pg_current_xact_id()::text::bigint)"
            );
            execute_all(manager, &[&add]).await?;
            if is_postgres {
                execute_all(manager, &[&number]).await?;
            }
        }
        execute_all(manager, &INDEXES).await?;
        if is_postgres {
            execute_all(manager, &POSTGRES_TRIGGERS).await
        } else {
            execute_all(manager, &SQLITE_COUNTER).await
        }
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DbBackend::Postgres {
            execute_all(
                manager,
                &[
                    "DROP TRIGGER conversations_changed_no ON conversations",
                    "DROP TRIGGER conversations_activity_no ON conversations",
                    "DROP TRIGGER conversation_members_changed_no ON conversation_members",
                    "DROP FUNCTION set_changed_no()",
                    "DROP FUNCTION set_activity_no()",
                ],
            )
            .await?;
        } else {
            execute_all(manager, &["DROP TABLE change_counter"]).await?;
        }
        execute_all(
            manager,
            &[
                "DROP INDEX conversation_events_changed_no",
                "DROP INDEX conversations_begun_no",
                "DROP INDEX conversation_members_user_id",
                "CREATE INDEX conversation_members_user_id ON conversation_members (user_id, updated_at)",
            ],
        )
        .await?;
        for (table, column) in COLUMNS {
            execute_all(manager, &[&format!("ALTER TABLE {table} DROP COLUMN {column}")]).await?;
        }
        Ok(())
    }
}
