use blegram_persistence::testing::{Backend, TestDatabase};
use blegram_social::{Error, UserRef};
use rstest_reuse::apply;

use crate::{both_databases, page, social, text, user};

#[apply(both_databases)]
#[tokio::test]
async fn timeline_continues_after_hidden_posts(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let [ann, zoe] = [user(&database, "ann").await, user(&database, "zoe").await];
    let social = social(&database);
    let oldest = social.create_post(ann, text("oldest")).await.unwrap().post.id;
    for n in 0..4 {
        social.create_post(zoe, text(&n.to_string())).await.unwrap();
    }
    database.execute("UPDATE users SET is_private = true WHERE username = 'zoe'").await;

    let (mut request, mut seen, mut pages) = (page(2, None), Vec::new(), 0);
    loop {
        let read = social.public_timeline(None, &request).await.unwrap();
        seen.extend(read.items.iter().map(|view| view.post.id));
        pages += 1;
        let Some(next) = read.next else { break };
        request = page(2, Some(next));
    }
    assert_eq!((seen, pages), (vec![oldest], 3));
    let of_zoe = social.user_posts(Some(ann), &UserRef::Id(zoe), &page(10, None)).await;
    assert!(matches!(of_zoe, Err(Error::AccountPrivate)));
    let own = social.user_posts(Some(zoe), &UserRef::Id(zoe), &page(10, None)).await.unwrap();
    assert_eq!(own.items.len(), 4);
}
