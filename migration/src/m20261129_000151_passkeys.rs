use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, ForeignKey, ForeignKeyAction, MigrationTrait,
        SchemaManager, Table, async_trait,
    },
    sea_orm,
};

use crate::{drop_tables, execute_all};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum PasskeyCeremonies {
    Table,
    Challenge,
    UserId,
    FactorId,
    LoginChallenge,
    Name,
    State,
    ExpiresAt,
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
            .table(PasskeyCeremonies::Table)
            // The challenge that the authenticator signs. A row is consumed by its first use.
            .col(ColumnDef::new(PasskeyCeremonies::Challenge).blob().not_null().primary_key())
            // The account that adds a passkey, or completes a login; NULL if the passkey itself names the account.
            .col(ColumnDef::new(PasskeyCeremonies::UserId).uuid())
            // The passkey that is being added; NULL for a login.
            .col(ColumnDef::new(PasskeyCeremonies::FactorId).uuid())
            // The hash of the login challenge that the passkey completes.
            .col(ColumnDef::new(PasskeyCeremonies::LoginChallenge).blob())
            .col(ColumnDef::new(PasskeyCeremonies::Name).text())
            .col(ColumnDef::new(PasskeyCeremonies::State).blob().not_null())
            .col(ColumnDef::new(PasskeyCeremonies::ExpiresAt).big_integer().not_null())
            .foreign_key(
                ForeignKey::create()
                    .from(PasskeyCeremonies::Table, PasskeyCeremonies::UserId)
                    .to(Users::Table, Users::Id)
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(table).await?;
        execute_all(
            manager,
            &[
                "CREATE INDEX passkey_ceremonies_user_id ON passkey_ceremonies (user_id)",
                "CREATE INDEX passkey_ceremonies_expires_at ON passkey_ceremonies (expires_at)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["passkey_ceremonies"]).await
    }
}
