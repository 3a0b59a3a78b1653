//! The use of uploaded images in posts and as avatars. Uploads and file storage are in `blegram-media`.

use blegram_domain::{Job, Media, MediaId, Post, Timestamp, UserId, UserSummary, media::MediaUse};
use blegram_persistence::{
    Tx, jobs,
    media::{self, UnusedMedia},
};

use crate::{Error, Result};

/// Locks unused images of `actor` until the transaction ends, and returns them in the order of `ids`.
///
/// # Errors
/// [`Error::MediaNotFound`] with the indexes of images that do not exist or belong to another user;
/// [`Error::MediaInUse`].
pub(crate) async fn lock_unused(tx: &Tx, actor: UserId, ids: &[MediaId]) -> Result<Vec<Media>> {
    match media::lock_unused(tx, actor, ids).await? {
        UnusedMedia::All(images) => Ok(images),
        UnusedMedia::Missing(indexes) => Err(Error::MediaNotFound(indexes)),
        UnusedMedia::InUse => Err(Error::MediaInUse),
    }
}

/// Attaches locked images to a post of their owner, whose account row is locked shared.
pub(crate) async fn use_in_post(tx: &Tx, images: &[Media], post: &Post) -> Result<()> {
    let ids: Vec<MediaId> = images.iter().map(|media| media.id).collect();
    Ok(media::update_used(tx, &ids, MediaUse::Post(post.id)).await?)
}

/// Marks the images of a post that is being deleted as deleted, so that they no longer count against the author's quota.
pub(crate) async fn hide_with_post(tx: &Tx, post: &Post, now: Timestamp) -> Result<()> {
    Ok(media::update_deleted_with_post(tx, &post.media, now).await?)
}

/// Enqueues a move for each image whose storage area (public or private) differs from the one its post needs.
pub(crate) async fn move_misplaced(
    tx: &Tx,
    images: &[Media],
    post: &Post,
    author: &UserSummary,
    now: Timestamp,
) -> Result<()> {
    let misplaced = images.iter().filter(|media| media.key.is_public() != post.is_public(author));
    let misplaced: Vec<MediaId> = misplaced.map(|media| media.id).collect();
    move_all(tx, &misplaced, now).await
}

/// Enqueues a move of each image into the storage area that its use needs.
pub(crate) async fn move_all(tx: &Tx, ids: &[MediaId], now: Timestamp) -> Result<()> {
    for id in ids {
        jobs::insert_again(tx, Job::MoveImage(*id), now).await?;
    }
    Ok(())
}

/// Replaces the avatar of `actor`, whose account row is locked, with an image of theirs, or removes it. Returns the new
/// avatar.
///
/// # Errors
/// [`Error::AvatarNotFound`]; [`Error::MediaInUse`].
pub(crate) async fn replace_avatar(
    tx: &Tx,
    actor: UserId,
    id: Option<MediaId>,
    now: Timestamp,
) -> Result<Option<Media>> {
    let old = media::lock_avatar(tx, actor).await?;
    if old.as_ref().map(|media| media.id) == id {
        return Ok(old);
    }
    let new = match id {
        None => None,
        Some(id) => {
            let locked = lock_unused(tx, actor, &[id]).await.map_err(|error| match error {
                Error::MediaNotFound(_) => Error::AvatarNotFound,
                other => other,
            })?;
            locked.into_iter().next()
        }
    };
    media::remove(tx, old.map(|media| media.id).as_slice(), now).await?;
    if let Some(new) = &new {
        media::update_used(tx, &[new.id], MediaUse::Avatar).await?;
        if !new.key.is_public() {
            move_all(tx, &[new.id], now).await?;
        }
    }
    Ok(new)
}
