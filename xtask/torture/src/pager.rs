//! Readers on two nodes whose clocks differ: the upward pages of a list, and `sync`, while others write.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use blegram_client::{
    Client, Error, Method,
    types::{CreatePost, PostPage, SyncResult},
};
use tokio::{sync::watch, time::sleep};
use uuid::Uuid;

use crate::actor::Phase;

const PAUSE: Duration = Duration::from_millis(250);

/// What the readers and writers of posts have seen.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// The posts that the server has confirmed, since the first page.
    pub(crate) created: BTreeSet<Uuid>,
    /// The posts on the pages, in the order of reading.
    pub(crate) read: Vec<Uuid>,
}

/// Creates posts on one node after the other until the end of the chat, and drops `writing` after the last one.
pub(crate) async fn write(
    nodes: Vec<Client>,
    mut phase: watch::Receiver<Phase>,
    writing: watch::Sender<()>,
) -> BTreeSet<Uuid> {
    let mut created = BTreeSet::new();
    for (number, node) in nodes.iter().cycle().enumerate() {
        if *phase.borrow_and_update() != Phase::Chat {
            break;
        }
        let post = CreatePost { text: Some(format!("post {number}")), ..Default::default() };
        if let Ok(post) = node.create_post(&post).await {
            created.insert(post.id);
        }
        sleep(PAUSE).await;
    }
    drop(writing);
    created
}

/// Reads `list` upwards, each page from the next node, until nothing is `written` any more and then to its top.
pub(crate) async fn read_up(nodes: Vec<Client>, list: String, written: watch::Receiver<()>) -> Vec<Uuid> {
    let (mut read, mut cursor) = (Vec::new(), None::<String>);
    for node in nodes.iter().cycle() {
        // Before the page: what is confirmed by then must be on a page from then on.
        let is_over = written.has_changed().is_err();
        let page: Result<PostPage, Error> = node.posts(&list, cursor.as_deref()).await;
        let is_empty = page.as_ref().is_ok_and(|page| page.items.is_empty());
        if let Ok(page) = page {
            // In the order of the list, which is newest first.
            read.extend(page.items.iter().rev().map(|post| post.id));
            cursor = page.prev_cursor.or(cursor);
        }
        if is_over && is_empty {
            break;
        }
        sleep(PAUSE).await;
    }
    read
}

/// Follows all conversations of an account by `sync`, each time from the next node; returns the last known heads.
pub(crate) async fn sync(nodes: Vec<Client>, mut phase: watch::Receiver<Phase>) -> BTreeMap<Uuid, u64> {
    let (mut heads, mut cursor) = (BTreeMap::new(), None::<String>);
    for node in nodes.iter().cycle() {
        // Until the conversations are quiet.
        let is_over = *phase.borrow_and_update() == Phase::End;
        let request = node.request(Method::GET, "/sync").query("cursor", cursor.as_deref());
        let result: Result<SyncResult, Error> = request.send().await;
        let is_complete = result.as_ref().is_ok_and(|result| !result.more);
        if let Ok(result) = result {
            for head in result.heads {
                let known: &mut u64 = heads.entry(head.conversation_id).or_default();
                *known = head.last_seq.max(*known);
            }
            for removed in result.removed {
                heads.remove(&removed);
            }
            cursor = Some(result.cursor);
        }
        if is_over && is_complete {
            break;
        }
        sleep(PAUSE).await;
    }
    heads
}
