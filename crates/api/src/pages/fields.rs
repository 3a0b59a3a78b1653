//! The fields of a submitted form.

use std::collections::HashMap;

use blegram_http::Rejection;
use poem::{FromRequest, Request, RequestBody};

/// The fields of a form (`application/x-www-form-urlencoded`), whose size and type the gate has checked.
pub(crate) struct Fields(Vec<(String, String)>);

impl<'a> FromRequest<'a> for Fields {
    async fn from_request(_request: &'a Request, body: &mut RequestBody) -> poem::Result<Self> {
        let bytes = body.take()?.into_bytes().await.map_err(Rejection::from)?;
        let fields: Vec<_> = form_urlencoded::parse(&bytes).into_owned().collect();
        // PostgreSQL cannot store NUL in text.
        if fields.iter().any(|(_, value)| value.contains('\0')) {
            return Err(Rejection::UnreadableForm("a field contains NUL".to_owned()).into());
        }
        Ok(Self(fields))
    }
}

impl Fields {
    /// All fields; of several with the same name, the first.
    pub(crate) fn into_map(self) -> HashMap<String, String> {
        let mut map = HashMap::new();
        for (name, value) in self.0 {
            map.entry(name).or_insert(value);
        }
        map
    }

    /// The value of a field; empty if the form does not have it.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}
