//! Storage that temporarily answers "not found": an unmounted volume, or an ingress without its backend.

use std::{
    fmt,
    path::{Path as FsPath, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use blegram_domain::{
    Media as Image, MediaKey, Visibility,
    media::VariantName::{self, Large},
    version::Precondition,
};
use blegram_media::{Error, Location, links::LIFETIME, marker::NAME, testing::photo};
use blegram_persistence::testing::Backend;
use blegram_social::UpdatePost;
use futures_util::{StreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};
use rstest_reuse::apply;

use crate::{
    both_storages,
    world::{StorageKind, World},
};

/// A storage server behind an ingress, which answers 404 while the server is away: for all requests, or for the next
/// copies.
#[derive(Debug)]
struct Ingress {
    inner: InMemory,
    is_away: AtomicU32,
    copies_lost: AtomicU32,
}

impl Ingress {
    fn new() -> Arc<Self> {
        Arc::new(Self { inner: InMemory::new(), is_away: AtomicU32::new(0), copies_lost: AtomicU32::new(0) })
    }

    fn pass(&self, path: &Path) -> Result<()> {
        if self.is_away.load(Ordering::Relaxed) == 0 { Ok(()) } else { Err(not_found(path)) }
    }
}

fn not_found(path: &Path) -> object_store::Error {
    object_store::Error::NotFound { path: path.to_string(), source: "no backend".into() }
}

impl fmt::Display for Ingress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ingress")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Ingress {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.pass(path)?;
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.pass(path)?;
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.pass(path)?;
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        if self.is_away.load(Ordering::Relaxed) == 0 {
            return self.inner.delete_stream(paths);
        }
        paths.map(|path| Err(not_found(&path?))).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if self.is_away.load(Ordering::Relaxed) == 0 {
            return self.inner.list(prefix);
        }
        futures_util::stream::empty().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.pass(from)?;
        let lost =
            self.copies_lost.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |lost| lost.checked_sub(1));
        if lost.is_ok() {
            return Err(not_found(from));
        }
        self.inner.copy_opts(from, to, options).await
    }
}

fn folder(w: &World) -> PathBuf {
    let Location::Folder(folder) = &w.location else { unreachable!() };
    folder.clone()
}

/// Unmounts the volume: leaves an empty folder in its place.
fn unmount(folder: &FsPath) {
    std::fs::rename(folder, folder.with_extension("away")).unwrap();
    std::fs::create_dir(folder).unwrap();
}

fn mount(folder: &FsPath) {
    std::fs::remove_dir(folder).expect("nothing was written into the mount point");
    std::fs::rename(folder.with_extension("away"), folder).unwrap();
}

#[track_caller]
fn assert_foreign<T: fmt::Debug>(result: Result<T, Error>) {
    match result {
        Err(Error::ForeignStorage(_)) => {}
        other => panic!("{other:?}"),
    }
}

impl World {
    async fn is_open_unsigned(&self, key: MediaKey) -> bool {
        let signed = self.media.links().url(key, Large, false);
        self.fetch(signed.split('?').next().unwrap()).await.is_some()
    }

    async fn exists(&self, key: MediaKey) -> bool {
        self.fetch(&self.media.links().url(key, Large, false)).await.is_some()
    }

    async fn now(&self, image: &Image) -> Image {
        self.media.get_media(image.owner, image.id).await.unwrap()
    }
}

async fn loses_nothing_while_storage_is_away(
    w: World,
    disconnect: &(dyn Fn() + Sync),
    restore: &(dyn Fn() + Sync),
) {
    let ann = w.user("ann").await;
    let mut images = Vec::new();
    let mut posts = Vec::new();
    for visibility in [Visibility::Followers, Visibility::Public, Visibility::Public, Visibility::Public] {
        let image = w.upload(ann, &photo(64, 48)).await.unwrap();
        posts.push(w.create_post(ann, &[image.id], visibility).await);
        images.push(image);
    }
    let unused = w.upload(ann, &photo(64, 48)).await.unwrap();
    w.run_jobs().await;
    let mut before = Vec::new();
    for image in &images {
        before.push(w.now(image).await.key);
    }
    assert_eq!(before.iter().map(|key| key.is_public()).collect::<Vec<_>>(), [false, true, true, true]);

    disconnect();
    for (post, visibility) in [(posts[0], Visibility::Public), (posts[1], Visibility::Followers)] {
        let edit = UpdatePost::new(None, None, Some(visibility)).unwrap();
        w.social.update_post(ann, post, edit, &Precondition::Any).await.unwrap();
    }
    w.social.delete_post(ann, posts[2], &Precondition::Any).await.unwrap();
    w.media.delete_media(ann, unused.id, &Precondition::Any).await.unwrap();
    assert_foreign(w.media.check_storage().await);
    assert_foreign(w.media.inspect_storage().await);
    assert_foreign(w.media.move_image(images[0].id).await);
    assert_foreign(w.media.move_media(ann).await);
    assert_foreign(w.media.purge_post(posts[2]).await);
    assert_foreign(w.media.purge_media(unused.id).await);
    assert_foreign(w.media.delete_files(before[1]).await);
    assert_foreign(w.media.sweep(true).await);
    assert_foreign(w.upload(ann, &photo(64, 48)).await);

    restore();
    w.run_jobs().await;
    w.clock.advance(2 * LIFETIME);
    w.run_jobs().await;
    let after = [w.now(&images[0]).await.key, w.now(&images[1]).await.key];
    assert_eq!(after.map(MediaKey::is_public), [true, false]);
    for key in after.into_iter().chain([before[3]]) {
        assert!(w.exists(key).await, "{key}");
    }
    for key in before[..3].iter().copied().chain([unused.key]) {
        assert!(!w.is_open_unsigned(key).await && !w.exists(key).await, "{key}");
    }
    assert_eq!(w.files().await.len(), 9);
    w.media.check_storage().await.unwrap();
}

