//! Who can fetch a file, and how that changes with its post or account.

use std::time::Duration;

use blegram_domain::{
    Clock, Media as Image, MediaKey, MessageId, PostId, UserId, Visibility,
    media::{
        MediaUse,
        VariantName::{Large, Small},
    },
    version::Precondition,
};
use blegram_media::{links::LIFETIME, testing::photo};
use blegram_persistence::media;
use blegram_social::{UpdatePost, UpdateProfile, UserRef};
use rstest_reuse::apply;

use crate::{
    both_storages,
    world::{StorageKind, World, parts},
};

impl World {
    async fn image(&self, by: UserId, image: &Image) -> Image {
        self.media.get_media(by, image.id).await.unwrap()
    }
}

#[apply(both_storages)]
#[tokio::test]
async fn image_that_becomes_private_gets_a_new_key(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let ann = w.user("ann").await;
    let before = w.upload(ann, &photo(64, 48)).await.unwrap();
    let post = w.create_post(ann, &[before.id], Visibility::Public).await;
    assert_eq!(w.run_jobs().await, 1, "the image moved");
    let before = w.image(ann, &before).await;
    assert!(before.key.is_public());
    let stable = w.media.links().url(before.key, Large, true);

    let edit = UpdatePost::new(None, None, Some(Visibility::Followers)).unwrap();
    w.social.update_post(ann, post, edit, &Precondition::Any).await.unwrap();
    // Until the job has run, viewers of the post get a signed link to the old key.
    let signed = w.media.links().url(before.key, Large, false);
    assert!(signed.contains("ignature") && w.fetch(&signed).await.is_some());
    assert_eq!(w.run_jobs().await, 3, "the image moved, and the files of two old keys were deleted");
    let after = w.image(ann, &before).await;
    assert!(!after.key.is_public() && after.key.to_string()[8..] != before.key.to_string()[7..]);
    assert_eq!((w.fetch(&stable).await, w.fetch(&signed).await), (None, None), "old links do not work");
    assert!(w.fetch(&w.media.links().url(after.key, Large, false)).await.is_some());
    assert_eq!(w.files().await.len(), 3);

    // And back to public: old signed links stay valid until they expire.
    let edit = UpdatePost::new(None, None, Some(Visibility::Public)).unwrap();
    let signed = w.media.links().url(after.key, Large, false);
    w.social.update_post(ann, post, edit, &Precondition::Any).await.unwrap();
    assert_eq!(w.run_jobs().await, 1);
    let public = w.image(ann, &before).await;
    assert!(public.key.is_public() && public.key != before.key, "keys are not reused");
    assert!(w.fetch(&signed).await.is_some());
    w.clock.advance(2 * LIFETIME);
    assert_eq!((w.run_jobs().await, w.files().await.len()), (1, 3));
}

#[apply(both_storages)]
#[tokio::test]
async fn private_account_moves_its_images(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let ann = w.user("ann").await;
    let mut images = Vec::new();
    for _ in 0..3 {
        images.push(w.upload(ann, &photo(64, 48)).await.unwrap());
    }
    w.create_post(ann, &[images[0].id, images[1].id], Visibility::Public).await;
    let profile = UpdateProfile { avatar: Some(Some(images[2].id)), ..UpdateProfile::default() };
    w.social.update_profile(ann, profile, &Precondition::Any).await.unwrap();
    w.set_private(ann, true).await;
    w.run_jobs().await;
    let areas = async |w: &World| {
        let mut areas = Vec::new();
        for image in &images {
            areas.push(w.image(ann, image).await.key.is_public());
        }
        areas
    };
    assert_eq!(areas(&w).await, [false, false, true], "profile pictures stay public");
    assert!(!w.upload(ann, &photo(8, 8)).await.unwrap().key.is_public(), "new images start as private");
    w.set_private(ann, false).await;
    w.run_jobs().await;
    assert_eq!(areas(&w).await, [true, true, true]);
}

#[tokio::test]
async fn avatar_of_a_private_account_becomes_public() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    w.set_private(ann, true).await;
    w.run_jobs().await;
    let image = w.upload(ann, &photo(64, 48)).await.unwrap();
    let profile = UpdateProfile { avatar: Some(Some(image.id)), ..UpdateProfile::default() };
    let account = w.social.update_profile(ann, profile, &Precondition::Any).await.unwrap();
    let key = account.user.summary.avatar.unwrap();
    assert!(w.fetch(&w.media.links().url(key, Small, true)).await.is_some(), "immediately, by a signed link");
    w.run_jobs().await;
    let key = w.social.get_user(None, &UserRef::Id(ann)).await.unwrap().user.summary.avatar;
    let link = w.media.links().url(key.unwrap(), Small, true);
    assert!(!link.contains('?') && w.fetch(&link).await.is_some(), "then by a stable link");
}

