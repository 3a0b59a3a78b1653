//! Images in posts and on profiles. How they get in, and where their files are, is not for this crate.

use blegram_domain::{Job, Media, MediaId, Post, Timestamp, UserId, UserSummary, media::MediaUse};
use blegram_persistence::{
    Tx, jobs,
    media::{self, Held},
};

use crate::{Error, Result};

/// Images of `actor` that are used for nothing yet, held until the transaction ends, in order.
///
/// # Errors
/// [`Error::MediaNotFound`] with the places of those that are not there or not the actor's; [`Error::MediaInUse`].
pub(crate) async fn hold_unused(tx: &Tx, actor: UserId, ids: &[MediaId]) -> Result<Vec<Media>> {
    match media::hold_unused(tx, actor, ids).await? {
        Held::All(images) => Ok(images),
        Held::Missing(places) => Err(Error::MediaNotFound(places)),
        Held::InUse => Err(Error::MediaInUse),
    }
}

/// Puts images that are held into a post of their owner, who is kept.
pub(crate) async fn use_in_post(tx: &Tx, images: &[Media], post: &Post) -> Result<()> {
    let ids: Vec<MediaId> = images.iter().map(|media| media.id).collect();
    Ok(media::update_used(tx, &ids, MediaUse::Post(post.id)).await?)
}

/// Enqueues the moves of images that are not where a post of their owner wants them.
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

/// Enqueues the moves of images to the area where their use wants them.
pub(crate) async fn move_all(tx: &Tx, ids: &[MediaId], now: Timestamp) -> Result<()> {
    for id in ids {
        jobs::insert_again(tx, Job::MoveImage(*id), now).await?;
    }
    Ok(())
}

/// Makes an image of `actor`, whose account is held, its picture in the place of the one before, or takes that one away.
/// Returns the new one.
///
/// # Errors
/// [`Error::AvatarNotFound`]; [`Error::MediaInUse`].
pub(crate) async fn replace_avatar(
    tx: &Tx,
    actor: UserId,
    id: Option<MediaId>,
    now: Timestamp,
) -> Result<Option<Media>> {
    let old = media::hold_avatar(tx, actor).await?;
    if old.as_ref().map(|media| media.id) == id {
        return Ok(old);
    }
    let new = match id {
        None => None,
        Some(id) => {
            let held = hold_unused(tx, actor, &[id]).await.map_err(|error| match error {
                Error::MediaNotFound(_) => Error::AvatarNotFound,
                other => other,
            })?;
            held.into_iter().next()
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
