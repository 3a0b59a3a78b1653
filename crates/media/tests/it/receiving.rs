//! Limits for receiving files.

use std::{io, sync::Arc, time::Duration};

use blegram_domain::{
    Clock, SystemClock, UserId,
    media::{
        ImageType, Upload,
        quota::{Amount, QuotaExceeded},
    },
};
use blegram_limits::{Limiter, Quota, Quotas};
use blegram_media::{
    Announced, Config, CreateUpload, Error, Location, Media, ReceiveLimits, Result, testing::photo,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream, stream::BoxStream};
use rstest_reuse::apply;
use tokio::{
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
};

use crate::{
    both_storages,
    world::{StorageKind, World, parts, source},
};

/// A node with these limits, with the storage and database of `w`.
fn limited(w: &World, receive: ReceiveLimits) -> Media {
    let config = Config { location: w.location.clone(), receive, ..Config::default() };
    Media::new(w.database.db().clone(), w.clock.clone(), config).unwrap()
}

async fn announce(media: &Media, by: UserId, byte_size: u64) -> Result<Announced> {
    media.create_upload(by, CreateUpload { content_type: ImageType::Jpeg, byte_size, sha256: None }).await
}

async fn put(media: &Media, to: &Announced, pieces: BoxStream<'_, io::Result<Bytes>>) -> Result<()> {
    let (_, proof) = parts(&to.url);
    media.receive(to.upload.id, &proof.unwrap(), Some("image/jpeg"), pieces).await
}

fn whole(file: &[u8]) -> BoxStream<'static, io::Result<Bytes>> {
    stream::iter([Ok(Bytes::copy_from_slice(file))]).boxed()
}

/// A client that sends some bytes and then stalls.
struct Stalled(JoinHandle<Result<()>>);

impl Stalled {
    /// Returns once the server waits for more bytes.
    #[expect(clippy::disallowed_methods, reason = "the test ends it, as a broken connection would")]
    async fn put(media: &Media, to: &Announced, first: &[u8]) -> Self {
        let (media, to, ready) = (media.clone(), to.clone(), Arc::new(Semaphore::new(0)));
        let (first, signal) = (Bytes::copy_from_slice(first), Arc::clone(&ready));
        let pause = stream::once(async move {
            signal.add_permits(1);
            std::future::pending().await
        });
        let pieces = stream::iter([Ok(first)]).chain(pause).boxed();
        let request = tokio::spawn(async move { put(&media, &to, pieces).await });
        ready.acquire().await.unwrap().forget();
        Self(request)
    }

    /// Drops the request, as the server does when the connection breaks.
    async fn hang_up(self) {
        self.0.abort();
        assert!(self.0.await.unwrap_err().is_cancelled());
    }
}

#[tokio::test]
async fn upload_is_received_by_one_request_at_a_time() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let file = photo(64, 48);
    let media = limited(&w, ReceiveLimits::default());
    let [one, other] = [
        announce(&media, ann, file.len() as u64).await.unwrap(),
        announce(&media, ann, file.len() as u64).await.unwrap(),
    ];
    let stalled = Stalled::put(&media, &one, &file[..100]).await;
    assert!(matches!(put(&media, &one, whole(&file)).await, Err(Error::InProgress)));
    assert!(put(&media, &other, whole(&file)).await.is_ok(), "another upload is not affected");
    stalled.hang_up().await;
    assert!(put(&media, &one, whole(&file)).await.is_ok(), "a broken connection releases the upload at once");
    assert!(put(&media, &one, whole(&file)).await.is_ok(), "a completed request releases it, too");
    assert!(media.complete_upload(ann, one.upload.id).await.is_ok());
}

