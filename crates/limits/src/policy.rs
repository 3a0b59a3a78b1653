//! The table of rate limits.

use std::{num::NonZeroU32, time::Duration};

/// A rate limit: `burst` attempts at once, refilled evenly over `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The largest number of attempts at once.
    pub burst: NonZeroU32,
    /// The time to refill all of them.
    pub per: Duration,
}

impl Quota {
    /// `burst` attempts (at least 1) at once, refilled in `seconds`.
    pub const fn new(burst: u32, seconds: u64) -> Self {
        let burst = match NonZeroU32::new(burst) {
            Some(burst) => burst,
            None => NonZeroU32::MIN,
        };
        Self { burst, per: Duration::from_secs(seconds) }
    }

    /// `factor` times as many attempts in the same time.
    #[must_use]
    pub const fn times(self, factor: u32) -> Self {
        let burst = match NonZeroU32::new(factor) {
            Some(factor) => self.burst.saturating_mul(factor),
            None => self.burst,
        };
        Self { burst, ..self }
    }
}

macro_rules! policies {
    (@open $quota:expr, $factor:expr) => { $quota.times($factor) };
    (@guarded $quota:expr, $factor:expr) => { $quota };
    ($($(#[$doc:meta])* $policy:ident = $name:literal, $field:ident: $burst:literal in $seconds:literal, $kind:ident;)*) => {
        /// A rate limit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Policy {
            $($(#[$doc])* $policy,)*
        }

        /// The quota of each policy.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Quotas {
            $($(#[$doc])* pub $field: Quota,)*
        }

        impl Default for Quotas {
            fn default() -> Self {
                Self { $($field: Quota::new($burst, $seconds),)* }
            }
        }

        impl Quotas {
            /// The quota of `policy`.
            pub const fn of(&self, policy: Policy) -> Quota {
                match policy {
                    $(Policy::$policy => self.$field,)*
                }
            }

            /// These quotas times `factor`, for clients that are trusted not to flood the server: without those that
            /// guard secrets and names, and without the fields of which `is_kept` is true.
            #[must_use]
            pub fn widened(self, factor: u32, is_kept: impl Fn(&str) -> bool) -> Self {
                Self {
                    $($field: if is_kept(stringify!($field)) {
                        self.$field
                    } else {
                        policies!(@$kind self.$field, factor)
                    },)*
                }
            }
        }

        impl Policy {
            /// All policies, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$policy,)*];

            /// Whether it counts addresses, also those of clients who are logged in. Other policies count users, and
            /// addresses of clients who are not logged in.
            pub const fn is_per_address(self) -> bool {
                matches!(
                    self,
                    Self::GlobalAddress
                        | Self::Login
                        | Self::PasskeyStart
                        | Self::SignUp
                        | Self::SignUpLoopback
                        | Self::EmailToken
                        | Self::ExternalLogin
                        | Self::UnlinkNotice
                        | Self::HandshakeFailure
                )
            }

            /// The name that clients see in `RateLimit-Policy`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$policy => $name,)*
                }
            }
        }
    };
}

policies! {
    /// All requests of one address, of clients that are not logged in.
    GlobalAddress = "global", global_per_address: 200 in 60, open;
    /// All requests and gateway commands of one user.
    GlobalUser = "global", global_per_user: 1200 in 60, open;
    /// Logins from one address.
    Login = "login", login_per_address: 25 in 300, guarded;
    /// Logins to one account from one address.
    LoginAccountAddress = "login-account-address", login_per_account_and_address: 10 in 600, guarded;
    /// Logins to one account from addresses and devices that are new to it.
    LoginAccount = "login-account", login_per_account: 100 in 3600, guarded;
    /// Attempts to complete logins to one account with a second factor, from one address.
    SecondFactorAddress = "second-factor-address", second_factor_per_account_and_address: 10 in 600, guarded;
    /// The same, from addresses and devices that are new to the account.
    SecondFactorAccount = "second-factor-account", second_factor_per_account: 30 in 86_400, guarded;
    /// Logins with passkeys that are started from one address.
    PasskeyStart = "passkey-start", passkey_starts_per_address: 60 in 300, guarded;
    /// Steps of logins with other providers from one address: each login has two or three.
    ExternalLogin = "external-login", external_logins_per_address: 60 in 300, guarded;
    /// Unlink notices of login providers from one address.
    UnlinkNotice = "unlink-notice", unlink_notices_per_address: 300 in 60, open;
    /// Sign-ups from one address.
    SignUp = "signup", signup_per_address: 5 in 1800, guarded;
    /// Sign-ups over loopback, by clients that are no proxy.
    SignUpLoopback = "signup", signup_from_loopback: 5 in 1800, guarded;
    /// Confirmations by password or code within the sessions of one account.
    Password = "password", password_per_account: 10 in 600, guarded;
    /// Requests for a new password, and uses of the links in mails, from one address.
    EmailToken = "email-token", email_tokens_per_address: 20 in 3600, guarded;
    /// Changes of the address of one account: each sends a mail.
    EmailChange = "email-change", email_changes_per_user: 10 in 3600, guarded;
    /// Mails to one recipient that anyone can cause, whether an account has the address or not.
    Mail = "mail", mails_per_recipient: 5 in 3600, guarded;
    /// Notices to one recipient about their account.
    MailNotice = "mail-notice", mail_notices_per_recipient: 20 in 3600, guarded;
    /// Username changes of one account: each reserves the old username.
    Username = "username", username_per_account: 5 in 86_400, guarded;
    /// Posts and edits of posts by one user.
    Post = "post", posts_per_user: 60 in 300, open;
    /// Comments and edits of comments by one user.
    Comment = "comment", comments_per_user: 120 in 300, open;
    /// Likes, bookmarks, follows, blocks and mutes by one user, and their reversals.
    Reaction = "reaction", reactions_per_user: 240 in 60, open;
    /// Messages sent and edited by one user, over HTTP and the gateway.
    Message = "message", messages_per_user: 240 in 60, open;
    /// Uploads by one user, each with one or several files.
    Upload = "upload", uploads_per_user: 300 in 600, open;
    /// Processing of the images of one user, in milliseconds of one thread.
    ImageWork = "image-work", image_work_per_user: 600_000 in 3600, open;
    /// Gateway tickets of one user.
    Ticket = "ticket", tickets_per_user: 120 in 60, open;
    /// Searches by one user or, without login, from one address.
    Search = "search", searches: 120 in 60, open;
    /// Reports by one user.
    Report = "report", reports_per_user: 30 in 3600, open;
    /// Rejected gateway handshakes from one address; successful ones do not count.
    HandshakeFailure = "handshake-failure", handshake_failures_per_address: 60 in 60, open;
    /// Gateway connections opened by one user.
    Connect = "connect", connections_per_user: 300 in 60, open;
}
