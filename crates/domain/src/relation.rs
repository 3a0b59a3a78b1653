//! How people stand to each other, and what follows from it.

use crate::{UserSummary, user::Status};

/// How a viewer stands to another account. To oneself, and for somebody not logged in, nothing holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Relation {
    /// The viewer follows it.
    pub following: bool,
    /// It follows the viewer.
    pub followed_by: bool,
    /// The viewer asked to follow it.
    pub requested: bool,
    /// The viewer blocks it.
    pub blocking: bool,
    /// It blocks the viewer, who is not told.
    pub blocked_by: bool,
    /// The viewer mutes it.
    pub muting: bool,
}

impl Relation {
    /// Whether either blocks the other: neither sees what the other writes, nor acts on it.
    pub const fn is_blocked(self) -> bool {
        self.blocking || self.blocked_by
    }
}

/// Why the lists of an account (its posts, followers and followees) are closed to somebody who sees its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The viewer blocks the account.
    Blocked,
    /// The account is private, and the viewer no follower.
    Private,
}

impl UserSummary {
    /// Whether somebody who stands to the account like this may see its header: name, counts, whether it is private.
    pub fn shows_header(&self, relation: Relation) -> bool {
        self.status == Status::Active && !relation.blocked_by
    }

    /// Whether lists of things show the account, or what it wrote, to somebody who stands to it like this.
    pub fn is_shown(&self, relation: Relation) -> bool {
        self.status == Status::Active && !relation.is_blocked()
    }

    /// Whether the account's own lists are open to somebody who stands to it like this and sees its header.
    ///
    /// # Errors
    /// Why not.
    pub fn opens_lists(&self, relation: Relation, is_own: bool) -> Result<(), Closed> {
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
    fn who_sees_what_of_an_account() {
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
        for (is_private, status, relation, header, shown, lists) in table {
            let id = UserId::generate(Timestamp::from_micros(1_790_000_000_000_000).unwrap());
            let username = Username::parse("ann").unwrap();
            let user =
                UserSummary { id, username, display_name: "Ann".into(), avatar: None, is_private, status };
            let seen =
                (user.shows_header(relation), user.is_shown(relation), user.opens_lists(relation, false));
            assert_eq!(seen, (header, shown, lists), "{is_private} {status:?} {relation:?}");
            assert_eq!(user.opens_lists(relation, true), Ok(()));
        }
    }
}
