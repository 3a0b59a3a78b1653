//! Pages of lists: keyset pagination with opaque cursors that survive the deletion of the row that
//! they point at, in both directions.
//!
//! A list is read in four steps: *ids* (one query, [`PageRequest::window`] and
//! [`PageRequest::slice`]), *hydrate*, *filter*, *view* ([`Slice::into_page`]). The cursors come from
//! the ids that were scanned, so a filter may leave a page short or empty without ending the list.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::Violation;

/// How many items a page has at most: 1 to 100, 20 unless asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(u8);

impl Limit {
    /// The largest page.
    pub const MAX: u8 = 100;

    /// Takes what a client asked for; more than [`Limit::MAX`] counts as that.
    ///
    /// # Errors
    /// [`Violation::OutOfRange`] below 1.
    pub fn parse(asked: i64) -> Result<Self, Violation> {
        if asked < 1 {
            return Err(Violation::OutOfRange("must be at least 1"));
        }
        Ok(Self(u8::try_from(asked).unwrap_or(Self::MAX).min(Self::MAX)))
    }

    /// As a number of items.
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(20)
    }
}

/// Which list, of what, for whom: a cursor of one scope is refused in every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope([u8; 8]);

impl Scope {
    /// The scope of `operation` with its path parameters and filters, each in its place.
    pub fn new(operation: &str, filters: &[&str]) -> Self {
        let mut hash = Sha256::new_with_prefix(operation);
        for filter in filters {
            // The length keeps ("ab", "c") from ("a", "bc").
            hash.update((filter.len() as u64).to_be_bytes());
            hash.update(filter);
        }
        let digest = hash.finalize();
        let mut scope = [0; 8];
        scope.copy_from_slice(&digest[..8]);
        Self(scope)
    }
}

/// A text that is no cursor of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one of this list with these filters; begin again without a cursor")]
pub struct CursorInvalid;

/// Which way a cursor walks along its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Next,
    Prev,
}

/// A place in a list and a way to walk from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    scope: Scope,
    direction: Direction,
    /// Whether the walk begins with the item at the place itself.
    inclusive: bool,
    position: Uuid,
}

const ENCODED_BYTES: usize = 1 + 8 + 16;

impl Cursor {
    /// The opaque text: URL-safe, 34 characters.
    pub fn encode(&self) -> String {
        let mut bytes = [0; ENCODED_BYTES];
        bytes[0] = u8::from(self.direction == Direction::Prev) | u8::from(self.inclusive) << 1;
        bytes[1..9].copy_from_slice(&self.scope.0);
        bytes[9..].copy_from_slice(self.position.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads back what [`Cursor::encode`] wrote for the same `scope`.
    ///
    /// # Errors
    /// [`CursorInvalid`] for any other text.
    pub fn decode(text: &str, scope: Scope) -> Result<Self, CursorInvalid> {
        let bytes: [u8; ENCODED_BYTES] =
            URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(CursorInvalid)?;
        let [flags, scoped @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = bytes;
        if flags > 3 || scoped != scope.0 {
            return Err(CursorInvalid);
        }
        let direction = if flags & 1 == 1 { Direction::Prev } else { Direction::Next };
        let position = Uuid::from_slice(&bytes[9..]).map_err(|_| CursorInvalid)?;
        Ok(Self { scope, direction, inclusive: flags & 2 == 2, position })
    }

    /// The walk over exactly the items that this one leaves out.
    const fn complement(self) -> Self {
        let direction = match self.direction {
            Direction::Next => Direction::Prev,
            Direction::Prev => Direction::Next,
        };
        Self { direction, inclusive: !self.inclusive, ..self }
    }
}

/// Which page of a newest-first list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    scope: Scope,
    limit: Limit,
    cursor: Option<Cursor>,
    since: Option<Uuid>,
}

/// The range of ids to scan for a page, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Ids greater than this one.
    pub after: Option<Uuid>,
    /// Ids greater than or equal to this one.
    pub from: Option<Uuid>,
    /// Ids less than this one.
    pub before: Option<Uuid>,
    /// Ids less than or equal to this one.
    pub to: Option<Uuid>,
    /// Scan from the smallest id upwards instead of from the largest downwards.
    pub ascending: bool,
    /// How many ids to read: one more than the page holds, to learn whether there are more.
    pub rows: u64,
}

impl PageRequest {
    /// The page at `cursor`, or the first, of the ids greater than `since`, if given. `since` is part of what tells
    /// one list from another: it belongs into `scope`.
    pub const fn new(scope: Scope, limit: Limit, cursor: Option<Cursor>, since: Option<Uuid>) -> Self {
        Self { scope, limit, cursor, since }
    }

