//! Relationships between accounts, and the visibility rules that follow from them.

use crate::{UserSummary, user::Status};

/// A viewer's relationship to another account. All false for the viewer's own account, and for viewers who are not
/// logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Relation {
    /// The viewer follows the account.
    pub following: bool,
    /// The account follows the viewer.
    pub followed_by: bool,
    /// The viewer has requested to follow the account.
    pub requested: bool,
    /// The viewer blocks the account.
    pub blocking: bool,
    /// The account blocks the viewer. Never disclosed to the viewer.
    pub blocked_by: bool,
    /// The viewer mutes the account.
    pub muting: bool,
}

impl Relation {
    /// Whether either blocks the other: neither sees the other's content or may interact with it.
    pub const fn is_blocked(self) -> bool {
        self.blocking || self.blocked_by
    }
}

/// Why an account's lists (posts, followers, followed accounts) are closed to a viewer who may see its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The viewer blocks the account.
    Blocked,
    /// The account is private, and the viewer does not follow it.
    Private,
}

impl UserSummary {
    /// Whether a viewer with `relation` may see the account's header: name, counts, whether it is private.
    pub fn is_header_visible(&self, relation: Relation) -> bool {
        self.status == Status::Active && !relation.blocked_by
    }

    /// Whether lists include the account and its content, for a viewer with `relation`.
    pub fn is_visible(&self, relation: Relation) -> bool {
        self.status == Status::Active && !relation.is_blocked()
    }

    /// Whether the account's own lists are open to a viewer with `relation` who may see its header.
    ///
    /// # Errors
    /// Why the lists are closed.
    pub fn check_lists_visible(&self, relation: Relation, is_own: bool) -> Result<(), Closed> {
        match relation {
            _ if is_own => Ok(()),
            Relation { blocking: true, .. } => Err(Closed::Blocked),
            Relation { following: false, .. } if self.is_private => Err(Closed::Private),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Timestamp, UserId, Username};

    #[test]
    fn account_visibility_depends_on_status_and_relation() {
        let none = Relation::default();
        let [following, blocking, blocked_by, muting] = [
            Relation { following: true, ..none },
            Relation { blocking: true, ..none },
            Relation { blocked_by: true, ..none },
            Relation { muting: true, ..none },
        ];
        let (open, private, blocked) = (Ok(()), Err(Closed::Private), Err(Closed::Blocked));
        let table = [
            (false, Status::Active, none, true, true, open),
            (false, Status::Active, muting, true, true, open),
            (false, Status::Active, blocking, true, false, blocked),
            (false, Status::Active, blocked_by, false, false, open),
            (true, Status::Active, none, true, true, private),
            (true, Status::Active, following, true, true, open),
            (true, Status::Active, blocking, true, false, blocked),
            (false, Status::Suspended, following, false, false, open),
            (false, Status::Deleted, none, false, false, open),
        ];
        for (is_private, status, relation, header, visible, lists) in table {
            let id = UserId::generate(Timestamp::from_micros(1_790_000_000_000_000).unwrap());
            let username = Username::parse("ann").unwrap();
            let user =
                UserSummary { id, username, display_name: "Ann".into(), avatar: None, is_private, status };
            let seen = (
                user.is_header_visible(relation),
                user.is_visible(relation),
                user.check_lists_visible(relation, false),
            );
            assert_eq!(seen, (header, visible, lists), "{is_private} {status:?} {relation:?}");
            assert_eq!(user.check_lists_visible(relation, true), Ok(()));
        }
    }
}
