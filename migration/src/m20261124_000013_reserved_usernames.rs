use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, ForeignKey, ForeignKeyAction, Index,
        MigrationTrait, SchemaManager, Table, async_trait,
    },
    sea_orm,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden, Clone, Copy)]
enum ReservedUsernames {
    Table,
    Skeleton,
    UserId,
    Until,
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
            .table(ReservedUsernames::Table)
            .col(ColumnDef::new(ReservedUsernames::Skeleton).text().not_null().primary_key())
            // The account that may take the name back; NULL if it was deleted.
            .col(ColumnDef::new(ReservedUsernames::UserId).uuid())
            .col(ColumnDef::new(ReservedUsernames::Until).big_integer().not_null())
            .foreign_key(
                ForeignKey::create()
                    .from(ReservedUsernames::Table, ReservedUsernames::UserId)
                    .to(Users::Table, Users::Id)
                    .on_delete(ForeignKeyAction::SetNull),
            )
            .to_owned();
        manager.create_table(table).await?;
        for (name, column) in [
            ("reserved_usernames_user_id", ReservedUsernames::UserId),
            ("reserved_usernames_until", ReservedUsernames::Until),
        ] {
            let index = Index::create().name(name).table(ReservedUsernames::Table).col(column).to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(ReservedUsernames::Table).to_owned()).await
    }
}
