//! New images start in the private storage area and move to the public one once everyone may see them. Stores an
//! image's previous key, so that files under it are removed with the image. Inserts jobs that move images with a public
//! key to which no permanent link was given out, and makes the waiting removals of old public files due.

use sea_orm_migration::{
    prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait},
    sea_orm::DbBackend,
};

use crate::execute_all;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TWO_HOURS_MICROS: i64 = 2 * 60 * 60 * 1_000_000;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (id, owner, now) = match manager.get_database_backend() {
            DbBackend::Postgres => (
                "gen_random_uuid()",
                "owner_id::text".to_owned(),
                "(extract(epoch FROM now()) * 1000000)::bigint",
            ),
            _ => {
                ("randomblob(16)", uuid_text("owner_id"), "CAST(strftime('%s', 'now') AS INTEGER) * 1000000")
            }
        };
        let move_media = format!(
            "INSERT INTO jobs (id, kind, subject, run_at, attempts, created_at) \
             SELECT {id}, 'move-media', subject, {now}, 0, {now} FROM ( \
                 SELECT DISTINCT {owner} AS subject FROM media \
                 WHERE is_public AND NOT is_linked AND deleted_at IS NULL) AS owners \
             WHERE true ON CONFLICT (kind, subject) DO NOTHING"
        );
        // Removals with a shorter delay protect a move that is in progress.
        let erase_files = format!(
            "UPDATE jobs SET run_at = created_at WHERE kind = 'erase-files' AND subject LIKE 'public/%' \
             AND run_at - created_at >= {TWO_HOURS_MICROS}"
        );
        execute_all(manager, &["ALTER TABLE media ADD COLUMN previous_key TEXT", &move_media, &erase_files])
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_all(manager, &["ALTER TABLE media DROP COLUMN previous_key"]).await
    }
}

/// The text form of an id that SQLite stores as sixteen bytes.
fn uuid_text(column: &str) -> String {
    let part = |from: u32, length: u32| format!("substr(lower(hex({column})), {from}, {length})");
    [part(1, 8), part(9, 4), part(13, 4), part(17, 4), part(21, 12)].join(" || '-' || ")
}
