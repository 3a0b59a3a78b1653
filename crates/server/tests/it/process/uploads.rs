//! Image uploads of the real binary: many slow uploads take little memory and do not keep other accounts from
//! uploading, and the public address of an image ends with the post or profile that showed it.

use std::time::Duration;

use blegram_media::testing::photo;
use blegram_persistence::testing::Backend;
use rstest_reuse::apply;
use serde_json::json;

use super::{
    both_databases,
    home::{Home, Process},
    people::{Person, json_fields},
};
use crate::client::{Answer, Client, in_time};

const BYTES: usize = 5 * 1024 * 1024 - 1024;
const ONE_LINK: usize = 120;
const MANY_LINKS: usize = 60;
const PER_ACCOUNT: usize = 8;
const MAX_GROWTH_KIB: u64 = 80 << 10;

/// Announces a file, and returns the path to `PUT` it to and the path that completes the upload.
async fn announce(by: &Person, bytes: usize) -> (String, String) {
    let body = json!({ "content_type": "image/jpeg", "byte_size": bytes });
    let answer = by.post("/api/v1/media/uploads", &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let upload = answer.json();
    let url = upload["url"].as_str().unwrap();
    let path = url.split_once("/media/").map(|(_, path)| format!("/media/{path}")).unwrap();
    (path, format!("/api/v1/media/uploads/{}/complete", upload["id"].as_str().unwrap()))
}

fn put_head(by: &Person, path: &str, bytes: usize) -> String {
    let fields = format!("content-type: image/jpeg\r\ncontent-length: {bytes}\r\n");
    by.bare_head(&format!("PUT {path}"), &fields)
}

/// Sends almost all of a file and leaves the connection open. Returns the response if there was one before that.
async fn put_slowly(home: &Home, path: &str) -> (Client, Option<Answer>) {
    let mut client = home.connect().await;
    client.send(put_head(&home.stranger(), path, BYTES)).await;
    let sent = client.flood(&vec![0xff; 1 << 20], BYTES - 1024).await;
    let answer = if sent < BYTES - 1024 { client.try_answer().await.ok() } else { None };
    (client, answer)
}

async fn put(home: &Home, path: &str, file: &[u8]) -> u16 {
    let mut client = home.connect().await;
    client.send(put_head(&home.stranger(), path, file.len())).await;
    client.send(file).await;
    client.answer().await.status
}

fn growth_kib(site: &Process, before: u64) -> u64 {
    site.peak_memory_kib() - before
}

#[tokio::test]
async fn slow_uploads_of_one_account_take_little_memory_and_block_no_others() {
    let home = Home::new(&[]);
    let site = home.serve().await;
    let [ann, bob] = [home.sign_up("ann").await, home.sign_up("bob").await];
    let before = site.peak_memory_kib();

    let (link, _) = announce(&ann, BYTES).await;
    let mut open = Vec::new();
    for at in 0..ONE_LINK {
        let (client, answer) = put_slowly(&home, &link).await;
        match answer {
            None if at == 0 => open.push(client),
            Some(answer) if at > 0 => answer.assert_problem(409, "upload-in-progress"),
            // A reset may overtake the response of a server that stops reading.
            None => {}
            Some(answer) => panic!("{answer:?}"),
        }
    }
    let mut admitted = 1;
    for _ in 0..MANY_LINKS {
        let (link, _) = announce(&ann, BYTES).await;
        match put_slowly(&home, &link).await {
            (client, None) => {
                open.push(client);
                admitted += 1;
            }
            (_, Some(answer)) => answer.assert_problem(429, "rate-limited"),
        }
    }
    assert!(admitted >= PER_ACCOUNT, "{admitted}");

    // Meanwhile, another account can upload.
    let file = photo(400, 300);
    let (link, complete) = announce(&bob, file.len()).await;
    assert_eq!(put(&home, &link, &file).await, 200);
    assert_eq!(bob.post(&complete, &json!({})).await.status, 200);
    let growth = growth_kib(&site, before);
    assert!(growth < MAX_GROWTH_KIB, "{growth} KiB");

    // Closing the connections frees their slots.
    drop(open);
    let (link, complete) = announce(&ann, file.len()).await;
    let freed = async {
        while put(&home, &link, &file).await != 200 {
            tokio::task::yield_now().await;
        }
    };
    in_time(freed).await;
    assert_eq!(ann.post(&complete, &json!({})).await.status, 200);
}

/// Uploads an image directly and returns its id.
async fn upload(home: &Home, by: &Person) -> String {
    let file = photo(64, 48);
    let (link, complete) = announce(by, file.len()).await;
    assert_eq!(put(home, &link, &file).await, 200);
    let media = by.post(&complete, &json!({})).await;
    assert_eq!(media.status, 200, "{media:?}");
    media.json()["id"].as_str().unwrap().to_owned()
}

/// Waits until the image at `pointer` in the response of `path` has an unsigned address, and returns its path.
async fn open_address(of: &Person, path: &str, pointer: &str) -> String {
    let address = async {
        loop {
            let resource = of.get(path).await.json();
            let url = resource.pointer(pointer).unwrap().as_str().unwrap().to_owned();
            if let Some((_, path)) = url.split_once("/media/").filter(|(_, path)| !path.contains('?')) {
                return format!("/media/{path}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    in_time(address).await
}

/// Waits until the address returns `404`.
async fn assert_missing(home: &Home, address: &str) {
    let missing = async {
        while status(home, address).await != 404 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    in_time(missing).await;
}

/// The status of a `HEAD` request. Reads only the status line of the response.
async fn status(home: &Home, path: &str) -> u16 {
    let mut client = home.connect().await;
    client.send(home.stranger().head(&format!("HEAD {path}"), "")).await;
    client.line().await[9..12].parse().unwrap()
}

#[apply(both_databases)]
#[tokio::test]
async fn image_addresses_end_when_the_post_is_deleted_or_the_owner_suspended(#[case] backend: Backend) {
    let home = Home::on(backend, &[]).await;
    let _site = home.serve().await;
    let [ann, bob] = [home.sign_up("ann").await, home.sign_up("bob").await];
    let post = async |by: &Person| {
        let body = json!({ "text": "", "media_ids": [upload(&home, by).await] });
        format!("/api/v1/posts/{}", by.post("/api/v1/posts", &body).await.json()["id"].as_str().unwrap())
    };
    let (deleted, remaining) = (post(&ann).await, post(&bob).await);
    let avatar = json!({ "avatar_media_id": upload(&home, &bob).await });
    let fields = json_fields(&avatar.to_string());
    let answer = bob.send(&(bob.head("PATCH /api/v1/me", &fields) + &avatar.to_string())).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");

    let stranger = home.stranger();
    let of_deleted = open_address(&stranger, &deleted, "/media/0/url").await;
    let of_bob = [
        open_address(&stranger, &remaining, "/media/0/url").await,
        open_address(&stranger, "/api/v1/users/@bob", "/avatar_url").await,
    ];
    for address in of_bob.iter().chain([&of_deleted]) {
        assert_eq!(status(&home, address).await, 200, "{address}");
    }
    let answer = ann.send(&ann.head(&format!("DELETE {deleted}"), "")).await.unwrap();
    assert_eq!(answer.status, 204, "{answer:?}");
    assert_missing(&home, &of_deleted).await;
    assert_eq!(status(&home, &of_bob[0]).await, 200);

    home.run("user suspend bob").end().await.assert_success();
    for address in &of_bob {
        assert_missing(&home, address).await;
    }
    home.run("user reinstate bob").end().await.assert_success();
    let again = open_address(&stranger, &remaining, "/media/0/url").await;
    assert_eq!(status(&home, &again).await, 200);
    assert!(!of_bob.contains(&again), "the image has a new address");
}
