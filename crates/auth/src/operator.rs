//! What operators do with accounts. Nobody is asked for a password here: whoever reaches the database may.
//!
//! Another process may serve the site meanwhile: it hears of a change within
//! [`crate::session_cache::MAX_AGE`].

use blegram_domain::{
    Account, DisplayName, EmailAddress, Job, UserSummary, Username,
    user::{Role, Status},
};
use blegram_persistence::{Tx, hashtags, jobs, sessions, users};

use crate::{Auth, Error, Event, NewPassword, Result, audit};

/// An account to be made.
#[derive(Debug, Clone)]
pub struct CreateAccount {
    /// The name it wants.
    pub username: Username,
    /// What opens it.
    pub password: NewPassword,
    /// The name it shows; the username unless given.
    pub display_name: Option<DisplayName>,
    /// Where its owner says to receive mail.
    pub email: Option<EmailAddress>,
    /// What it may do.
    pub role: Role,
}

impl Auth {
    /// Makes an account, also where strangers may not sign up, and under a name that is kept for the site.
    ///
    /// # Errors
    /// [`Error::UsernameTaken`]; [`Error::Overloaded`].
    pub async fn create_account(&self, create: CreateAccount) -> Result<Account> {
        let (tx, id, _now) = self.insert_account(create).await?;
        let account = users::find_account(&tx, id).await?.ok_or(Error::AccountNotFound)?;
        tx.commit().await?;
        audit::record("user_created", id);
        Ok(account)
    }

    /// Takes an account out, or back in: a suspended one cannot log in, its sessions end, and nobody sees it or what it
    /// wrote. Says whether that changed anything.
    ///
    /// # Errors
    /// [`Error::AccountNotFound`], also for a deleted one.
    pub async fn suspend(&self, username: &Username, is_suspended: bool) -> Result<bool> {
        let (tx, account) = self.hold_account(username).await?;
        let summary = account.user.summary;
        let status = if is_suspended { Status::Suspended } else { Status::Active };
        if summary.status == status {
            return Ok(false);
        }
        users::update_status(&tx, summary.id, status).await?;
        hashtags::update_of_author(&tx, &summary, &UserSummary { status, ..summary.clone() }).await?;
        // What nobody sees has no address that everybody can fetch.
        jobs::insert_again(&tx, Job::MoveMedia(summary.id), self.clock.now()).await?;
        if is_suspended {
            sessions::delete_others(&tx, summary.id, None).await?;
        }
        tx.commit().await?;
        self.announce(is_suspended.then_some(Event::Suspended { user: summary.id }));
        audit::record(if is_suspended { "user_suspended" } else { "user_reinstated" }, summary.id);
        Ok(true)
    }

    /// Changes what an account may do. Says whether that changed anything.
    ///
    /// # Errors
    /// [`Error::AccountNotFound`], also for a deleted one.
    pub async fn set_role(&self, username: &Username, role: Role) -> Result<bool> {
        let (tx, account) = self.hold_account(username).await?;
        if account.role == role {
            return Ok(false);
        }
        let id = account.user.summary.id;
        users::update_role(&tx, id, role).await?;
        tx.commit().await?;
        self.announce([]);
        audit::record("authz_change", id);
        Ok(true)
    }

    /// Replaces the password of an account and ends its sessions.
    ///
    /// # Errors
    /// [`Error::AccountNotFound`], also for a deleted one; [`Error::Overloaded`].
    pub async fn reset_password(&self, username: &Username, password: NewPassword) -> Result<()> {
        let hash = self.hasher.hash(password).await?;
        let (tx, account) = self.hold_account(username).await?;
        let id = account.user.summary.id;
        let outdated = users::find_password_hash(&tx, id).await?;
        users::replace_password_hash(&tx, id, outdated.as_deref(), &hash).await?;
        sessions::delete_others(&tx, id, None).await?;
        tx.commit().await?;
        self.announce([Event::SessionsEnded { user: id, except: None }]);
        audit::record("authn_password_change", id);
        Ok(())
    }

    async fn hold_account(&self, username: &Username) -> Result<(Tx, Account)> {
        let tx = self.db.write().await?;
        let user = users::find_by_username(&tx, username).await?.ok_or(Error::AccountNotFound)?;
        let account = users::hold(&tx, user.summary.id).await?;
        let is_there = |it: &Account| it.user.summary.status != Status::Deleted;
        Ok((tx, account.filter(is_there).ok_or(Error::AccountNotFound)?))
    }
}
