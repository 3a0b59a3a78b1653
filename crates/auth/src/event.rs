//! What ends while somebody may still be connected.

use blegram_domain::{SessionId, UserId};

/// A login or an account that counts no more. It speaks of the database as it is: whoever misses one finds out by
/// asking there.
///
/// Logins that end by themselves, by age or by not being used, are nobody's deed and have no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// One login was ended.
    SessionEnded {
        /// Which.
        session: SessionId,
    },
    /// All logins of an account were ended, also because it was deleted.
    SessionsEnded {
        /// Whose.
        user: UserId,
        /// The one that goes on.
        except: Option<SessionId>,
    },
    /// An account was suspended, and all its logins were ended by that.
    Suspended {
        /// Whose.
        user: UserId,
    },
}