    /// The ids to scan.
    pub fn window(&self) -> Window {
        let rows = self.limit.get() as u64 + 1;
        let all = Window { after: self.since, from: None, before: None, to: None, ascending: false, rows };
        let Some(Cursor { direction, inclusive, position, .. }) = self.cursor else { return all };
        match (direction, inclusive) {
            (Direction::Next, false) => Window { before: Some(position), ..all },
            (Direction::Next, true) => Window { to: Some(position), ..all },
            (Direction::Prev, false) => {
                Window { after: self.since.max(Some(position)), ascending: true, ..all }
            }
            (Direction::Prev, true) => Window { from: Some(position), ascending: true, ..all },
        }
    }

    /// The page of a list that is at hand: what a database does with the [`window`](PageRequest::window).
    pub fn select(&self, list: impl IntoIterator<Item = Uuid>) -> Slice {
        let window = self.window();
        let above = |id: &Uuid| {
            window.after.is_none_or(|bound| *id > bound) && window.from.is_none_or(|bound| *id >= bound)
        };
        let below = |id: &Uuid| {
            window.before.is_none_or(|bound| *id < bound) && window.to.is_none_or(|bound| *id <= bound)
        };
        let mut ids: Vec<Uuid> = list.into_iter().filter(|id| above(id) && below(id)).collect();
        ids.sort_unstable();
        if !window.ascending {
            ids.reverse();
        }
        ids.truncate(usize::try_from(window.rows).unwrap_or(usize::MAX));
        self.slice(ids)
    }

    /// Makes of the ids that the [`window`](PageRequest::window) yielded, in the order of the scan,
    /// the page's ids in the order of the list.
    pub fn slice(&self, mut ids: Vec<Uuid>) -> Slice {
        let more = ids.len() > self.limit.get();
        ids.truncate(self.limit.get());
        if self.walks_back() {
            ids.reverse();
        }
        let at = |direction, position| Cursor { scope: self.scope, direction, inclusive: false, position };
        let (next, prev) = match (ids.first(), ids.last()) {
            (Some(first), Some(last)) => {
                let next = (more || self.walks_back()).then(|| at(Direction::Next, *last));
                (next, Some(at(Direction::Prev, *first)))
            }
            _ => self.cursors_of_empty(),
        };
        Slice { ids, next, prev }
    }

    fn walks_back(&self) -> bool {
        self.cursor.is_some_and(|cursor| cursor.direction == Direction::Prev)
    }

    // Whoever asked for newer items asks again with the same cursor; whoever reached the end of the
    // list, because what was left of it is gone, can still turn round.
    fn cursors_of_empty(&self) -> (Option<Cursor>, Option<Cursor>) {
        match self.cursor {
            Some(cursor) if cursor.direction == Direction::Prev => (Some(cursor.complement()), Some(cursor)),
            Some(cursor) => (None, Some(cursor.complement())),
            None => (None, None),
        }
    }
}

/// The ids of a page, before anybody looked whether the viewer may see what they stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    ids: Vec<Uuid>,
    next: Option<Cursor>,
    prev: Option<Cursor>,
}

impl Slice {
    /// The ids, in the order of the list.
    pub fn ids(&self) -> &[Uuid] {
        &self.ids
    }

    /// The page that shows `items`: those of the ids that the viewer may see.
    pub fn into_page<T>(self, items: Vec<T>) -> Page<T> {
        Page { items, next: self.next, prev: self.prev }
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// In the order of the list; may be fewer than asked for, or none, while `next` is there.
    pub items: Vec<T>,
    /// Where the list goes on; `None` alone says that it ends here.
    pub next: Option<Cursor>,
    /// Where what lies before is found: on a first page, what is newer.
    pub prev: Option<Cursor>,
}

impl<T> Page<T> {
    /// The page of what `view` makes of each item.
    pub fn map<U>(self, view: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(view).collect(), next: self.next, prev: self.prev }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn scope() -> Scope {
        Scope::new("getPublicTimeline", &[])
    }

    fn request(limit: i64, cursor: Option<Cursor>, since: Option<u128>) -> PageRequest {
        let cursor = cursor.map(|cursor| Cursor::decode(&cursor.encode(), scope()).unwrap());
        PageRequest::new(scope(), Limit::parse(limit).unwrap(), cursor, since.map(Uuid::from_u128))
    }

    fn scan(list: &BTreeSet<u128>, request: &PageRequest) -> Slice {
        request.select(list.iter().map(|id| Uuid::from_u128(*id)))
    }

