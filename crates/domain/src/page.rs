//! Keyset pagination in both directions, with opaque cursors that survive the deletion of the row that they point at.
//!
//! A list is read in four steps: *ids* (one query, [`PageRequest::window`] and [`PageRequest::page_keys`]), *hydrate*
//! (another one; timelines hydrate in the first), *filter*, *view* ([`PageKeys::into_page`]). The cursors come from the
//! scanned ids, so a filter may leave a page short or empty without ending the list.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::Violation;

/// The sort key of a list. Each item has a different one, so that a position in the list is one item, or the gap that a
/// deleted item left.
pub trait Key: Clone + Ord + Send + Sync {
    /// Encodes the key for a cursor.
    fn to_bytes(&self) -> Vec<u8>;

    /// Decodes the output of [`Key::to_bytes`]; `None` for anything else.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

impl Key for Uuid {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_slice(bytes).ok()
    }
}

impl Key for u64 {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

/// The key of a list whose items move up on new activity: the latest activity of an item, and a marker of what had been
/// seen when the list was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Activity {
    /// The latest activity.
    pub id: Uuid,
    /// What had been seen by then, in a format of the storage layer; empty in cursors of earlier versions.
    pub seen: Vec<u8>,
}

impl Key for Activity {
    fn to_bytes(&self) -> Vec<u8> {
        [self.id.as_bytes(), &self.seen[..]].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (id, seen) = bytes.split_first_chunk()?;
        Some(Self { id: Uuid::from_bytes(*id), seen: seen.to_vec() })
    }
}

/// The key of a ranked list: best rank first, then by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ranked {
    /// The distance from the best: the smallest comes first.
    pub rank: i64,
    /// The tie-breaker among items of equal rank.
    pub name: String,
}

impl Key for Ranked {
    fn to_bytes(&self) -> Vec<u8> {
        [&self.rank.to_be_bytes()[..], self.name.as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (rank, name) = bytes.split_first_chunk()?;
        // A name is folded text, and no database stores a NUL in text.
        let name = std::str::from_utf8(name).ok().filter(|name| !name.contains('\0'))?;
        Some(Self { rank: i64::from_be_bytes(*rank), name: name.to_owned() })
    }
}

/// The sort order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first: the oldest item, or the best of a [`Ranked`] list.
    Ascending,
    /// Largest key first: the newest item.
    Descending,
}

/// The maximum number of items on a page: 1 to 100, 20 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(u8);

impl Limit {
    /// The largest allowed limit.
    pub const MAX: u8 = 100;

    /// Validates a requested limit; values above [`Limit::MAX`] are reduced to it.
    ///
    /// # Errors
    /// [`Violation::OutOfRange`] below 1.
    pub fn parse(requested: i64) -> Result<Self, Violation> {
        if requested < 1 {
            return Err(Violation::OutOfRange("must be at least 1"));
        }
        Ok(Self(u8::try_from(requested).unwrap_or(Self::MAX).min(Self::MAX)))
    }

    /// The limit as a number of items.
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(20)
    }
}

/// Identifies a list with its filters and viewer: a cursor of one scope is rejected in every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope([u8; 8]);

impl Scope {
    /// The scope of `operation` with its path parameters and filters, in a fixed order.
    pub fn new(operation: &str, filters: &[&str]) -> Self {
        let mut hash = Sha256::new_with_prefix(operation);
        for filter in filters {
            // The length prefix distinguishes ("ab", "c") from ("a", "bc").
            hash.update((filter.len() as u64).to_be_bytes());
            hash.update(filter);
        }
        let digest = hash.finalize();
        let mut scope = [0; 8];
        scope.copy_from_slice(&digest[..8]);
        Self(scope)
    }
}

/// A text that is not a cursor of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor does not belong to this list with these filters; start again without a cursor")]
pub struct CursorInvalid;

/// The direction in which a cursor traverses its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Next,
    Prev,
}

/// A position in a list and a direction to continue in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor<K = Uuid> {
    scope: Scope,
    direction: Direction,
    /// Whether the traversal includes the item at the position itself.
    inclusive: bool,
    position: K,
}

impl<K: Key> Cursor<K> {
    /// The opaque, URL-safe text; 34 characters for lists sorted by id.
    pub fn encode(&self) -> String {
        let flags = u8::from(self.direction == Direction::Prev) | u8::from(self.inclusive) << 1;
        URL_SAFE_NO_PAD.encode([&[flags][..], &self.scope.0, &self.position.to_bytes()].concat())
    }

    /// Decodes the output of [`Cursor::encode`] for the same `scope`.
    ///
    /// # Errors
    /// [`CursorInvalid`] for any other text.
    pub fn decode(text: &str, scope: Scope) -> Result<Self, CursorInvalid> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorInvalid)?;
        let (flags, rest) = bytes.split_first().filter(|(flags, _)| **flags <= 3).ok_or(CursorInvalid)?;
        let position = rest.strip_prefix(&scope.0).and_then(K::from_bytes).ok_or(CursorInvalid)?;
        let direction = if flags & 1 == 1 { Direction::Prev } else { Direction::Next };
        Ok(Self { scope, direction, inclusive: flags & 2 == 2, position })
    }

    /// The traversal over exactly the items that this one leaves out.
    fn complement(self) -> Self {
        let direction = match self.direction {
            Direction::Next => Direction::Prev,
            Direction::Prev => Direction::Next,
        };
        Self { direction, inclusive: !self.inclusive, ..self }
    }
}

/// A request for one page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest<K = Uuid> {
    scope: Scope,
    limit: Limit,
    cursor: Option<Cursor<K>>,
    since: Option<K>,
}