#[tokio::test]
async fn unmounted_volume_loses_nothing() {
    let w = World::new(StorageKind::Folder).await;
    let folder = folder(&w);
    loses_nothing_while_storage_is_away(w, &|| unmount(&folder), &|| mount(&folder)).await;
}

#[tokio::test]
async fn ingress_that_answers_404_loses_nothing() {
    let store = Ingress::new();
    let w = World::over(store.clone()).await;
    let away = |is_away| store.is_away.store(is_away, Ordering::Relaxed);
    loses_nothing_while_storage_is_away(w, &|| away(1), &|| away(0)).await;
}

#[tokio::test]
async fn unmounted_volume_stops_the_purge_of_an_account() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    w.upload(ann, &photo(64, 48)).await.unwrap();
    // As after restoring a backup: files without a row.
    w.database.execute("DELETE FROM media").await;
    unmount(&folder(&w));
    assert_foreign(w.media.purge_user(ann).await);
    mount(&folder(&w));
    while w.media.purge_user(ann).await.unwrap() {}
    assert_eq!(w.files().await, Vec::<String>::new());
}

#[tokio::test]
async fn copy_that_is_temporarily_not_found_is_retried() {
    let store = Ingress::new();
    let w = World::over(store.clone()).await;
    let ann = w.user("ann").await;
    let image = w.upload(ann, &photo(64, 48)).await.unwrap();
    w.create_post(ann, &[image.id], Visibility::Public).await;
    store.copies_lost.store(2, Ordering::Relaxed);
    assert!(matches!(w.media.move_image(image.id).await, Err(Error::Unavailable(_))));
    assert_eq!(w.now(&image).await.key, image.key);
    w.run_jobs().await;
    let key = w.now(&image).await.key;
    assert!(key.is_public() && w.is_open_unsigned(key).await);
}

#[tokio::test]
async fn lost_variant_does_not_prevent_moving_the_others() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let image = w.upload(ann, &photo(640, 480)).await.unwrap();
    std::fs::remove_file(folder(&w).join(image.key.file(VariantName::Small))).unwrap();
    w.create_post(ann, &[image.id], Visibility::Public).await;
    w.run_jobs().await;
    let after = w.now(&image).await;
    assert!(after.key.is_public());
    for name in VariantName::ALL.iter().copied() {
        let found = w.fetch(&w.media.links().url(after.key, name, false)).await;
        assert_eq!(found.is_some(), name != VariantName::Small, "{name:?}");
    }
    assert_eq!(w.media.sweep(false).await.unwrap().missing, [image.id]);
}

#[tokio::test]
async fn site_of_the_previous_version_marks_the_storage_with_its_images() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    w.upload(ann, &photo(64, 48)).await.unwrap();
    w.database.execute("DELETE FROM storage_marker").await;
    let folder = folder(&w);
    std::fs::remove_file(folder.join(NAME)).unwrap();

    unmount(&folder);
    assert_foreign(w.another_node(w.location.clone()).check_storage().await);
    mount(&folder);
    w.another_node(w.location.clone()).inspect_storage().await.unwrap();
    assert!(!folder.join(NAME).exists(), "inspecting does not mark the storage");
    w.another_node(w.location.clone()).check_storage().await.unwrap();
    assert!(folder.join(NAME).exists());
    unmount(&folder);
    assert_foreign(w.another_node(w.location.clone()).check_storage().await);
    // An operator confirms that all images are lost.
    let text = w.database.lines("SELECT marker AS line FROM storage_marker").await.concat();
    std::fs::write(folder.join(NAME), text).unwrap();
    w.another_node(w.location.clone()).check_storage().await.unwrap();
}

#[apply(both_storages)]
#[tokio::test]
async fn nodes_that_start_concurrently_write_one_marker(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let nodes = [(); 4].map(|()| w.another_node(w.location.clone()));
    let checks = futures_util::future::join_all(nodes.iter().map(blegram_media::Media::check_storage)).await;
    for node in nodes.iter().zip(checks) {
        node.1.unwrap();
        node.0.check_storage().await.unwrap();
    }
}

#[tokio::test]
async fn storage_of_another_site_is_rejected() {
    let (store, other) = (Arc::new(InMemory::new()), Arc::new(InMemory::new()));
    let w = World::over(store.clone()).await;
    let another = World::over(other.clone()).await;
    w.media.check_storage().await.unwrap();
    another.media.check_storage().await.unwrap();
    let wrong = w.another_node(Location::Other(other));
    assert_foreign(wrong.check_storage().await);

    // A new site on used storage adopts its marker.
    let anew = World::at(Backend::Sqlite, Location::Other(store.clone())).await;
    anew.media.check_storage().await.unwrap();
    w.media.check_storage().await.unwrap();
    store.delete(&Path::from(NAME)).await.unwrap();
    assert_foreign(w.media.check_storage().await);
    assert_foreign(anew.media.check_storage().await);
}
