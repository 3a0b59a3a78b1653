//! Conversations, their members, and their events.
//!
//! Every change of a conversation locks its row first, so its events are in one order and their numbers have no gaps.

use std::collections::HashMap;

use blegram_domain::{
    Conversation, ConversationEvent, ConversationId, PageRequest, Timestamp, UserId,
    conversation::{ConversationKind, Membership},
    page::{self, Activity, PageKeys},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect, Select, Statement, Value,
    prelude::Uuid,
    sea_query::{Expr, OnConflict, Query, SimpleExpr},
};

use crate::{
    Conn, Db, Inserted, Result, Tx,
    changes::{self, ChangeNo, ChangePosition, SeenPosition},
    db::sealed::Sealed,
    entity::{
        conversation::{Column, Entity, Model},
        conversation_event as event, conversation_member as member,
    },
    rows,
};

/// Inserts a conversation without members. Relies on the unique index on the pair: of any number of concurrent inserts
/// of a direct conversation between two users, one is [`Inserted::New`].
pub async fn insert(
    tx: &Tx,
    conversation: &Conversation,
    pair: Option<(UserId, UserId)>,
) -> Result<Inserted> {
    let row = Model {
        id: conversation.id.as_uuid(),
        kind: conversation.kind.as_str().to_owned(),
        title: conversation.title.clone(),
        owner_id: conversation.owner.map(UserId::as_uuid),
        pair_low: pair.map(|(one, other)| one.min(other).as_uuid()),
        pair_high: pair.map(|(one, other)| one.max(other).as_uuid()),
        last_seq: 0,
        last_message_no: 0,
        last_message_id: None,
        activity_id: conversation.id.as_uuid(),
        created_at: conversation.created_at.as_micros(),
        updated_at: conversation.created_at.as_micros(),
        version: 0,
        changed_no: 0,
        begun_no: 0,
        activity_no: 0,
    };
    let number = ChangeNo::for_tx(tx).await?;
    let mut row = row.into_active_model();
    row.changed_no = number.value();
    row.begun_no = number.value();
    row.activity_no = number.value();
    rows::insert(tx, row).await
}

/// Finds a conversation by id.
pub async fn find(conn: &impl Conn, id: ConversationId) -> Result<Option<Conversation>> {
    by_id(id).one(conn.inner()).await?.map(Conversation::try_from).transpose()
}

/// Locks the conversation row (`FOR UPDATE`) until the transaction ends, and returns the conversation.
pub async fn lock(tx: &Tx, id: ConversationId) -> Result<Option<Conversation>> {
    by_id(id).lock_exclusive().one(tx.inner()).await?.map(Conversation::try_from).transpose()
}

/// Finds the direct conversation between two users.
pub async fn find_direct(conn: &impl Conn, one: UserId, other: UserId) -> Result<Option<Conversation>> {
    let row = Entity::find()
        .filter(Column::PairLow.eq(one.min(other).as_uuid()))
        .filter(Column::PairHigh.eq(one.max(other).as_uuid()));
    row.one(conn.inner()).await?.map(Conversation::try_from).transpose()
}

/// Lists the conversations of `ids`, in that order, in one statement.
pub async fn list_by_ids(conn: &impl Conn, ids: &[ConversationId]) -> Result<Vec<Conversation>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::find().filter(Column::Id.is_in(uuids(ids))).all(conn.inner()).await?;
    let mut rows: HashMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
    ids.iter().filter_map(|id| rows.remove(&id.as_uuid())).map(Conversation::try_from).collect()
}

