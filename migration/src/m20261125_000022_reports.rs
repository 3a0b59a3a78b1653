use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, ForeignKey, ForeignKeyAction, MigrationTrait,
        SchemaManager, Table, async_trait,
    },
    sea_orm,
};

use crate::execute_all;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden, Clone, Copy)]
enum Reports {
    Table,
    Id,
    ReporterId,
    SubjectKind,
    SubjectId,
    AuthorId,
    Text,
    Reason,
    Note,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(Reports::Table)
            .col(ColumnDef::new(Reports::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(Reports::ReporterId).uuid())
            // No foreign keys: the subject may be deleted before moderators read the report.
            .col(ColumnDef::new(Reports::SubjectKind).text().not_null())
            .col(ColumnDef::new(Reports::SubjectId).uuid().not_null())
            .col(ColumnDef::new(Reports::AuthorId).uuid().not_null())
            // The text at the time of the report.
            .col(ColumnDef::new(Reports::Text).text().not_null())
            .col(ColumnDef::new(Reports::Reason).text().not_null())
            .col(ColumnDef::new(Reports::Note).text())
            .col(ColumnDef::new(Reports::CreatedAt).big_integer().not_null())
            .foreign_key(
                ForeignKey::create()
                    .from(Reports::Table, Reports::ReporterId)
                    .to(Users::Table, Users::Id)
                    .on_delete(ForeignKeyAction::SetNull),
            )
            .to_owned();
        manager.create_table(table).await?;
        execute_all(
            manager,
            &[
                "CREATE UNIQUE INDEX reports_once ON reports (reporter_id, subject_id)",
                "CREATE INDEX reports_author_id ON reports (author_id)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Reports::Table).to_owned()).await
    }
}
