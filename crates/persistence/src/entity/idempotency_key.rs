use blegram_domain::{RequestId, Timestamp};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::timestamp;
use crate::{Error, Result};

const TABLE: &str = "idempotency_keys";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope: Vec<u8>,
    pub user_id: Uuid,
    pub fingerprint: Vec<u8>,
    pub claimed_by: Uuid,
    pub lease_until: i64,
    pub created_at: i64,
    pub status: Option<i32>,
    pub headers: Option<String>,
    pub body: Option<Vec<u8>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The stored state of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRequest {
    /// SHA-256 of the body of the first request.
    pub fingerprint: Vec<u8>,
    /// The request that is running, or ran.
    pub claimed_by: RequestId,
    /// The end of its lease: until then, no other request may run.
    pub lease_until: Timestamp,
    /// The time of the first request.
    pub created_at: Timestamp,
    /// The stored response; `None` while the request is running.
    pub answer: Option<Answer>,
}

/// A stored response, to be replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status code.
    pub status: u16,
    /// Names and values of the headers to replay.
    pub headers: Vec<(String, String)>,
    /// The response body.
    pub body: Vec<u8>,
}

impl TryFrom<Model> for StoredRequest {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let answer = match (row.status, row.headers, row.body) {
            (Some(status), Some(headers), Some(body)) => Some(Answer {
                status: u16::try_from(status).map_err(|e| Error::corrupt(TABLE, row.claimed_by, e))?,
                headers: serde_json::from_str(&headers)
                    .map_err(|e| Error::corrupt(TABLE, row.claimed_by, e))?,
                body,
            }),
            _ => None,
        };
        Ok(Self {
            fingerprint: row.fingerprint,
            claimed_by: RequestId::from_uuid(row.claimed_by),
            lease_until: timestamp(TABLE, row.claimed_by, row.lease_until)?,
            created_at: timestamp(TABLE, row.claimed_by, row.created_at)?,
            answer,
        })
    }
}
