//! Storage failures: nothing stays half-written, and the error says so.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use blegram_media::{Error, testing::photo};
use futures_util::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};

use crate::world::World;

/// Storage that accepts a number of files, and then fails.
#[derive(Debug)]
struct Full {
    inner: InMemory,
    left: AtomicUsize,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("full")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Full {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match left {
            Ok(_) => self.inner.put_opts(path, payload, options).await,
            Err(_) => Err(object_store::Error::Generic { store: "full", source: "no room".into() }),
        }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn storage_failure_leaves_neither_row_nor_file() {
    let store = Arc::new(Full { inner: InMemory::new(), left: AtomicUsize::new(3) });
    let w = World::over(store.clone()).await;
    let ann = w.user("ann").await;
    let file = photo(64, 48);
    assert!(
        matches!(w.upload(ann, &file).await, Err(Error::Unavailable(_))),
        "the storage accepts the marker and two of three files"
    );
    assert_eq!((w.database.count("media").await, w.media.sweep(false).await.unwrap().files), (0, 0));

    store.left.store(3, Ordering::Relaxed);
    assert!(w.upload(ann, &file).await.is_ok(), "the storage has space again");
}

#[tokio::test]
async fn deleted_account_stores_no_image() {
    let w = World::over(Arc::new(InMemory::new())).await;
    let ann = w.user("ann").await;
    w.database.execute("UPDATE users SET status = 'deleted'").await;
    assert!(matches!(w.upload(ann, &photo(64, 48)).await, Err(Error::AccountNotFound)));
    assert_eq!((w.database.count("media").await, w.media.sweep(false).await.unwrap().files), (0, 0));
}
