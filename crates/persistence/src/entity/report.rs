use blegram_domain::{
    CommentId, MessageId, PostId, Report, ReportId, UserId,
    report::{Reason, Subject},
};
use sea_orm::entity::prelude::{
    ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
    PrimaryKeyTrait, Uuid,
};

use super::timestamp;
use crate::{Error, Result};

const TABLE: &str = "reports";

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "reports")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub reporter_id: Option<Uuid>,
    pub subject_kind: String,
    pub subject_id: Uuid,
    pub author_id: Uuid,
    pub text: String,
    pub text_hash: Vec<u8>,
    pub reason: String,
    pub note: Option<String>,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Report {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let corrupt = |reason: &dyn ToString| Error::corrupt(TABLE, row.id, reason.to_string());
        Ok(Self {
            id: ReportId::from_uuid(row.id),
            reporter: row.reporter_id.map(UserId::from_uuid),
            subject: match row.subject_kind.as_str() {
                "post" => Subject::Post(PostId::from_uuid(row.subject_id)),
                "comment" => Subject::Comment(CommentId::from_uuid(row.subject_id)),
                "user" => Subject::User(UserId::from_uuid(row.subject_id)),
                "message" => Subject::Message(MessageId::from_uuid(row.subject_id)),
                other => return Err(corrupt(&format!("{other} is not a kind of subject"))),
            },
            author: UserId::from_uuid(row.author_id),
            reason: row.reason.parse::<Reason>().map_err(|e| corrupt(&e))?,
            created_at: timestamp(TABLE, row.id, row.created_at)?,
            text: row.text,
            note: row.note,
        })
    }
}
