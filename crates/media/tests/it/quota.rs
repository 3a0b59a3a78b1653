//! The quota of an account: what counts, what is rejected, and what frees space.

use std::time::Duration;

use blegram_domain::{
    Clock, Media as Image, UserId, Visibility,
    media::{
        ImageType, Upload,
        quota::{Amount, Quota, QuotaExceeded, Usage},
    },
    version::Precondition,
};
use blegram_media::{Announced, Config, CreateUpload, Error, Result, testing::photo};
use blegram_persistence::testing::execute;
use blegram_social::{UpdatePost, UpdateProfile};
use futures_util::{StreamExt, future::join_all, stream};
use rstest_reuse::apply;

use crate::{
    both_storages,
    world::{StorageKind, World, parts},
};

const PLENTY: Amount = Amount { files: 1_000, bytes: 1 << 30 };

const fn amount(files: u64, bytes: u64) -> Amount {
    Amount { files, bytes }
}

impl World {
    async fn with_quota(storage: StorageKind, total: Amount, unattached: Amount) -> Self {
        let mut world = Self::new(storage).await;
        world.set_quota(total, unattached);
        world
    }

    fn set_quota(&mut self, total: Amount, unattached: Amount) {
        let quota = Quota { total, unattached };
        let config = Config { location: self.location.clone(), threads: 2, quota, ..Config::default() };
        let (db, clock) = (self.database.db().clone(), self.clock.clone());
        self.media = blegram_media::Media::new(db, clock, config).unwrap();
    }

    async fn usage(&self, of: UserId) -> Usage {
        self.media.get_usage(of).await.unwrap()
    }

    async fn announce(&self, by: UserId, byte_size: u64) -> Result<Announced> {
        let upload = CreateUpload { content_type: ImageType::Jpeg, byte_size, sha256: None };
        self.media.create_upload(by, upload).await
    }

    /// Announces a file, and sends it.
    async fn send(&self, by: UserId, file: &[u8]) -> Announced {
        let announced = self.announce(by, file.len() as u64).await.unwrap();
        if matches!(self.location, blegram_media::Location::S3(_)) {
            let mut request = reqwest::Client::new().put(&announced.url).body(file.to_vec());
            for (name, value) in &announced.headers {
                request = request.header(*name, value);
            }
            assert!(request.send().await.unwrap().status().is_success());
        } else {
            let proof = parts(&announced.url).1.unwrap();
            let pieces = stream::iter([Ok(file.to_vec().into())]).boxed();
            let received = self.media.receive(announced.upload.id, &proof, Some("image/jpeg"), pieces);
            received.await.unwrap();
        }
        announced
    }

    /// Asserts that no count is wrong.
    async fn assert_counts(&self) {
        for count in self.social.recount(true).await.unwrap() {
            assert_eq!(count.wrong, 0, "{count:?}");
        }
    }
}

fn size(image: &Image) -> u64 {
    image.variants.iter().map(|variant| variant.byte_size).sum()
}

#[track_caller]
fn assert_exceeded<T: std::fmt::Debug>(result: Result<T>, expected: QuotaExceeded) {
    match result {
        Err(Error::QuotaExceeded(exceeded)) => assert_eq!(exceeded, expected),
        other => panic!("{other:?} is not {expected:?}"),
    }
}

#[apply(both_storages)]
#[tokio::test]
async fn quota_of_files_admits_as_many_as_it_says(#[case] storage: StorageKind) {
    let total = Amount { files: 2, ..PLENTY };
    let w = World::with_quota(storage, total, PLENTY).await;
    let [ann, bob] = [w.user("ann").await, w.user("bob").await];
    let file = photo(64, 48);
    let [one, two] = [w.upload(ann, &file).await.unwrap(), w.upload(ann, &file).await.unwrap()];
    let used = amount(2, size(&one) + size(&two));
    assert_eq!(w.usage(ann).await, Usage { total: used, unattached: used });
    assert_exceeded(w.upload(ann, &file).await, QuotaExceeded::Total { used, quota: total });
    assert_exceeded(w.announce(ann, 1).await, QuotaExceeded::Total { used, quota: total });
    w.upload(bob, &file).await.unwrap();
    assert_eq!((w.files().await.len(), w.database.count("uploads").await), (9, 0));
    w.assert_counts().await;
}

