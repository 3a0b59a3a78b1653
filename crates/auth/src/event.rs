//! Events about sessions that end while a client may still be connected.

use blegram_domain::{SessionId, UserId};
use serde::{Deserialize, Serialize};

/// Sessions or an account became invalid, or what a session may do changed. An event repeats what the database already contains, so a subscriber that
/// misses one learns the same from the database.
///
/// Sessions that expire by age or idleness produce no event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// One session was ended.
    SessionEnded {
        /// The ended session.
        session: SessionId,
    },
    /// All sessions of an account were ended, also because it was deleted.
    SessionsEnded {
        /// The account.
        user: UserId,
        /// The session that stays valid.
        except: Option<SessionId>,
    },
    /// An account was suspended, which ended all its sessions.
    Suspended {
        /// The account.
        user: UserId,
    },
    /// The role of an account changed.
    RoleChanged {
        /// The account.
        user: UserId,
    },
}
