//! The files of the app, in the program or in a folder.
//!
//! Embedded files are compressed on their first request, once for each coding. Files of a folder are read for each request: the
//! edge compresses them, and a new build is served without a restart.

use std::{
    collections::HashMap,
    fs, io,
    path::{Component, Path, PathBuf},
};

use blegram_http::{
    compression::{Precompressed, is_compressible},
    conditional,
};
use bytes::Bytes;
use poem::{
    Response,
    http::{HeaderMap, HeaderValue, header},
};

use super::{INDEX, InvalidWebApp, WebFiles, addresses::ASSETS};
use crate::problem::Problem;

/// The largest file of a folder that is served, because files are read as a whole.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The only name with a dot at its beginning that is served (RFC 8615).
const WELL_KNOWN: &str = ".well-known";

/// The files of an app.
pub(super) enum Files {
    Embedded(HashMap<&'static str, Embedded>),
    Folder { root: PathBuf, names: Vec<String> },
}

/// A file in the program.
pub(super) struct Embedded {
    content: &'static [u8],
    /// The hash in the entity tag.
    hash: String,
    body: Precompressed,
}

impl Files {
    /// Opens the files, and reads the names of those in a folder.
    pub(super) fn open(files: WebFiles) -> Result<Self, InvalidWebApp> {
        match files {
            WebFiles::Embedded(files) => {
                // Bundlers leave files for other tools, such as `.vite/manifest.json`.
                let served = files.into_iter().filter(|(name, _)| is_name(name));
                Ok(Self::Embedded(served.map(|(name, content)| (name, Embedded::new(content))).collect()))
            }
            WebFiles::Folder(root) => {
                let mut names = Vec::new();
                list(&root, &mut PathBuf::new(), &mut names)
                    .map_err(|source| InvalidWebApp::Unreadable { folder: root.clone(), source })?;
                Ok(Self::Folder { root, names })
            }
        }
    }

    pub(super) const fn is_embedded(&self) -> bool {
        matches!(self, Self::Embedded(_))
    }

    /// The names of the files outside of [`ASSETS`].
    pub(super) fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Embedded(files) => Box::new(files.keys().copied().filter(|name| !is_asset(name))),
            Self::Folder { names, .. } => Box::new(names.iter().map(String::as_str)),
        }
    }

    /// The document, at the start.
    pub(super) fn index(&self) -> Result<String, InvalidWebApp> {
        let bytes = match self {
            Self::Embedded(files) => files.get(INDEX).map(|file| file.content.to_vec()),
            Self::Folder { root, .. } => fs::read(root.join(INDEX)).ok(),
        };
        let bytes = bytes.ok_or(InvalidWebApp::NoIndex)?;
        String::from_utf8(bytes).map_err(|_| InvalidWebApp::NoHead)
    }

    /// Reads a file that is a text.
    pub(super) async fn read_text(&self, name: &str) -> io::Result<String> {
        let bytes = self.read(name).await?.ok_or(io::ErrorKind::NotFound)?;
        String::from_utf8(bytes.into()).map_err(io::Error::other)
    }

    /// The response with a file, without headers about caches and policies; `None` if there is no such file.
    pub(super) async fn response(
        &self,
        name: &str,
        request_headers: &HeaderMap,
    ) -> Result<Option<Response>, Problem> {
        let content_type = content_type(name);
        let (hash, mut response) = match self {
            Self::Embedded(files) => {
                let Some(file) = files.get(name) else { return Ok(None) };
                (file.hash.clone(), file.response(&content_type, request_headers))
            }
            Self::Folder { .. } => {
                let Some(bytes) = self.read(name).await.map_err(Problem::unavailable)? else {
                    return Ok(None);
                };
                (conditional::hash(&bytes), Response::builder().body(bytes))
            }
        };
        let headers = response.headers_mut();
        // Each coding is another representation, with a strong tag of its own (RFC 9110, 8.8.3.3).
        let coding = headers.get(header::CONTENT_ENCODING).and_then(|coding| coding.to_str().ok());
        let tag = coding.map_or_else(|| format!("\"{hash}\""), |coding| format!("\"{hash}-{coding}\""));
        headers.extend(HeaderValue::from_str(&tag).map(|tag| (header::ETAG, tag)));
        headers.extend(HeaderValue::from_str(&content_type).map(|value| (header::CONTENT_TYPE, value)));
        Ok(Some(response))
    }

    async fn read(&self, name: &str) -> io::Result<Option<Bytes>> {
        match self {
            Self::Embedded(files) => Ok(files.get(name).map(|file| Bytes::from_static(file.content))),
            Self::Folder { root, .. } => read_below(root, name).await,
        }
    }
}

