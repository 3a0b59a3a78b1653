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
enum GatewayTickets {
    Table,
    TokenHash,
    SessionId,
    Origin,
    CredentialExpiresAt,
    ExpiresAt,
}

#[derive(DeriveIden)]
enum Sessions {
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
            .table(GatewayTickets::Table)
            // SHA-256 of the ticket.
            .col(ColumnDef::new(GatewayTickets::TokenHash).blob().not_null().primary_key())
            .col(ColumnDef::new(GatewayTickets::SessionId).uuid().not_null())
            // The web origin that requested it; NULL for an app.
            .col(ColumnDef::new(GatewayTickets::Origin).text())
            // The expiry of the credential that it was requested with.
            .col(ColumnDef::new(GatewayTickets::CredentialExpiresAt).big_integer().not_null())
            .col(ColumnDef::new(GatewayTickets::ExpiresAt).big_integer().not_null())
            .foreign_key(
                ForeignKey::create()
                    .from(GatewayTickets::Table, GatewayTickets::SessionId)
                    .to(Sessions::Table, Sessions::Id)
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(table).await?;
        for (name, column) in [
            ("gateway_tickets_session_id", GatewayTickets::SessionId),
            ("gateway_tickets_expires_at", GatewayTickets::ExpiresAt),
        ] {
            let index = Index::create().name(name).table(GatewayTickets::Table).col(column).to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(GatewayTickets::Table).to_owned()).await
    }
}
