use blegram_domain::Timestamp;
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::{count, timestamp};
use crate::{Error, Result};

const TABLE: &str = "jobs";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "jobs")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: String,
    pub subject: String,
    pub run_at: i64,
    pub attempts: i64,
    pub last_error: Option<String>,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A failing job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// The kind of job.
    pub kind: String,
    /// The subject of the job.
    pub subject: String,
    /// The number of attempts.
    pub attempts: u64,
    /// The error of the last failure.
    pub last_error: String,
    /// When it was inserted.
    pub created_at: Timestamp,
}

impl TryFrom<Model> for Failing {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            attempts: count(TABLE, row.id, row.attempts)?,
            created_at: timestamp(TABLE, row.id, row.created_at)?,
            kind: row.kind,
            subject: row.subject,
            last_error: row.last_error.unwrap_or_default(),
        })
    }
}
