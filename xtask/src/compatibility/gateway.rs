//! Compares the messages of two AsyncAPI documents.

use serde_json::Value;

use super::schemas::{Comparison, Sender};

/// The changes that break clients of the gateway, one line each.
pub(super) fn compare(before: &Value, after: &Value) -> Vec<String> {
    let mut comparison = Comparison::new(before, after);
    let messages = before["components"]["messages"].as_object();
    for (name, old) in messages.into_iter().flatten() {
        match after["components"]["messages"].get(name) {
            Some(new) => comparison.schema(name, &old["payload"], &new["payload"], sender(name)),
            None => comparison.report(name, "was removed"),
        }
    }
    if before["channels"]["gateway"]["address"] != after["channels"]["gateway"]["address"] {
        comparison.report("gateway", "the address changed");
    }
    let schemes = before["components"]["securitySchemes"].as_object();
    for (name, scheme) in schemes.into_iter().flatten() {
        for keyword in ["type", "scheme", "in", "name"] {
            if scheme[keyword] != after["components"]["securitySchemes"][name][keyword] {
                comparison.report(&format!("security scheme {name}"), format!("`{keyword}` changed"));
            }
        }
    }
    comparison.breaks
}

fn sender(message: &str) -> Sender {
    if message.starts_with("command.") || message == "pong" { Sender::Client } else { Sender::Server }
}