impl Embedded {
    fn new(content: &'static [u8]) -> Self {
        let body = Precompressed::new(Bytes::from_static(content));
        Self { content, hash: conditional::hash(content), body }
    }

    fn response(&self, content_type: &str, request_headers: &HeaderMap) -> Response {
        if is_compressible(content_type) {
            return self.body.response(request_headers);
        }
        Response::builder().body(Bytes::from_static(self.content))
    }
}

fn is_asset(name: &str) -> bool {
    Path::new(name).starts_with(ASSETS)
}

fn content_type(name: &str) -> String {
    let media_type = mime_guess::from_path(name).first_or_octet_stream();
    let is_text = media_type.type_() == mime_guess::mime::TEXT;
    if is_text { format!("{media_type}; charset=utf-8") } else { media_type.to_string() }
}

/// Lists the names of the files in `folder` below `root`, without assets and hidden ones.
fn list(root: &Path, folder: &mut PathBuf, names: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(&*folder))? {
        let entry = entry?;
        folder.push(entry.file_name());
        if let Some(name) = folder.to_str().filter(|name| is_name(name) && !is_asset(name)) {
            if entry.path().is_dir() {
                list(root, folder, names)?;
            } else {
                names.push(name.to_owned());
            }
        }
        folder.pop();
    }
    Ok(())
}

/// Whether `name` can only lead to a file below the folder, unless a symbolic link leads out of it.
fn is_name(name: &str) -> bool {
    // Each part as it is written: `Path` would skip empty ones and `.`.
    let is_part = |part: &str| !part.is_empty() && (!part.starts_with('.') || part == WELL_KNOWN);
    let is_plain = |name: &str| Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    name.split('/').all(is_part) && is_plain(name) && !name.contains(['\\', '\0'])
}

/// Reads the file `name` below `root`; `None` if there is no such file, or a symbolic link leads out of `root`.
async fn read_below(root: &Path, name: &str) -> io::Result<Option<Bytes>> {
    if !is_name(name) {
        return Ok(None);
    }
    // For each request, because `root` may be a link that a deployment replaces.
    let (root, path) = (tokio::fs::canonicalize(root).await?, root.join(name));
    let path = match tokio::fs::canonicalize(path).await {
        Ok(path) if path.starts_with(&root) => path,
        Ok(_) => return Ok(None),
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = tokio::fs::metadata(&path).await?;
    if !metadata.is_file() {
        return Ok(None);
    }
    if metadata.len() > MAX_BYTES {
        tracing::warn!(
            name,
            bytes = metadata.len(),
            "a file in the folder of server.web is too large to be served"
        );
        return Ok(None);
    }
    Ok(Some(tokio::fs::read(path).await?.into()))
}

fn is_missing(error: &io::Error) -> bool {
    [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory, io::ErrorKind::InvalidFilename]
        .contains(&error.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_files_below_the_folder_only() {
        for name in ["index.html", "assets/index-3f2a.js", ".well-known/assetlinks.json", "a..b", "사진.png"]
        {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "../a",
            "a/../b",
            "a//b",
            "/etc/passwd",
            "a/",
            ".git/config",
            "a/.env",
            "a\\b",
            "a\0b",
        ] {
            assert!(!is_name(name), "{name:?}");
        }
    }

    #[test]
    fn content_types_are_those_that_browsers_demand() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("assets/a.js", "text/javascript; charset=utf-8"),
            ("assets/a.css", "text/css; charset=utf-8"),
            ("manifest.webmanifest", "application/manifest+json"),
            ("icon.svg", "image/svg+xml"),
            ("icon.png", "image/png"),
            ("a.woff2", "font/woff2"),
            ("unknown", "application/octet-stream"),
        ] {
            assert_eq!(content_type(name), expected, "{name}");
        }
    }
}
