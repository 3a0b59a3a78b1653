//! Inserts and deletions that many tables share.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, Iterable,
    QueryFilter, QuerySelect, QueryTrait, Value, Values,
    sea_query::{Expr, IntoCondition, OnConflict, Query},
};

use crate::{Inserted, Result, Tx, db::sealed::Sealed, sql};

/// Inserts a row unless it conflicts with another one in any unique index: of any number of concurrent inserts, one is
/// [`Inserted::New`].
pub(crate) async fn insert<M, A>(tx: &Tx, row: M) -> Result<Inserted>
where
    M: IntoActiveModel<A>,
    A: ActiveModelTrait,
{
    let insert = <A::Entity as EntityTrait>::insert(row.into_active_model());
    // On any conflict; SeaORM's own `do_nothing` names the primary key.
    let insert = insert.on_conflict(OnConflict::new().do_nothing().to_owned());
    match insert.exec_without_returning(tx.inner()).await {
        Ok(1) => Ok(Inserted::New),
        Ok(_) | Err(DbErr::RecordNotInserted) => Ok(Inserted::Existing),
        Err(error) => Err(error.into()),
    }
}

/// A second `INSERT` in the statement of another one, whose new row is the only one in `new`. Only on PostgreSQL.
pub(crate) struct Beside {
    /// The statement after `INSERT INTO`, with `{}` for its value.
    pub(crate) sql: String,
    pub(crate) value: Value,
}

/// Like [`insert`], if the SQL `condition` with its `values` is true. [`Inserted::Existing`] also if it is not.
pub(crate) async fn insert_if<M, A>(
    tx: &Tx,
    row: M,
    (condition, values): (String, sql::Values),
    beside: Option<&Beside>,
) -> Result<Inserted>
where
    M: IntoActiveModel<A>,
    A: ActiveModelTrait,
{
    let row = row.into_active_model();
    let (mut columns, mut select) = (Vec::new(), Query::select());
    for column in <<A::Entity as EntityTrait>::Column as Iterable>::iter() {
        if let Some(value) = row.get(column).into_value() {
            columns.push(column);
            select.expr(column.save_as(Expr::val(value)));
        }
    }
    select.and_where(Expr::cust_with_values(condition, values));
    let mut insert = Query::insert();
    insert.into_table(A::Entity::default()).columns(columns);
    insert.on_conflict(OnConflict::new().do_nothing().to_owned());
    insert.select_from(select).map_err(|error| DbErr::Custom(error.to_string()))?;
    let mut statement = sql::backend(tx).build(&insert);
    if let (Some(Beside { sql, value }), Some(Values(values))) = (beside, &mut statement.values) {
        values.push(value.clone());
        let sql = sql.replace("{}", &format!("${}", values.len()));
        statement.sql = format!("WITH new AS ({} RETURNING *) INSERT INTO {sql}", statement.sql);
    }
    let inserted = tx.inner().execute_raw(statement).await?.rows_affected();
    Ok(if inserted == 1 { Inserted::New } else { Inserted::Existing })
}

/// Deletes the rows that match `which`, and returns how many.
pub(crate) async fn delete<E: EntityTrait>(tx: &Tx, which: impl IntoCondition) -> Result<u64> {
    let which: Condition = which.into_condition();
    Ok(E::delete_many().filter(which).exec(tx.inner()).await?.rows_affected)
}

/// Deletes up to `max` of the rows that match `which`, and returns how many.
pub(crate) async fn delete_some<E: EntityTrait>(
    tx: &Tx,
    id: E::Column,
    which: impl IntoCondition,
    max: u64,
) -> Result<u64> {
    if max == 0 {
        return Ok(0);
    }
    let which: Condition = which.into_condition();
    let some = E::find().select_only().column(id).filter(which).limit(max).into_query();
    delete::<E>(tx, id.in_subquery(some)).await
}
