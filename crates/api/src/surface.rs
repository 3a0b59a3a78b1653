//! The API as a surface of the shared HTTP layers: its errors are problem+json, those of its pages HTML, and those of
//! browsers at other addresses the web app; its forms contain
//! images.

use std::sync::Arc;

use blegram_domain::UserId;
use blegram_http::{Rejection, Site, Surface, surface::is_final};
use blegram_media::Media;
use futures_util::{FutureExt, future::BoxFuture};
use poem::{Request, Response};

use crate::{App, form, pages, problem::Problem, web};

/// The surface of `app`.
pub fn surface(app: &App) -> Arc<dyn Surface> {
    Arc::new(ApiSurface { site: Arc::clone(&app.site), media: app.media.clone() })
}

struct ApiSurface {
    site: Arc<Site>,
    media: Media,
}

impl Surface for ApiSurface {
    fn render(&self, error: poem::Error, path: &str, request_id: &str) -> Response {
        let failed = error.data::<web::Failed>().cloned();
        let problem = problem(error);
        if let Some(failed) = failed {
            return failed.into_response(problem, request_id);
        }
        if pages::is_page(path) {
            return pages::rejected(problem, self.site.base_path(), request_id);
        }
        problem.into_response(self.site.base_path(), path, request_id)
    }

    fn is_final(&self, error: &poem::Error) -> bool {
        // Errors of poem itself are never final: they say nothing about the request that our own checks do not say.
        let is_ours = error.is::<Problem>() || error.is::<Rejection>();
        is_ours && is_final(error.status())
    }

    fn read_form<'a>(&'a self, request: &'a mut Request, sender: UserId) -> BoxFuture<'a, poem::Result<()>> {
        async move { Ok(form::spool(request, sender, &self.media).await?) }.boxed()
    }
}

fn problem(error: poem::Error) -> Problem {
    error.downcast::<Problem>().unwrap_or_else(|error| {
        error.downcast::<Rejection>().unwrap_or_else(|error| Rejection::of_poem(&error)).into()
    })
}
