//! Who can fetch a file, and how that changes with what shows it.

use std::time::Duration;

use blegram_domain::version::Precondition;
use blegram_domain::{
    Media as Image, UserId, Visibility,
    media::VariantName::{Large, Small},
};
use blegram_media::{links::LIFETIME, testing::photo};
use blegram_social::{UpdatePost, UpdateProfile};
use rstest_reuse::apply;

use crate::{
    both_places,
    world::{Place, World, parts},
};

impl World {
    async fn image(&self, by: UserId, image: &Image) -> Image {
        self.media.get_media(by, image.id).await.unwrap()
    }
}

#[apply(both_places)]
#[tokio::test]
async fn what_turns_non_public_gets_new_keys(#[case] place: Place) {
    let w = World::new(place).await;
    let ann = w.user("ann").await;
    let before = w.upload(ann, &photo(64, 48)).await.unwrap();
    let post = w.posts(ann, &[before.id], Visibility::Public).await;
    assert_eq!(w.work().await, 0, "most images never move");
    assert!(before.key.is_public());
    let stable = w.media.links().url(before.key, Large, true);

    let edit = UpdatePost::new(None, None, Some(Visibility::Followers)).unwrap();
    w.social.update_post(ann, post, edit, &Precondition::Any).await.unwrap();
    // Until the job has come, whoever may see the post is given a signed link to the old place.
    let signed = w.media.links().url(before.key, Large, false);
    assert!(signed.contains("ignature") && w.fetch(&signed).await.is_some());
    assert_eq!(w.work().await, 2, "moved, and the old files removed");
    let after = w.image(ann, &before).await;
    assert!(!after.key.is_public() && after.key.to_string()[8..] != before.key.to_string()[7..]);
    assert_eq!((w.fetch(&stable).await, w.fetch(&signed).await), (None, None), "old links lead nowhere");
    assert!(w.fetch(&w.media.links().url(after.key, Large, false)).await.is_some());
    assert_eq!(w.files().await.len(), 3);

    // And back: the old signed links stay good as long as they say.
    let edit = UpdatePost::new(None, None, Some(Visibility::Public)).unwrap();
    let signed = w.media.links().url(after.key, Large, false);
    w.social.update_post(ann, post, edit, &Precondition::Any).await.unwrap();
    assert_eq!(w.work().await, 1);
    let public = w.image(ann, &before).await;
    assert!(public.key.is_public() && public.key != before.key, "no key is used again");
    assert!(w.fetch(&signed).await.is_some());
    w.clock.advance(2 * LIFETIME);
    assert_eq!((w.work().await, w.files().await.len()), (1, 3));
}

#[apply(both_places)]
#[tokio::test]
async fn an_account_that_turns_private_takes_its_images_along(#[case] place: Place) {
    let w = World::new(place).await;
    let ann = w.user("ann").await;
    let mut images = Vec::new();
    for _ in 0..3 {
        images.push(w.upload(ann, &photo(64, 48)).await.unwrap());
    }
    w.posts(ann, &[images[0].id, images[1].id], Visibility::Public).await;
    let profile = UpdateProfile { avatar: Some(Some(images[2].id)), ..UpdateProfile::default() };
    w.social.update_profile(ann, profile, &Precondition::Any).await.unwrap();
    w.turns(ann, true).await;
    w.work().await;
    let areas = async |w: &World| {
        let mut areas = Vec::new();
        for image in &images {
            areas.push(w.image(ann, image).await.key.is_public());
        }
        areas
    };
    assert_eq!(areas(&w).await, [false, false, true], "everybody sees the picture");
    assert!(!w.upload(ann, &photo(8, 8)).await.unwrap().key.is_public(), "what comes now begins there");
    w.turns(ann, false).await;
    w.work().await;
    assert_eq!(areas(&w).await, [true, true, true]);
}

