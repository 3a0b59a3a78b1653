use blegram_domain::{CommentId, MessageId, PostId, ReportNote, UserId, Violation};
use blegram_social::{Reported, UserRef};
use poem_openapi::{Enum, Object};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    body::{Fields, Input},
    schema::Time,
};

/// What you told the moderators.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Report {
    /// The id. Sorts by time of creation.
    /// ID. 만들어진 시각 순서로 정렬됩니다.
    id: Uuid,
    /// What is wrong, as you chose it. New reasons may come.
    /// 선택한 신고 사유. 새로운 사유가 추가될 수 있습니다.
    reason: String,
    /// The note you added; null if there is none.
    /// 덧붙인 설명. 없으면 null입니다.
    note: Option<String>,
    /// When it was created.
    /// 만들어진 시각.
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

/// What is wrong.
#[derive(Debug, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// Unwanted advertising, or the same thing over and over.
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
    /// Pretending to be somebody else.
    Impersonation,
    /// Something else; the note should say what.
    Other,
}

/// Something that moderators should see: a post, a comment, an account or a message.
#[derive(Debug, Object)]
pub(crate) struct CreateReport {
    /// The post; exactly one of the four is given.
    /// 신고할 게시글. 넷 가운데 하나만 보냅니다.
    post_id: Option<Uuid>,
    /// The comment.
    /// 신고할 댓글.
    comment_id: Option<Uuid>,
    /// The account.
    /// 신고할 계정.
    user_id: Option<Uuid>,
    /// The message, of a conversation that you are in.
    /// 신고할 메시지. 자신이 참여한 대화의 메시지여야 합니다.
    message_id: Option<Uuid>,
    /// What is wrong.
    /// 신고 사유.
    reason: Reason,
    /// What else there is to say, at most 1,000 characters.
    /// 덧붙일 설명, 최대 1,000자.
    note: Option<String>,
}

impl Input for CreateReport {
    type Parsed = blegram_social::CreateReport;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let not_found = Violation::NotFound("names nothing that you can see");
        let post = fields.optional_text("post_id", |raw| raw.parse::<PostId>().map_err(|_| not_found));
        let comment =
            fields.optional_text("comment_id", |raw| raw.parse::<CommentId>().map_err(|_| not_found));
        let user = fields
            .optional_text("user_id", |raw| raw.parse::<UserId>().map(UserRef::Id).map_err(|_| not_found));
        let message =
            fields.optional_text("message_id", |raw| raw.parse::<MessageId>().map_err(|_| not_found));
        let reason = fields.text("reason", |raw| {
            raw.parse().map_err(|_| Violation::OutOfRange("must be one of the reasons that are listed"))
        });
        let note = fields.optional_text("note", ReportNote::parse);
        let reported = match (post, comment, user, message) {
            (Some(post), None, None, None) => Some(Reported::Post(post)),
            (None, Some(comment), None, None) => Some(Reported::Comment(comment)),
            (None, None, Some(user), None) => Some(Reported::User(user)),
            (None, None, None, Some(message)) => Some(Reported::Message(message)),
            _ => {
                if !fields.has_failed() {
                    fields.fail_whole(Violation::OutOfRange(
                        "must name exactly one of post_id, comment_id, user_id and message_id",
                    ));
                }
                None
            }
        };
        Some(blegram_social::CreateReport { reported: reported?, reason: reason?, note })
    }
}
