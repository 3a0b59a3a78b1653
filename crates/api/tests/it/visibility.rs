//! Visibility: every route that shows posts, comments or accounts, requested by every kind of viewer and compared with
//! one table of routes and relations.

use blegram_persistence::testing::Backend;
use poem::http::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::{
    both_databases,
    world::{Actor, TestApp},
};

/// The relation of each column's viewer to the author.
const VIEWERS: [&str; 8] =
    ["author", "nobody", "stranger", "asked", "follower", "muting", "blocking", "blocked"];

/// What a route returns to each viewer: a status or, for a list, 1 if it contains the item and 0 if it does not.
type Row = [u16; 8];

/// The method and path of a route and, for a list, the property of its items that identifies the item to look for.
/// `None` for a route of one resource.
type Route = (&'static str, &'static str, Option<(&'static str, &'static str)>);

const POST: Option<(&str, &str)> = Some(("id", "post"));
const COMMENT: Option<(&str, &str)> = Some(("id", "comment"));
const REMARK: Option<(&str, &str)> = Some(("id", "remark"));
const AUTHOR: Option<(&str, &str)> = Some(("username", "author"));

const EVERYONE: Row = [200, 200, 200, 200, 200, 200, 404, 404];
const MEMBERS: Row = [200, 401, 200, 200, 200, 200, 404, 404];
const FOLLOWERS: Row = [200, 404, 404, 404, 200, 200, 404, 404];
const FOLLOWING_MEMBERS: Row = [200, 401, 404, 404, 200, 200, 404, 404];
const VISIBLE: Row = [1, 1, 1, 1, 1, 1, 404, 404];
const VISIBLE_TO_FOLLOWERS: Row = [1, 404, 404, 404, 1, 1, 404, 404];
const NAMED: Row = [1, 1, 1, 1, 1, 1, 0, 0];
const HEADER: Row = [200, 200, 200, 200, 200, 200, 200, 404];
const OPEN: Row = [200, 200, 200, 200, 200, 200, 403, 404];
const PRIVATE: Row = [200, 403, 403, 403, 200, 200, 403, 404];

/// Routes of one post (`{post}`, with `{comment}` by its author below it, liked by its author): what they return for a
/// public post, and for a post that is followers-only or of a private account.
const OF_A_POST: &[(Route, Row, Row)] = &[
    (("GET", "posts/{post}", None), EVERYONE, FOLLOWERS),
    (("GET", "posts?ids={post}", POST), NAMED, [1, 0, 0, 0, 1, 1, 0, 0]),
    (("GET", "posts/{post}/revisions", None), EVERYONE, FOLLOWERS),
    (("GET", "posts/{post}/comments", COMMENT), VISIBLE, VISIBLE_TO_FOLLOWERS),
    (("GET", "posts/{post}/likes", AUTHOR), VISIBLE, VISIBLE_TO_FOLLOWERS),
    (("GET", "comments/{comment}", None), EVERYONE, FOLLOWERS),
    (("GET", "comments/{comment}/replies", None), EVERYONE, FOLLOWERS),
    // For its author and moderators only.
    (
        ("GET", "comments/{comment}/revisions", None),
        [200, 401, 403, 403, 403, 403, 404, 404],
        [200, 401, 404, 404, 403, 403, 404, 404],
    ),
    (("GET", "comments/{comment}/likes", AUTHOR), VISIBLE, VISIBLE_TO_FOLLOWERS),
    (("PUT", "posts/{post}/like", None), MEMBERS, FOLLOWING_MEMBERS),
    (("PUT", "posts/{post}/bookmark", None), MEMBERS, FOLLOWING_MEMBERS),
    (("PUT", "comments/{comment}/like", None), MEMBERS, FOLLOWING_MEMBERS),
    (
        ("POST", "posts/{post}/comments", None),
        [201, 401, 201, 201, 201, 201, 404, 404],
        [201, 401, 404, 404, 201, 201, 404, 404],
    ),
    (
        ("POST", "reports of {post}", None),
        [422, 401, 201, 201, 201, 201, 404, 404],
        [422, 401, 404, 404, 201, 201, 404, 404],
    ),
    (("GET", "timelines/home", POST), [1, 401, 0, 0, 1, 0, 0, 0], [1, 401, 0, 0, 1, 0, 0, 0]),
    // Every viewer liked and bookmarked the post before the relations changed.
    (("GET", "me/likes", POST), [1, 401, 1, 1, 1, 1, 0, 0], [1, 401, 0, 0, 1, 1, 0, 0]),
    (("GET", "me/bookmarks", POST), [1, 401, 1, 1, 1, 1, 0, 0], [1, 401, 0, 0, 1, 1, 0, 0]),
];

/// Lists of public posts: what they contain of a public post, of a followers-only post (nothing), and of a post of a
/// private account (for its accepted followers).
const OF_PUBLIC_POSTS: &[(&str, [Row; 3])] =
    &[("timelines/public", LISTED), ("timelines/hashtags/tag", LISTED), ("search/posts?q=words", LISTED)];

const LISTED: [Row; 3] = [[1, 1, 1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 1, 0, 0, 0]];

