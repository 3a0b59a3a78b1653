//! Direct uploads to storage.

use std::time::Duration;

use blegram_domain::Clock;
use blegram_domain::media::{ImageType, Upload};
use blegram_media::{Announced, CreateUpload, Error, ImageRejection, Location, testing::photo};
use futures_util::{StreamExt, stream};
use rstest_reuse::apply;
use sha2::{Digest, Sha256};

use crate::{
    both_storages,
    world::{StorageKind, World, assert_rejected, parts},
};

fn announce(file: &[u8]) -> CreateUpload {
    CreateUpload {
        content_type: ImageType::Jpeg,
        byte_size: file.len() as u64,
        sha256: Some(Sha256::digest(file).into()),
    }
}

impl World {
    /// Sends the file of an announced upload, like any HTTP client; returns whether it was accepted.
    async fn put(&self, announced: &Announced, content_type: &str, file: &[u8]) -> bool {
        if matches!(self.location, Location::S3(_)) {
            let mut request = reqwest::Client::new().put(&announced.url).body(file.to_vec());
            for (name, value) in &announced.headers {
                let value = if *name == "content-type" { content_type } else { value };
                request = request.header(*name, value);
            }
            return request.send().await.unwrap().status().is_success();
        }
        let (_, proof) = parts(&announced.url);
        let pieces = file.chunks(700).map(|piece| Ok(piece.to_vec().into())).collect::<Vec<_>>();
        let pieces = stream::iter(pieces).boxed();
        self.media.receive(announced.upload.id, &proof.unwrap(), Some(content_type), pieces).await.is_ok()
    }
}

#[apply(both_storages)]
#[tokio::test]
async fn direct_upload_in_three_steps_completes_once(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let [ann, bob] = [w.user("ann").await, w.user("bob").await];
    let file = photo(400, 300);
    let announced = w.media.create_upload(ann, announce(&file)).await.unwrap();
    let id = announced.upload.id;
    assert!(matches!(w.media.complete_upload(ann, id).await, Err(Error::NotArrived)));
    assert!(w.put(&announced, "image/jpeg", &file).await);
    assert!(matches!(w.media.complete_upload(bob, id).await, Err(Error::NotFound)));

    let (one, other) = tokio::join!(w.media.complete_upload(ann, id), w.media.complete_upload(ann, id));
    let media = one.unwrap();
    assert_eq!(media, other.unwrap(), "concurrent completions");
    assert_eq!(w.media.complete_upload(ann, id).await.unwrap(), media, "a repeated completion");
    assert_eq!(
        (w.database.count("media").await, w.files().await.len()),
        (1, 3),
        "the uploaded file was deleted"
    );
    assert_eq!((media.variants[2].width, media.variants[2].height), (300, 400));
}

#[apply(both_storages)]
#[tokio::test]
async fn direct_upload_must_match_its_announcement(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let ann = w.user("ann").await;
    let file = photo(64, 48);
    let announced = w.media.create_upload(ann, announce(&file)).await.unwrap();
    let mut other = file.clone();
    *other.last_mut().unwrap() ^= 1;
    let longer = [&file[..], b"more"].concat();
    for (what, content_type, file) in [
        ("another type", "image/png", &file[..]),
        ("a page", "text/html", &file),
        ("fewer bytes", "image/jpeg", &file[1..]),
        ("more bytes", "image/jpeg", &longer),
        ("other bytes", "image/jpeg", &other),
    ] {
        let accepted = w.put(&announced, content_type, file).await;
        // A bucket may accept a file that its completion rejects; this server does not.
        assert!(storage == StorageKind::Bucket || !accepted, "{what}");
        assert!(w.media.complete_upload(ann, announced.upload.id).await.is_err(), "{what}");
        assert_eq!(w.database.count("media").await, 0, "{what}");
    }
    assert!(w.put(&announced, "image/jpeg", &file).await);
    assert!(
        w.media.complete_upload(ann, announced.upload.id).await.is_ok(),
        "the right file is still accepted"
    );
    assert_eq!(w.files().await.len(), 3, "the rejected files were deleted");
}

/// The announcement fixes the type: here it differs from the file's bytes.
#[apply(both_storages)]
#[tokio::test]
async fn direct_upload_of_another_type_is_rejected(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let ann = w.user("ann").await;
    let file = photo(64, 48);
    let png = CreateUpload { content_type: ImageType::Png, ..announce(&file) };
    let announced = w.media.create_upload(ann, png).await.unwrap();
    assert!(w.put(&announced, "image/png", &file).await, "the completion checks the bytes");
    match w.media.complete_upload(ann, announced.upload.id).await {
        Err(Error::Refused(ImageRejection::WrongType { is, .. })) => assert_eq!(is, ImageType::Jpeg),
        other => panic!("{other:?}"),
    }
    assert_eq!(w.database.count("media").await, 0);
}

#[apply(both_storages)]
#[tokio::test]
async fn direct_upload_link_is_for_one_file_and_expires(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let ann = w.user("ann").await;
    let file = photo(64, 48);
    let [one, other] = [
        w.media.create_upload(ann, announce(&file)).await.unwrap(),
        w.media.create_upload(ann, announce(&file)).await.unwrap(),
    ];
    let from = one.upload.id.to_string();
    let forged = Announced { url: one.url.replace(&from, &other.upload.id.to_string()), ..other.clone() };
    assert!(!w.put(&forged, "image/jpeg", &file).await, "a link to another file");
    if storage == StorageKind::Folder {
        // A bucket uses the real time.
        w.clock.advance(Upload::LIFETIME);
        assert!(!w.put(&one, "image/jpeg", &file).await, "the link has expired");
    }
    w.clock.advance(Upload::LIFETIME);
    assert!(matches!(w.media.complete_upload(ann, one.upload.id).await, Err(Error::Expired)));
}

#[tokio::test]
async fn direct_upload_that_is_not_an_image_is_rejected_on_completion() {
    let w = World::new(StorageKind::Bucket).await;
    let ann = w.user("ann").await;
    let page = b"<!doctype html><script>alert(1)</script>".repeat(10);
    let announced = w.media.create_upload(ann, announce(&page)).await.unwrap();
    assert!(w.put(&announced, "image/jpeg", &page).await);
    assert_rejected(
        w.media.complete_upload(ann, announced.upload.id).await,
        ImageRejection::Unsupported(None),
    );
}

#[apply(both_storages)]
#[tokio::test]
async fn direct_uploads_that_are_abandoned_are_deleted_with_their_files(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let ann = w.user("ann").await;
    let file = photo(64, 48);
    for _ in 0..2 {
        let announced = w.media.create_upload(ann, announce(&file)).await.unwrap();
        assert!(w.put(&announced, "image/jpeg", &file).await);
    }
    w.clock.advance(Upload::ABANDONED_AFTER);
    assert!(!w.media.delete_expired(w.clock.now()).await.unwrap());
    assert_eq!((w.database.count("uploads").await, w.files().await.len()), (2, 2), "not abandoned yet");
    w.clock.advance(Duration::from_secs(1));
    assert!(!w.media.delete_expired(w.clock.now()).await.unwrap());
    assert_eq!((w.database.count("uploads").await, w.files().await.len()), (0, 0));
}
