//! Authorization: calls every operation as each kind of actor, and compares the status with a table. The test fails for
//! an operation without a row.

use blegram_limits::Quota;
use blegram_persistence::testing::Backend;
use poem::http::{Method, StatusCode};
use rstest_reuse::apply;
use serde_json::json;

use crate::{
    both_databases,
    contract::CONTRACT,
    world::{Actor, PASSWORD, Settings, TestApp, picture},
};

/// The status of each operation for an anonymous caller, for another user, and for the owner of the resource.
const TABLE: &[(&str, [u16; 3])] = &[
    ("getInstance", [200, 200, 200]),
    ("signUp", [201, 201, 201]),
    ("logIn", [200, 200, 200]),
    ("logOut", [204, 204, 204]),
    ("getCsrfToken", [200, 200, 200]),
    ("issueToken", [401, 401, 401]),
    // The codes and passkeys of these calls are invented.
    ("completeLogin", [401, 401, 401]),
    ("startPasskeyLogin", [200, 200, 200]),
    ("finishPasskeyLogin", [401, 401, 401]),
    ("reauthenticate", [401, 204, 204]),
    ("listFactors", [401, 200, 200]),
    ("startTotp", [401, 201, 201]),
    ("confirmTotp", [401, 404, 403]),
    ("startPasskey", [401, 201, 201]),
    ("finishPasskey", [401, 422, 422]),
    ("createRecoveryCodes", [401, 201, 201]),
    // `{factor}` is that of an app whose setup is not complete.
    ("deleteFactor", [401, 404, 404]),
    // The site has no login providers: `tests/it/providers.rs` tests those that exist.
    ("listLoginProviders", [200, 200, 200]),
    ("startLogin", [404, 404, 404]),
    ("finishLogin", [404, 404, 404]),
    ("finishLoginByForm", [404, 404, 404]),
    ("getPendingSignUp", [401, 401, 401]),
    ("finishSignUp", [401, 401, 401]),
    ("receiveUnlinkNotice", [404, 404, 404]),
    ("receiveUnlinkNoticeByQuery", [404, 404, 404]),
    ("listIdentities", [401, 200, 200]),
    ("linkIdentity", [401, 404, 404]),
    ("unlinkIdentity", [401, 404, 404]),
    ("getJwks", [200, 200, 200]),
    ("listSessions", [401, 200, 200]),
    ("revokeSession", [401, 404, 204]),
    ("revokeOtherSessions", [401, 204, 204]),
    ("changePassword", [401, 204, 204]),
    // Without mail; the tokens are invalid.
    ("changeEmail", [401, 403, 403]),
    ("verifyEmail", [422, 422, 422]),
    ("requestPasswordReset", [202, 202, 202]),
    ("completePasswordReset", [422, 422, 422]),
    ("getMe", [401, 200, 200]),
    ("updateMe", [401, 200, 200]),
    ("changeUsername", [401, 200, 200]),
    ("deleteMe", [401, 204, 204]),
    ("getUsers", [422, 422, 422]),
    ("getUser", [200, 200, 200]),
    ("listUserPosts", [200, 200, 200]),
    ("createPost", [401, 201, 201]),
    ("getPosts", [422, 422, 422]),
    ("getPost", [200, 200, 200]),
    ("updatePost", [401, 403, 200]),
    ("listPostRevisions", [200, 200, 200]),
    ("deletePost", [401, 403, 204]),
    ("getPublicTimeline", [200, 200, 200]),
    ("getHashtagTimeline", [200, 200, 200]),
    ("getHomeTimeline", [401, 200, 200]),
    ("likePost", [401, 200, 200]),
    ("unlikePost", [401, 200, 200]),
    ("listPostLikers", [200, 200, 200]),
    ("listLikedPosts", [401, 200, 200]),
    ("bookmarkPost", [401, 200, 200]),
    ("unbookmarkPost", [401, 200, 200]),
    ("listBookmarks", [401, 200, 200]),
    ("createComment", [401, 201, 201]),
    ("listComments", [200, 200, 200]),
    ("getComment", [200, 200, 200]),
    ("listReplies", [200, 200, 200]),
    ("updateComment", [401, 403, 200]),
    ("deleteComment", [401, 403, 204]),
    ("listCommentRevisions", [401, 403, 200]),
    ("likeComment", [401, 200, 200]),
    ("unlikeComment", [401, 200, 200]),
    ("listCommentLikers", [200, 200, 200]),
    // The owner would act on their own account, which is rejected.
    ("followUser", [401, 200, 422]),
    ("unfollowUser", [401, 200, 422]),
    ("blockUser", [401, 200, 422]),
    ("unblockUser", [401, 200, 422]),
    ("muteUser", [401, 200, 422]),
    ("unmuteUser", [401, 200, 422]),
    ("acceptFollowRequest", [401, 404, 422]),
    ("rejectFollowRequest", [401, 200, 422]),
    ("removeFollower", [401, 204, 422]),
    ("listFollowers", [200, 200, 200]),
    ("listFollowing", [200, 200, 200]),
    ("listFollowRequests", [401, 200, 200]),
    ("listBlocks", [401, 200, 200]),
    ("listMutes", [401, 200, 200]),
    ("uploadMedia", [401, 201, 201]),
    ("createUpload", [401, 201, 201]),
    // The file was never uploaded.
    ("completeUpload", [401, 404, 409]),
    ("getMedia", [401, 404, 200]),
    ("updateMedia", [401, 404, 200]),
    ("deleteMedia", [401, 404, 204]),
    ("getUsage", [401, 200, 200]),
    ("listNotifications", [401, 200, 200]),
    // The request lacks the headers of a WebSocket handshake.
    ("connectGateway", [426, 426, 426]),
    ("getGatewayStatus", [401, 200, 200]),
    ("createGatewayTicket", [401, 201, 201]),
    ("getUnreadCount", [401, 200, 200]),
    ("markNotificationsRead", [401, 200, 200]),
    ("createReport", [401, 201, 422]),
    ("createConversation", [401, 201, 422]),
    ("listConversations", [401, 200, 200]),
    ("getConversation", [401, 404, 200]),
    ("updateConversation", [401, 404, 200]),
    ("addMembers", [401, 404, 422]),
    ("removeMember", [401, 404, 204]),
    ("listMessages", [401, 404, 200]),
    ("sendMessage", [401, 404, 201]),
    ("editMessage", [401, 404, 200]),
    ("deleteMessage", [401, 404, 204]),
    ("listConversationEvents", [401, 404, 200]),
    ("markRead", [401, 404, 200]),
    ("muteConversation", [401, 404, 200]),
    ("unmuteConversation", [401, 404, 200]),
    ("sync", [401, 200, 200]),
    // The request lacks `q`.
    ("searchSuggestions", [422, 422, 422]),
    ("searchUsers", [422, 422, 422]),
    ("searchHashtags", [422, 422, 422]),
    ("searchPosts", [422, 422, 422]),
    ("listTrendingHashtags", [200, 200, 200]),
    ("getHashtag", [200, 200, 200]),
    ("listRecentSearches", [401, 200, 200]),
    // `{id}` is the id of a session, not of a search.
    ("deleteRecentSearch", [401, 404, 404]),
    ("deleteRecentSearches", [401, 204, 204]),
    ("listSuggestedUsers", [401, 200, 200]),
    ("dismissSuggestedUser", [401, 200, 422]),
    ("listAuditEvents", [401, 403, 403]),
];

