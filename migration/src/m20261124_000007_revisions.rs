use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, ForeignKey, ForeignKeyAction, Index,
        MigrationTrait, SchemaManager, Table, async_trait,
    },
    sea_orm,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum PostRevisions {
    Table,
    Id,
    PostId,
    Text,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Posts {
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
            .table(PostRevisions::Table)
            .col(ColumnDef::new(PostRevisions::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(PostRevisions::PostId).uuid().not_null())
            .col(ColumnDef::new(PostRevisions::Text).text().not_null())
            .col(ColumnDef::new(PostRevisions::CreatedAt).big_integer().not_null())
            .foreign_key(
                ForeignKey::create()
                    .from(PostRevisions::Table, PostRevisions::PostId)
                    .to(Posts::Table, Posts::Id)
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(table).await?;
        let by_post = Index::create()
            .name("post_revisions_post_id_id")
            .table(PostRevisions::Table)
            .col(PostRevisions::PostId)
            .col(PostRevisions::Id)
            .to_owned();
        manager.create_index(by_post).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(PostRevisions::Table).to_owned()).await
    }
}
