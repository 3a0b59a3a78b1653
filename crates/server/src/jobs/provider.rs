//! Jobs that send requests to login providers.

use blegram_auth::Auth;
use blegram_domain::job::ProviderJob;

pub(super) async fn step(auth: &Auth, job: ProviderJob) -> anyhow::Result<bool> {
    match job {
        ProviderJob::UnlinkIdentity(unlink) => auth.unlink_at_provider(unlink).await?,
    }
    Ok(false)
}
