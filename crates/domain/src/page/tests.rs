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

fn scan(list: &BTreeSet<u128>, request: &PageRequest) -> PageKeys {
    request.select(Order::Descending, list.iter().map(|id| Uuid::from_u128(*id)))
}

fn numbers(page_keys: &PageKeys) -> Vec<u128> {
    page_keys.keys().iter().map(Uuid::as_u128).collect()
}

#[test]
fn limit_is_capped_at_the_maximum() {
    assert_eq!(Limit::parse(1_000_000), Limit::parse(100));
    assert!(Limit::parse(0).is_err() && Limit::parse(-1).is_err());
    assert_eq!(Limit::default().get(), 20);
}

#[test]
fn cursor_is_valid_for_its_own_list_only() {
    let cursor =
        Cursor { scope: scope(), direction: Direction::Next, inclusive: false, position: Uuid::max() };
    assert_eq!(Cursor::decode(&cursor.encode(), scope()), Ok(cursor));
    for other in [Scope::new("listUserPosts", &[]), Scope::new("getPublicTimeline", &["since"])] {
        assert_eq!(Cursor::<Uuid>::decode(&cursor.encode(), other), Err(CursorInvalid));
    }
    assert_ne!(Scope::new("x", &["ab", "c"]), Scope::new("x", &["a", "bc"]));
}

#[test]
fn cursor_of_a_ranked_list_can_be_decoded() {
    let position = Ranked { rank: -7, name: "제주".to_owned() };
    let cursor = Cursor { scope: scope(), direction: Direction::Prev, inclusive: true, position };
    assert_eq!(Cursor::decode(&cursor.encode(), scope()), Ok(cursor.clone()));
    assert_eq!(Cursor::<Uuid>::decode(&cursor.encode(), scope()), Err(CursorInvalid));
}

#[test]
fn empty_first_page_has_no_cursors() {
    let page_keys = scan(&BTreeSet::new(), &request(5, None, None));
    assert_eq!((page_keys.next, page_keys.prev), (None, None));
}

#[test]
fn empty_page_of_newer_items_can_be_requested_again() {
    let mut list = BTreeSet::from([1, 2, 3]);
    let newest = scan(&list, &request(5, None, None)).prev;
    let empty = scan(&list, &request(5, newest, None));
    assert_eq!((numbers(&empty), empty.prev), (vec![], newest));
    assert_eq!(numbers(&scan(&list, &request(5, empty.next, None))), [3, 2, 1]);
    list.insert(4);
    assert_eq!(numbers(&scan(&list, &request(5, empty.prev, None))), [4]);
}

#[test]
fn deleted_last_page_has_a_cursor_to_the_page_before() {
    let mut list = BTreeSet::from([1, 2, 3, 4]);
    let first = scan(&list, &request(2, None, None));
    list.remove(&1);
    list.remove(&2);
    let end = scan(&list, &request(2, first.next, None));
    assert_eq!((numbers(&end), end.next), (vec![], None));
    assert_eq!(numbers(&scan(&list, &request(2, end.prev, None))), [4, 3]);
}

#[test]
fn since_bounds_every_page() {
    let list: BTreeSet<u128> = (1..=10).collect();
    let first = scan(&list, &request(3, None, Some(5)));
    assert_eq!(numbers(&first), [10, 9, 8]);
    let second = scan(&list, &request(3, first.next, Some(5)));
    assert_eq!((numbers(&second), second.next), (vec![7, 6], None));
    assert_eq!(numbers(&scan(&list, &request(3, second.prev, Some(5)))), [10, 9, 8]);
}

proptest! {
    #[test]
    fn cursor_decoding_never_panics(text in ".{0,60}") {
        let _ = Cursor::<Uuid>::decode(&text, scope());
        let _ = Cursor::<Ranked>::decode(&text, scope());
    }

    #[test]
    fn pages_contain_every_remaining_item_exactly_once(
        list in prop::collection::btree_set(0u128..200, 0..60),
        limit in 1i64..10,
        deleted in prop::collection::btree_set(0u128..200, 0..30),
        new in prop::collection::btree_set(200u128..260, 0..10),
    ) {
        let (mut now, mut seen) = (list.clone(), Vec::new());
        let mut page = scan(&now, &request(limit, None, None));
        // After the first page, some items are deleted and newer ones are created.
        let first: BTreeSet<u128> = numbers(&page).into_iter().collect();
        seen.extend(numbers(&page));
        now.retain(|id| !deleted.contains(id));
        now.extend(new.iter().copied());
        while let Some(next) = page.next {
            page = scan(&now, &request(limit, Some(next), None));
            seen.extend(numbers(&page));
        }
        let expected: Vec<u128> = list.iter().rev().filter(|id| first.contains(id) || !deleted.contains(id)).copied().collect();
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn pages_of_an_ascending_list_are_in_its_order(
        list in prop::collection::btree_set(0u128..200, 0..60), limit in 1i64..10,
    ) {
        let (mut cursor, mut seen) = (None, Vec::new());
        loop {
            let page = request(limit, cursor, None).select(Order::Ascending, list.iter().map(|id| Uuid::from_u128(*id)));
            seen.extend(numbers(&page));
            let Some(next) = page.next else { break };
            let back = request(limit, page.prev, None).select(Order::Ascending, list.iter().map(|id| Uuid::from_u128(*id)));
            prop_assert_eq!(numbers(&back).last().copied(), seen.iter().rev().nth(page.keys().len()).copied());
            cursor = Some(next);
        }
        prop_assert_eq!(seen, list.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn pages_backwards_are_in_list_order(list in prop::collection::btree_set(0u128..200, 1..60), limit in 1i64..10) {
        let mut page = scan(&list, &request(limit, None, None));
        while let Some(next) = page.next {
            page = scan(&list, &request(limit, Some(next), None));
        }
        let mut seen = numbers(&page);
        loop {
            page = scan(&list, &request(limit, page.prev, None));
            if page.keys().is_empty() { break }
            seen.splice(0..0, numbers(&page));
        }
        prop_assert_eq!(seen, list.iter().rev().copied().collect::<Vec<_>>());
    }
}
