//! Jobs that send mails.

use blegram_auth::Auth;
use blegram_domain::job::MailJob;

pub(super) async fn step(auth: &Auth, job: MailJob) -> anyhow::Result<bool> {
    match job {
        MailJob::SendMail(mail) => auth.send_mail(mail).await?,
    }
    Ok(false)
}
