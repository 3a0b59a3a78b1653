//! Deleted text is overwritten in the files of SQLite, once the jobs have run.

use std::{sync::Arc, time::Duration};

use blegram_chat::Chat;
use blegram_domain::{
    ClientId, Clock, CommentText, ConversationTitle, DisplayName, MessageText, PageRequest, PostId, PostText,
    UserId,
    conversation::SendMessage,
    page::{Limit, Scope},
    search::{Query, terms},
    version::Precondition,
};
use blegram_persistence::testing::Backend;
use blegram_social::{NewDisplayName, SearchHistory, UpdatePost, UpdateProfile, UserRef, WriteComment};

use crate::jobs::Site;

/// In every text that is going to be deleted. Also a term of the search.
const DELETED: &str = "zqxsecret";

impl Site {
    /// How often the raw files, with the write-ahead log, contain the deleted word.
    async fn remnants(&self) -> usize {
        self.database.dump().await.matches(DELETED).count()
    }

    async fn run_retention(&self) {
        let runner = self.runner();
        runner.run_due().await.unwrap();
        self.clock.advance(Duration::from_secs(60 * 60));
        runner.schedule().await.unwrap();
        assert_eq!(runner.run_due().await.unwrap(), 1);
    }

    async fn comments(&self, author: UserId, post: PostId, text: &str) {
        let comment = WriteComment::new(CommentText::parse(text).unwrap()).unwrap();
        self.social.create_comment(author, post, None, comment).await.unwrap();
    }
}

#[tokio::test]
async fn text_of_a_deleted_account_is_overwritten() {
    let site = Site::new(Backend::Sqlite).await;
    let (ann, bob) = (site.sign_up("ann").await, site.sign_up("bob").await);
    let [ann_id, bob_id] = [&ann, &bob].map(|login| login.account.user.summary.id);
    let profile = UpdateProfile {
        display_name: Some(NewDisplayName::Name(DisplayName::parse(DELETED).unwrap())),
        ..UpdateProfile::default()
    };
    site.social.update_profile(ann_id, profile, &Precondition::Any).await.unwrap();
    let chat = Chat::new(site.database.db().clone(), Arc::clone(&site.clock) as Arc<dyn Clock>);
    let title = ConversationTitle::parse("us").unwrap();
    let (group, _) = chat.create_conversation(ann_id, &[UserRef::Id(bob_id)], Some(title)).await.unwrap();
    // Among the rows of others, in pages that are split and refilled.
    for n in 0..120 {
        let of_bob =
            site.post(bob_id, &format!("post {n} {}", "of another account ".repeat(n % 40))).await.post.id;
        let post =
            site.post(ann_id, &format!("{n} {DELETED} {} #{DELETED}{n}", "and more ".repeat(n % 60))).await;
        if n % 3 == 0 {
            let edit = PostText::parse(&format!("{n} edited {DELETED} #{DELETED}")).unwrap();
            let edit = UpdatePost::new(Some(edit), None, None).unwrap();
            site.social.update_post(ann_id, post.post.id, edit, &Precondition::Any).await.unwrap();
        }
        site.comments(ann_id, of_bob, &format!("{n} {DELETED}")).await;
        for (sender, words) in [(ann_id, DELETED), (bob_id, "an answer")] {
            let text = MessageText::parse(&format!("{n} {words}")).unwrap();
            let message =
                SendMessage::new(ClientId::generate(site.clock.now()), text, Vec::new(), None).unwrap();
            chat.send_message(sender, group.conversation.id, message).await.unwrap();
        }
    }
    site.delete(&ann).await;
    let before = site.remnants().await;
    assert!(before > 1_000, "{before}");
    site.run_retention().await;
    assert_eq!(site.database.count("posts").await, 120);
    // Moving rows between pages may leave a copy in unused space, which SQLite overwrites when it uses it.
    let left = site.remnants().await;
    assert!(left <= 10, "{left} of {before} are left");
    site.database.db().clone().close().await.unwrap();
    assert!(site.remnants().await <= left, "a clean stop brings nothing back");
}

/// FTS5 itself removes the terms of deleted texts only when they are a tenth of a segment.
#[tokio::test]
async fn terms_of_a_few_deleted_posts_are_not_in_the_search_index() {
    let site = Site::new(Backend::Sqlite).await;
    let ann = site.sign_up("ann").await.account.user.summary.id;
    // FTS5 leaves out what a term has in common with the term before it.
    let term = &terms(DELETED)[4..];
    let pages_with_term = format!(
        "SELECT 'page' AS line FROM post_search_terms_data WHERE instr(block, CAST('{term}' AS BLOB)) > 0"
    );
    let deleted = site.post(ann, DELETED).await.post.id;
    for n in 0..60 {
        site.post(ann, &format!("post {n} stays")).await;
    }
    site.run_retention().await;
    site.social.delete_post(ann, deleted, &Precondition::Any).await.unwrap();
    assert_ne!(site.database.lines(&pages_with_term).await, [""; 0]);
    site.run_retention().await;
    assert_eq!(site.database.lines(&pages_with_term).await, [""; 0]);
    let query = Query::parse("stays").unwrap();
    let page = PageRequest::new(Scope::new("search", &[]), Limit::parse(100).unwrap(), None, None);
    let found = site.social.search_posts(None, &query, &page, SearchHistory::Skipped).await.unwrap();
    assert_eq!(found.items.len(), 60);
}
