use blegram_domain::{ReportNote, Violation};
use blegram_social::{Reported, UserRef};
use poem_openapi::{Enum, Object};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    body::{parse_or, request},
    schema::Time,
};

/// A report that you sent to the moderators.
/// 운영자에게 보낸 신고.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Report {
    /// Unique id; sorts by creation time.
    /// 고유 ID. 생성 시각 순서로 정렬됩니다.
    id: Uuid,
    /// Reason of the report. More reasons may be added.
    /// 신고 사유. 새로운 사유가 추가될 수 있습니다.
    reason: String,
    /// Your note; null if you gave none.
    /// 덧붙인 설명. 없으면 null입니다.
    note: Option<String>,
    /// Creation time.
    /// 생성 시각.
    created_at: Time,
}

impl From<blegram_domain::Report> for Report {
    fn from(report: blegram_domain::Report) -> Self {
        Self {
            id: report.id.as_uuid(),
            reason: report.reason.as_str().to_owned(),
            note: report.note,
            created_at: report.created_at.into(),
        }
    }
}

/// The reason of a report.
/// 신고 사유.
#[derive(Debug, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// Unwanted advertising or repeated content.
    Spam,
    /// Attacks on a person.
    Harassment,
    /// Threats or depictions of violence.
    Violence,
    /// Nudity or sexual content.
    Nudity,
    /// Attacks on a group of people.
    Hate,
    /// Encouragement of self-harm.
    SelfHarm,
    /// Impersonation of another person.
    Impersonation,
    /// Another reason, which the note should explain.
    Other,
}

request! {
    /// A report of a post, a comment, an account or a message to the moderators.
    /// 게시글, 댓글, 계정, 메시지에 대한 신고.
    pub(crate) struct CreateReport {
        /// Id of the reported post. Set exactly one of `post_id`, `comment_id`, `user_id` and `message_id`.
        /// 신고할 게시글의 ID. `post_id`, `comment_id`, `user_id`, `message_id` 가운데 하나만 보내세요.
        post_id: Option<Uuid> = text(parse_or(NOT_FOUND)),
        /// Id of the reported comment.
        /// 신고할 댓글의 ID.
        comment_id: Option<Uuid> = text(parse_or(NOT_FOUND)),
        /// Id of the reported account.
        /// 신고할 계정의 ID.
        user_id: Option<Uuid> = text(parse_or(NOT_FOUND)),
        /// Id of the reported message, in a conversation that you are a member of.
        /// 신고할 메시지의 ID. 내가 참여한 대화의 메시지여야 합니다.
        message_id: Option<Uuid> = text(parse_or(NOT_FOUND)),
        /// Reason of the report.
        /// 신고 사유.
        reason: Reason = text(parse_or(Violation::OutOfRange("must be one of the documented reasons"))),
        /// Explanation for the moderators, at most 1,000 characters.
        /// 운영자에게 전할 설명, 최대 1,000자.
        note: Option<String> = text(ReportNote::parse),
    }

    fn parse(fields) -> Option<blegram_social::CreateReport> {
        let reported = match (post_id, comment_id, user_id, message_id) {
            (Some(post), None, None, None) => Some(Reported::Post(post)),
            (None, Some(comment), None, None) => Some(Reported::Comment(comment)),
            (None, None, Some(user), None) => Some(Reported::User(UserRef::Id(user))),
            (None, None, None, Some(message)) => Some(Reported::Message(message)),
            _ if fields.has_failed() => None,
            _ => {
                fields.fail_whole(Violation::OutOfRange(
                    "must have exactly one of post_id, comment_id, user_id and message_id",
                ));
                None
            }
        };
        Some(blegram_social::CreateReport { reported: reported?, reason: reason?, note })
    }
}

const NOT_FOUND: Violation = Violation::NotFound("must be the id of something that you can see");
