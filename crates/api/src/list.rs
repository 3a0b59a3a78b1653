//! The query parameters of lists: `limit`, `cursor`, and for some lists `since_id`.
//!
//! A handler of a list takes a [`List`], which knows the operation (the gate puts its id into the request), and asks it
//! for the page. The row says whether the list takes `since_id`; the document describes the parameters from the row, too.

use blegram_domain::{
    PageRequest, PostId,
    page::{Cursor, Key, Limit, Scope},
};
use blegram_http::router::RoutedOperation;
use poem::{FromRequest, Request, RequestBody};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    operation::{Paging, operation},
    param::integer,
    problem::{Failure, Problem},
};

/// The query parameters of a list, as they were sent.
#[derive(Debug)]
pub(crate) struct List {
    operation: &'static str,
    limit: Option<String>,
    cursor: Option<String>,
    since_id: Option<String>,
}

impl<'a> FromRequest<'a> for List {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        let operation = request.data::<RoutedOperation>().and_then(|routed| operation(routed.id));
        let operation =
            operation.ok_or_else(|| Problem::internal("the gate does not know this operation"))?;
        let pairs: Vec<(String, String)> = request.params()?;
        // Of a parameter that is repeated, the first value counts.
        let find = |name| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let takes_since = operation.paging == Some(Paging::WithSince);
        Ok(Self {
            operation: operation.id,
            limit: find("limit"),
            cursor: find("cursor"),
            since_id: if takes_since { find("since_id") } else { None },
        })
    }
}

impl List {
    /// The requested page of a list that is ordered by ID. A cursor is valid for one operation, with the same `filters`
    /// and the same `since_id`.
    pub(crate) fn page(&self, filters: &[&str]) -> Result<PageRequest, Problem> {
        let since = self.since_id.as_deref().unwrap_or_default();
        let scope = Scope::new(self.operation, &[filters, &[since]].concat());
        // An invalid cursor (400) takes precedence over invalid values (422).
        let cursor = self.cursor(scope)?;
        let mut failures = Vec::new();
        let (limit, since) = (self.limit(&mut failures), self.since(&mut failures));
        if failures.is_empty() {
            Ok(PageRequest::new(scope, limit, cursor, since))
        } else {
            Err(Problem::invalid(failures))
        }
    }

    /// The requested page of a list that is ordered by another key; such lists take no `since_id`.
    pub(crate) fn ranked_page<K: Key>(&self, filters: &[&str]) -> Result<PageRequest<K>, Problem> {
        let scope = Scope::new(self.operation, filters);
        let cursor = self.cursor(scope)?;
        let mut failures = Vec::new();
        let limit = self.limit(&mut failures);
        if failures.is_empty() {
            Ok(PageRequest::new(scope, limit, cursor, None))
        } else {
            Err(Problem::invalid(failures))
        }
    }

    fn cursor<K: Key>(&self, scope: Scope) -> Result<Option<Cursor<K>>, Problem> {
        Ok(self.cursor.as_ref().map(|cursor| Cursor::decode(cursor, scope)).transpose()?)
    }

    fn limit(&self, failures: &mut Vec<Failure>) -> Limit {
        let Some(text) = &self.limit else { return Limit::default() };
        let Some(value) = integer(text) else {
            failures.push(Failure::new("/limit", "wrong-type", "must be an integer"));
            return Limit::default();
        };
        Limit::parse(value).unwrap_or_else(|violation| {
            failures.push(Failure::of("/limit", violation));
            Limit::default()
        })
    }

    fn since(&self, failures: &mut Vec<Failure>) -> Option<Uuid> {
        let id = self.since_id.as_ref()?.parse::<PostId>();
        if let Err(error) = &id {
            failures.push(Failure::new("/since_id", "wrong-type", error.to_string()));
        }
        id.ok().map(PostId::as_uuid)
    }
}

/// The parameters of a list in the OpenAPI document.
pub(crate) fn parameters(paging: Paging) -> Vec<Value> {
    let parameter = |name: &str, schema: Value, description: &str| json!({ "name": name, "in": "query", "required": false, "schema": schema, "description": description });
    let mut parameters = vec![
        // No maximum and no format: a value above the largest page size counts as that size, also one beyond 32 bits.
        parameter(
            "limit",
            json!({ "type": "integer", "default": 20, "minimum": 1 }),
            "The maximum number of items on the page; values above 100 count as 100.\n한 페이지의 최대 항목 수. 100보다 크면 100으로 처리합니다.",
        ),
        parameter(
            "cursor",
            json!({ "type": "string" }),
            "A `next_cursor` or `prev_cursor` from a page of this list.\n이 목록의 페이지에서 받은 `next_cursor` 또는 `prev_cursor`.",
        ),
    ];
    if paging == Paging::WithSince {
        parameters.push(parameter(
            "since_id",
            json!({ "type": "string", "format": "uuid" }),
            "Returns only items newer than this ID, which does not have to exist.\n이 ID보다 새로운 항목만 반환합니다. 이 ID의 항목이 없어도 됩니다.",
        ));
    }
    parameters
}