#[apply(both_storages)]
#[tokio::test]
async fn quota_of_bytes_counts_all_variants(#[case] storage: StorageKind) {
    let mut w = World::new(storage).await;
    let ann = w.user("ann").await;
    let file = photo(400, 300);
    let bytes = size(&w.upload(ann, &file).await.unwrap());
    if storage == StorageKind::Folder {
        let stored = w.files().await.iter().map(|file| std::fs::metadata(file).unwrap().len()).sum::<u64>();
        assert_eq!(bytes, stored);
    }
    // Exactly two fit, and a byte less than three.
    let total = amount(10, 3 * bytes - 1);
    w.set_quota(total, PLENTY);
    w.upload(ann, &file).await.unwrap();
    let used = amount(2, 2 * bytes);
    assert_exceeded(w.upload(ann, &file).await, QuotaExceeded::Total { used, quota: total });
    assert_eq!(w.files().await.len(), 6, "the files of the rejected image were deleted");
    w.set_quota(amount(10, 3 * bytes), PLENTY);
    w.upload(ann, &file).await.unwrap();
    assert_eq!(w.usage(ann).await.total, amount(3, 3 * bytes));
}

/// An image in a post, in a message or on a profile is not unattached.
#[apply(both_storages)]
#[tokio::test]
async fn attached_images_do_not_count_as_unattached(#[case] storage: StorageKind) {
    let unattached = Amount { files: 1, ..PLENTY };
    let w = World::with_quota(storage, PLENTY, unattached).await;
    let ann = w.user("ann").await;
    let file = photo(64, 48);
    let posted = w.upload(ann, &file).await.unwrap();
    let used = amount(1, size(&posted));
    assert_exceeded(w.upload(ann, &file).await, QuotaExceeded::Unattached { used, quota: unattached });
    assert_exceeded(w.announce(ann, 9).await, QuotaExceeded::Unattached { used, quota: unattached });
    w.create_post(ann, &[posted.id], Visibility::Public).await;

    let avatar = w.upload(ann, &file).await.unwrap();
    let profile = UpdateProfile { avatar: Some(Some(avatar.id)), ..UpdateProfile::default() };
    w.social.update_profile(ann, profile, &Precondition::Any).await.unwrap();

    let sent = w.upload(ann, &file).await.unwrap();
    let tx = w.database.db().write().await.unwrap();
    execute(&tx, "UPDATE media SET message_id = id WHERE post_id IS NULL AND NOT is_avatar").await.unwrap();
    tx.commit().await.unwrap();
    let usage = w.usage(ann).await;
    assert_eq!((usage.total, usage.unattached), (amount(3, 3 * size(&sent)), Amount::default()));
    w.assert_counts().await;
}

/// At once, although jobs remove the files later.
#[apply(both_storages)]
#[tokio::test]
async fn deletion_frees_the_quota(#[case] storage: StorageKind) {
    let w = World::with_quota(storage, Amount { files: 3, ..PLENTY }, PLENTY).await;
    let ann = w.user("ann").await;
    let file = photo(64, 48);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(w.upload(ann, &file).await.unwrap().id);
    }
    let refill = async || {
        let id = w.upload(ann, &file).await.unwrap().id;
        assert!(matches!(w.upload(ann, &file).await, Err(Error::QuotaExceeded(_))));
        id
    };
    w.media.delete_media(ann, ids[0], &Precondition::Any).await.unwrap();
    let third = refill().await;

    let post = w.create_post(ann, &[ids[1], ids[2]], Visibility::Public).await;
    let edit = UpdatePost::new(None, Some(vec![ids[1]]), None).unwrap();
    w.social.update_post(ann, post, edit, &Precondition::Any).await.unwrap();
    refill().await;
    w.social.delete_post(ann, post, &Precondition::Any).await.unwrap();
    let avatar = refill().await;

    for avatar in [Some(avatar), Some(third), None] {
        let profile = UpdateProfile { avatar: Some(avatar), ..UpdateProfile::default() };
        w.social.update_profile(ann, profile, &Precondition::Any).await.unwrap();
    }
    assert_eq!(w.usage(ann).await.total.files, 1);
    w.assert_counts().await;
    // The jobs free nothing a second time.
    w.run_jobs().await;
    assert_eq!((w.usage(ann).await.total.files, w.files().await.len()), (1, 3));

    w.clock.advance(Image::UNUSED_FOR + Duration::from_secs(1));
    w.media.delete_expired(w.clock.now()).await.unwrap();
    assert_eq!(w.usage(ann).await, Usage::default());
    w.run_jobs().await;
    w.assert_counts().await;
}

