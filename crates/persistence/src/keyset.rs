//! One keyset query for every list.

use blegram_domain::{PageRequest, page::Slice};
use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, Order, QueryFilter, QueryOrder, QuerySelect, Select,
    prelude::Uuid,
};

use crate::{Conn, Result};

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
}

/// Reads the ids of one page: those of `list`, which has all other conditions, within the window of
/// `request`. The order and bounds are on `id` alone, so an index that ends in it serves both.
pub(crate) async fn ids<E: EntityTrait>(
    conn: &impl Conn,
    list: Select<E>,
    id: impl ColumnTrait,
    request: &PageRequest,
) -> Result<Slice> {
    let window = request.window();
    let order = if window.ascending { Order::Asc } else { Order::Desc };
    let mut query = list.select_only().column_as(id, "id").order_by(id, order).limit(window.rows);
    let bounds = [
        window.after.map(|bound| id.gt(bound)),
        window.from.map(|bound| id.gte(bound)),
        window.before.map(|bound| id.lt(bound)),
        window.to.map(|bound| id.lte(bound)),
    ];
    for bound in bounds.into_iter().flatten() {
        query = query.filter(bound);
    }
    let rows = query.into_model::<Row>().all(conn.inner()).await?;
    Ok(request.slice(rows.into_iter().map(|row| row.id).collect()))
}
