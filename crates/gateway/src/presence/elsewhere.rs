//! What this node knows of the users of other nodes.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    time::Duration,
};

use blegram_domain::UserId;
use tokio::time::Instant;

use super::NodeId;

/// The users whom connections of this node watch and who are online on other nodes.
#[derive(Debug)]
pub(super) struct Elsewhere {
    lease: Duration,
    /// When the lease of each node ends.
    nodes: HashMap<NodeId, Instant>,
    online: HashMap<UserId, HashSet<NodeId>>,
}

impl Elsewhere {
    pub(super) fn new(lease: Duration) -> Self {
        Self { lease, nodes: HashMap::new(), online: HashMap::new() }
    }

    pub(super) fn is_online(&self, user: UserId) -> bool {
        self.online.contains_key(&user)
    }

    pub(super) fn renew(&mut self, node: NodeId, now: Instant) {
        self.nodes.insert(node, now + self.lease);
    }

    /// Records who is online on a node and who is not. Returns those for whom it made a difference.
    pub(super) fn report(
        &mut self,
        node: NodeId,
        online: impl Iterator<Item = UserId>,
        offline: &[UserId],
    ) -> Vec<UserId> {
        let mut changed = Vec::new();
        for user in online {
            let nodes = self.online.entry(user).or_default();
            if nodes.insert(node) && nodes.len() == 1 {
                changed.push(user);
            }
        }
        changed.extend(offline.iter().copied().filter(|user| self.remove(*user, node)));
        changed
    }

    /// Ends what is known of nodes whose lease has ended, and of users whom no connection watches any more. Returns the
    /// users who went offline.
    pub(super) fn sweep(&mut self, now: Instant, is_watched: impl Fn(UserId) -> bool) -> Vec<UserId> {
        self.online.retain(|user, _| is_watched(*user));
        let ended: Vec<NodeId> = self.nodes.extract_if(|_, end| now >= *end).map(|(node, _)| node).collect();
        if ended.is_empty() {
            return Vec::new();
        }
        let users: Vec<UserId> = self.online.keys().copied().collect();
        let leaves = |user: &UserId| ended.iter().any(|node| self.remove(*user, *node));
        users.into_iter().filter(leaves).collect()
    }

    /// Whether the user was online on this node and is on no other.
    fn remove(&mut self, user: UserId, node: NodeId) -> bool {
        let Entry::Occupied(mut nodes) = self.online.entry(user) else { return false };
        let is_last = nodes.get_mut().remove(&node) && nodes.get().is_empty();
        if is_last {
            nodes.remove();
        }
        is_last
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const LEASE: Duration = Duration::from_secs(30);

    fn user(n: u128) -> UserId {
        UserId::from_uuid(Uuid::from_u128(n))
    }

    #[test]
    fn user_is_online_while_on_any_node() {
        let (mut elsewhere, [one, other]) = (Elsewhere::new(LEASE), [NodeId(1), NodeId(2)]);
        let ann = user(1);
        assert_eq!(elsewhere.report(one, [ann].into_iter(), &[]), [ann]);
        assert_eq!(elsewhere.report(other, [ann].into_iter(), &[]), []);
        assert_eq!(elsewhere.report(one, [].into_iter(), &[ann]), []);
        assert!(elsewhere.is_online(ann));
        assert_eq!(elsewhere.report(other, [].into_iter(), &[ann, user(2)]), [ann]);
        assert!(!elsewhere.is_online(ann));
    }

    #[test]
    fn users_of_a_node_go_offline_when_its_lease_ends() {
        let (mut elsewhere, [one, other]) = (Elsewhere::new(LEASE), [NodeId(1), NodeId(2)]);
        let (now, [ann, bob]) = (Instant::now(), [user(1), user(2)]);
        elsewhere.renew(one, now);
        elsewhere.renew(other, now);
        elsewhere.report(one, [ann, bob].into_iter(), &[]);
        elsewhere.report(other, [bob].into_iter(), &[]);
        elsewhere.renew(other, now + LEASE / 2);
        assert_eq!(elsewhere.sweep(now + LEASE / 2, |_| true), []);
        assert_eq!(elsewhere.sweep(now + LEASE, |_| true), [ann]);
        assert!(elsewhere.is_online(bob));
        assert_eq!(elsewhere.sweep(now + 2 * LEASE, |_| true), [bob]);
    }

    #[test]
    fn memory_is_that_of_the_watched_users() {
        let (mut elsewhere, now) = (Elsewhere::new(LEASE), Instant::now());
        elsewhere.renew(NodeId(1), now);
        elsewhere.report(NodeId(1), [user(1), user(2)].into_iter(), &[]);
        assert_eq!(elsewhere.sweep(now, |watched| watched == user(1)), []);
        assert!(elsewhere.is_online(user(1)) && !elsewhere.is_online(user(2)));
    }
}
