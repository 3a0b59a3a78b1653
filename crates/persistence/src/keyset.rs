//! Keyset pagination, shared by every list.

use blegram_domain::{
    PageRequest,
    page::{Order, PageKeys, Window},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, prelude::Uuid};

use crate::{Conn, Result, sql::Values};

/// A keyset page of rows that refer to something else, such as the likes of a post to the users who like it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// The ids of the rows, which the page's cursors refer to.
    pub page_keys: PageKeys,
    /// What the rows refer to, in the order of the list.
    pub targets: Vec<T>,
}

/// Reads the ids of one page of `list`, the newest first. `list` has all other conditions; this adds the window of
/// `request`. Order and bounds use `id` alone, so an index that ends in it serves both.
pub(crate) async fn ids<E: EntityTrait>(
    conn: &impl Conn,
    list: Select<E>,
    id: impl ColumnTrait,
    request: &PageRequest,
) -> Result<PageKeys> {
    ordered_ids(conn, list, id, Order::Descending, request).await
}

/// Like [`ids`], the oldest first.
pub(crate) async fn oldest_ids<E: EntityTrait>(
    conn: &impl Conn,
    list: Select<E>,
    id: impl ColumnTrait,
    request: &PageRequest,
) -> Result<PageKeys> {
    ordered_ids(conn, list, id, Order::Ascending, request).await
}

async fn ordered_ids<E: EntityTrait>(
    conn: &impl Conn,
    list: Select<E>,
    id: impl ColumnTrait,
    order: Order,
    request: &PageRequest,
) -> Result<PageKeys> {
    let query = within(list.select_only().column_as(id, "id"), id, order, request);
    Ok(request.page_keys(query.into_tuple().all(conn.inner()).await?))
}

/// Like [`ids`], with the value of `target` in each row.
pub(crate) async fn targets<E: EntityTrait, T>(
    conn: &impl Conn,
    list: Select<E>,
    id: impl ColumnTrait,
    target: impl ColumnTrait,
    typed: impl Fn(Uuid) -> T,
    request: &PageRequest,
) -> Result<Listed<T>> {
    let list = list.select_only().column_as(id, "id").column_as(target, "target");
    let query = within(list, id, Order::Descending, request);
    let rows: Vec<(Uuid, Uuid)> = query.into_tuple().all(conn.inner()).await?;
    let page_keys = request.page_keys(rows.iter().map(|(id, _)| *id).collect());
    // In the order of the list: a page towards newer rows is scanned in reverse.
    let target = |id: &Uuid| rows.iter().find(|(row, _)| row == id).map(|(_, target)| typed(*target));
    let targets = page_keys.keys().iter().filter_map(target).collect();
    Ok(Listed { page_keys, targets })
}

fn within<E: EntityTrait>(
    list: Select<E>,
    id: impl ColumnTrait,
    order: Order,
    request: &PageRequest,
) -> Select<E> {
    let window = request.window(order);
    let order = if window.ascending { sea_orm::Order::Asc } else { sea_orm::Order::Desc };
    let bounds = [
        window.after.map(|bound| id.gt(bound)),
        window.from.map(|bound| id.gte(bound)),
        window.before.map(|bound| id.lt(bound)),
        window.to.map(|bound| id.lte(bound)),
    ];
    let query = list.order_by(id, order).limit(window.rows);
    bounds.into_iter().flatten().fold(query, QueryFilter::filter)
}

/// The SQL conditions that `column` is in a window, each after an `AND`. Binds their values.
pub(crate) fn bounds(column: &str, window: &Window, values: &mut Values) -> String {
    let bounds = [(">", window.after), (">=", window.from), ("<", window.before), ("<=", window.to)];
    let set = bounds.into_iter().filter_map(|(sign, bound)| Some((sign, bound?)));
    set.map(|(sign, bound)| format!(" AND {column} {sign} {}", values.bind(bound))).collect()
}

/// The direction of the scan of a window, for `ORDER BY`.
pub(crate) const fn direction<K>(window: &Window<K>) -> &'static str {
    if window.ascending { "ASC" } else { "DESC" }
}
