//! Pages of lists: items and cursors in the body, and the cursors again as a `Link` header (RFC 8288).
//!
//! A handler wraps the page of a use-case in [`Paged`], which renders its items and attaches the cursors to the
//! response. [`LinkHeader`], a layer in front of the gate, knows the path and the query that the client sent, and writes the header.

use blegram_http::{Site, conditional};
use std::sync::Arc;

use blegram_domain::{
    Page,
    page::{Cursor, Key},
};
use blegram_media::Links;
use poem::{
    Endpoint, IntoResponse, Request, Response,
    http::{HeaderValue, header},
};
use poem_openapi::{
    ApiResponse,
    registry::{MetaResponses, Registry},
    types::Type,
};
use serde::Serialize;

use crate::{
    answer::{Answer, tagged},
    schema::Render,
};

/// The response with a page: body, weak `ETag` and `Link` header.
#[derive(Debug)]
pub(crate) struct Paged<P> {
    page: Answer<P>,
    next: Option<String>,
    prev: Option<String>,
}

/// The wire type of a page, made of items and cursors.
pub(crate) trait PageSchema: Type + Serialize {
    type Item;

    fn new(items: Vec<Self::Item>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self;
}

impl<P: PageSchema> Paged<P> {
    /// Renders the items of `page` without image links.
    pub(crate) fn render<T, K: Key>(page: Page<T, K>) -> Self
    where
        P::Item: From<T>,
    {
        Self::new(page.map(P::Item::from))
    }

    /// Renders the items of `page`, which contain images, with `links`.
    pub(crate) fn render_with<T, K: Key>(page: Page<T, K>, links: &Links) -> Self
    where
        P::Item: Render<T>,
    {
        Self::new(page.map(|view| P::Item::render(view, links)))
    }

    /// Wraps a page whose items are wire types already.
    pub(crate) fn new<K: Key>(page: Page<P::Item, K>) -> Self {
        let [next, prev] =
            [page.next, page.prev].map(|cursor| cursor.map(|cursor: Cursor<K>| cursor.encode()));
        Self { page: Answer(P::new(page.items, next.clone(), prev.clone())), next, prev }
    }
}

impl<P> Paged<P> {
    /// Completes the body with the fields that not every page has.
    pub(crate) fn map(self, more: impl FnOnce(P) -> P) -> Self {
        Self { page: Answer(more(self.page.0)), ..self }
    }
}

impl<P: PageSchema> IntoResponse for Paged<P> {
    fn into_response(self) -> Response {
        let mut response = tagged(&self.page.0, conditional::weak);
        // `LinkHeader` knows path and query, and makes the `Link` header of this.
        response.set_data(Cursors { next: self.next, prev: self.prev });
        response
    }
}

impl<P: PageSchema> ApiResponse for Paged<P> {
    fn meta() -> MetaResponses {
        Answer::<P>::meta()
    }

    fn register(registry: &mut Registry) {
        Answer::<P>::register(registry);
    }
}

/// The layer that writes the `Link` header of pages.
pub(crate) struct LinkHeader<E> {
    site: Arc<Site>,
    inner: E,
}

impl<E> LinkHeader<E> {
    pub(crate) const fn new(site: Arc<Site>, inner: E) -> Self {
        Self { site, inner }
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for LinkHeader<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let uri = request.uri().clone();
        let mut response = self.inner.call(request).await?;
        if let Some(cursors) = response.data::<Cursors>().cloned() {
            cursors.link(&self.site.address(uri.path()), uri.query(), &mut response);
        }
        Ok(response)
    }
}

/// The cursors of a page, attached to the response.
#[derive(Debug, Clone)]
struct Cursors {
    next: Option<String>,
    prev: Option<String>,
}

impl Cursors {
    /// Adds the `Link` header, `rel="next"` first, to the response to a request for `path` and `query`.
    fn link(&self, path: &str, query: Option<&str>, response: &mut Response) {
        let path = percent_encoding::utf8_percent_encode(path, percent_encoding::CONTROLS);
        let link = |cursor: &Option<String>, rel: &str| {
            cursor.as_ref().map(|cursor| format!("<{path}?{}>; rel=\"{rel}\"", with_cursor(query, cursor)))
        };
        let links: Vec<String> =
            [link(&self.next, "next"), link(&self.prev, "prev")].into_iter().flatten().collect();
        if let (false, Ok(value)) = (links.is_empty(), HeaderValue::from_str(&links.join(", "))) {
            response.headers_mut().insert(header::LINK, value);
        }
    }
}

// Keeps the parameters of the client's own query, so that limit and filters stay the same.
fn with_cursor(query: Option<&str>, cursor: &str) -> String {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let others =
        pairs.filter(|(name, value)| ["limit", "since_id", "q"].contains(&&**name) && !value.is_empty());
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(others)
        .append_pair("cursor", cursor)
        .finish()
}
