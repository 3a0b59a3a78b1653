//! Publishes a post in a community on an embedded database, and consumes the events that the use cases publish.
//!
//! `cargo run -p blegram-social --example publish`

use std::{error::Error, sync::Arc};

use blegram_domain::{
    Clock, CommentText, DisplayName, EventSink, Hashtag, PageRequest, PostText, SystemClock, UserId, UserRef,
    Username, Visibility,
    page::{Limit, Scope},
    user::Role,
};
use blegram_persistence::{
    Db, Settings,
    users::{self, NewUser},
};
use blegram_social::{CreatePost, Event, Social, WriteComment};
use tokio::sync::mpsc::{self, UnboundedSender};

/// Passes events to a task. A sink must neither wait nor fail: `publish` runs right after the commit.
struct Queue(UnboundedSender<Event>);

impl EventSink<Event> for Queue {
    fn publish(&self, event: Event) {
        // After the end of the consumer there is no one to pass it to.
        let _ = self.0.send(event);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let db = Db::open(&Settings::sqlite(folder.path().join("blegram.db"))).await?;
    let [haneul, bada] = [insert_user(&db, "haneul").await?, insert_user(&db, "bada").await?];

    let (sender, mut events) = mpsc::unbounded_channel();
    let social = Social::new(db.clone(), Arc::new(SystemClock)).with_events(Arc::new(Queue(sender)));

    social.follow_user(bada, &UserRef::Id(haneul)).await?;
    let text = PostText::parse("오늘의 노을 #제주 @bada님과 함께")?;
    let post = social.create_post(haneul, CreatePost::new(text, Vec::new(), Visibility::Public)?).await?;
    let hashtags: Vec<_> = post.post.hashtags.iter().map(Hashtag::as_str).collect();
    println!("published {:?} with the hashtags {}", post.post.text, hashtags.join(", "));
    social.like_post(bada, post.post.id).await?;
    let comment = WriteComment::new(CommentText::parse("예쁘다!")?)?;
    social.create_comment(bada, post.post.id, None, comment).await?;

    let first = PageRequest::new(Scope::new("getHomeTimeline", &[]), Limit::default(), None, None);
    for view in social.home_timeline(bada, &first).await?.items {
        let (author, post) = (view.author.username, view.post);
        println!("timeline of bada: @{author} {:?}, {} like", post.text, post.like_count);
    }

    drop(social);
    while let Some(event) = events.recv().await {
        match event {
            Event::PostCreated(view) => println!("event: @{} published a post", view.author.username),
            Event::PostCounts { like_count, comment_count, .. } => {
                println!("event: the post has {like_count} likes and {comment_count} comments");
            }
            Event::Notified { recipient, .. } => println!("event: user {recipient} has a notification"),
            // More kinds may come.
            _ => println!("event: another"),
        }
    }
    db.close().await?;
    Ok(())
}

/// `blegram-auth` has accounts with passwords and sessions; these users can only act here.
async fn insert_user(db: &Db, name: &str) -> Result<UserId, Box<dyn Error>> {
    let now = SystemClock.now();
    let user = NewUser {
        id: UserId::generate(now),
        username: Username::parse(name)?,
        display_name: DisplayName::parse(name)?,
        email: None,
        password_hash: None,
        role: Role::User,
        created_at: now,
    };
    let (id, tx) = (user.id, db.write().await?);
    users::insert(&tx, user).await?;
    tx.commit().await?;
    Ok(id)
}