#[tokio::test]
async fn uploads_are_limited_per_account_and_per_node() {
    let w = World::new(StorageKind::Folder).await;
    let [ann, bob, cho] = [w.user("ann").await, w.user("bob").await, w.user("cho").await];
    let file = photo(64, 48);
    let media = limited(&w, ReceiveLimits { at_once: 3, per_account: 2, ..ReceiveLimits::default() });
    let mut stalled = Vec::new();
    for _ in 0..2 {
        let to = announce(&media, ann, file.len() as u64).await.unwrap();
        stalled.push(Stalled::put(&media, &to, &file[..100]).await);
    }
    let third = announce(&media, ann, file.len() as u64).await.unwrap();
    assert!(matches!(put(&media, &third, whole(&file)).await, Err(Error::TooManyAtOnce(2))));
    let of_bob = announce(&media, bob, file.len() as u64).await.unwrap();
    let stalled_bob = Stalled::put(&media, &of_bob, &file[..100]).await;
    let of_cho = announce(&media, cho, file.len() as u64).await.unwrap();
    assert!(matches!(put(&media, &of_cho, whole(&file)).await, Err(Error::Overloaded)));

    stalled_bob.hang_up().await;
    assert!(put(&media, &of_cho, whole(&file)).await.is_ok());
    stalled.pop().unwrap().hang_up().await;
    assert!(put(&media, &third, whole(&file)).await.is_ok());
}

#[tokio::test]
async fn image_processing_is_limited_per_user() {
    let w = World::new(StorageKind::Folder).await;
    let (ann, bob) = (w.user("ann").await, w.user("bob").await);
    let quotas = Quotas { image_work_per_user: Quota::new(1, 3_600), ..Quotas::default() };
    let media = w.media.clone().with_limiter(Arc::new(Limiter::new(quotas, w.clock.clone())));
    let upload = async |by| media.upload(by, source(&photo(64, 48), None).await.unwrap(), None).await;
    upload(ann).await.unwrap();
    assert!(matches!(upload(ann).await, Err(Error::RateLimited(_))));
    upload(bob).await.unwrap();
    w.clock.advance(Duration::from_secs(3_600));
    upload(ann).await.unwrap();
}

/// A thread of its own processes small images.
#[tokio::test]
async fn small_images_do_not_wait_for_large_ones() {
    let w = World::new(StorageKind::Folder).await;
    let (ann, bob) = (w.user("ann").await, w.user("bob").await);
    let large = photo(6_000, 4_000);
    let mut slow = JoinSet::new();
    for _ in 0..3 {
        let (media, file) = (w.media.clone(), source(&large, None).await.unwrap());
        slow.spawn(async move { media.upload(ann, file, None).await.unwrap() });
    }
    // In a common queue, each of them would wait for one of the large ones.
    for _ in 0..5 {
        w.media.upload(bob, source(&photo(64, 48), None).await.unwrap(), None).await.unwrap();
    }
    let done = std::iter::from_fn(|| slow.try_join_next()).count();
    assert!(done < 3, "the small images waited for the large ones");
    slow.join_all().await;
}

#[tokio::test]
async fn upload_completions_are_limited_per_account_and_per_node() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let file = photo(64, 48);
    let to = announce(&w.media, ann, file.len() as u64).await.unwrap();
    put(&w.media, &to, whole(&file)).await.unwrap();
    let closed = limited(&w, ReceiveLimits { per_account: 0, ..ReceiveLimits::default() });
    assert!(matches!(closed.complete_upload(ann, to.upload.id).await, Err(Error::TooManyAtOnce(0))));
    let full = limited(&w, ReceiveLimits { at_once: 0, ..ReceiveLimits::default() });
    assert!(matches!(full.complete_upload(ann, to.upload.id).await, Err(Error::Overloaded)));
    assert!(w.media.complete_upload(ann, to.upload.id).await.is_ok(), "the file is still there");
}

