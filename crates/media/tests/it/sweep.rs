//! Finding orphaned files and images without files.

use std::time::Duration;

use blegram_domain::{Clock, SystemClock, Visibility};
use blegram_media::testing::photo;
use rstest_reuse::apply;

use crate::{
    both_storages,
    world::{StorageKind, World},
};

#[apply(both_storages)]
#[tokio::test]
async fn orphaned_files_are_found_and_removed(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let ann = w.user("ann").await;
    let [posted, orphaned] =
        [w.upload(ann, &photo(64, 48)).await.unwrap(), w.upload(ann, &photo(64, 48)).await.unwrap()];
    w.create_post(ann, &[posted.id], Visibility::Public).await;
    w.database.execute("DELETE FROM media WHERE post_id IS NULL").await;

    // Files carry the storage's time; the row of a new file may not be written yet.
    w.clock.advance(SystemClock.now().since(w.clock.now()));
    assert_eq!(w.media.sweep(true).await.unwrap().orphans, Vec::<String>::new());
    w.clock.advance(Duration::from_secs(2 * 60 * 60));
    let found = w.media.sweep(false).await.unwrap();
    assert_eq!((found.files, found.images, found.orphans.len(), found.missing.len()), (6, 1, 3, 0));
    assert!(found.orphans.iter().all(|name| name.starts_with(&orphaned.key.to_string())), "{found:?}");
    assert_eq!(w.files().await.len(), 6, "only reported");
    w.media.sweep(true).await.unwrap();
    assert_eq!(w.files().await.len(), 3);

    // The opposite case: a row without files.
    w.media.delete_files(posted.key).await.unwrap();
    let found = w.media.sweep(true).await.unwrap();
    assert_eq!((found.missing, found.orphans.len()), (vec![posted.id], 0));
}

#[tokio::test]
async fn foreign_files_are_not_removed() {
    let w = World::new(StorageKind::Folder).await;
    let blegram_media::Location::Folder(folder) = &w.location else { unreachable!() };
    std::fs::write(folder.join("notes.txt"), "mine").unwrap();
    w.clock.advance(SystemClock.now().since(w.clock.now()) + Duration::from_secs(2 * 60 * 60));
    let found = w.media.sweep(true).await.unwrap();
    assert_eq!((found.foreign, found.orphans.len()), (vec!["notes.txt".to_owned()], 0));
    assert!(folder.join("notes.txt").exists());
}
