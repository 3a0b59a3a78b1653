//! The home timeline lists the same posts, however it finds them.

use blegram_domain::{
    PageRequest, UserId,
    page::{Limit, Scope},
};
use blegram_persistence::{
    testing::{Backend, TestDatabase},
    timelines,
};
use rstest_reuse::apply;
use sea_orm::prelude::Uuid;

use crate::{both_databases, plans::crowd};

/// Reads `pages` pages from the newest post on, and from there back.
async fn read(database: &TestDatabase, user: UserId, limit: i64, pages: usize) -> Vec<Vec<Uuid>> {
    let scope = Scope::new("getHomeTimeline", &[]);
    let (mut read, mut cursor) = (Vec::new(), None);
    for at in 1..2 * pages {
        let request = PageRequest::new(scope, Limit::parse(limit).unwrap(), cursor, None);
        let listed = timelines::list_home(database.db(), user, &request).await.unwrap();
        let ids: Vec<Uuid> = listed.posts.iter().map(|listed| listed.post.id.as_uuid()).collect();
        assert_eq!(listed.page_keys.keys(), ids);
        read.push(ids);
        let page = listed.page_keys.into_page::<()>(vec![]);
        cursor = if at < pages { page.next } else { page.prev };
    }
    read
}

#[apply(both_databases)]
#[tokio::test]
async fn home_timeline_does_not_depend_on_how_posts_are_found(#[case] backend: Backend) {
    let (database, _) = crowd(backend).await;
    let user = UserId::from_uuid(Uuid::from_u128(1));
    // The followed accounts: everyone; many of the authors of the newest posts; few of them; none.
    for followed in ["user%", "user%7", "user%77", "user%177"] {
        let unfollow = format!(
            "DELETE FROM follows WHERE follower_id IN (SELECT id FROM users WHERE username = 'user1') AND followee_id IN \
             (SELECT id FROM users WHERE username NOT LIKE '{followed}' OR username IN ('user1', 'user1977'))"
        );
        database.execute(&unfollow).await;
        let mut lists = Vec::new();
        for count in [0, 1_000] {
            let update = format!("UPDATE users SET following_count = {count} WHERE username = 'user1'");
            database.execute(&update).await;
            lists.push(read(&database, user, 20, 3).await);
        }
        assert_eq!(lists[0], lists[1], "{followed}");
        assert_eq!(lists[0][0].len(), 20, "{followed}");
    }
}