/// The range of keys to scan for a page, and the direction and size of the scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window<K = Uuid> {
    /// Keys greater than this one.
    pub after: Option<K>,
    /// Keys greater than or equal to this one.
    pub from: Option<K>,
    /// Keys less than this one.
    pub before: Option<K>,
    /// Keys less than or equal to this one.
    pub to: Option<K>,
    /// Scan from the smallest key upwards, instead of from the largest downwards.
    pub ascending: bool,
    /// The number of keys to read: one more than the page holds, to detect whether there are more.
    pub rows: u64,
}

impl<K: Key> PageRequest<K> {
    /// The page at `cursor`, or the first page, of the ids greater than `since`, if given. `since` distinguishes one
    /// list from another, so it must be part of `scope`.
    pub const fn new(scope: Scope, limit: Limit, cursor: Option<Cursor<K>>, since: Option<K>) -> Self {
        Self { scope, limit, cursor, since }
    }

    /// The maximum number of items on the page.
    pub const fn limit(&self) -> usize {
        self.limit.get()
    }

    /// Whether this is the first page, without a cursor.
    pub const fn is_first(&self) -> bool {
        self.cursor.is_none()
    }

    /// The range of keys to scan, for a list in this order.
    pub fn window(&self, order: Order) -> Window<K> {
        let rows = self.limit.get() as u64 + 1;
        let ascending = (order == Order::Ascending) != self.is_backward();
        let all = Window { after: self.since.clone(), from: None, before: None, to: None, ascending, rows };
        let Some(Cursor { inclusive, position, .. }) = self.cursor.clone() else { return all };
        match (ascending, inclusive) {
            (false, false) => Window { before: Some(position), ..all },
            (false, true) => Window { to: Some(position), ..all },
            (true, false) => Window { after: self.since.clone().max(Some(position)), ..all },
            (true, true) => Window { from: Some(position), ..all },
        }
    }

    /// Selects the page from an in-memory list, as a database does with the [`window`](PageRequest::window).
    pub fn select(&self, order: Order, list: impl IntoIterator<Item = K>) -> PageKeys<K> {
        let window = self.window(order);
        let above = |key: &K| {
            window.after.as_ref().is_none_or(|bound| key > bound)
                && window.from.as_ref().is_none_or(|bound| key >= bound)
        };
        let below = |key: &K| {
            window.before.as_ref().is_none_or(|bound| key < bound)
                && window.to.as_ref().is_none_or(|bound| key <= bound)
        };
        let mut keys: Vec<K> = list.into_iter().filter(|key| above(key) && below(key)).collect();
        keys.sort_unstable();
        if !window.ascending {
            keys.reverse();
        }
        keys.truncate(usize::try_from(window.rows).unwrap_or(usize::MAX));
        self.page_keys(keys)
    }

    /// Turns the keys that the [`window`](PageRequest::window) yielded, in scan order, into the page's keys in list
    /// order.
    pub fn page_keys(&self, mut keys: Vec<K>) -> PageKeys<K> {
        let has_more = keys.len() > self.limit.get();
        keys.truncate(self.limit.get());
        if self.is_backward() {
            keys.reverse();
        }
        let at = |direction, position: &K| Cursor {
            scope: self.scope,
            direction,
            inclusive: false,
            position: position.clone(),
        };
        let (next, prev) = match (keys.first(), keys.last()) {
            (Some(first), Some(last)) => {
                let next = (has_more || self.is_backward()).then(|| at(Direction::Next, last));
                (next, Some(at(Direction::Prev, first)))
            }
            _ => self.cursors_of_empty(),
        };
        PageKeys { keys, next, prev }
    }

    fn is_backward(&self) -> bool {
        self.cursor.as_ref().is_some_and(|cursor| cursor.direction == Direction::Prev)
    }

    // An empty page of newer items returns the same cursor, so that the client can poll with it. An empty last page
    // (its items were deleted) returns a cursor back to the items before it.
    fn cursors_of_empty(&self) -> (Option<Cursor<K>>, Option<Cursor<K>>) {
        match self.cursor.clone() {
            Some(cursor) if cursor.direction == Direction::Prev => {
                (Some(cursor.clone().complement()), Some(cursor))
            }
            Some(cursor) => (None, Some(cursor.complement())),
            None => (None, None),
        }
    }
}

/// The keys of a page, before the items are loaded and filtered by what the viewer may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageKeys<K = Uuid> {
    keys: Vec<K>,
    next: Option<Cursor<K>>,
    prev: Option<Cursor<K>>,
}

impl<K> PageKeys<K> {
    /// The keys, in list order.
    pub fn keys(&self) -> &[K] {
        &self.keys
    }

    /// The page with `items`: those behind the keys that the viewer may see.
    pub fn into_page<T>(self, items: Vec<T>) -> Page<T, K> {
        Page { items, next: self.next, prev: self.prev }
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, K = Uuid> {
    /// In list order; may be fewer than the limit, or empty, even if `next` is set.
    pub items: Vec<T>,
    /// The cursor of the next page; only `None` means that the list ends here.
    pub next: Option<Cursor<K>>,
    /// The cursor of the previous page; on a first page, of newer items.
    pub prev: Option<Cursor<K>>,
}

impl<T, K> Page<T, K> {
    /// Converts each item with `view`.
    pub fn map<U>(self, view: impl FnMut(T) -> U) -> Page<U, K> {
        Page { items: self.items.into_iter().map(view).collect(), next: self.next, prev: self.prev }
    }
}

#[cfg(test)]
mod tests;
