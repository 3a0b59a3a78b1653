//! The identities of an account at other providers.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use blegram_domain::{Identity, ProviderId, UserId, session::Kind};
use blegram_persistence::{identities, sessions, users};
use hmac::Mac;

use crate::{
    Auth, Authenticated, Error, Event, Result, audit,
    external_login::{LocalPath, StartedLogin},
    provider::{Notice, NoticeReply},
};

/// The response to an unlink notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeReceipt {
    /// The response that the provider expects.
    pub reply: NoticeReply,
    /// A code by which the operator finds the notice in the log.
    pub confirmation_code: String,
}

impl Auth {
    /// The identities of `actor`, by provider.
    pub async fn list_identities(&self, actor: UserId) -> Result<Vec<Identity>> {
        Ok(identities::list_of_user(&self.db, actor).await?)
    }

    /// Begins to link an identity to the account of `actor`. The browser must return within the same session: otherwise
    /// a page that sends another user's browser to the provider would link that user's identity.
    ///
    /// # Errors
    /// [`Error::ReauthenticationRequired`] if the login is not recent; [`Error::BrowserRequired`] in a native app;
    /// [`Error::IdentityInUse`] if the account has an identity of the provider; [`Error::ProviderNotFound`];
    /// [`Error::ProviderUnavailable`].
    pub async fn link_identity(
        &self,
        actor: &Authenticated,
        provider: &ProviderId,
        redirect_to: Option<LocalPath>,
    ) -> Result<StartedLogin> {
        self.find_provider(provider)?;
        if actor.kind != Kind::Browser {
            return Err(Error::BrowserRequired);
        }
        self.require_recent(&self.db, actor.session, self.clock.now()).await?;
        let linked = identities::list_of_user(&self.db, actor.user).await?;
        if linked.iter().any(|identity| identity.key.provider == *provider) {
            return Err(Error::IdentityInUse);
        }
        let redirect_to = redirect_to.map(|path| path.as_str().to_owned());
        self.begin(provider, Some(actor.session), redirect_to, None).await
    }

    /// Unlinks the identity of `actor` at a provider. Sessions that began with it continue.
    ///
    /// # Errors
    /// [`Error::ReauthenticationRequired`] if the login is not recent; [`Error::IdentityNotFound`];
    /// [`Error::LastLoginMethod`] if the account has no password and no other identity. Passkeys do not count: they can be
    /// removed in turn.
    pub async fn unlink_identity(&self, actor: &Authenticated, provider: &ProviderId) -> Result<()> {
        let (user, now) = (actor.user, self.clock.now());
        let tx = self.db.write().await?;
        // Locked, so that of two concurrent requests one sees what the other left.
        let account = users::lock(&tx, user).await?.filter(|account| account.user.is_visible());
        let account = account.ok_or(Error::SessionEnded)?;
        self.require_recent(&tx, actor.session, now).await?;
        let others = identities::count_of_user(&tx, user).await?;
        if !identities::delete(&tx, user, provider).await? {
            return Err(Error::IdentityNotFound);
        }
        if !account.has_password && others <= 1 {
            return Err(Error::LastLoginMethod);
        }
        let recorded = audit::record(&tx, audit::Kind::IdentityUnlinked, user, now).await?;
        tx.commit().await?;
        recorded.log();
        Ok(())
    }

    /// Removes the identity of a user who ended the link at the provider, and ends the sessions that began with it. The
    /// account stays. The response is the same for a user without an account.
    ///
    /// # Errors
    /// [`Error::ProviderNotFound`], also for a provider that sends no notices; [`Error::NoticeRejected`].
    pub async fn receive_unlink_notice(
        &self,
        provider: &ProviderId,
        notice: &Notice,
    ) -> Result<NoticeReceipt> {
        let authentic = self.find_provider(provider)?.read_notice(notice).ok_or(Error::ProviderNotFound)?;
        let subject = authentic.map_err(|_| Error::NoticeRejected)?;
        let tx = self.db.write().await?;
        let users = identities::delete_by_subject(&tx, provider, &subject.subject).await?;
        let mut ended = Vec::new();
        for user in &users {
            ended.extend(sessions::delete_of_provider(&tx, *user, provider).await?);
        }
        let (kind, now, mut recorded) = (audit::Kind::IdentityUnlinked, self.clock.now(), Vec::new());
        for user in users {
            recorded.push(audit::record_operator(&tx, kind, user, now).await?);
        }
        tx.commit().await?;
        recorded.into_iter().for_each(audit::Recorded::log);
        self.publish(ended.into_iter().map(|session| Event::SessionEnded { session }));
        let parts: [&[u8]; 4] = [b"notice ", provider.as_str().as_bytes(), b" ", subject.subject.as_bytes()];
        let code = self.login_key.mac(&parts).finalize().into_bytes();
        Ok(NoticeReceipt { reply: subject.reply, confirmation_code: URL_SAFE_NO_PAD.encode(&code[..12]) })
    }
}
