//! The lifetime of images.

use std::time::Duration;

use blegram_domain::{Clock, Media as Image, PostText, Visibility, version::Precondition};
use blegram_media::{CreateUpload, Error, testing::photo};
use blegram_social::{UpdatePost, UpdateProfile};
use rstest_reuse::apply;

use crate::{
    both_storages,
    world::{StorageKind, World},
};

#[apply(both_storages)]
#[tokio::test]
async fn unused_image_is_deleted_after_a_day(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let ann = w.user("ann").await;
    let file = photo(64, 48);
    let [used, picture, unused] = [
        w.upload(ann, &file).await.unwrap().id,
        w.upload(ann, &file).await.unwrap().id,
        w.upload(ann, &file).await.unwrap().id,
    ];
    w.create_post(ann, &[used], Visibility::Public).await;
    let profile = UpdateProfile { avatar: Some(Some(picture)), ..UpdateProfile::default() };
    w.social.update_profile(ann, profile, &Precondition::Any).await.unwrap();

    assert_eq!(w.run_jobs().await, 2, "used images are public now");
    w.clock.advance(Image::UNUSED_FOR);
    w.media.delete_expired(w.clock.now()).await.unwrap();
    assert_eq!((w.run_jobs().await, w.files().await.len()), (2, 9), "the day is not over");
    w.clock.advance(Duration::from_secs(1));
    w.media.delete_expired(w.clock.now()).await.unwrap();
    assert!(matches!(w.media.get_media(ann, unused).await, Err(Error::NotFound)));
    assert_eq!((w.run_jobs().await, w.files().await.len()), (1, 6));
    assert!(w.media.get_media(ann, used).await.is_ok() && w.media.get_media(ann, picture).await.is_ok());
}

#[apply(both_storages)]
#[tokio::test]
async fn images_are_deleted_with_their_post_or_profile(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let ann = w.user("ann").await;
    let file = photo(64, 48);
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(w.upload(ann, &file).await.unwrap().id);
    }
    let post = w.create_post(ann, &ids[..2], Visibility::Public).await;
    assert!(matches!(w.media.delete_media(ann, ids[0], &Precondition::Any).await, Err(Error::InUse)));

    // One image is removed by an edit, the other one with the post.
    assert_eq!((w.run_jobs().await, w.files().await.len()), (2, 18), "two with a public and a previous key");
    let edit = UpdatePost::new(None, Some(vec![ids[1]]), None).unwrap();
    w.social.update_post(ann, post, edit, &Precondition::Any).await.unwrap();
    assert_eq!((w.run_jobs().await, w.files().await.len()), (1, 12));
    w.social.delete_post(ann, post, &Precondition::Any).await.unwrap();
    assert_eq!((w.run_jobs().await, w.files().await.len()), (1, 6));

    // A profile picture is replaced by another one, which is then removed.
    for avatar in [Some(ids[2]), Some(ids[3]), None] {
        let profile = UpdateProfile { avatar: Some(avatar), ..UpdateProfile::default() };
        w.social.update_profile(ann, profile, &Precondition::Any).await.unwrap();
    }
    assert_eq!((w.run_jobs().await, w.files().await.len()), (4, 0));
    assert_eq!(w.database.count("media").await, 0);
}

#[apply(both_storages)]
#[tokio::test]
async fn deleted_account_leaves_no_files(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let [ann, bob] = [w.user("ann").await, w.user("bob").await];
    let file = photo(64, 48);
    let mut of_ann = Vec::new();
    for _ in 0..3 {
        of_ann.push(w.upload(ann, &file).await.unwrap().id);
    }
    w.upload(bob, &file).await.unwrap();
    w.create_post(ann, &of_ann[..1], Visibility::Followers).await;
    let announced = CreateUpload {
        content_type: blegram_domain::media::ImageType::Jpeg,
        byte_size: file.len() as u64,
        sha256: None,
    };
    w.media.create_upload(ann, announced).await.unwrap();
    w.run_jobs().await;
    // Simulates a crash between writing the files and their row.
    w.database.execute("DELETE FROM media WHERE post_id IS NULL AND owner_id IN (SELECT id FROM users WHERE username = 'ann')").await;

    w.database.execute("UPDATE users SET status = 'deleted' WHERE username = 'ann'").await;
    while w.media.purge_user(ann).await.unwrap() {}
    assert_eq!((w.database.count("media").await, w.database.count("uploads").await), (1, 0));
    assert_eq!(w.files().await.len(), 3, "bob's");
}

#[tokio::test]
async fn post_edit_must_leave_a_text_or_an_image() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let id = w.upload(ann, &photo(64, 48)).await.unwrap().id;
    let post = w.create_post(ann, &[id], Visibility::Public).await;
    let edit = |text: Option<&str>, media| {
        UpdatePost::new(text.map(|text| PostText::parse(text).unwrap()), media, None).unwrap()
    };
    let nothing = w.social.update_post(ann, post, edit(None, Some(vec![])), &Precondition::Any).await;
    assert!(matches!(nothing, Err(blegram_social::Error::PostBlank)));
    let words = w.social.update_post(ann, post, edit(Some("words"), Some(vec![])), &Precondition::Any).await;
    assert_eq!(words.unwrap().media, []);
    let nothing = w.social.update_post(ann, post, edit(Some(""), None), &Precondition::Any).await;
    assert!(matches!(nothing, Err(blegram_social::Error::PostBlank)));
}
