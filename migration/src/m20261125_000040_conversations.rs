use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, DynIden, ForeignKey, ForeignKeyAction, Index,
        IntoIden, MigrationTrait, SchemaManager, Table, async_trait,
    },
    sea_orm::{self, DbBackend},
};

use crate::{count, drop_tables, execute_all};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden, Clone, Copy)]
enum Conversations {
    Table,
    Id,
    Kind,
    Title,
    OwnerId,
    PairLow,
    PairHigh,
    LastSeq,
    LastMessageNo,
    LastMessageId,
    ActivityId,
    CreatedAt,
    UpdatedAt,
}

#[derive(DeriveIden, Clone, Copy)]
enum ConversationMembers {
    Table,
    ConversationId,
    UserId,
    JoinedAt,
    SinceSeq,
    SinceNo,
    ReadNo,
    DeliveredSeq,
    HiddenNo,
    IsMuted,
    LeftAt,
    UpdatedAt,
}

#[derive(DeriveIden, Clone, Copy)]
enum Messages {
    Table,
    Id,
    ConversationId,
    Seq,
    MessageNo,
    SenderId,
    ClientId,
    Fingerprint,
    Text,
    Media,
    ReplyTo,
    CreatedAt,
    EditedAt,
    DeletedAt,
}

#[derive(DeriveIden, Clone, Copy)]
enum ConversationEvents {
    Table,
    ConversationId,
    Seq,
    Kind,
    MessageId,
    UserId,
    ById,
    Title,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
}

