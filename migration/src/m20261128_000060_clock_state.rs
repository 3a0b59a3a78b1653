//! A table of one row: when the clock was last checked, why retention is paused, and what operators confirmed.

use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, Expr, ExprTrait, MigrationTrait, SchemaManager,
        Table, async_trait,
    },
    sea_orm,
};

use crate::execute_all;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum ClockState {
    Table,
    Id,
    CheckedAt,
    PausedAt,
    PauseReason,
    SteadyMicros,
    ConfirmedAt,
    Confirmations,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(ClockState::Table)
            .col(
                ColumnDef::new(ClockState::Id)
                    .integer()
                    .not_null()
                    .primary_key()
                    .check(Expr::col(ClockState::Id).eq(1)),
            )
            .col(ColumnDef::new(ClockState::CheckedAt).big_integer())
            .col(ColumnDef::new(ClockState::PausedAt).big_integer())
            .col(ColumnDef::new(ClockState::PauseReason).text())
            .col(ColumnDef::new(ClockState::SteadyMicros).big_integer().not_null().default(0))
            .col(ColumnDef::new(ClockState::ConfirmedAt).big_integer())
            .col(ColumnDef::new(ClockState::Confirmations).big_integer().not_null().default(0))
            .to_owned();
        manager.create_table(table).await?;
        execute_all(manager, &["INSERT INTO clock_state (id) VALUES (1)"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(ClockState::Table).to_owned()).await
    }
}