/// Lists the conversations of `user` that are not hidden, the most recently active first. A page towards newer ones
/// also includes conversations that moved up in a transaction that was not visible when the cursor was created, because
/// ids of messages in different conversations are not in commit order.
pub async fn list_of(
    db: &Db,
    user: UserId,
    page: &PageRequest<Activity>,
) -> Result<(PageKeys<Activity>, Vec<ConversationId>)> {
    // Before the list: what commits in between is in this page, and once more in the page towards newer ones.
    let now = changes::position(db).await?;
    let mut seen = Vec::new();
    SeenPosition::from(&now).write(&mut seen);
    let backend = db.inner().get_database_backend();
    let window = page.window(page::Order::Descending);
    let from = window.after.as_ref().map(|after| after.id);
    let bounds = [(">", window.after), (">=", window.from), ("<", window.before), ("<=", window.to)];
    let (mut values, mut conditions): (Vec<Value>, _) = (vec![user.as_uuid().into()], String::new());
    for (sign, Activity { id, seen }) in bounds.into_iter().filter_map(|(sign, bound)| Some((sign, bound?))) {
        values.push(id.into());
        let mut condition = format!("c.activity_id {sign} ${}", values.len());
        let seen = SeenPosition::read(&mut &seen[..]).and_then(|seen| seen.resolve(&now));
        if let Some(seen) = seen.filter(|_| sign.starts_with('>')) {
            let (end, open) = (format!("${}", values.len() + 1), format!("${}", values.len() + 2));
            values.extend(seen.values());
            condition =
                format!("({condition} OR {})", changes::is_new(backend, "c.activity_no", &end, &open));
        }
        conditions.push_str(&format!(" AND {condition}"));
    }
    values.push(signed(window.rows).into());
    let order = if window.ascending { "ASC" } else { "DESC" };
    // A user is in few conversations of many: their memberships are found first, and then sorted.
    let sql = format!(
        "SELECT c.id AS id, c.activity_id AS activity FROM conversation_members m \
         JOIN conversations c ON c.id = m.conversation_id \
         WHERE m.user_id = $1 AND m.left_at IS NULL AND (m.hidden_no IS NULL OR c.last_message_no > m.hidden_no) \
         {conditions} ORDER BY c.activity_id {order} LIMIT ${}",
        values.len()
    );
    let rows = db.inner().query_all_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    let mut listed = Vec::new();
    let mut keys = Vec::new();
    for row in rows {
        listed.push(ConversationId::from_uuid(row.try_get("", "id")?));
        keys.push(Activity { id: row.try_get("", "activity")?, seen: seen.clone() });
    }
    let is_whole = keys.len() <= page.limit();
    listed.truncate(page.limit());
    if window.ascending {
        listed.reverse();
    }
    // A conversation that moved up late may be below the cursor of this request. If the page has all there are, the
    // client continues from this cursor and not from below it, because it already has the conversations in between.
    if let (Some(last), Some(from), true) = (keys.last_mut(), from, is_whole && window.ascending) {
        last.id = std::cmp::Ord::max(last.id, from);
    }
    Ok((page.page_keys(keys), listed))
}

/// Stores the changes of a locked conversation. With `is_activity`, its last message moves it up in conversation lists.
pub async fn update(tx: &Tx, conversation: &Conversation, is_activity: bool, now: Timestamp) -> Result<()> {
    let last_message = conversation.last_message.map(blegram_domain::MessageId::as_uuid);
    let change_no = ChangeNo::for_tx(tx).await?;
    let mut update = Entity::update_many()
        .col_expr(Column::Title, Expr::value(conversation.title.clone()))
        .col_expr(Column::OwnerId, Expr::value(conversation.owner.map(UserId::as_uuid)))
        .col_expr(Column::LastSeq, number(conversation.last_seq))
        .col_expr(Column::LastMessageNo, number(conversation.last_message_no))
        .col_expr(Column::LastMessageId, Expr::value(last_message))
        .col_expr(Column::UpdatedAt, now.as_micros().into())
        .col_expr(Column::Version, number(conversation.version))
        .col_expr(Column::ChangedNo, change_no.expr())
        .filter(Column::Id.eq(conversation.id.as_uuid()));
    if let (true, Some(message)) = (is_activity, last_message) {
        update = update
            .col_expr(Column::ActivityId, Expr::value(message))
            .col_expr(Column::ActivityNo, change_no.expr());
    }
    update.exec(tx.inner()).await?;
    Ok(())
}

/// Deletes a conversation with everything in it.
pub async fn delete(tx: &Tx, id: ConversationId) -> Result<()> {
    rows::delete::<Entity>(tx, Column::Id.eq(id.as_uuid())).await.map(drop)
}

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
    let backend = conn.inner().get_database_backend();
    let statement = Statement::from_sql_and_values(backend, SQL, [user.as_uuid().into()]);
    let row = conn.inner().query_one_raw(statement).await?;
    let unread: i64 = row.map(|row| row.try_get("", "unread")).transpose()?.unwrap_or(0);
    Ok(unread.unsigned_abs())
}

