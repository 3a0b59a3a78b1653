//! Jobs of images and their files.

use blegram_domain::job::MediaJob;
use blegram_media::Media;

pub(super) async fn step(media: &Media, job: MediaJob) -> anyhow::Result<bool> {
    Ok(match job {
        MediaJob::PurgeMedia(id) => media.purge_media(id).await?,
        MediaJob::DeleteFiles(key) => {
            media.delete_files(key).await?;
            false
        }
        MediaJob::MoveMedia(user) => media.move_media(user).await?,
        MediaJob::MoveImage(id) => media.move_image(id).await?,
    })
}
