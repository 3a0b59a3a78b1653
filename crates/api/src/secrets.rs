//! The responses that contain credentials or other secrets. They are not compressed, because the length of a compressed
//! response says something about its content.

/// The paths below which responses contain secrets.
pub(crate) const PATHS: [&str; 9] = [
    "/api/v1/auth",
    "/api/v1/gateway/tickets",
    "/api/v1/me/factors",
    "/api/v1/me/identities",
    "/api/v1/media/uploads",
    "/login",
    "/reset-password",
    "/signup",
    "/verify-email",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::PATHS;
    use crate::openapi::document;

    /// Properties that are secrets, wherever a response has them.
    const SECRETS: [&str; 11] = [
        "access_token",
        "authorize_url",
        "challenge",
        "codes",
        "confirmation_code",
        "csrf_token",
        "otpauth_url",
        "pending_token",
        "refresh_token",
        "secret",
        "ticket",
    ];

    /// Adds the names of all properties of a schema to `names`, and those of the schemas that it refers to, once each.
    fn collect<'a>(schema: &'a Value, schemas: &'a Value, names: &mut BTreeSet<&'a str>) {
        match schema {
            Value::Object(members) => {
                let reference = members.get("$ref").and_then(Value::as_str);
                let name = reference.and_then(|reference| reference.strip_prefix("#/components/schemas/"));
                if let Some((name, reference)) = name.zip(reference)
                    && names.insert(reference)
                {
                    collect(&schemas[name], schemas, names);
                }
                let properties = members.get("properties").and_then(Value::as_object);
                names.extend(
                    properties.into_iter().flat_map(|properties| properties.keys().map(String::as_str)),
                );
                members.values().for_each(|member| collect(member, schemas, names));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, schemas, names)),
            _ => {}
        }
    }

    fn returns_secret(operation: &Value, schemas: &Value) -> bool {
        let responses = operation["responses"].as_object().into_iter().flatten();
        let mut names = BTreeSet::new();
        for (_, response) in responses.filter(|(status, _)| status.starts_with('2')) {
            collect(response, schemas, &mut names);
        }
        names.iter().any(|name| SECRETS.contains(name))
    }

    #[test]
    fn every_operation_that_returns_a_secret_is_listed() {
        let document = document("https://blegram.example");
        let schemas = &document["components"]["schemas"];
        let mut found = 0;
        for (path, operations) in document["paths"].as_object().unwrap() {
            if operations.as_object().unwrap().values().any(|operation| returns_secret(operation, schemas)) {
                found += 1;
                assert!(PATHS.iter().any(|listed| path.starts_with(listed)), "{path} is not in PATHS");
            }
        }
        assert!(found > 10, "only {found} paths with secrets");
    }
}