/// A conversation that changed for a user, or that the user left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The conversation.
    pub conversation: ConversationId,
    /// Whether the user is no longer a member.
    pub is_left: bool,
}

/// Lists up to `max` conversations of `user` with ids above `after` whose change is not visible in `since` (`None`:
/// all). Ordered by id, so that paging lists each unchanged conversation exactly once.
pub async fn list_changed(
    conn: &impl Conn,
    user: UserId,
    since: Option<&ChangePosition>,
    after: Option<ConversationId>,
    max: u64,
) -> Result<Vec<Changed>> {
    let backend = conn.inner().get_database_backend();
    let mut values = vec![
        user.as_uuid().into(),
        after.map_or(Uuid::nil(), ConversationId::as_uuid).into(),
        signed(max).into(),
    ];
    let mut condition = String::new();
    if let Some(since) = since {
        values.extend(since.values());
        // Compare each number by itself: the larger one may be visible while the smaller one is not.
        let [of_member, of_conversation] =
            ["m.changed_no", "c.changed_no"].map(|column| changes::is_new(backend, column, "$4", "$5"));
        condition = format!("AND ({of_member} OR (m.left_at IS NULL AND {of_conversation}))");
    }
    let sql = format!(
        "SELECT m.conversation_id AS id, m.left_at IS NOT NULL AS is_left \
         FROM conversation_members m JOIN conversations c ON c.id = m.conversation_id \
         WHERE m.user_id = $1 AND m.conversation_id > $2 {condition} ORDER BY m.conversation_id LIMIT $3"
    );
    let rows = conn.inner().query_all_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    rows.iter()
        .map(|row| {
            let conversation = ConversationId::from_uuid(row.try_get("", "id")?);
            Ok(Changed { conversation, is_left: row.try_get("", "is_left")? })
        })
        .collect()
}

/// The latest numbers of a conversation that changed, and the members concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedHead {
    /// The conversation.
    pub conversation: ConversationId,
    /// The number of the latest event.
    pub last_seq: u64,
    /// The number of the newest message.
    pub last_message_no: u64,
    /// The requested users who are members and whose list has the conversation.
    pub members: Vec<UserId>,
}

/// Lists up to `max` conversations with ids above `after` that any of `users` has in their list, ordered by id: those
/// with an event, or created, in a transaction that is visible in `until` but not in `since` (`None`: all).
pub async fn list_changed_heads(
    conn: &impl Conn,
    users: &[UserId],
    (since, until): (Option<&ChangePosition>, &ChangePosition),
    after: Option<ConversationId>,
    max: u64,
) -> Result<Vec<ChangedHead>> {
    // Bound as one JSON value, for any number of users.
    let users: Vec<Uuid> = users.iter().map(|id| id.as_uuid()).collect();
    let backend = conn.inner().get_database_backend();
    let requested = match backend {
        DbBackend::Postgres => "SELECT CAST(value AS uuid) FROM jsonb_array_elements_text($1)",
        _ => "SELECT unhex(value, '-') FROM json_each($1)",
    };
    let mut values = vec![
        serde_json::json!(users).into(),
        after.map_or(Uuid::nil(), ConversationId::as_uuid).into(),
        signed(max).into(),
    ];
    let changed = match since {
        None => {
            "SELECT conversation_id FROM conversation_members WHERE user_id IN (SELECT id FROM requested)"
                .into()
        }
        Some(since) => {
            values.extend(since.values());
            values.extend(until.values());
            let at = ["$4", "$5", "$6", "$7"];
            let events = ("conversation_id", "conversation_events", "changed_no");
            let created = ("id", "conversations", "begun_no");
            let [events, created] = [events, created].map(|rows| changes::select_between(backend, rows, at));
            format!("{events} UNION {created}")
        }
    };
    let sql = format!(
        "WITH requested(id) AS ({requested}), changed(id) AS ({changed}), \
         seen AS (\
           SELECT c.id, c.last_seq, c.last_message_no, m.user_id \
           FROM changed JOIN conversations c ON c.id = changed.id \
           JOIN conversation_members m ON m.conversation_id = c.id \
           WHERE c.id > $2 AND m.left_at IS NULL AND (m.hidden_no IS NULL OR c.last_message_no > m.hidden_no) \
           AND m.user_id IN (SELECT id FROM requested)) \
         SELECT DISTINCT id, last_seq, last_message_no, user_id FROM seen \
         WHERE id IN (SELECT DISTINCT id FROM seen ORDER BY id LIMIT $3) ORDER BY id, user_id"
    );
    let rows = conn.inner().query_all_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    let mut heads: Vec<ChangedHead> = Vec::new();
    for row in rows {
        let id: Uuid = row.try_get("", "id")?;
        let conversation = ConversationId::from_uuid(id);
        let number = |column| crate::entity::count("conversations", id, row.try_get("", column)?);
        let user = UserId::from_uuid(row.try_get("", "user_id")?);
        match heads.last_mut().filter(|head| head.conversation == conversation) {
            Some(head) => head.members.push(user),
            None => heads.push(ChangedHead {
                conversation,
                last_seq: number("last_seq")?,
                last_message_no: number("last_message_no")?,
                members: vec![user],
            }),
        }
    }
    Ok(heads)
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
    let values = [before.as_micros().into(), i64::try_from(max).unwrap_or(i64::MAX).into()];
    let statement = Statement::from_sql_and_values(tx.inner().get_database_backend(), SQL, values);
    Ok(tx.inner().execute_raw(statement).await?.rows_affected())
}