/// Received bytes are on disk, not in memory, however slowly the rest arrives.
#[tokio::test]
async fn slow_upload_is_written_in_small_parts() {
    const ARRIVED: usize = 256 * 1024;
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let Location::Folder(folder) = &w.location else { unreachable!() };
    let media = limited(&w, ReceiveLimits::default());
    let to = announce(&media, ann, 5 * 1024 * 1024).await.unwrap();
    let stalled = Stalled::put(&media, &to, &[1; ARRIVED]).await;
    let written: u64 = std::fs::read_dir(folder.join("incoming"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert_eq!(written, ARRIVED as u64);
    stalled.hang_up().await;
}

#[tokio::test]
async fn upload_that_takes_too_long_leaves_nothing() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let hurried =
        ReceiveLimits { grace: Duration::ZERO, min_bytes_per_second: u64::MAX, ..ReceiveLimits::default() };
    let media = limited(&w, hurried);
    let to = announce(&media, ann, 1000).await.unwrap();
    let slow = stream::iter([Ok(Bytes::from_static(b"\xff\xd8\xff"))]).chain(stream::pending()).boxed();
    match put(&media, &to, slow).await {
        Err(Error::Interrupted(error)) => assert_eq!(error.kind(), io::ErrorKind::TimedOut),
        other => panic!("{other:?}"),
    }
    assert_eq!(w.files().await, Vec::<String>::new());
    assert_eq!(ReceiveLimits::default().patience(20 << 20), Duration::from_secs(60 + 1280));
}

#[tokio::test]
async fn interrupted_upload_leaves_nothing() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let media = limited(&w, ReceiveLimits::default());
    let to = announce(&media, ann, 400_000).await.unwrap();
    let broken =
        stream::iter([Ok(Bytes::from(vec![1; 300_000])), Err(io::ErrorKind::ConnectionReset.into())]);
    assert!(matches!(put(&media, &to, broken.boxed()).await, Err(Error::Interrupted(_))));
    assert_eq!(w.files().await, Vec::<String>::new());
}

/// A killed process leaves files under the store's temporary names.
#[tokio::test]
async fn partial_files_of_a_killed_process_are_removed() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let Location::Folder(folder) = &w.location else { unreachable!() };
    let image = w.upload(ann, &photo(64, 48)).await.unwrap();
    let of_image = folder.join(image.key.to_string()).join("large.webp#1");
    let incoming = folder.join("incoming");
    std::fs::create_dir_all(&incoming).unwrap();
    let of_upload = incoming.join(format!("{}#12", announce(&w.media, ann, 9).await.unwrap().upload.id));
    for file in [&of_image, &of_upload] {
        std::fs::write(file, "half").unwrap();
    }

    w.clock.advance(SystemClock.now().since(w.clock.now()));
    w.media.delete_expired(w.clock.now()).await.unwrap();
    assert_eq!(w.media.sweep(true).await.unwrap().orphans, Vec::<String>::new(), "they may be in progress");
    w.clock.advance(Duration::from_secs(61 * 60));
    w.media.delete_expired(w.clock.now()).await.unwrap();
    assert!(!of_upload.exists() && of_image.exists(), "only incoming files are pruned every hour");
    let found = w.media.sweep(false).await.unwrap().orphans;
    assert_eq!(found, [format!("{}/large.webp#1", image.key)]);
    w.media.sweep(true).await.unwrap();
    assert!(!of_image.exists());
    assert_eq!(w.files().await.len(), 3, "the image is complete");
}

#[apply(both_storages)]
#[tokio::test]
async fn pending_uploads_are_limited_per_account(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let [ann, bob] = [w.user("ann").await, w.user("bob").await];
    let large = 20 * 1024 * 1024;
    let quota = w.media.quota().unattached;
    for _ in 0..quota.bytes / large {
        announce(&w.media, ann, large).await.unwrap();
    }
    let rejected = announce(&w.media, ann, 1).await;
    let used = Amount { files: 25, bytes: quota.bytes };
    assert!(
        matches!(rejected, Err(Error::QuotaExceeded(error)) if error == QuotaExceeded::Unattached { used, quota })
    );
    for _ in 0..quota.files {
        announce(&w.media, bob, 1).await.unwrap();
    }
    assert!(matches!(announce(&w.media, bob, 1).await, Err(Error::QuotaExceeded(_))));

    w.clock.advance(Upload::ABANDONED_AFTER + Duration::from_secs(1));
    while w.media.delete_expired(w.clock.now()).await.unwrap() {}
    assert!(announce(&w.media, ann, large).await.is_ok() && announce(&w.media, bob, 1).await.is_ok());
}
