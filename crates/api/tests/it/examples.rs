//! Runs the first example of every operation that takes a JSON body, as Swagger UI prefills it, in the order of the
//! document except for [`FIRST`] and [`LAST`]. Only ids and tokens that are known at run time are replaced.

use std::collections::BTreeMap;

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::{
    both_databases,
    contract::CONTRACT,
    world::{Actor, Answer, Settings, TestApp},
};

/// Members of examples whose values are known only at run time.
const UNKNOWABLE: [&str; 4] = ["post_id", "up_to", "refresh_token", "token"];

/// Operations whose examples need a code of an authenticator app, or an authenticator.
const NEEDING_AUTHENTICATOR: [&str; 4] =
    ["confirmTotp", "completeLogin", "finishPasskey", "finishPasskeyLogin"];

/// Operations that run first, in this order.
const FIRST: [&str; 4] = ["signUp", "logIn", "createConversation", "changeEmail"];

/// Operations that run last, in this order: they change the credentials of the account, or delete it.
const LAST: [&str; 4] = ["changeUsername", "completePasswordReset", "changePassword", "deleteMe"];

/// Operations that need what no earlier operation returns; `providers.rs` calls them after a login with a provider.
const ELSEWHERE: [&str; 1] = ["finishSignUp"];

struct Example {
    id: &'static str,
    method: poem::http::Method,
    template: &'static str,
    body: Value,
}

fn first_examples() -> Vec<Example> {
    let mut examples: Vec<Example> = CONTRACT
        .operations()
        .filter_map(|(method, template, operation)| {
            let content = operation["requestBody"]["content"].get("application/json")?;
            let first = content["examples"].as_object().and_then(|examples| examples.values().next());
            let id = operation["operationId"].as_str().unwrap();
            if NEEDING_AUTHENTICATOR.contains(&id) || ELSEWHERE.contains(&id) {
                return None;
            }
            let body = first.unwrap_or_else(|| panic!("{id} has no example"))["value"].clone();
            Some(Example { id, method, template, body })
        })
        .collect();
    let at = |ids: &[&str], id: &str| ids.iter().position(|other| *other == id);
    let place = |id: &str| at(&FIRST, id).unwrap_or(FIRST.len() + at(&LAST, id).map_or(0, |at| at + 1));
    examples.sort_by_key(|example| place(example.id));
    examples
}

/// The values that earlier operations returned, by the name of the parameter that takes them.
struct Values(BTreeMap<String, Value>);

impl Values {
    fn fill(&self, example: &Example) -> (String, Value) {
        let mut path = example.template.to_owned();
        for (name, value) in &self.0 {
            path = path.replace(&format!("{{{name}}}"), value.as_str().unwrap());
        }
        assert!(!path.contains('{'), "{}: {path}", example.id);
        let mut body = example.body.clone();
        for name in UNKNOWABLE.iter().filter(|name| example.body[**name].is_string()) {
            body[*name] = self.0[*name].clone();
        }
        (path, body)
    }

    fn insert(&mut self, name: &str, value: Value) {
        assert!(value.is_string(), "{name}: {value}");
        self.0.insert(name.to_owned(), value);
    }
}

async fn run(actor: &Actor<'_>, example: &Example, values: &Values) -> Answer {
    let (path, body) = values.fill(example);
    let headers = [("content-type", "application/json")];
    let answer = actor.send(example.method.clone(), &path, &headers, body.to_string().into_bytes()).await;
    assert!(answer.status.is_success(), "{} {path} {body}: {}", example.id, answer.text());
    answer
}

#[apply(both_databases)]
#[tokio::test]
async fn first_examples_succeed_in_order(#[case] backend: blegram_persistence::testing::Backend) {
    let t = TestApp::with(backend, Settings::with_domain().with_mail()).await;
    // Accounts that the examples refer to; the demo community has them, too.
    let [haneul, ann, _minsu] = t.users(["haneul", "ann", "minsu"]).await;
    let newcomer = t.stranger();
    let mut values = Values(BTreeMap::new());
    values.insert("post_id", json!(haneul.posts("제주").await));
    let examples = first_examples();
    for example in &examples {
        match example.id {
            // Restores the password that the example sends: the example of `changePassword` replaced it.
            "deleteMe" => {
                let changed = examples.iter().find(|example| example.id == "changePassword").unwrap();
                let old = json!({ "current_password": changed.body["new_password"], "new_password": changed.body["current_password"] });
                newcomer.put("/api/v1/me/password", &old).await.assert_status(204);
            }
            "issueToken" => {
                let mut login = examples.iter().find(|example| example.id == "logIn").unwrap().body.clone();
                login["client"] = json!("native");
                let app = newcomer.stranger();
                let tokens = app.post("/api/v1/auth/login", &login).await.json()["tokens"].clone();
                values.insert("refresh_token", tokens["refresh_token"].clone());
            }
            _ => {}
        }
        let answer = run(&newcomer, example, &values).await;
        match example.id {
            "logIn" => {
                let id = answer.json()["account"]["id"].as_str().unwrap().to_owned();
                ann.put_empty(&format!("/api/v1/users/{id}/follow")).await.assert_status(200);
                let notifications = newcomer.get("/api/v1/notifications").await.items("id");
                values.insert("up_to", notifications[0].clone());
                values.insert("media", json!(newcomer.uploads_picture().await));
                // Later examples use this post and this comment, whatever the order of the document.
                values.insert("post", json!(newcomer.posts("바다").await));
                let post = values.0["post"].as_str().unwrap().to_owned();
                values.insert("comment", json!(newcomer.comments(&post, "좋아요").await));
            }
            "changeEmail" | "requestPasswordReset" => {
                // Besides notices of logins.
                let mails = t.mails().await;
                let mail = mails.iter().find(|mail| mail.text.contains("token=")).unwrap();
                values.insert("token", json!(mail.token()));
            }
            // Ended the session, and set the password that the example of `changePassword` sets.
            "completePasswordReset" => {
                let changed = examples.iter().find(|example| example.id == "changePassword").unwrap();
                let name = examples.iter().find(|example| example.id == "changeUsername").unwrap();
                let (new, old) = (&changed.body["new_password"], &changed.body["current_password"]);
                let login = name.body["username"].as_str().unwrap();
                newcomer.log_in(login, new.as_str().unwrap()).await.assert_status(200);
                let back = json!({ "current_password": new, "new_password": old });
                newcomer.put("/api/v1/me/password", &back).await.assert_status(204);
            }
            "createConversation" => {
                let conversation = answer.json()["id"].clone();
                values.insert(
                    "message",
                    json!(newcomer.sends_message(conversation.as_str().unwrap(), "안녕하세요").await),
                );
                values.insert("conversation", conversation);
            }
            _ => {}
        }
    }
    assert!(examples.len() > 20, "{}", examples.len());
}

/// Examples of new usernames differ from the accounts that other examples expect. The server's tests compare the
/// examples with the demo community.
#[test]
fn examples_of_new_usernames_are_free() {
    let names = first_examples();
    let username_of =
        |id: &str| names.iter().find(|example| example.id == id).unwrap().body["username"].clone();
    assert_ne!(username_of("signUp"), username_of("changeUsername"));
    for id in ["signUp", "changeUsername"] {
        assert!(!["haneul", "ann", "minsu"].contains(&username_of(id).as_str().unwrap()), "{id}");
    }
}