/// Links signed before a post's images move to the public area stay valid until they expire.
#[tokio::test]
async fn signed_links_survive_the_first_move() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let image = w.upload(ann, &photo(64, 48)).await.unwrap();
    w.create_post(ann, &[image.id], Visibility::Public).await;
    let link = w.media.links().url(image.key, Large, true);
    assert!(link.contains("signature="), "there is no stable link yet");
    assert_eq!(w.run_jobs().await, 1);
    assert!(w.image(ann, &image).await.key.is_public() && w.fetch(&link).await.is_some());
    w.clock.advance(2 * LIFETIME);
    assert_eq!((w.run_jobs().await, w.files().await.len()), (1, 3));
}

#[apply(both_storages)]
#[tokio::test]
async fn image_without_files_does_not_stop_others_from_moving(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let ann = w.user("ann").await;
    let mut images = Vec::new();
    for _ in 0..25 {
        images.push(w.upload(ann, &photo(8, 8)).await.unwrap());
    }
    for some in images.chunks(10) {
        let ids: Vec<_> = some.iter().map(|image| image.id).collect();
        w.create_post(ann, &ids, Visibility::Public).await;
    }
    w.run_jobs().await;
    w.media.delete_files(w.image(ann, &images[3]).await.key).await.unwrap();
    w.set_private(ann, true).await;
    w.run_jobs().await;
    for image in &images {
        assert!(!w.image(ann, image).await.key.is_public());
    }
    assert_eq!(w.media.sweep(false).await.unwrap().missing, [images[3].id]);
}

/// A change during the job is not lost.
#[tokio::test]
async fn visibility_toggles_end_in_the_right_area() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let image = w.upload(ann, &photo(64, 48)).await.unwrap();
    w.create_post(ann, &[image.id], Visibility::Public).await;
    w.run_jobs().await;
    for is_private in [true, false, true] {
        w.set_private(ann, is_private).await;
    }
    w.run_jobs().await;
    assert!(!w.image(ann, &image).await.key.is_public());
    assert_eq!(w.files().await.len(), 3);
}

#[tokio::test]
async fn signed_links_are_stable_for_an_hour_and_expire() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    w.set_private(ann, true).await;
    let image = w.upload(ann, &photo(64, 48)).await.unwrap();
    let link = || w.media.links().url(image.key, Small, false);
    let first = link();
    w.clock.advance(Duration::from_secs(60));
    assert_eq!(link(), first);
    w.clock.advance(LIFETIME);
    assert_ne!(link(), first);
    assert!(w.fetch(&first).await.is_some());
    w.clock.advance(LIFETIME);
    assert!(w.fetch(&first).await.is_none(), "the link has expired");

    let link = link();
    let (name, proof) = parts(&link);
    assert!(w.media.find_file(&name, None).is_err(), "no proof");
    let proof = proof.unwrap();
    let longer = blegram_media::links::Proof { expires: proof.expires + 1, ..proof.clone() };
    assert!(w.media.find_file(&name, Some(&longer)).is_err(), "extended expiry");
    assert!(w.media.find_file(&name.replace("small", "large"), Some(&proof)).is_err(), "another file");
    assert!(w.media.find_file(&name, Some(&proof)).is_ok());
}

/// Whether a file can be fetched by its unsigned address, and by a signed one.
#[derive(Debug, PartialEq, Eq)]
struct Reach {
    unsigned: bool,
    signed: bool,
}

const PUBLIC: Reach = Reach { unsigned: true, signed: true };
const SIGNED: Reach = Reach { unsigned: false, signed: true };
const MISSING: Reach = Reach { unsigned: false, signed: false };

impl World {
    #[track_caller]
    fn assert_reach(&self, what: &'static str, key: MediaKey, expected: Reach) -> impl Future<Output = ()> {
        let signed = self.media.links().url(key, Large, false);
        async move {
            let at = signed.find("ignature=").unwrap() + "ignature=".len();
            let digit = if signed[at..].starts_with('0') { "1" } else { "0" };
            let forged = format!("{}{digit}{}", &signed[..at], &signed[at + 1..]);
            assert_eq!(self.fetch(&forged).await, None, "{what}: a wrong signature opens {key}");
            let bare = signed.split('?').next().unwrap();
            let reach = Reach {
                unsigned: self.fetch(bare).await.is_some(),
                signed: self.fetch(&signed).await.is_some(),
            };
            assert_eq!(reach, expected, "{what}: {key}");
        }
    }

