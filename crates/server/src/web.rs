//! The web app of the site: the one in the binary, or in the folder that the operator names.

use anyhow::Context;
use blegram_api::{Site, WebApp, WebFiles};
use blegram_media::Media;
use include_dir::{Dir, include_dir};

use crate::config::WebSource;

/// What `npm run build` wrote in `web/`. It is committed, so that building the server needs only Rust.
static DIST: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../web/dist");

/// The web app of `source`, if it is not off.
///
/// # Errors
/// When the folder has no app.
pub(crate) fn app(source: &WebSource, site: &Site, media: &Media) -> anyhow::Result<Option<WebApp>> {
    let (files, place) = match source {
        WebSource::Off => return Ok(None),
        WebSource::Embedded => {
            (WebFiles::Embedded(embedded()), "the web app in the binary cannot be served".to_owned())
        }
        WebSource::Folder(folder) => (
            WebFiles::Folder(folder.clone()),
            format!("cannot serve the web app in server.web: {}", folder.display()),
        ),
    };
    WebApp::new(files, site, media).map(Some).context(place)
}

/// Says which app is served, or why the folder has none.
pub(crate) fn examine(source: &WebSource) -> Result<String, String> {
    match source {
        WebSource::Embedded => Ok("the one in the binary".to_owned()),
        WebSource::Off => Ok("off".to_owned()),
        WebSource::Folder(folder) if folder.join("index.html").is_file() => Ok(folder.display().to_string()),
        WebSource::Folder(folder) => Err(format!(
            "{} has no index.html; build the app, or set server.web to `on`, `off` or another folder",
            folder.display()
        )),
    }
}

fn embedded() -> Vec<(&'static str, &'static [u8])> {
    let mut files = Vec::new();
    collect(&DIST, &mut files);
    files
}

fn collect(folder: &'static Dir<'static>, files: &mut Vec<(&'static str, &'static [u8])>) {
    // A name that is not UTF-8 has no URL.
    let named = folder.files().filter_map(|file| Some((file.path().to_str()?, file.contents())));
    files.extend(named);
    folder.dirs().for_each(|folder| collect(folder, files));
}
