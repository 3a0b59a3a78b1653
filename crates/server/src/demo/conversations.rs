//! Conversations of the demo community, in its last three hours.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use blegram_chat::Chat;
use blegram_domain::{
    ClientId, Clock, ConversationId, ConversationTitle, FixedClock, MessageText, Timestamp, UserId, UserRef,
    conversation::SendMessage,
};
use blegram_persistence::Db;

/// Start of the conversations, before the time of the latest content.
const BEFORE: Duration = Duration::from_secs(3 * 60 * 60);

/// Time between two messages.
const PAUSE: Duration = Duration::from_secs(4 * 60);

/// A direct conversation of the two accounts with a known password: index of the sender, and text.
const DIRECT: [(usize, &str); 8] = [
    (0, "안녕하세요! 어제 올리신 바다 사진 정말 좋았어요."),
    (1, "Thank you! It was early, nobody else on the beach."),
    (0, "저도 내일 아침에 가 보려고요. 몇 시쯤이 좋아요?"),
    (1, "Be there by six. The light is gone by seven."),
    (0, "6시라니… 🥱 커피는 제가 가져갈게요."),
    (1, "Deal. I bring the sandwiches."),
    (0, "비 오면 어떡하죠?"),
    (1, "Then we drink the coffee in the car."),
];

const GROUP: &str = "주말 산책 · Weekend walk";

/// A group conversation of the first five users.
const WALK: [(usize, &str); 8] = [
    (2, "이번 토요일 서울숲 어때요?"),
    (1, "I am in."),
    (3, "저도요! 강아지 데려가도 되나요?"),
    (0, "당연하죠 🐶"),
    (4, "Which exit do we meet at?"),
    (2, "3번 출구, 10시요."),
    (4, "See you there."),
    (0, "필름 카메라 챙겨 갈게요."),
];

/// Creates both conversations among the first of `people`. Returns the number of messages.
pub(super) async fn demo(db: &Db, end: Timestamp, people: &[UserId]) -> anyhow::Result<usize> {
    let clock = Arc::new(FixedClock::new(end - BEFORE));
    let demo = DemoChat { chat: Chat::new(db.clone(), Arc::clone(&clock) as _), clock, people };
    let title = ConversationTitle::parse(GROUP).context(GROUP)?;
    demo.converse(&people[1..=4], Some(title), &WALK).await?;
    demo.converse(&people[1..=1], None, &DIRECT).await?;
    Ok(WALK.len() + DIRECT.len())
}

struct DemoChat<'a> {
    chat: Chat,
    clock: Arc<FixedClock>,
    people: &'a [UserId],
}

impl DemoChat<'_> {
    async fn converse(
        &self,
        with: &[UserId],
        title: Option<ConversationTitle>,
        lines: &[(usize, &str)],
    ) -> anyhow::Result<()> {
        let with: Vec<UserRef> = with.iter().map(|id| UserRef::Id(*id)).collect();
        let created = self.chat.create_conversation(self.people[0], &with, title).await?;
        for (who, line) in lines {
            self.clock.advance(PAUSE);
            self.send_message_as(created.0.conversation.id, *who, line).await?;
        }
        Ok(())
    }

    async fn send_message_as(
        &self,
        conversation: ConversationId,
        who: usize,
        line: &str,
    ) -> anyhow::Result<()> {
        let text = MessageText::parse(line).context("invalid message in the demo data")?;
        let name = ClientId::generate(self.clock.now());
        let message =
            SendMessage::new(name, text, Vec::new(), None).context("invalid message in the demo data")?;
        self.chat.send_message(self.people[who], conversation, message).await?;
        Ok(())
    }
}
