//! Messages of conversations.
//!
//! Writes require the lock on the conversation row ([`crate::conversations::lock`]). A message is unique by its sender
//! and client id, so a retried send inserts nothing. Deleted messages stay as rows without content, because message
//! numbers have no gaps.

use std::collections::HashMap;

use blegram_domain::{
    ClientId, ConversationId, Message, MessageId, PageRequest, UserId,
    page::{Order, PageKeys},
};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    prelude::Uuid,
    sea_query::{Expr, OnConflict},
};

use crate::{
    Conn, Inserted, Result, Tx,
    db::sealed::Sealed,
    entity::{
        media::MediaIds,
        message::{Column, Entity, Model},
        upload::to_hex,
    },
    media, rows,
    sql::signed,
};

/// Inserts messages into a locked conversation, in one statement. Relies on the unique index on sender and client id:
/// if any of them is [`Inserted::Existing`], the caller must roll the transaction back.
pub async fn insert_all(tx: &Tx, messages: &[Message]) -> Result<Inserted> {
    if messages.is_empty() {
        return Ok(Inserted::New);
    }
    let row = |message: &Message| Model {
        id: message.id.as_uuid(),
        conversation_id: message.conversation.as_uuid(),
        seq: signed(message.seq),
        message_no: signed(message.message_no),
        sender_id: message.sender.map(UserId::as_uuid),
        client_id: message.client_id.as_uuid(),
        fingerprint: to_hex(message.fingerprint),
        text: message.text.clone(),
        media: message.media.as_slice().into(),
        reply_to: message.reply_to.map(MessageId::as_uuid),
        created_at: message.created_at.as_micros(),
        edited_at: None,
        deleted_at: None,
        version: 0,
    };
    let mut all: Vec<Model> = messages.iter().map(row).collect();
    // In the order of that index, to avoid deadlocks.
    all.sort_unstable_by_key(|row| (row.sender_id, row.client_id));
    let insert = Entity::insert_many(all.into_iter().map(Model::into_active_model))
        .on_conflict(OnConflict::new().do_nothing().to_owned());
    match insert.exec_without_returning(tx.inner()).await {
        Ok(count) if count == messages.len() as u64 => Ok(Inserted::New),
        Ok(_) | Err(DbErr::RecordNotInserted) => Ok(Inserted::Existing),
        Err(error) => Err(error.into()),
    }
}

/// Drops the unique key on which [`insert_all`] relies, for a planted bug.
#[cfg(feature = "planted-bugs")]
pub async fn drop_unique_key(tx: &Tx) -> Result<()> {
    use sea_orm::ConnectionTrait;
    tx.inner().execute_unprepared("DROP INDEX IF EXISTS messages_once").await?;
    Ok(())
}

/// Finds a message by id, deleted or not.
pub async fn find(conn: &impl Conn, id: MessageId) -> Result<Option<Message>> {
    let row = Entity::find_by_id(id.as_uuid()).one(conn.inner()).await?;
    row.map(Message::try_from).transpose()
}

/// Finds messages by sender and client id, in one statement.
pub async fn list_by_client_ids(
    conn: &impl Conn,
    ids: &[(UserId, ClientId)],
) -> Result<HashMap<(UserId, ClientId), Message>> {
    // Matches every sender with every client id, so it may also return a message of another pair, if one sender
    // deliberately uses a client id of another.
    let mut senders: Vec<Uuid> = ids.iter().map(|(sender, _)| sender.as_uuid()).collect();
    senders.sort_unstable();
    senders.dedup();
    let rows = Entity::find()
        .filter(Column::SenderId.is_in(senders))
        .filter(Column::ClientId.is_in(ids.iter().map(|(_, client_id)| client_id.as_uuid())));
    let rows = rows.all(conn.inner()).await?;
    let messages = rows.into_iter().map(Message::try_from).filter_map(|message| match message {
        Ok(message) => message.sender.map(|sender| Ok(((sender, message.client_id), message))),
        Err(error) => Some(Err(error)),
    });
    messages.collect()
}

/// Returns the messages of `ids`, in one statement.
pub async fn list_by_ids(conn: &impl Conn, ids: &[MessageId]) -> Result<HashMap<MessageId, Message>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = Entity::find().filter(Column::Id.is_in(ids.iter().map(|id| id.as_uuid())));
    let rows = rows.all(conn.inner()).await?;
    rows.into_iter().map(|row| Message::try_from(row).map(|message| (message.id, message))).collect()
}