    async fn key(&self, by: UserId, image: &Image) -> MediaKey {
        self.image(by, image).await.key
    }

    async fn attach_to_message(&self, image: &Image) {
        let message = MediaUse::Message(MessageId::generate(self.clock.now()));
        let tx = self.database.db().write().await.unwrap();
        media::update_used(&tx, &[image.id], message).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn set_avatar(&self, by: UserId, image: Option<&Image>) {
        let profile = UpdateProfile { avatar: Some(image.map(|image| image.id)), ..UpdateProfile::default() };
        self.social.update_profile(by, profile, &Precondition::Any).await.unwrap();
    }

    async fn set_visibility(&self, by: UserId, post: PostId, visibility: Visibility) {
        let edit = UpdatePost::new(None, None, Some(visibility)).unwrap();
        self.social.update_post(by, post, edit, &Precondition::Any).await.unwrap();
    }
}

#[apply(both_storages)]
#[tokio::test]
async fn unused_image_is_reachable_by_signed_link_only(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let ann = w.user("ann").await;
    let image = w.upload(ann, &photo(64, 48)).await.unwrap();
    assert_eq!(w.run_jobs().await, 0);
    w.assert_reach("unused", image.key, SIGNED).await;
    w.media.delete_media(ann, image.id, &Precondition::Any).await.unwrap();
    w.run_jobs().await;
    w.assert_reach("deleted", image.key, MISSING).await;
}

#[apply(both_storages)]
#[tokio::test]
async fn deleted_avatar_is_not_reachable(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let ann = w.user("ann").await;
    let image = w.upload(ann, &photo(64, 48)).await.unwrap();
    w.set_avatar(ann, Some(&image)).await;
    w.assert_reach("before it moved", image.key, SIGNED).await;
    w.run_jobs().await;
    let public = w.key(ann, &image).await;
    w.assert_reach("an avatar", public, PUBLIC).await;
    w.assert_reach("the key of the upload", image.key, SIGNED).await;
    w.set_avatar(ann, None).await;
    w.run_jobs().await;
    for key in [public, image.key] {
        w.assert_reach("no longer an avatar", key, MISSING).await;
    }
    assert_eq!(w.files().await.len(), 0);
}

#[apply(both_storages)]
#[tokio::test]
async fn post_moves_its_images_with_its_visibility_and_deletes_them(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let ann = w.user("ann").await;
    let image = w.upload(ann, &photo(64, 48)).await.unwrap();
    let post = w.create_post(ann, &[image.id], Visibility::Followers).await;
    assert_eq!(w.run_jobs().await, 0, "the image is already in the right area");
    w.assert_reach("for followers", image.key, SIGNED).await;

    w.set_visibility(ann, post, Visibility::Public).await;
    w.run_jobs().await;
    let public = w.key(ann, &image).await;
    w.assert_reach("public", public, PUBLIC).await;
    w.assert_reach("signed links from before the move", image.key, SIGNED).await;

    w.set_visibility(ann, post, Visibility::Followers).await;
    w.run_jobs().await;
    let private = w.key(ann, &image).await;
    w.assert_reach("for followers again", private, SIGNED).await;
    for key in [public, image.key] {
        w.assert_reach("previous keys", key, MISSING).await;
    }

    w.set_visibility(ann, post, Visibility::Public).await;
    w.run_jobs().await;
    let again = w.key(ann, &image).await;
    assert!(again != public && private != image.key, "keys are not reused");
    w.social.delete_post(ann, post, &Precondition::Any).await.unwrap();
    w.run_jobs().await;
    for key in [again, private, public, image.key] {
        w.assert_reach("deleted", key, MISSING).await;
    }
    assert_eq!(w.files().await.len(), 0);
    w.clock.advance(2 * LIFETIME);
    assert_eq!(w.run_jobs().await, 0, "no deletion is pending");
}

#[apply(both_storages)]
#[tokio::test]
async fn message_images_never_become_public(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let ann = w.user("ann").await;
    let image = w.upload(ann, &photo(64, 48)).await.unwrap();
    w.attach_to_message(&image).await;
    while w.media.move_image(image.id).await.unwrap() || w.media.move_media(ann).await.unwrap() {}
    assert_eq!(w.key(ann, &image).await, image.key);
    w.assert_reach("in a message", image.key, SIGNED).await;
    let tx = w.database.db().write().await.unwrap();
    media::remove(&tx, &[image.id], w.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    w.run_jobs().await;
    w.assert_reach("of a deleted message", image.key, MISSING).await;
}

#[apply(both_storages)]
#[tokio::test]
async fn account_status_moves_its_images(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let ann = w.user("ann").await;
    let [posted, avatar] =
        [w.upload(ann, &photo(64, 48)).await.unwrap(), w.upload(ann, &photo(64, 48)).await.unwrap()];
    w.create_post(ann, &[posted.id], Visibility::Public).await;
    w.set_avatar(ann, Some(&avatar)).await;
    w.run_jobs().await;
    let mut before = [w.key(ann, &posted).await, w.key(ann, &avatar).await];
    for (what, change, [of_post, of_avatar]) in [
        ("private", "is_private = true", [SIGNED, PUBLIC]),
        ("open again", "is_private = false", [PUBLIC, PUBLIC]),
        ("suspended", "status = 'suspended'", [SIGNED, SIGNED]),
        ("reinstated", "status = 'active'", [PUBLIC, PUBLIC]),
    ] {
        w.database.execute(&format!("UPDATE users SET {change}")).await;
        while w.media.move_media(ann).await.unwrap() {}
        w.run_jobs().await;
        let after = [w.key(ann, &posted).await, w.key(ann, &avatar).await];
        for ((old, new), reach) in before.into_iter().zip(after).zip([of_post, of_avatar]) {
            let has_left = old.is_public() && old != new;
            w.assert_reach(what, new, reach).await;
            if has_left {
                w.assert_reach(what, old, MISSING).await;
            }
        }
        before = after;
    }
    w.database.execute("UPDATE users SET status = 'deleted'").await;
    assert!(!w.media.move_media(ann).await.unwrap(), "images of deleted accounts are deleted, not moved");
    while w.media.purge_user(ann).await.unwrap() {}
    for key in before.into_iter().chain([posted.key, avatar.key]) {
        w.assert_reach("deleted", key, MISSING).await;
    }
    assert_eq!(w.files().await.len(), 0);
}

/// The previous version stored new images of public accounts in the public area.
#[apply(both_storages)]
#[tokio::test]
async fn image_with_public_key_but_no_public_use_moves_at_once(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let ann = w.user("ann").await;
    let [unused, sent] =
        [w.upload(ann, &photo(64, 48)).await.unwrap(), w.upload(ann, &photo(64, 48)).await.unwrap()];
    w.create_post(ann, &[unused.id, sent.id], Visibility::Public).await;
    w.run_jobs().await;
    w.database.execute("UPDATE media SET post_id = NULL").await;
    w.attach_to_message(&sent).await;
    let before = [w.key(ann, &unused).await, w.key(ann, &sent).await];
    w.assert_reach("as the previous version left it", before[0], PUBLIC).await;
    while w.media.move_media(ann).await.unwrap() {}
    w.run_jobs().await;
    for key in before {
        w.assert_reach("the public key", key, MISSING).await;
    }
    for image in [&unused, &sent] {
        w.assert_reach("its own key", w.key(ann, image).await, SIGNED).await;
    }
    assert_eq!(w.files().await.len(), 6);
}

/// Each toggle copies the files: a key before the previous one is deleted before its links expire.
#[tokio::test]
async fn visibility_toggles_do_not_accumulate_files() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let image = w.upload(ann, &photo(64, 48)).await.unwrap();
    let post = w.create_post(ann, &[image.id], Visibility::Public).await;
    for visibility in [Visibility::Followers, Visibility::Public].repeat(3) {
        w.set_visibility(ann, post, visibility).await;
        w.run_jobs().await;
        assert!(w.files().await.len() <= 6);
    }
}

/// Only viewers who may see an image get a link; a block takes them from one viewer, but changes no address.
#[apply(both_storages)]
#[tokio::test]
async fn block_does_not_move_images(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let [ann, bob] = [w.user("ann").await, w.user("bob").await];
    let [public, private] =
        [w.upload(ann, &photo(64, 48)).await.unwrap(), w.upload(ann, &photo(64, 48)).await.unwrap()];
    w.create_post(ann, &[public.id], Visibility::Public).await;
    w.create_post(ann, &[private.id], Visibility::Followers).await;
    w.run_jobs().await;
    let key = w.key(ann, &public).await;
    w.social.block_user(ann, &UserRef::Id(bob)).await.unwrap();
    w.run_jobs().await;
    assert_eq!((w.key(ann, &public).await, w.key(ann, &private).await), (key, private.key));
    w.assert_reach("public", key, PUBLIC).await;
    w.assert_reach("for followers", private.key, SIGNED).await;
}
