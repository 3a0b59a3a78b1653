//! Account administration by operators. No password is required here: access to the database is the authorisation.
//!
//! Another process may serve the site at the same time: it applies a change within [`crate::session_cache::MAX_AGE`].

use blegram_cpu_pool::Work;
use blegram_domain::{
    Account, DisplayName, EmailAddress, Job, UserSummary, Username,
    mail::{MailKind, TokenPurpose},
    user::{Role, Status},
};
use blegram_limits::Subject;
use blegram_persistence::{
    Tx, factors, hashtags, jobs, login_challenges, passkey_ceremonies, recovery_codes, sessions, users,
};

use crate::{Auth, Error, Event, NewPassword, Result, audit, email::cancel, mail::Notice};

/// The data of an account that an operator creates.
#[derive(Debug, Clone)]
pub struct CreateAccount {
    /// The username.
    pub username: Username,
    /// The password.
    pub password: NewPassword,
    /// The display name; defaults to the username.
    pub display_name: Option<DisplayName>,
    /// The owner's e-mail address, not verified.
    pub email: Option<EmailAddress>,
    /// The permissions.
    pub role: Role,
}

impl Auth {
    /// Creates an account, even if registration is closed or the username is reserved for the site.
    ///
    /// # Errors
    /// [`Error::UsernameTaken`]; [`Error::Overloaded`].
    pub async fn create_account(&self, create: CreateAccount) -> Result<Account> {
        let (tx, id, now) = self.insert_account(create, None, Work::of(Subject::Operator)).await?;
        let account = users::find_account(&tx, id).await?.ok_or(Error::AccountNotFound)?;
        let recorded = audit::record_operator(&tx, audit::Kind::UserCreated, id, now).await?;
        tx.commit().await?;
        recorded.log();
        Ok(account)
    }

    /// Suspends or reinstates an account: a suspended one cannot log in, its sessions end, and it and its content are
    /// hidden. Returns whether this changed anything.
    ///
    /// # Errors
    /// [`Error::AccountNotFound`], also for a deleted account.
    pub async fn suspend(&self, username: &Username, is_suspended: bool) -> Result<bool> {
        let (tx, account) = self.lock_account(username).await?;
        let summary = account.user.summary;
        let status = if is_suspended { Status::Suspended } else { Status::Active };
        if summary.status == status {
            return Ok(false);
        }
        users::update_status(&tx, summary.id, status).await?;
        hashtags::update_of_author(&tx, &summary, &UserSummary { status, ..summary.clone() }).await?;
        // The files of hidden accounts must not stay at public addresses.
        let now = self.clock.now();
        jobs::insert_again(&tx, Job::MoveMedia(summary.id), now).await?;
        if is_suspended {
            sessions::delete_others(&tx, summary.id, None).await?;
        }
        let kind = if is_suspended { audit::Kind::UserSuspended } else { audit::Kind::UserReinstated };
        let recorded = audit::record_operator(&tx, kind, summary.id, now).await?;
        tx.commit().await?;
        self.publish(is_suspended.then_some(Event::Suspended { user: summary.id }));
        recorded.log();
        Ok(true)
    }

    /// Changes the role of an account. Returns whether this changed anything.
    ///
    /// # Errors
    /// [`Error::AccountNotFound`], also for a deleted account.
    pub async fn set_role(&self, username: &Username, role: Role) -> Result<bool> {
        let (tx, account) = self.lock_account(username).await?;
        if account.role == role {
            return Ok(false);
        }
        let id = account.user.summary.id;
        users::update_role(&tx, id, role).await?;
        let recorded = audit::record_operator(&tx, audit::Kind::RoleChange, id, self.clock.now()).await?;
        tx.commit().await?;
        self.publish([Event::RoleChanged { user: id }]);
        recorded.log();
        Ok(true)
    }

    /// Replaces the password of an account and ends its sessions.
    ///
    /// # Errors
    /// [`Error::AccountNotFound`], also for a deleted account; [`Error::Overloaded`].
    pub async fn reset_password(&self, username: &Username, password: NewPassword) -> Result<()> {
        let hash = self.hasher.hash(password, Work::of(Subject::Operator)).await?;
        let now = self.clock.now();
        let (tx, account) = self.lock_account(username).await?;
        let id = account.user.summary.id;
        let outdated = users::find_password_hash(&tx, id).await?;
        users::replace_password_hash(&tx, id, outdated.as_deref(), &hash).await?;
        sessions::delete_others(&tx, id, None).await?;
        login_challenges::delete_of_user(&tx, id).await?;
        cancel(&tx, id, TokenPurpose::ResetPassword).await?;
        self.notify(&tx, &account, Notice::new(MailKind::PasswordChanged), now).await?;
        let recorded = audit::record_operator(&tx, audit::Kind::PasswordChange, id, now).await?;
        tx.commit().await?;
        self.publish([Event::SessionsEnded { user: id, except: None }]);
        recorded.log();
        Ok(())
    }

    /// Removes the second factors and recovery codes of an account whose owner has lost them. Returns whether this changed
    /// anything. Sessions stay.
    ///
    /// # Errors
    /// [`Error::AccountNotFound`], also for a deleted account.
    pub async fn remove_factors(&self, username: &Username) -> Result<bool> {
        let (tx, account) = self.lock_account(username).await?;
        let (id, now) = (account.user.summary.id, self.clock.now());
        let is_protected = !factors::list_kinds(&tx, id).await?.is_empty();
        let removed = factors::delete_all(&tx, id).await?;
        recovery_codes::delete_all(&tx, id).await?;
        login_challenges::delete_of_user(&tx, id).await?;
        passkey_ceremonies::delete_of_user(&tx, id).await?;
        if removed == 0 {
            tx.commit().await?;
            return Ok(false);
        }
        // A setup that was not complete protected nothing.
        if is_protected {
            self.notify(&tx, &account, Notice::new(MailKind::FactorsReset), now).await?;
        }
        let recorded = audit::record_operator(&tx, audit::Kind::FactorRemoved, id, now).await?;
        tx.commit().await?;
        recorded.log();
        Ok(true)
    }

    async fn lock_account(&self, username: &Username) -> Result<(Tx, Account)> {
        let tx = self.db.write().await?;
        let user = users::find_by_username(&tx, username).await?.ok_or(Error::AccountNotFound)?;
        let account = users::lock(&tx, user.summary.id).await?;
        let exists = |account: &Account| account.user.summary.status != Status::Deleted;
        Ok((tx, account.filter(exists).ok_or(Error::AccountNotFound)?))
    }
}
