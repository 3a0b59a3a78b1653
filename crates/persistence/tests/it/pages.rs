use blegram_domain::{
    Media, MediaId, MediaKey, PageRequest, PostId, UserId, Visibility,
    media::MediaUse,
    page::{Cursor, Limit, PageKeys, Scope},
};
use blegram_persistence::{
    hydration, media, posts,
    testing::{Backend, TestDatabase},
    timelines,
};
use rstest_reuse::apply;

use crate::{both_databases, insert_post, insert_user, new_post, now};

fn page(limit: i64, cursor: Option<String>, since: Option<PostId>) -> PageRequest {
    let scope = Scope::new("getPublicTimeline", &[]);
    let since = since.map(PostId::as_uuid);
    PageRequest::new(
        scope,
        Limit::parse(limit).unwrap(),
        cursor.map(|text| Cursor::decode(&text, scope).unwrap()),
        since,
    )
}

async fn read(database: &TestDatabase, page: &PageRequest) -> PageKeys {
    timelines::list_public(database.db(), None, page).await.unwrap().page_keys
}

async fn five_posts(database: &TestDatabase) -> Vec<PostId> {
    let ann = insert_user(database, "ann").await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(insert_post(database, new_post(ann, &n.to_string())).await.id);
    }
    ids.reverse();
    ids
}

fn ids(page_keys: &PageKeys) -> Vec<PostId> {
    page_keys.keys().iter().copied().map(PostId::from_uuid).collect()
}

// `domain` tests paging in general; this tests that both databases read a window alike.
#[apply(both_databases)]
#[tokio::test]
async fn pages_support_every_kind_of_window(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let newest_first = five_posts(&database).await;

    let first = read(&database, &page(2, None, None)).await;
    assert_eq!(ids(&first), newest_first[..2]);
    let first = first.into_page::<()>(vec![]);
    let next = first.next.unwrap().encode();
    let second = read(&database, &page(2, Some(next), None)).await;
    assert_eq!(ids(&second), newest_first[2..4]);
    let prev = second.into_page::<()>(vec![]).prev.unwrap().encode();
    assert_eq!(ids(&read(&database, &page(2, Some(prev), None)).await), newest_first[..2]);

    let nothing_newer = read(&database, &page(2, Some(first.prev.unwrap().encode()), None)).await;
    assert_eq!(ids(&nothing_newer), []);
    let inclusive = nothing_newer.into_page::<()>(vec![]).next.unwrap().encode();
    assert_eq!(ids(&read(&database, &page(2, Some(inclusive), None)).await), newest_first[..2]);

    assert_eq!(ids(&read(&database, &page(10, None, Some(newest_first[2]))).await), newest_first[..2]);
}

#[apply(both_databases)]
#[tokio::test]
async fn author_lists_filter_by_visibility(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let [ann, bob] = [insert_user(&database, "ann").await, insert_user(&database, "bob").await];
    let public = insert_post(&database, new_post(ann, "public")).await;
    let hidden = blegram_domain::Post { visibility: Visibility::Followers, ..new_post(ann, "hidden") };
    let hidden = insert_post(&database, hidden).await;
    insert_post(&database, new_post(bob, "other")).await;
    let all = posts::list_ids_of_author(database.db(), ann, None, &page(10, None, None)).await.unwrap();
    assert_eq!(ids(&all), [hidden.id, public.id]);
    let some = posts::list_ids_of_author(database.db(), ann, Some(Visibility::Public), &page(10, None, None))
        .await
        .unwrap();
    assert_eq!(ids(&some), [public.id]);
    assert_eq!(ids(&read(&database, &page(10, None, None)).await).len(), 2);
}

#[apply(both_databases)]
#[tokio::test]
async fn hydration_preserves_the_order_and_skips_deleted_posts(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let newest_first = five_posts(&database).await;
    let page_keys = read(&database, &page(5, None, None)).await;
    database.execute("DELETE FROM posts WHERE text = '2'").await;
    let posts: Vec<PostId> = hydration::list_posts(database.db(), None, &ids(&page_keys))
        .await
        .unwrap()
        .iter()
        .map(|hydrated| hydrated.post.id)
        .collect();
    let expected: Vec<PostId> =
        newest_first.iter().enumerate().filter(|(at, _)| *at != 2).map(|(_, id)| *id).collect();
    assert_eq!(posts, expected);
}

fn image(owner: UserId, number: u128) -> Media {
    Media {
        id: MediaId::generate(now()),
        owner,
        key: MediaKey::new(number.is_multiple_of(2), owner, number),
        previous_key: number.is_multiple_of(2).then(|| MediaKey::new(false, owner, number + 100)),
        blurhash: "LEHV6nWB2yk8pyo0adR*".into(),
        alt: (number != 1).then(|| format!("\"그림\" {number}\\\n")),
        variants: Vec::new(),
        used: None,
        created_at: now(),
        version: 3,
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn hydration_lists_the_images_of_each_post_in_its_order(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let ann = insert_user(&database, "ann").await;
    let mut expected = Vec::new();
    for numbers in [vec![3, 1, 2], vec![], vec![5, 4]] {
        let mut images: Vec<Media> = numbers.into_iter().map(|number| image(ann, number)).collect();
        images.reverse();
        let ids: Vec<MediaId> = images.iter().map(|image| image.id).collect();
        let post = blegram_domain::Post { media: ids.clone(), ..new_post(ann, "look") };
        let post = insert_post(&database, post).await;
        let tx = database.db().write().await.unwrap();
        for image in &images {
            media::insert(&tx, image).await.unwrap();
        }
        media::update_used(&tx, &ids, MediaUse::Post(post.id)).await.unwrap();
        tx.commit().await.unwrap();
        images.iter_mut().for_each(|image| image.used = Some(MediaUse::Post(post.id)));
        expected.push((post.id, images));
    }
    let ids: Vec<PostId> = expected.iter().map(|(id, _)| *id).collect();
    let listed = hydration::list_posts(database.db(), Some(ann), &ids).await.unwrap();
    let listed: Vec<_> = listed.into_iter().map(|hydrated| (hydrated.post.id, hydrated.media)).collect();
    assert_eq!(listed, expected);
}
