//! C12 and C13: upward pages and `sync`, read from nodes whose clocks differ.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::Violation;
use crate::{database::Database, pager::Pages};

/// C12: upward pages neither miss a post nor repeat one.
pub(crate) fn check_pages(pages: &Pages) -> Vec<Violation> {
    let violation = |text: String| Violation::new("C12", Uuid::nil(), text);
    let mut seen = BTreeSet::new();
    let repeated = pages.read.iter().filter(|post| !seen.insert(**post));
    let mut violations: Vec<_> =
        repeated.map(|post| violation(format!("the post {post} is on two pages"))).collect();
    let missing = pages.created.iter().filter(|post| !seen.contains(post));
    violations.extend(missing.map(|post| violation(format!("the post {post} is on no page"))));
    violations
}

/// C13: `sync` has announced the last event of each conversation.
pub(crate) fn check_sync(heads: &BTreeMap<Uuid, u64>, user: Uuid, database: &Database) -> Vec<Violation> {
    let member_of = |numbers: &&crate::database::Numbers| database.is_member(numbers.id, user);
    let conversations = database.conversations.values().filter(member_of);
    let behind = conversations.filter_map(|numbers| {
        let known = heads.get(&numbers.id).copied().unwrap_or(0);
        let text = format!("sync has announced {known} of {}", numbers.last_seq);
        (known != numbers.last_seq).then(|| Violation::new("C13", numbers.id, text).at(numbers.last_seq))
    });
    behind.collect()
}
