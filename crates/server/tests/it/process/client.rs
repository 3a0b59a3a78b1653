//! The reference client against the real binary.

use std::collections::BTreeMap;

use blegram_client::{
    ChangeKind, Client, Gateway, HttpBuilder, Limits, Options, Update, Updates,
    types::{CreateComment, CreatePost},
};
use rustix::process::Signal;
use uuid::Uuid;

use super::{home::Home, people::PASSWORD};
use crate::client::in_time;

/// Messages of each user. The site is killed after a third and after two thirds.
const MESSAGES: usize = 24;

async fn sign_up(home: &Home, username: &str) -> Client {
    let site = format!("http://{}", home.address).parse().unwrap();
    let client = Client::with(site, HttpBuilder::new().no_proxy(), Limits::default()).unwrap();
    client.sign_up(username, PASSWORD).await.unwrap();
    client
}

#[tokio::test]
async fn reference_client_reads_what_the_api_sends() {
    let home = Home::new(&[]);
    let _site = home.serve().await;
    let [ann, bob] = [sign_up(&home, "ann").await, sign_up(&home, "bob").await];
    let post = CreatePost { text: Some("hello #jeju @bob".to_owned()), ..Default::default() };
    let post = ann.create_post(&post).await.unwrap();
    assert_eq!(bob.like_post(post.id).await.unwrap().like_count, 1);
    let comment = CreateComment { text: "nice".to_owned(), parent_id: None };
    let comment = bob.create_comment(post.id, &comment).await.unwrap();
    assert_eq!(ann.comments(post.id, None).await.unwrap().items, [comment]);
    let me = ann.me().await.unwrap();
    assert!(bob.follow(me.id).await.unwrap().following);
    assert_eq!(bob.posts("/timelines/home", None).await.unwrap().items[0].id, post.id);
    assert!(!bob.unfollow(me.id).await.unwrap().following);
    assert_eq!(bob.user("@ann").await.unwrap().username, me.username);
    assert_eq!(bob.delete_post(post.id).await.unwrap_err().code(), Some("forbidden"));
    ann.delete_post(post.id).await.unwrap();
    assert_eq!(bob.post_by_id(post.id).await.unwrap_err().code(), Some("not-found"));

    let group = ann.create_group("us", vec!["@bob".to_owned()]).await.unwrap();
    assert_eq!(bob.conversations(None).await.unwrap().items[0].id, group.id);
    let old = ann.tokens().unwrap();
    ann.refresh().await.unwrap();
    assert_ne!(ann.tokens().unwrap().refresh_token, old.refresh_token);
    ann.log_out().await.unwrap();
    assert!(matches!(ann.refresh().await, Err(blegram_client::Error::Unauthorized(_))));
}

/// What one user has sent, and shows.
#[derive(Default)]
struct Screen {
    acknowledged: BTreeMap<Uuid, u64>,
    lines: Vec<(u64, String)>,
}

impl Screen {
    fn update(&mut self, update: Update) {
        match update {
            Update::Sent { client_id, sent, .. } => {
                assert_eq!(self.acknowledged.insert(client_id, sent.seq), None, "acknowledged once");
            }
            Update::Loaded { page, known, .. } => {
                let new = page.messages.into_iter().filter(|message| Some(message.message_no) > known);
                self.lines.extend(new.map(|message| (message.seq, message.text.unwrap())));
            }
            Update::Applied(change) => {
                if let ChangeKind::Created(message) = change.kind {
                    self.lines.push((message.seq, message.text.unwrap()));
                }
            }
            Update::NotSent { error, .. } => panic!("{error:?}"),
            Update::Stopped(reason) => panic!("{reason}"),
            _ => {}
        }
    }

    async fn until(&mut self, updates: &mut Updates, lines: usize, acknowledged: usize) {
        in_time(async {
            while self.lines.len() < lines || self.acknowledged.len() < acknowledged {
                self.update(updates.next().await.unwrap());
            }
        })
        .await;
    }
}

#[tokio::test]
async fn reference_client_loses_and_repeats_no_message_when_the_site_is_killed() {
    let home = Home::new(&[]);
    let mut site = home.serve().await;
    let clients = [sign_up(&home, "ann").await, sign_up(&home, "bob").await];
    let conversation = clients[0].open_direct("@bob").await.unwrap().id;
    let options = Options { follow_all: true, ..Options::default() };
    let mut users = Vec::new();
    for client in &clients {
        let (gateway, updates) = Gateway::connect(client.clone(), options.clone()).await.unwrap();
        gateway.follow(conversation).await.unwrap();
        users.push((gateway, updates, Screen::default()));
    }
    for number in 1..=MESSAGES {
        for (gateway, ..) in &users {
            gateway.send(conversation, format!("message {number}")).await.unwrap();
        }
        if number % (MESSAGES / 3) == 0 && number < MESSAGES {
            // In the middle of the sending: the first of these messages is stored.
            let sent = number - MESSAGES / 3 + 1;
            for (_, updates, screen) in &mut users {
                screen.until(updates, sent, sent).await;
            }
            site.signal(Signal::KILL);
            site.end().await;
            site = home.serve().await;
        }
    }
    for (_, updates, screen) in &mut users {
        screen.until(updates, 2 * MESSAGES, MESSAGES).await;
    }
    let [(.., ann), (.., bob)] = &users[..] else { unreachable!("two users") };
    assert_eq!(ann.lines, bob.lines, "both show the same");
    assert!(ann.lines.iter().map(|(seq, _)| *seq).eq(1..=2 * MESSAGES as u64), "{:?}", ann.lines);
}
