//! The members of conversations, and what each has read.
//!
//! A member who leaves keeps a row for a while, so that `sync` can report it; see [`delete_left_before`].

use std::collections::HashMap;

use blegram_domain::{
    ConversationId, Timestamp, UserId,
    conversation::{ConversationKind, Membership},
};
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Select,
    prelude::Uuid,
    sea_query::{Expr, OnConflict, Query, SimpleExpr},
};

use super::{number, uuids};
use crate::{
    Conn, Result, Tx,
    changes::ChangeNo,
    db::sealed::Sealed,
    entity::{
        conversation::{Column, Entity},
        conversation_member as member,
    },
    rows,
    sql::{self, signed},
};

/// Adds a member to a locked conversation, or re-adds one who left.
pub async fn insert_member(tx: &Tx, membership: &Membership, now: Timestamp) -> Result<()> {
    let row = member::Model {
        conversation_id: membership.conversation.as_uuid(),
        user_id: membership.user.as_uuid(),
        joined_at: membership.joined_at.as_micros(),
        since_seq: signed(membership.since_seq),
        since_no: signed(membership.since_no),
        read_no: signed(membership.read_no),
        delivered_seq: signed(membership.delivered_seq),
        hidden_no: membership.hidden_no.map(signed),
        is_muted: membership.is_muted,
        left_at: None,
        updated_at: now.as_micros(),
        changed_no: 0,
    };
    let mut row = row.into_active_model();
    row.changed_no = ChangeNo::for_tx(tx).await?.value();
    use member::Column as C;
    let upsert = OnConflict::columns([C::ConversationId, C::UserId])
        .update_columns([
            C::JoinedAt,
            C::SinceSeq,
            C::SinceNo,
            C::ReadNo,
            C::DeliveredSeq,
            C::HiddenNo,
            C::IsMuted,
            C::LeftAt,
            C::UpdatedAt,
            C::ChangedNo,
        ])
        .to_owned();
    member::Entity::insert(row).on_conflict(upsert).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// Finds the membership of `user`; `None` if they are not, or no longer, a member.
pub async fn find_member(
    conn: &impl Conn,
    conversation: ConversationId,
    user: UserId,
) -> Result<Option<Membership>> {
    let row = current_members().filter(by_member(conversation, user)).one(conn.inner()).await?;
    row.map(Membership::try_from).transpose()
}

/// Returns the membership of `user` in each of `ids`, in one statement. Skips conversations that they are not a member
/// of.
pub async fn list_memberships(
    conn: &impl Conn,
    user: UserId,
    ids: &[ConversationId],
) -> Result<HashMap<ConversationId, Membership>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = current_members()
        .filter(member::Column::UserId.eq(user.as_uuid()))
        .filter(member::Column::ConversationId.is_in(uuids(ids)));
    let rows = rows.all(conn.inner()).await?;
    rows.into_iter()
        .map(|row| Membership::try_from(row).map(|membership| (membership.conversation, membership)))
        .collect()
}

/// Lists the members of each of `ids`, in the order in which they joined, in one statement.
pub async fn list_members(
    conn: &impl Conn,
    ids: &[ConversationId],
) -> Result<HashMap<ConversationId, Vec<Membership>>> {
    let mut members: HashMap<ConversationId, Vec<Membership>> = HashMap::new();
    if ids.is_empty() {
        return Ok(members);
    }
    let rows = current_members()
        .filter(member::Column::ConversationId.is_in(uuids(ids)))
        .order_by_asc(member::Column::JoinedAt)
        .order_by_asc(member::Column::UserId);
    for row in rows.all(conn.inner()).await? {
        let membership = Membership::try_from(row)?;
        members.entry(membership.conversation).or_default().push(membership);
    }
    Ok(members)
}

