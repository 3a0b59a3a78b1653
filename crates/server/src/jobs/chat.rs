//! Jobs of conversations.

use blegram_chat::Chat;
use blegram_domain::job::ChatJob;

pub(super) async fn step(chat: &Chat, job: ChatJob) -> anyhow::Result<bool> {
    Ok(match job {
        ChatJob::PurgeConversation(conversation) => chat.purge_conversation(conversation).await?,
    })
}