const INDEXES: [&str; 9] = [
    // Two users have one direct conversation.
    "CREATE UNIQUE INDEX conversations_pair ON conversations (pair_low, pair_high) WHERE pair_low IS NOT NULL",
    "CREATE INDEX conversation_members_user_id ON conversation_members (user_id, updated_at)",
    // A sender's client id identifies one message, permanently.
    "CREATE UNIQUE INDEX messages_once ON messages (sender_id, client_id)",
    "CREATE UNIQUE INDEX messages_no ON messages (conversation_id, message_no DESC)",
    "CREATE INDEX messages_sender_id ON messages (sender_id, conversation_id)",
    "CREATE INDEX conversation_events_created_at ON conversation_events (created_at)",
    "CREATE INDEX conversation_events_user_id ON conversation_events (user_id) WHERE user_id IS NOT NULL",
    "CREATE INDEX conversation_events_by_id ON conversation_events (by_id) WHERE by_id IS NOT NULL",
    "CREATE INDEX conversations_owner_id ON conversations (owner_id) WHERE owner_id IS NOT NULL",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let conversations = Table::create()
            .table(Conversations::Table)
            .col(ColumnDef::new(Conversations::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(Conversations::Kind).text().not_null())
            .col(ColumnDef::new(Conversations::Title).text())
            .col(ColumnDef::new(Conversations::OwnerId).uuid())
            // The two users of a direct conversation, the smaller id first.
            .col(ColumnDef::new(Conversations::PairLow).uuid())
            .col(ColumnDef::new(Conversations::PairHigh).uuid())
            .col(count(Conversations::LastSeq))
            .col(count(Conversations::LastMessageNo))
            .col(ColumnDef::new(Conversations::LastMessageId).uuid())
            // The sort key by latest activity: the newest message's id, or the conversation's own.
            .col(ColumnDef::new(Conversations::ActivityId).uuid().not_null())
            .col(ColumnDef::new(Conversations::CreatedAt).big_integer().not_null())
            .col(ColumnDef::new(Conversations::UpdatedAt).big_integer().not_null())
            .to_owned();
        manager.create_table(conversations).await?;
        let of_conversation = |table: DynIden, column: DynIden| {
            let mut key = ForeignKey::create();
            key.from(table, column)
                .to(Conversations::Table, Conversations::Id)
                .on_delete(ForeignKeyAction::Cascade);
            key
        };
        let members = Table::create()
            .table(ConversationMembers::Table)
            .col(ColumnDef::new(ConversationMembers::ConversationId).uuid().not_null())
            .col(ColumnDef::new(ConversationMembers::UserId).uuid().not_null())
            .col(ColumnDef::new(ConversationMembers::JoinedAt).big_integer().not_null())
            .col(count(ConversationMembers::SinceSeq))
            .col(count(ConversationMembers::SinceNo))
            .col(count(ConversationMembers::ReadNo))
            .col(count(ConversationMembers::DeliveredSeq))
            .col(ColumnDef::new(ConversationMembers::HiddenNo).big_integer())
            .col(ColumnDef::new(ConversationMembers::IsMuted).boolean().not_null())
            // The row stays for a while after the member left, so that their devices learn of it.
            .col(ColumnDef::new(ConversationMembers::LeftAt).big_integer())
            .col(ColumnDef::new(ConversationMembers::UpdatedAt).big_integer().not_null())
            .primary_key(
                Index::create().col(ConversationMembers::ConversationId).col(ConversationMembers::UserId),
            )
            .foreign_key(&mut of_conversation(
                ConversationMembers::Table.into_iden(),
                ConversationMembers::ConversationId.into_iden(),
            ))
            .foreign_key(
                ForeignKey::create()
                    .from(ConversationMembers::Table, ConversationMembers::UserId)
                    .to(Users::Table, Users::Id)
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(members).await?;
        let messages = Table::create()
            .table(Messages::Table)
            .col(ColumnDef::new(Messages::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(Messages::ConversationId).uuid().not_null())
            .col(ColumnDef::new(Messages::Seq).big_integer().not_null())
            .col(ColumnDef::new(Messages::MessageNo).big_integer().not_null())
            .col(ColumnDef::new(Messages::SenderId).uuid())
            .col(ColumnDef::new(Messages::ClientId).uuid().not_null())
            .col(ColumnDef::new(Messages::Fingerprint).text().not_null())
            .col(ColumnDef::new(Messages::Text).text().not_null())
            .col(ColumnDef::new(Messages::Media).json_binary().not_null())
            .col(ColumnDef::new(Messages::ReplyTo).uuid())
            .col(ColumnDef::new(Messages::CreatedAt).big_integer().not_null())
            .col(ColumnDef::new(Messages::EditedAt).big_integer())
            .col(ColumnDef::new(Messages::DeletedAt).big_integer())
            .foreign_key(&mut of_conversation(
                Messages::Table.into_iden(),
                Messages::ConversationId.into_iden(),
            ))
            .foreign_key(
                ForeignKey::create()
                    .from(Messages::Table, Messages::SenderId)
                    .to(Users::Table, Users::Id)
                    .on_delete(ForeignKeyAction::SetNull),
            )
            .to_owned();
        manager.create_table(messages).await?;
        let events = Table::create()
            .table(ConversationEvents::Table)
            .col(ColumnDef::new(ConversationEvents::ConversationId).uuid().not_null())
            .col(ColumnDef::new(ConversationEvents::Seq).big_integer().not_null())
            .col(ColumnDef::new(ConversationEvents::Kind).text().not_null())
            // References to the current message and accounts, which may be deleted. So no foreign keys.
            .col(ColumnDef::new(ConversationEvents::MessageId).uuid())
            .col(ColumnDef::new(ConversationEvents::UserId).uuid())
            .col(ColumnDef::new(ConversationEvents::ById).uuid())
            .col(ColumnDef::new(ConversationEvents::Title).text())
            .col(ColumnDef::new(ConversationEvents::CreatedAt).big_integer().not_null())
            .primary_key(Index::create().col(ConversationEvents::ConversationId).col(ConversationEvents::Seq))
            .foreign_key(&mut of_conversation(
                ConversationEvents::Table.into_iden(),
                ConversationEvents::ConversationId.into_iden(),
            ))
            .to_owned();
        manager.create_table(events).await?;
        execute_all(manager, &INDEXES).await?;
        let message_id = match manager.get_database_backend() {
            DbBackend::Postgres => "ALTER TABLE media ADD COLUMN message_id UUID",
            _ => "ALTER TABLE media ADD COLUMN message_id BLOB",
        };
        execute_all(
            manager,
            &[
                message_id,
                "CREATE INDEX media_message_id ON media (message_id) WHERE message_id IS NOT NULL",
                "DROP INDEX media_unused",
                "CREATE INDEX media_unused ON media (created_at) WHERE post_id IS NULL AND message_id IS NULL \
                 AND NOT is_avatar AND deleted_at IS NULL",
                "ALTER TABLE users ADD COLUMN messages_from TEXT NOT NULL DEFAULT 'everyone'",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_all(
            manager,
            &[
                "ALTER TABLE users DROP COLUMN messages_from",
                "DROP INDEX media_unused",
                "DROP INDEX media_message_id",
                "ALTER TABLE media DROP COLUMN message_id",
                "CREATE INDEX media_unused ON media (created_at) \
                 WHERE post_id IS NULL AND NOT is_avatar AND deleted_at IS NULL",
            ],
        )
        .await?;
        drop_tables(manager, &["conversation_events", "messages", "conversation_members", "conversations"])
            .await
    }
}