/// Stores the changes of a membership in a locked conversation.
pub async fn update_member(tx: &Tx, membership: &Membership, now: Timestamp) -> Result<()> {
    member::Entity::update_many()
        .col_expr(member::Column::SinceSeq, number(membership.since_seq))
        .col_expr(member::Column::SinceNo, number(membership.since_no))
        .col_expr(member::Column::ReadNo, number(membership.read_no))
        .col_expr(member::Column::HiddenNo, Expr::value(membership.hidden_no.map(signed)))
        .col_expr(member::Column::IsMuted, membership.is_muted.into())
        .col_expr(member::Column::UpdatedAt, now.as_micros().into())
        .col_expr(member::Column::ChangedNo, ChangeNo::for_tx(tx).await?.expr())
        .filter(by_member(membership.conversation, membership.user))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Marks a member of a locked conversation as left.
pub async fn update_left(tx: &Tx, conversation: ConversationId, user: UserId, now: Timestamp) -> Result<()> {
    member::Entity::update_many()
        .col_expr(member::Column::LeftAt, now.as_micros().into())
        .col_expr(member::Column::UpdatedAt, now.as_micros().into())
        .col_expr(member::Column::ChangedNo, ChangeNo::for_tx(tx).await?.expr())
        .filter(by_member(conversation, user))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Marks the events up to `seq` as delivered to `user`, and returns whether that advanced the mark. Changes neither
/// `updated_at` nor `changed_no`, because `sync` does not report delivery.
pub async fn update_delivered(tx: &Tx, conversation: ConversationId, user: UserId, seq: u64) -> Result<bool> {
    let updated = member::Entity::update_many()
        .col_expr(member::Column::DeliveredSeq, number(seq))
        .filter(by_member(conversation, user))
        .filter(member::Column::LeftAt.is_null())
        .filter(member::Column::DeliveredSeq.lt(signed(seq)))
        .exec(tx.inner())
        .await?;
    Ok(updated.rows_affected == 1)
}

/// Returns those of `others` who share a conversation with `user`. Direct conversations without messages do not count.
pub async fn list_sharing_conversation(
    conn: &impl Conn,
    user: UserId,
    others: &[UserId],
) -> Result<Vec<UserId>> {
    use member::Column as C;
    if others.is_empty() {
        return Ok(Vec::new());
    }
    let of_user = Query::select()
        .column((member::Entity, C::ConversationId))
        .from(member::Entity)
        .inner_join(Entity, Column::Id.into_expr().equals((member::Entity, C::ConversationId)))
        .and_where(C::UserId.eq(user.as_uuid()))
        .and_where(C::LeftAt.is_null())
        .and_where(Column::Kind.eq(ConversationKind::Group.as_str()).or(Column::LastMessageNo.gt(0)))
        .to_owned();
    let members = current_members()
        .select_only()
        .column(C::UserId)
        .distinct()
        .filter(C::UserId.is_in(others.iter().map(|id| id.as_uuid())))
        .filter(C::ConversationId.in_subquery(of_user));
    let ids: Vec<Uuid> = members.into_tuple().all(conn.inner()).await?;
    Ok(ids.into_iter().map(UserId::from_uuid).collect())
}

/// Counts the unread messages of `user` in conversations that are not muted.
pub async fn count_unread(conn: &impl Conn, user: UserId) -> Result<u64> {
    const SQL: &str = "SELECT CAST(coalesce(sum(c.last_message_no - m.read_no), 0) AS BIGINT) AS unread \
        FROM conversation_members m JOIN conversations c ON c.id = m.conversation_id \
        WHERE m.user_id = $1 AND m.left_at IS NULL AND NOT m.is_muted AND c.last_message_no > m.read_no";
    let unread: Option<i64> = sql::find(conn, SQL, [user.as_uuid().into()]).await?;
    Ok(unread.unwrap_or(0).unsigned_abs())
}

/// Lists up to `max` conversations that `user` is or was a member of.
pub async fn list_ids_of(conn: &impl Conn, user: UserId, max: u64) -> Result<Vec<ConversationId>> {
    let rows = member::Entity::find()
        .select_only()
        .column(member::Column::ConversationId)
        .filter(member::Column::UserId.eq(user.as_uuid()))
        .limit(max);
    let ids: Vec<Uuid> = rows.into_tuple().all(conn.inner()).await?;
    Ok(ids.into_iter().map(ConversationId::from_uuid).collect())
}

/// Deletes the membership row of `user`.
pub async fn delete_member(tx: &Tx, conversation: ConversationId, user: UserId) -> Result<()> {
    rows::delete::<member::Entity>(tx, by_member(conversation, user)).await.map(drop)
}

/// Deletes up to `max` membership rows of members who left before `before`, and returns how many.
pub async fn delete_left_before(tx: &Tx, before: Timestamp, max: u64) -> Result<u64> {
    const SQL: &str = "DELETE FROM conversation_members WHERE (conversation_id, user_id) IN \
        (SELECT conversation_id, user_id FROM conversation_members WHERE left_at < $1 LIMIT $2)";
    let values = [before.as_micros().into(), signed(max).into()];
    sql::execute(tx, SQL, values).await
}

fn current_members() -> Select<member::Entity> {
    member::Entity::find().filter(member::Column::LeftAt.is_null())
}

fn by_member(conversation: ConversationId, user: UserId) -> SimpleExpr {
    let in_conversation = member::Column::ConversationId.eq(conversation.as_uuid());
    in_conversation.and(member::Column::UserId.eq(user.as_uuid()))
}
