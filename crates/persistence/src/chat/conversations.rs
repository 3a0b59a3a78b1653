//! Conversations, their members, and their events.
//!
//! Every change of a conversation locks its row first, so its events are in one order and their numbers have no gaps.

mod events;
mod members;

use std::collections::HashMap;

use blegram_domain::{
    Conversation, ConversationId, PageRequest, Timestamp, UserId,
    page::{self, Activity, PageKeys},
};
use sea_orm::{
    ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, Select,
    prelude::Uuid,
    sea_query::{Expr, SimpleExpr},
};

pub use self::{
    events::{delete_events_older_than, insert_events, list_events, update_anonymized_events},
    members::{
        count_unread, delete_left_before, delete_member, find_member, insert_member, list_ids_of,
        list_members, list_memberships, list_sharing_conversation, update_delivered, update_left,
        update_member,
    },
};
use crate::{
    Conn, Db, Inserted, Result, Tx,
    changes::{self, ChangeNo, ChangePosition, SeenPosition},
    db::sealed::Sealed,
    entity::conversation::{Column, Entity, Model},
    keyset, rows,
    sql::{self, Values},
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
    let backend = sql::backend(db);
    let window = page.window(page::Order::Descending);
    let order = keyset::direction(&window);
    let from = window.after.as_ref().map(|after| after.id);
    let bounds = [(">", window.after), (">=", window.from), ("<", window.before), ("<=", window.to)];
    let (mut values, mut conditions) = (Values::from([user.as_uuid().into()]), String::new());
    for (sign, Activity { id, seen }) in bounds.into_iter().filter_map(|(sign, bound)| Some((sign, bound?))) {
        let mut condition = format!("c.activity_id {sign} {}", values.bind(id));
        let seen = SeenPosition::read(&mut &seen[..]).and_then(|seen| seen.resolve(&now));
        if let Some(seen) = seen.filter(|_| sign.starts_with('>')) {
            let [end, open] = seen.values().map(|value| values.bind(value));
            condition =
                format!("({condition} OR {})", changes::is_new(backend, "c.activity_no", &end, &open));
        }
        conditions.push_str(&format!(" AND {condition}"));
    }
    let rows = values.bind(sql::signed(window.rows));
    // A user is in few conversations of many: their memberships are found first, and then sorted.
    let sql = format!(
        "SELECT c.id AS id, c.activity_id AS activity FROM conversation_members m \
         JOIN conversations c ON c.id = m.conversation_id \
         WHERE m.user_id = $1 AND m.left_at IS NULL AND (m.hidden_no IS NULL OR c.last_message_no > m.hidden_no) \
         {conditions} ORDER BY c.activity_id {order} LIMIT {rows}"
    );
    let rows: Vec<(Uuid, Uuid)> = sql::list(db, sql, values).await?;
    let mut listed: Vec<_> = rows.iter().map(|(id, _)| ConversationId::from_uuid(*id)).collect();
    let mut keys: Vec<_> =
        rows.into_iter().map(|(_, activity)| Activity { id: activity, seen: seen.clone() }).collect();
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
    let mut values = vec![
        user.as_uuid().into(),
        after.map_or(Uuid::nil(), ConversationId::as_uuid).into(),
        sql::signed(max).into(),
    ];
    let mut condition = String::new();
    if let Some(since) = since {
        values.extend(since.values());
        // Compare each number by itself: the larger one may be visible while the smaller one is not.
        let [of_member, of_conversation] = ["m.changed_no", "c.changed_no"]
            .map(|column| changes::is_new(sql::backend(conn), column, "$4", "$5"));
        condition = format!("AND ({of_member} OR (m.left_at IS NULL AND {of_conversation}))");
    }
    let sql = format!(
        "SELECT m.conversation_id AS id, m.left_at IS NOT NULL AS is_left \
         FROM conversation_members m JOIN conversations c ON c.id = m.conversation_id \
         WHERE m.user_id = $1 AND m.conversation_id > $2 {condition} ORDER BY m.conversation_id LIMIT $3"
    );
    let rows: Vec<(Uuid, bool)> = sql::list(conn, sql, values).await?;
    let changed = |(id, is_left)| Changed { conversation: ConversationId::from_uuid(id), is_left };
    Ok(rows.into_iter().map(changed).collect())
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
    let backend = sql::backend(conn);
    let requested = sql::select_ids(backend, "$1");
    let mut values = vec![
        sql::ids(backend, users.iter().map(|id| id.as_uuid())),
        after.map_or(Uuid::nil(), ConversationId::as_uuid).into(),
        sql::signed(max).into(),
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
    let rows: Vec<(Uuid, i64, i64, Uuid)> = sql::list(conn, sql, values).await?;
    let mut heads: Vec<ChangedHead> = Vec::new();
    for (id, last_seq, last_message_no, user) in rows {
        let conversation = ConversationId::from_uuid(id);
        let number = |stored| crate::entity::count("conversations", id, stored);
        let user = UserId::from_uuid(user);
        match heads.last_mut().filter(|head| head.conversation == conversation) {
            Some(head) => head.members.push(user),
            None => heads.push(ChangedHead {
                conversation,
                last_seq: number(last_seq)?,
                last_message_no: number(last_message_no)?,
                members: vec![user],
            }),
        }
    }
    Ok(heads)
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

fn by_id(id: ConversationId) -> Select<Entity> {
    Entity::find().filter(Column::Id.eq(id.as_uuid()))
}

fn uuids(ids: &[ConversationId]) -> impl Iterator<Item = Uuid> {
    ids.iter().map(|id| id.as_uuid())
}

fn number(number: u64) -> SimpleExpr {
    sql::signed(number).into()
}