#[tokio::test]
async fn a_picture_of_a_private_account_becomes_public() {
    let w = World::new(Place::Folder).await;
    let ann = w.user("ann").await;
    w.turns(ann, true).await;
    w.work().await;
    let image = w.upload(ann, &photo(64, 48)).await.unwrap();
    let profile = UpdateProfile { avatar: Some(Some(image.id)), ..UpdateProfile::default() };
    let account = w.social.update_profile(ann, profile, &Precondition::Any).await.unwrap();
    let key = account.user.summary.avatar.unwrap();
    assert!(w.fetch(&w.media.links().url(key, Small, true)).await.is_some(), "at once, by a signed link");
    w.work().await;
    let key = w.social.get_user(None, &blegram_social::UserRef::Id(ann)).await.unwrap().user.summary.avatar;
    let link = w.media.links().url(key.unwrap(), Small, true);
    assert!(!link.contains('?') && w.fetch(&link).await.is_some(), "then by a stable one");
}

/// Whoever was given links to a post for followers can use them as long as they say, although the files move.
#[tokio::test]
async fn links_that_were_signed_survive_the_first_move() {
    let w = World::new(Place::Folder).await;
    let ann = w.user("ann").await;
    let image = w.upload(ann, &photo(64, 48)).await.unwrap();
    w.posts(ann, &[image.id], Visibility::Followers).await;
    let link = w.media.links().url(image.key, Large, false);
    assert_eq!(w.work().await, 1);
    assert!(!w.image(ann, &image).await.key.is_public() && w.fetch(&link).await.is_some());
    w.clock.advance(2 * LIFETIME);
    assert_eq!((w.work().await, w.files().await.len()), (1, 3));
}

#[apply(both_places)]
#[tokio::test]
async fn an_image_without_files_does_not_keep_others_from_moving(#[case] place: Place) {
    let w = World::new(place).await;
    let ann = w.user("ann").await;
    let mut images = Vec::new();
    for _ in 0..25 {
        images.push(w.upload(ann, &photo(8, 8)).await.unwrap());
    }
    for some in images.chunks(10) {
        let ids: Vec<_> = some.iter().map(|image| image.id).collect();
        w.posts(ann, &ids, Visibility::Public).await;
    }
    w.media.erase_files(images[3].key).await.unwrap();
    w.turns(ann, true).await;
    w.work().await;
    for image in &images {
        assert!(!w.image(ann, image).await.key.is_public());
    }
    assert_eq!(w.media.sweep(false).await.unwrap().missing, [images[3].id]);
}

/// A change that comes while the job is on it is not lost.
#[tokio::test]
async fn turning_back_and_forth_ends_where_it_should() {
    let w = World::new(Place::Folder).await;
    let ann = w.user("ann").await;
    let image = w.upload(ann, &photo(64, 48)).await.unwrap();
    w.posts(ann, &[image.id], Visibility::Public).await;
    for is_private in [true, false, true] {
        w.turns(ann, is_private).await;
    }
    w.work().await;
    assert!(!w.image(ann, &image).await.key.is_public());
    assert_eq!(w.files().await.len(), 3);
}

#[tokio::test]
async fn signed_links_are_the_same_for_an_hour_and_end() {
    let w = World::new(Place::Folder).await;
    let ann = w.user("ann").await;
    w.turns(ann, true).await;
    let image = w.upload(ann, &photo(64, 48)).await.unwrap();
    let link = || w.media.links().url(image.key, Small, false);
    let first = link();
    w.clock.advance(Duration::from_secs(60));
    assert_eq!(link(), first);
    w.clock.advance(LIFETIME);
    assert_ne!(link(), first);
    assert!(w.fetch(&first).await.is_some());
    w.clock.advance(LIFETIME);
    assert!(w.fetch(&first).await.is_none(), "it has ended");

    let link = link();
    let (name, proof) = parts(&link);
    assert!(w.media.find_file(&name, None).is_err(), "without a proof");
    let proof = proof.unwrap();
    let longer = blegram_media::links::Proof { expires: proof.expires + 1, ..proof.clone() };
    assert!(w.media.find_file(&name, Some(&longer)).is_err(), "stretched");
    assert!(w.media.find_file(&name.replace("small", "large"), Some(&proof)).is_err(), "of another file");
    assert!(w.media.find_file(&name, Some(&proof)).is_ok());
}