/// Routes of one account, which wrote `{remark}` below another user's post, likes that post and follows its author:
/// what they return for a public account, and for a private one.
const OF_AN_ACCOUNT: &[(Route, Row, Row)] = &[
    (("GET", "users/@{author}", None), HEADER, HEADER),
    (
        ("GET", "users/@{author}/posts", POST),
        [1, 1, 1, 1, 1, 1, 403, 404],
        [1, 403, 403, 403, 1, 1, 403, 404],
    ),
    (("GET", "users/@{author}/followers", None), OPEN, PRIVATE),
    (("GET", "users/@{author}/following", None), OPEN, PRIVATE),
    (("GET", "search/users?q={author}", AUTHOR), NAMED, NAMED),
    (("GET", "users/@neutral/followers", AUTHOR), NAMED, NAMED),
    (("GET", "posts/{neutral}/likes", AUTHOR), NAMED, NAMED),
    (("GET", "posts/{neutral}/comments", REMARK), NAMED, NAMED),
    (("GET", "comments/{remark}", None), EVERYONE, EVERYONE),
    (("PUT", "comments/{remark}/like", None), MEMBERS, MEMBERS),
];

#[apply(both_databases)]
#[tokio::test]
async fn every_route_matches_the_visibility_table(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [open, closed, neutral] = t.users(["open", "closed", "neutral"]).await;
    let names = ["stranger", "asked", "follower", "muting", "blocking", "blocked"];
    let [stranger, requester, follower, muting, blocking, blocked] = t.users(names).await;
    let anonymous = t.stranger();
    let members = [&stranger, &requester, &follower, &muting, &blocking, &blocked];
    let common = neutral.posts("neutral").await;

    // At first, every viewer follows both authors, and likes and bookmarks everything that they wrote.
    let mut things = Vec::new();
    for (author, name, visibility) in
        [(&open, "open", "public"), (&open, "open", "followers"), (&closed, "closed", "public")]
    {
        let body = json!({ "text": format!("words of {name} #tag"), "visibility": visibility });
        let post = author.post("/api/v1/posts", &body).await.assert_status(201).json()["id"].clone();
        let post = post.as_str().unwrap().to_owned();
        let comment = author.comments(&post, "mine").await;
        let remark = author.comments(&common, "a remark").await;
        let mut users = members.to_vec();
        users.push(author);
        for user in users {
            if !std::ptr::eq(user, author) {
                user.put_empty(&format!("/api/v1/users/@{name}/follow")).await.assert_status(200);
            }
            for act in [
                format!("posts/{post}/like"),
                format!("posts/{post}/bookmark"),
                format!("comments/{comment}/like"),
            ] {
                user.put_empty(&format!("/api/v1/{act}")).await.assert_status(200);
            }
        }
        author.put_empty("/api/v1/users/@neutral/follow").await.assert_status(200);
        author.put_empty(&format!("/api/v1/posts/{common}/like")).await.assert_status(200);
        things.push([post, comment, remark, name.to_owned(), common.clone()]);
    }
    // Then each viewer gets the relation of their column.
    for (author, name) in [(&open, "open"), (&closed, "closed")] {
        for left in [&stranger, &requester] {
            left.delete(&format!("/api/v1/users/@{name}/follow")).await.assert_status(200);
        }
        muting.put_empty(&format!("/api/v1/users/@{name}/mute")).await.assert_status(200);
        blocking.put_empty(&format!("/api/v1/users/@{name}/block")).await.assert_status(200);
        author.put_empty("/api/v1/users/@blocked/block").await.assert_status(200);
    }
    closed.patch("/api/v1/me", &[], &json!({ "is_private": true })).await.assert_status(200);
    let request = requester.put_empty("/api/v1/users/@closed/follow").await;
    assert_eq!(request.json()["requested"], true);

    let others = [&anonymous, &stranger, &requester, &follower, &muting, &blocking, &blocked];
    let mut wrong = Vec::new();
    for (at, (author, thing)) in [&open, &open, &closed].into_iter().zip(&things).enumerate() {
        let of_an_account = if at == 1 { &[] } else { OF_AN_ACCOUNT };
        let of_both = OF_A_POST.iter().chain(of_an_account);
        let rows = of_both.map(|(route, public, limited)| (*route, if at == 0 { public } else { limited }));
        let lists = OF_PUBLIC_POSTS.iter().map(|(path, rows)| (("GET", *path, POST), &rows[at]));
        for (route, expected) in rows.chain(lists) {
            for (who, (viewer, expected)) in [author].into_iter().chain(others).zip(expected).enumerate() {
                let actual = fetch(viewer, route, thing).await;
                if actual != *expected {
                    wrong.push(format!(
                        "{route:?} of item {at} as {}: {actual}, expected {expected}",
                        VIEWERS[who]
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn fetch(viewer: &Actor<'_>, (method, path, listed): Route, thing: &[String; 5]) -> u16 {
    let names = ["post", "comment", "remark", "author", "neutral"];
    let mut path = path.to_owned();
    for (name, value) in names.iter().zip(thing) {
        path = path.replace(&format!("{{{name}}}"), value);
    }
    let answer = match (method, path.strip_prefix("reports of ")) {
        (_, Some(post)) => {
            viewer.post("/api/v1/reports", &json!({ "post_id": post, "reason": "spam" })).await
        }
        ("POST", _) => viewer.post(&format!("/api/v1/{path}"), &json!({ "text": "hello" })).await,
        _ => {
            viewer
                .send(Method::from_bytes(method.as_bytes()).unwrap(), &format!("/api/v1/{path}"), &[], vec![])
                .await
        }
    };
    match listed {
        Some((property, of)) if answer.status == 200 => {
            let id = &thing[names.iter().position(|name| *name == of).unwrap()];
            answer.items(property).contains(&Value::from(id.as_str())).into()
        }
        _ => answer.status.as_u16(),
    }
}
