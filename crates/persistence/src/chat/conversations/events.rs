//! The events of conversations: numbered per conversation, and deleted after a while.

use blegram_domain::{ConversationEvent, ConversationId, Timestamp, UserId};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use crate::{
    Conn, Result, Tx, changes::ChangeNo, db::sealed::Sealed, entity::conversation_event as event, sql,
};

/// Clears the references to `user` in up to `max` events, as subject or as actor, and returns how many.
pub async fn update_anonymized_events(tx: &Tx, user: UserId, max: u64) -> Result<u64> {
    let mut disowned = 0;
    for column in ["user_id", "by_id"] {
        let sql = format!(
            "UPDATE conversation_events SET {column} = NULL WHERE (conversation_id, seq) IN \
             (SELECT conversation_id, seq FROM conversation_events WHERE {column} = $1 LIMIT $2)"
        );
        let values = [user.as_uuid().into(), sql::signed(max - disowned).into()];
        disowned += sql::execute(tx, sql, values).await?;
    }
    Ok(disowned)
}

/// Adds events to a locked conversation, in one statement.
pub async fn insert_events(tx: &Tx, events: &[ConversationEvent]) -> Result<()> {
    let number = ChangeNo::for_tx(tx).await?;
    let rows = events.iter().map(|event| {
        let mut row = event::Model::from(event).into_active_model();
        row.changed_no = number.value();
        row
    });
    event::Entity::insert_many(rows).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// Lists up to `max` events of a conversation after `after`, in order.
pub async fn list_events(
    conn: &impl Conn,
    conversation: ConversationId,
    after: u64,
    max: u64,
) -> Result<Vec<ConversationEvent>> {
    let rows = event::Entity::find()
        .filter(event::Column::ConversationId.eq(conversation.as_uuid()))
        .filter(event::Column::Seq.gt(sql::signed(after)))
        .order_by_asc(event::Column::Seq)
        .limit(max);
    rows.all(conn.inner()).await?.into_iter().map(ConversationEvent::try_from).collect()
}

/// Deletes up to `max` events from before `before`, and returns how many.
pub async fn delete_events_older_than(tx: &Tx, before: Timestamp, max: u64) -> Result<u64> {
    const SQL: &str = "DELETE FROM conversation_events WHERE (conversation_id, seq) IN \
        (SELECT conversation_id, seq FROM conversation_events WHERE created_at < $1 LIMIT $2)";
    let values = [before.as_micros().into(), sql::signed(max).into()];
    sql::execute(tx, SQL, values).await
}
