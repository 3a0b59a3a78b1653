//! Recent searches of a user.

use blegram_domain::{
    PageRequest, RecentSearchId, Timestamp, UserId,
    page::PageKeys,
    search::{Kind, RecentSearch},
};
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};

use crate::{
    Conn, Result, Tx,
    entity::recent_search::{Column, Entity, Model},
    keyset,
    order::{self, List},
    rows,
};

/// Inserts a search as the latest of `user`. Deletes the same earlier search, and all beyond the newest
/// [`RecentSearch::MAX`].
pub async fn insert(tx: &Tx, user: UserId, kind: Kind, query: &str, now: Timestamp) -> Result<()> {
    order::lock(tx, &[List::by_user("recent_searches", "user_id", user)], now).await?;
    let same =
        Column::UserId.eq(user.as_uuid()).and(Column::Kind.eq(kind.as_str())).and(Column::Query.eq(query));
    rows::delete::<Entity>(tx, same).await?;
    let row = Model {
        id: RecentSearchId::generate(now).as_uuid(),
        user_id: user.as_uuid(),
        kind: kind.as_str().to_owned(),
        query: query.to_owned(),
        searched_at: now.as_micros(),
    };
    rows::insert(tx, row.into_active_model()).await?;
    let newest = Entity::find().select_only().column(Column::Id).filter(Column::UserId.eq(user.as_uuid()));
    let newest = newest.order_by_desc(Column::Id).limit(RecentSearch::MAX as u64).into_query();
    let older = Column::UserId.eq(user.as_uuid()).and(Column::Id.in_subquery(newest).not());
    rows::delete::<Entity>(tx, older).await?;
    Ok(())
}

/// Lists the ids of the recent searches of `user`, the latest first.
pub async fn list_ids(conn: &impl Conn, user: UserId, page: &PageRequest) -> Result<PageKeys> {
    keyset::ids(conn, Entity::find().filter(Column::UserId.eq(user.as_uuid())), Column::Id, page).await
}

/// Lists the searches of `ids`, in that order, in one statement.
pub async fn list_by_ids(conn: &impl Conn, ids: &PageKeys) -> Result<Vec<RecentSearch>> {
    if ids.keys().is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::find().filter(Column::Id.is_in(ids.keys().iter().copied()));
    // The list is ordered by id.
    let rows = rows.order_by_desc(Column::Id).all(conn.inner()).await?;
    rows.into_iter().map(RecentSearch::try_from).collect()
}

/// Deletes one search of `user`, and returns whether it existed.
pub async fn delete(tx: &Tx, user: UserId, id: RecentSearchId) -> Result<bool> {
    let by_id = Column::UserId.eq(user.as_uuid()).and(Column::Id.eq(id.as_uuid()));
    Ok(rows::delete::<Entity>(tx, by_id).await? == 1)
}

/// Deletes all searches of `user`: only a few, so that one statement can do it.
pub async fn delete_of_user(tx: &Tx, user: UserId) -> Result<()> {
    rows::delete::<Entity>(tx, Column::UserId.eq(user.as_uuid())).await?;
    Ok(())
}
