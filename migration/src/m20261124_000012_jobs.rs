use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, Index, MigrationTrait, SchemaManager, Table,
        async_trait,
    },
    sea_orm,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden, Clone, Copy)]
enum Jobs {
    Table,
    Id,
    Kind,
    Subject,
    RunAt,
    Attempts,
    LastError,
    CreatedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(Jobs::Table)
            .col(ColumnDef::new(Jobs::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(Jobs::Kind).text().not_null())
            // Empty for a job of the whole site. No foreign key: a job outlives the row that it deletes.
            .col(ColumnDef::new(Jobs::Subject).text().not_null())
            .col(ColumnDef::new(Jobs::RunAt).big_integer().not_null())
            .col(ColumnDef::new(Jobs::Attempts).big_integer().not_null().default(0))
            .col(ColumnDef::new(Jobs::LastError).text())
            .col(ColumnDef::new(Jobs::CreatedAt).big_integer().not_null())
            .to_owned();
        manager.create_table(table).await?;
        let once = Index::create()
            .name("jobs_subject_kind")
            .table(Jobs::Table)
            // The subject first, so that the planner does not use this index to find due jobs by kind.
            .col(Jobs::Subject)
            .col(Jobs::Kind)
            .unique()
            .to_owned();
        manager.create_index(once).await?;
        let due = Index::create().name("jobs_run_at").table(Jobs::Table).col(Jobs::RunAt).to_owned();
        manager.create_index(due).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Jobs::Table).to_owned()).await
    }
}
