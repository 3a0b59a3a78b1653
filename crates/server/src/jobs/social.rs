//! Jobs of posts, comments, relationships and search.

use blegram_domain::job::SocialJob;
use blegram_social::Social;

pub(super) async fn step(social: &Social, job: SocialJob) -> anyhow::Result<bool> {
    Ok(match job {
        SocialJob::PurgeComment(comment) => social.purge_comment(comment).await?,
        SocialJob::AcceptFollowRequests(user) => social.accept_follow_requests(user).await?,
        SocialJob::Reindex => social.reindex().await?,
    })
}