    fn numbers(slice: &Slice) -> Vec<u128> {
        slice.ids().iter().map(Uuid::as_u128).collect()
    }

    #[test]
    fn limits_are_coerced_at_the_top_only() {
        assert_eq!(Limit::parse(1_000_000), Limit::parse(100));
        assert!(Limit::parse(0).is_err() && Limit::parse(-1).is_err());
        assert_eq!(Limit::default().get(), 20);
    }

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let cursor =
            Cursor { scope: scope(), direction: Direction::Next, inclusive: false, position: Uuid::max() };
        assert_eq!(Cursor::decode(&cursor.encode(), scope()), Ok(cursor));
        for other in [Scope::new("listUserPosts", &[]), Scope::new("getPublicTimeline", &["since"])] {
            assert_eq!(Cursor::decode(&cursor.encode(), other), Err(CursorInvalid));
        }
        assert_ne!(Scope::new("x", &["ab", "c"]), Scope::new("x", &["a", "bc"]));
    }

    #[test]
    fn a_first_page_of_nothing_has_no_cursors() {
        let slice = scan(&BTreeSet::new(), &request(5, None, None));
        assert_eq!((slice.next, slice.prev), (None, None));
    }

    #[test]
    fn an_empty_page_of_newer_items_can_be_asked_for_again() {
        let mut list = BTreeSet::from([1, 2, 3]);
        let newest = scan(&list, &request(5, None, None)).prev;
        let empty = scan(&list, &request(5, newest, None));
        assert_eq!((numbers(&empty), empty.prev), (vec![], newest));
        assert_eq!(numbers(&scan(&list, &request(5, empty.next, None))), [3, 2, 1]);
        list.insert(4);
        assert_eq!(numbers(&scan(&list, &request(5, empty.prev, None))), [4]);
    }

    #[test]
    fn an_end_that_was_deleted_can_be_left_backwards() {
        let mut list = BTreeSet::from([1, 2, 3, 4]);
        let first = scan(&list, &request(2, None, None));
        list.remove(&1);
        list.remove(&2);
        let end = scan(&list, &request(2, first.next, None));
        assert_eq!((numbers(&end), end.next), (vec![], None));
        assert_eq!(numbers(&scan(&list, &request(2, end.prev, None))), [4, 3]);
    }

    #[test]
    fn since_bounds_every_page_of_the_walk() {
        let list: BTreeSet<u128> = (1..=10).collect();
        let first = scan(&list, &request(3, None, Some(5)));
        assert_eq!(numbers(&first), [10, 9, 8]);
        let second = scan(&list, &request(3, first.next, Some(5)));
        assert_eq!((numbers(&second), second.next), (vec![7, 6], None));
        assert_eq!(numbers(&scan(&list, &request(3, second.prev, Some(5)))), [10, 9, 8]);
    }

    proptest! {
        #[test]
        fn no_text_makes_decoding_panic(text in ".{0,60}") {
            let _ = Cursor::decode(&text, scope());
        }

        #[test]
        fn a_walk_shows_what_stays_exactly_once(
            list in prop::collection::btree_set(0u128..200, 0..60),
            limit in 1i64..10,
            gone in prop::collection::btree_set(0u128..200, 0..30),
            new in prop::collection::btree_set(200u128..260, 0..10),
        ) {
            let (mut now, mut seen) = (list.clone(), Vec::new());
            let mut page = scan(&now, &request(limit, None, None));
            // After the first page some items go and newer ones come.
            let first: BTreeSet<u128> = numbers(&page).into_iter().collect();
            seen.extend(numbers(&page));
            now.retain(|id| !gone.contains(id));
            now.extend(new.iter().copied());
            while let Some(next) = page.next {
                page = scan(&now, &request(limit, Some(next), None));
                seen.extend(numbers(&page));
            }
            let expected: Vec<u128> = list.iter().rev().filter(|id| first.contains(id) || !gone.contains(id)).copied().collect();
            prop_assert_eq!(seen, expected);
        }

        #[test]
        fn walking_back_shows_the_list_in_its_order(list in prop::collection::btree_set(0u128..200, 1..60), limit in 1i64..10) {
            let mut page = scan(&list, &request(limit, None, None));
            while let Some(next) = page.next {
                page = scan(&list, &request(limit, Some(next), None));
            }
            let mut seen = numbers(&page);
            loop {
                page = scan(&list, &request(limit, page.prev, None));
                if page.ids().is_empty() { break }
                seen.splice(0..0, numbers(&page));
            }
            prop_assert_eq!(seen, list.iter().rev().copied().collect::<Vec<_>>());
        }
    }
}
