//! Reports to moderators. A report outlives the account of its reporter, without a reference to it.

use blegram_domain::{Report, UserId, report::Subject};
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait, prelude::Uuid, sea_query::Expr,
};
use sha2::{Digest, Sha256};

use crate::{
    Inserted, Result, Tx,
    db::sealed::Sealed,
    entity::report::{Column, Entity, Model},
    rows,
};

/// Inserts a report. Each user can report the same text of a subject once.
pub async fn insert(tx: &Tx, report: &Report) -> Result<Inserted> {
    let row = Model {
        id: report.id.as_uuid(),
        reporter_id: report.reporter.map(UserId::as_uuid),
        subject_kind: report.subject.kind().to_owned(),
        subject_id: subject_id(report.subject),
        author_id: report.author.as_uuid(),
        text: report.text.clone(),
        text_hash: hash(&report.text),
        reason: report.reason.as_str().to_owned(),
        note: report.note.clone(),
        created_at: report.created_at.as_micros(),
    };
    rows::insert(tx, row).await
}

/// Finds the report of `reporter` on `subject` with `text` as the reported text.
pub async fn find(tx: &Tx, reporter: UserId, subject: Subject, text: &str) -> Result<Option<Report>> {
    let report = Entity::find()
        .filter(Column::ReporterId.eq(reporter.as_uuid()))
        .filter(Column::SubjectId.eq(subject_id(subject)))
        .filter(Column::TextHash.eq(hash(text)));
    report.one(tx.inner()).await?.map(Report::try_from).transpose()
}

/// Clears the reporter of up to `max` reports, and returns how many.
pub async fn update_anonymized(tx: &Tx, reporter: UserId, max: u64) -> Result<u64> {
    let some = Entity::find().select_only().column(Column::Id);
    let some = some.filter(Column::ReporterId.eq(reporter.as_uuid())).limit(max).into_query();
    let update = Entity::update_many()
        .col_expr(Column::ReporterId, Expr::value(Option::<Uuid>::None))
        .filter(Column::Id.in_subquery(some));
    Ok(update.exec(tx.inner()).await?.rows_affected)
}

fn hash(text: &str) -> Vec<u8> {
    Sha256::digest(text).to_vec()
}

fn subject_id(subject: Subject) -> Uuid {
    match subject {
        Subject::Post(post) => post.as_uuid(),
        Subject::Comment(comment) => comment.as_uuid(),
        Subject::User(user) => user.as_uuid(),
        Subject::Message(message) => message.as_uuid(),
    }
}