/// Lists the messages of a conversation after number `since`, the newest first. Pages are by message number, because
/// ids generated on several nodes are not in its order.
pub async fn list(
    conn: &impl Conn,
    conversation: ConversationId,
    since: u64,
    page: &PageRequest<u64>,
) -> Result<(PageKeys<u64>, Vec<Message>)> {
    let window = page.window(Order::Descending);
    let order = if window.ascending { sea_orm::Order::Asc } else { sea_orm::Order::Desc };
    let bounds = [
        Some(Column::MessageNo.gt(signed(since))),
        window.after.map(|bound| Column::MessageNo.gt(signed(bound))),
        window.from.map(|bound| Column::MessageNo.gte(signed(bound))),
        window.before.map(|bound| Column::MessageNo.lt(signed(bound))),
        window.to.map(|bound| Column::MessageNo.lte(signed(bound))),
    ];
    let list = Entity::find()
        .filter(Column::ConversationId.eq(conversation.as_uuid()))
        .order_by(Column::MessageNo, order)
        .limit(window.rows);
    let list = bounds.into_iter().flatten().fold(list, QueryFilter::filter);
    let found: Vec<Message> =
        list.all(conn.inner()).await?.into_iter().map(Message::try_from).collect::<Result<_>>()?;
    let page_keys = page.page_keys(found.iter().map(|message| message.message_no).collect());
    let mut by_number: HashMap<u64, Message> =
        found.into_iter().map(|message| (message.message_no, message)).collect();
    let messages = page_keys.keys().iter().filter_map(|number| by_number.remove(number)).collect();
    Ok((page_keys, messages))
}

/// Stores the sender's changes of a message. The caller has locked the conversation.
pub async fn update(tx: &Tx, message: &Message) -> Result<()> {
    let micros =
        |at: Option<blegram_domain::Timestamp>| Expr::value(at.map(blegram_domain::Timestamp::as_micros));
    Entity::update_many()
        .col_expr(Column::Text, message.text.as_str().into())
        .col_expr(Column::Media, Expr::value(MediaIds::from(message.media.as_slice())))
        .col_expr(Column::EditedAt, micros(message.edited_at))
        .col_expr(Column::DeletedAt, micros(message.deleted_at))
        .col_expr(Column::Version, signed(message.version).into())
        .filter(Column::Id.eq(message.id.as_uuid()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Lists up to `max` messages of `sender`, in all conversations.
pub async fn list_ids_of_sender(conn: &impl Conn, sender: UserId, max: u64) -> Result<Vec<MessageId>> {
    let rows = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::SenderId.eq(sender.as_uuid()))
        .order_by_asc(Column::SenderId)
        .order_by_asc(Column::ConversationId)
        .limit(max);
    let ids: Vec<Uuid> = rows.into_tuple().all(conn.inner()).await?;
    Ok(ids.into_iter().map(MessageId::from_uuid).collect())
}

/// Clears messages of a deleted account. The rows stay, without sender, text and images.
pub async fn update_anonymized(tx: &Tx, ids: &[MessageId], now: blegram_domain::Timestamp) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::SenderId, Expr::value(Option::<Uuid>::None))
        .col_expr(Column::Text, "".into())
        .col_expr(Column::Media, Expr::value(MediaIds::from(&[][..])))
        .col_expr(Column::DeletedAt, now.as_micros().into())
        .filter(Column::Id.is_in(ids.iter().map(|id| id.as_uuid())))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Deletes up to `max` messages of a conversation that is being deleted, removes their images, and returns how many.
pub async fn delete_some(
    tx: &Tx,
    conversation: ConversationId,
    max: u64,
    now: blegram_domain::Timestamp,
) -> Result<u64> {
    let some = Entity::find().filter(Column::ConversationId.eq(conversation.as_uuid())).limit(max);
    let some: Vec<Message> =
        some.all(tx.inner()).await?.into_iter().map(Message::try_from).collect::<Result<_>>()?;
    let images: Vec<blegram_domain::MediaId> =
        some.iter().flat_map(|message| message.media.iter().copied()).collect();
    media::remove(tx, &images, now).await?;
    rows::delete::<Entity>(tx, Column::Id.is_in(some.iter().map(|message| message.id.as_uuid()))).await
}