async fn call(
    actor: &Actor<'_>,
    id: &str,
    method: Method,
    template: &str,
    [post, session, comment, media, upload, conversation, message, factor]: [&str; 8],
    name: &str,
) -> StatusCode {
    let path = template
        .replace("{post}", post)
        .replace("{comment}", comment)
        .replace("{media}", media)
        .replace("{upload}", upload)
        .replace("{conversation}", conversation)
        .replace("{message}", message)
        .replace("{factor}", factor)
        .replace("{user}", "@olga")
        .replace("{provider}", "kakao")
        .replace("{id}", session)
        .replace("{tag}", "제주");
    if id == "uploadMedia" {
        return actor.uploads(&[("a.png", "image/png", &picture(8, 8))]).await.status;
    }
    let body = match id {
        "createUpload" => json!({ "content_type": "image/png", "byte_size": 9 }),
        "createConversation" | "addMembers" => json!({ "members": ["@olga"] }),
        "updateConversation" => json!({ "title": "us" }),
        "sendMessage" => json!({ "client_id": post, "text": "hello" }),
        "markRead" => json!({ "message_no": 1 }),
        "updateMedia" => json!({ "alt": "the sea" }),
        "signUp" => json!({ "username": name, "password": PASSWORD, "client": "browser" }),
        "logIn" => json!({ "login": "olga", "password": PASSWORD, "client": "browser" }),
        "changePassword" => json!({ "current_password": PASSWORD, "new_password": PASSWORD }),
        "changeEmail" => json!({ "email": "new@example.com", "password": PASSWORD }),
        "verifyEmail" => json!({ "token": "ble_nothing" }),
        "requestPasswordReset" => json!({ "email": "new@example.com" }),
        "completePasswordReset" => json!({ "token": "ble_nothing", "new_password": PASSWORD }),
        "reauthenticate" => json!({ "password": PASSWORD }),
        "startTotp" | "startPasskey" | "startPasskeyLogin" => json!({}),
        "confirmTotp" => json!({ "code": "000000" }),
        "completeLogin" => json!({ "challenge": "blc_nothing", "method": "totp", "code": "000000" }),
        "finishPasskey" => json!({ "credential": {} }),
        "finishPasskeyLogin" => json!({ "credential": {}, "client": "browser" }),
        "issueToken" => json!({ "grant_type": "refresh_token", "refresh_token": "blr_nothing" }),
        "updateMe" => json!({ "bio": "hello" }),
        "finishSignUp" => json!({ "username": name }),
        "changeUsername" => json!({ "username": name }),
        "markNotificationsRead" => json!({ "up_to": post }),
        "createReport" => json!({ "post_id": post, "reason": "spam" }),
        "deleteMe" => json!({ "password": PASSWORD }),
        _ => json!({ "text": "hello" }),
    };
    let takes_fields = ["finishLoginByForm", "receiveUnlinkNotice"].contains(&id);
    let content_type = if takes_fields { "application/x-www-form-urlencoded" } else { "application/json" };
    let body = body.to_string().into_bytes();
    actor.send(method, &path, &[("content-type", content_type)], body).await.status
}