#[apply(both_storages)]
#[tokio::test]
async fn parallel_uploads_do_not_share_the_last_place(#[case] storage: StorageKind) {
    let w = World::with_quota(storage, Amount { files: 2, ..PLENTY }, PLENTY).await;
    let [ann, bob] = [w.user("ann").await, w.user("bob").await];
    let file = photo(64, 48);
    w.upload(ann, &file).await.unwrap();
    let stored = join_all((0..6).map(|_| w.upload(ann, &file))).await;
    let outcome = |stored: Vec<bool>| stored.iter().filter(|is_stored| **is_stored).count();
    assert_eq!(outcome(stored.iter().map(Result::is_ok).collect()), 1);
    assert!(stored.iter().flat_map(Result::as_ref).all(|image| image.owner == ann));
    assert_eq!(w.files().await.len(), 6, "the files of the others were deleted");

    w.announce(bob, 9).await.unwrap();
    let announced = join_all((0..6).map(|_| w.announce(bob, 9))).await;
    assert_eq!(outcome(announced.iter().map(Result::is_ok).collect()), 1);
    assert_eq!((w.usage(bob).await.total, w.usage(ann).await.total.files), (amount(2, 18), 2));
    w.assert_counts().await;
}

#[apply(both_storages)]
#[tokio::test]
async fn direct_upload_reserves_its_announced_size(#[case] storage: StorageKind) {
    let file = photo(400, 300);
    let total = amount(3, 2 * file.len() as u64 + 10);
    let mut w = World::with_quota(storage, total, PLENTY).await;
    let ann = w.user("ann").await;
    let [one, _two] = [w.send(ann, &file).await, w.announce(ann, file.len() as u64).await.unwrap()];
    let used = amount(2, 2 * file.len() as u64);
    assert_eq!(w.usage(ann).await, Usage { total: used, unattached: used });
    assert_exceeded(w.announce(ann, 11).await, QuotaExceeded::Total { used, quota: total });

    // The image takes the place of its upload.
    w.set_quota(PLENTY, PLENTY);
    let image = w.media.complete_upload(ann, one.upload.id).await.unwrap();
    let used = amount(2, file.len() as u64 + size(&image));
    assert_eq!(w.usage(ann).await, Usage { total: used, unattached: used });

    w.clock.advance(Upload::ABANDONED_AFTER + Duration::from_secs(1));
    while w.media.delete_expired(w.clock.now()).await.unwrap() {}
    assert_eq!(w.usage(ann).await.total, amount(1, size(&image)));
    w.assert_counts().await;
}

/// The variants of a small file can be larger than it, so a completion can be rejected; the file stays.
#[apply(both_storages)]
#[tokio::test]
async fn completion_above_the_quota_can_be_repeated(#[case] storage: StorageKind) {
    let mut w = World::new(storage).await;
    let ann = w.user("ann").await;
    let file = photo(64, 48);
    let other = w.upload(ann, &file).await.unwrap();
    let announced = w.send(ann, &file).await;
    let total = amount(2, 2 * size(&other) - 1);
    w.set_quota(total, PLENTY);
    let used = amount(1, size(&other));
    let rejected = w.media.complete_upload(ann, announced.upload.id).await;
    assert_exceeded(rejected, QuotaExceeded::Total { used, quota: total });
    assert_eq!((w.files().await.len(), w.database.count("media").await), (4, 1));

    w.media.delete_media(ann, other.id, &Precondition::Any).await.unwrap();
    let image = w.media.complete_upload(ann, announced.upload.id).await.unwrap();
    assert_eq!(w.usage(ann).await.total, image.amount());
}

/// The quota that operators lower applies to new images only.
#[apply(both_storages)]
#[tokio::test]
async fn lower_quota_deletes_nothing(#[case] storage: StorageKind) {
    let mut w = World::new(storage).await;
    let ann = w.user("ann").await;
    let image = w.upload(ann, &photo(64, 48)).await.unwrap();
    let quota = amount(0, 0);
    w.set_quota(quota, quota);
    let used = image.amount();
    assert_exceeded(w.upload(ann, &photo(64, 48)).await, QuotaExceeded::Total { used, quota });
    w.create_post(ann, &[image.id], Visibility::Public).await;
    assert_eq!(w.usage(ann).await, Usage { total: used, unattached: Amount::default() });
}