/// Clears the pair of a locked direct conversation, because one of the two accounts is deleted.
pub async fn update_unpaired(tx: &Tx, id: ConversationId) -> Result<()> {
    let none = || Expr::value(Option::<Uuid>::None);
    Entity::update_many()
        .col_expr(Column::PairLow, none())
        .col_expr(Column::PairHigh, none())
        .filter(Column::Id.eq(id.as_uuid()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Clears the references to `user` in up to `max` events, as subject or as actor, and returns how many.
pub async fn update_anonymized_events(tx: &Tx, user: UserId, max: u64) -> Result<u64> {
    let mut disowned = 0;
    for column in ["user_id", "by_id"] {
        let sql = format!(
            "UPDATE conversation_events SET {column} = NULL WHERE (conversation_id, seq) IN \
             (SELECT conversation_id, seq FROM conversation_events WHERE {column} = $1 LIMIT $2)"
        );
        let values = [user.as_uuid().into(), signed(max - disowned).into()];
        let statement = Statement::from_sql_and_values(tx.inner().get_database_backend(), sql, values);
        disowned += tx.inner().execute_raw(statement).await?.rows_affected();
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
        .filter(event::Column::Seq.gt(signed(after)))
        .order_by_asc(event::Column::Seq)
        .limit(max);
    rows.all(conn.inner()).await?.into_iter().map(ConversationEvent::try_from).collect()
}

/// Deletes up to `max` events from before `before`, and returns how many.
pub async fn delete_events_older_than(tx: &Tx, before: Timestamp, max: u64) -> Result<u64> {
    const SQL: &str = "DELETE FROM conversation_events WHERE (conversation_id, seq) IN \
        (SELECT conversation_id, seq FROM conversation_events WHERE created_at < $1 LIMIT $2)";
    let values = [before.as_micros().into(), i64::try_from(max).unwrap_or(i64::MAX).into()];
    let statement = Statement::from_sql_and_values(tx.inner().get_database_backend(), SQL, values);
    Ok(tx.inner().execute_raw(statement).await?.rows_affected())
}

fn by_id(id: ConversationId) -> Select<Entity> {
    Entity::find().filter(Column::Id.eq(id.as_uuid()))
}

fn current_members() -> Select<member::Entity> {
    member::Entity::find().filter(member::Column::LeftAt.is_null())
}

fn by_member(conversation: ConversationId, user: UserId) -> SimpleExpr {
    let in_conversation = member::Column::ConversationId.eq(conversation.as_uuid());
    in_conversation.and(member::Column::UserId.eq(user.as_uuid()))
}

fn uuids(ids: &[ConversationId]) -> impl Iterator<Item = Uuid> {
    ids.iter().map(|id| id.as_uuid())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn number(number: u64) -> SimpleExpr {
    signed(number).into()
}
