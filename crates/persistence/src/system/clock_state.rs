//! The clock checks that one process records for the next: see [`blegram_domain::clock_guard`]. A table of one row.

use blegram_domain::{
    Timestamp,
    clock_guard::{Pause, Record},
};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, UpdateMany, sea_query::Expr};

use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::clock_state::{Column, Entity},
};

const ROW: i32 = 1;

/// Reads the record of the last check.
pub async fn find(conn: &impl Conn) -> Result<Record> {
    let row = Entity::find_by_id(ROW).one(conn.inner()).await?;
    row.map_or_else(|| Ok(Record::default()), Record::try_from)
}

/// Records that the clock was checked at `at`.
pub async fn update_checked(tx: &Tx, at: Timestamp) -> Result<()> {
    save(tx, update().col_expr(Column::CheckedAt, at.as_micros().into())).await
}

/// Records that retention is paused, or resumed (`None`).
pub async fn update_pause(tx: &Tx, pause: Option<&Pause>) -> Result<()> {
    let steady = pause.map_or(0, |pause| pause.steady_for.as_micros().try_into().unwrap_or(i64::MAX));
    let update = update()
        .col_expr(Column::PausedAt, Expr::value(pause.map(|pause| pause.since.as_micros())))
        .col_expr(Column::PauseReason, Expr::value(pause.map(|pause| pause.reason.clone())))
        .col_expr(Column::SteadyMicros, Expr::value(steady));
    save(tx, update).await
}

/// Records that an operator confirmed the clock at `at`, and ends the pause for the next start. Running processes
/// notice it at their next check.
pub async fn update_confirmed(tx: &Tx, at: Timestamp) -> Result<()> {
    update_pause(tx, None).await?;
    let update = update()
        .col_expr(Column::ConfirmedAt, at.as_micros().into())
        .col_expr(Column::Confirmations, Expr::col(Column::Confirmations).add(1));
    save(tx, update).await
}

fn update() -> UpdateMany<Entity> {
    Entity::update_many()
}

async fn save(tx: &Tx, update: UpdateMany<Entity>) -> Result<()> {
    update.filter(Column::Id.eq(ROW)).exec(tx.inner()).await?;
    Ok(())
}
