//! Parameters that several operations have in common, defined once in `components.parameters`.

use serde_json::{Map, Value, json};

use super::{capitalized, for_each_operation};

/// Moves every parameter that is identical in several operations to `components.parameters`, and replaces it with a
/// reference. Of different parameters with the same name, only the most frequent one is moved.
pub(super) fn share_parameters(document: &mut Value) {
    let mut counts: Vec<(Value, usize)> = Vec::new();
    for_each_parameter(document, |parameter| {
        without_defaults(parameter);
        match counts.iter_mut().find(|(other, _)| other == parameter) {
            Some((_, count)) => *count += 1,
            None => counts.push((parameter.clone(), 1)),
        }
    });
    // The sort is stable: of equally frequent ones, the first in the document wins.
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut shared: Map<String, Value> = Map::new();
    for (parameter, _) in counts.into_iter().filter(|(_, count)| *count > 1) {
        shared.entry(name_of(&parameter)).or_insert(parameter);
    }
    for_each_parameter(document, |parameter| {
        let name = name_of(parameter);
        if shared.get(&name) == Some(parameter) {
            *parameter = json!({ "$ref": format!("#/components/parameters/{name}") });
        }
    });
    shared.sort_keys();
    document["components"]["parameters"] = Value::Object(shared);
}

fn for_each_parameter(document: &mut Value, mut visit: impl FnMut(&mut Value)) {
    for_each_operation(document, |_, value| {
        let parameters = value.get_mut("parameters").and_then(Value::as_array_mut);
        parameters.into_iter().flatten().for_each(&mut visit);
    });
}

// poem-openapi writes values that are the defaults.
fn without_defaults(parameter: &mut Value) {
    if let Some(object) = parameter.as_object_mut() {
        object.retain(|key, value| {
            !matches!(
                (key.as_str(), value),
                ("deprecated", Value::Bool(false)) | ("explode", Value::Bool(true))
            )
        });
    }
}

/// The component name: `IfMatchParam` for `If-Match`. The suffix avoids collisions with schema names.
fn name_of(parameter: &Value) -> String {
    let words = parameter["name"].as_str().unwrap_or_default().split(['-', '_']);
    words.map(capitalized).collect::<String>() + "Param"
}
