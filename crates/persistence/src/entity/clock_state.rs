use blegram_domain::{
    Timestamp,
    clock_guard::{Confirmation, Pause, Record},
};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait,
};

use super::{count, timestamp};
use crate::{Error, Result};

const TABLE: &str = "clock_state";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "clock_state")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    pub checked_at: Option<i64>,
    pub paused_at: Option<i64>,
    pub pause_reason: Option<String>,
    pub steady_micros: i64,
    pub confirmed_at: Option<i64>,
    pub confirmations: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Record {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let instant = |micros: Option<i64>| -> Result<Option<Timestamp>> {
            micros.map(|at| timestamp(TABLE, row.id, at)).transpose()
        };
        let steady_for = std::time::Duration::from_micros(count(TABLE, row.id, row.steady_micros)?);
        let number = count(TABLE, row.id, row.confirmations)?;
        let reason = row.pause_reason.clone().unwrap_or_default();
        Ok(Self {
            checked_at: instant(row.checked_at)?,
            pause: instant(row.paused_at)?.map(|since| Pause { since, reason, steady_for }),
            confirmation: instant(row.confirmed_at)?.map(|at| Confirmation { at, number }),
        })
    }
}
