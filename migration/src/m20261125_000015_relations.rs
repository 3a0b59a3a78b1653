use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::{Pairs, drop_tables};

/// Relationships between accounts. Ids are in order of creation.
const TABLES: [Pairs; 4] = [
    Pairs { table: "follows", first: ("follower_id", "users"), second: ("followee_id", "users") },
    Pairs { table: "follow_requests", first: ("requester_id", "users"), second: ("target_id", "users") },
    Pairs { table: "blocks", first: ("blocker_id", "users"), second: ("blocked_id", "users") },
    Pairs { table: "mutes", first: ("muter_id", "users"), second: ("muted_id", "users") },
];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            table.create(manager).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &TABLES.map(|pairs| pairs.table)).await
    }
}
