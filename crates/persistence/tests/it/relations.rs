use std::collections::HashMap;

use blegram_domain::{Relation, RelationId, UserId};
use blegram_persistence::{
    blocks, follow_requests, follows, mutes, relations,
    testing::{Backend, TestDatabase},
};
use rstest_reuse::apply;

use crate::{both_databases, insert_user, now};

/// More viewers than either database accepts parameters in one statement.
#[apply(both_databases)]
#[tokio::test]
async fn relations_to_an_author_are_read_in_one_statement(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let author = insert_user(&database, "author").await;
    let mut people = Vec::new();
    for name in ["follower", "followed", "requester", "blocker", "blocked", "muter", "muted"] {
        people.push(insert_user(&database, name).await);
    }
    let [follower, followed, requester, blocker, blocked, muter, muted] = people[..] else { unreachable!() };
    let tx = database.db().write().await.unwrap();
    let id = || RelationId::generate(now());
    follows::insert(&tx, id(), follower, author).await.unwrap();
    follows::insert(&tx, id(), author, followed).await.unwrap();
    follow_requests::insert(&tx, id(), requester, author).await.unwrap();
    blocks::insert(&tx, id(), blocker, author).await.unwrap();
    blocks::insert(&tx, id(), author, blocked).await.unwrap();
    mutes::insert(&tx, id(), muter, author).await.unwrap();
    // A mute by the author is not part of the muted viewer's relationship.
    mutes::insert(&tx, id(), author, muted).await.unwrap();
    tx.commit().await.unwrap();

    let strangers = (0..70_000).map(|_| UserId::generate(now()));
    let viewers: Vec<_> = strangers.chain(people.iter().copied()).chain([author]).collect();
    database.take_statements();
    let relations = relations::list_toward(database.db(), author, &viewers).await.unwrap();
    assert_eq!(database.take_statements().len(), 1);
    let none = Relation::default();
    let expected = HashMap::from([
        (follower, Relation { following: true, ..none }),
        (followed, Relation { followed_by: true, ..none }),
        (requester, Relation { requested: true, ..none }),
        (blocker, Relation { blocking: true, ..none }),
        (blocked, Relation { blocked_by: true, ..none }),
        (muter, Relation { muting: true, ..none }),
    ]);
    assert_eq!(relations, expected);
    for viewer in people {
        let single = relations::find_one(database.db(), viewer, author).await.unwrap();
        assert_eq!(relations.get(&viewer).copied().unwrap_or_default(), single);
    }
}
