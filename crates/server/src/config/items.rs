//! The list of tables `[[login.providers]]`: its items have the same settings, whose keys contain the index of the item.
//! The settings of item 0 are the template that the reference shows.

use super::{sections::settings, setting::Setting};

/// The key of the list.
pub(super) const LIST: &str = "login.providers";

/// The section of its first item.
pub(super) const TEMPLATE: &str = "login.providers.0";

/// The largest index.
const MAX_INDEX: usize = 31;

/// The index and the rest of a key of an item.
fn split(key: &str) -> Option<(usize, &str)> {
    let (index, rest) = key.strip_prefix(LIST)?.strip_prefix('.')?.split_once('.')?;
    let number: usize = index.parse().ok().filter(|number| *number <= MAX_INDEX)?;
    // Only one spelling, so that two variables cannot set one value.
    (number.to_string() == index).then_some((number, rest))
}

/// The index of the item that a key belongs to.
pub(super) fn index_of(key: &str) -> Option<usize> {
    split(key).map(|(index, _)| index)
}

/// The key of the same setting in the first item.
pub(super) fn template(key: &str) -> String {
    split(key).map_or_else(|| key.to_owned(), |(_, rest)| format!("{TEMPLATE}.{rest}"))
}

/// The key of `setting` in the item with `index`.
pub(super) fn key_of(setting: &Setting, index: usize) -> String {
    if setting.section == TEMPLATE { format!("{LIST}.{index}.{}", setting.name) } else { setting.key() }
}

/// The setting of an environment variable, and its key.
pub(super) fn setting_of(variable: &str) -> Option<(&'static Setting, String)> {
    let key = variable.strip_prefix("BLEGRAM_")?.to_lowercase().replace("__", ".");
    let index = index_of(&key).unwrap_or(0);
    let spelled = |setting: &&Setting| {
        let own = format!("BLEGRAM_{}", key_of(setting, index).replace('.', "__").to_uppercase());
        own == variable
    };
    settings().find(spelled).map(|setting| (setting, key_of(setting, index)))
}