// Defect 1 of the predecessors.
#[apply(both_databases)]
#[tokio::test]
async fn every_operation_returns_the_status_of_its_row(#[case] backend: Backend) {
    let mut settings = Settings::with_domain();
    // Each operation gets a session, an image and an upload of its own.
    settings.auth.quotas.login_per_account = Quota::new(1_000, 60);
    settings.media.quota.unattached.files = 1_000;
    let t = TestApp::with(backend, settings).await;
    let [owner, stranger, _] = t.users(["olga", "stranger", "bystander"]).await;
    let cookies = [None, stranger.cookie(), owner.cookie()];
    for (at, (method, template, operation)) in CONTRACT.operations().enumerate() {
        let id = operation["operationId"].as_str().unwrap();
        let (_, row) = TABLE.iter().find(|(row, _)| *row == id).unwrap_or_else(|| panic!("{id} has no row"));
        let post = owner.posts("mine").await;
        let comment = owner.comments(&post, "mine").await;
        let media = owner.uploads_picture().await;
        let upload = owner
            .post("/api/v1/media/uploads", &json!({ "content_type": "image/png", "byte_size": 9 }))
            .await
            .json();
        let upload = upload["id"].as_str().unwrap();
        let factor = owner.post("/api/v1/me/factors/totp", &json!({})).await.json();
        let factor = factor["id"].as_str().unwrap();
        let conversation = owner.starts_conversation(&["@bystander"], Some("us")).await;
        let message = owner.sends_message(&conversation, "hello").await;
        // A second session of the owner. Too many sessions would end the first, so the others are revoked.
        owner.delete("/api/v1/auth/sessions").await.assert_status(204);
        t.stranger().log_in("olga", PASSWORD).await.assert_status(200);
        let sessions = owner.get("/api/v1/auth/sessions").await.items("id");
        let session = sessions[0].as_str().unwrap().to_owned();
        for (who, (cookie, expected)) in cookies.iter().zip(row).enumerate() {
            let actor = t.stranger();
            if ["changePassword", "changeUsername", "deleteMe", "reauthenticate"].contains(&id)
                && cookie.is_some()
            {
                // These change the account itself, so each call gets its own account.
                actor.sign_up(&format!("owner{at}_{who}")).await.assert_status(201);
            } else if ["signUp", "logIn", "logOut"].contains(&id) && cookie.is_some() {
                // These end or replace the session, so each call gets its own session.
                actor.log_in("stranger", PASSWORD).await.assert_status(200);
            } else {
                actor.set_cookie(cookie.clone());
            }
            let name = format!("new.name{at}_{who}");
            let things = [&post, &session, &comment, &media, upload, &conversation, &message, factor];
            let status = call(&actor, id, method.clone(), template, things, &name).await;
            assert_eq!(status.as_u16(), *expected, "{id}, actor {who}");
            if id == "blockUser" && who == 1 {
                // Later operations expect that the stranger can see the owner.
                actor.delete("/api/v1/users/@olga/block").await.assert_status(200);
            }
        }
    }
    assert_eq!(TABLE.len(), CONTRACT.operations().count(), "a row does not name an operation");
}
