//! Where a network is, by an MMDB file of the operator, such as GeoLite2-City or DB-IP City Lite.

use std::{io, net::IpAddr, path::Path, sync::Arc};

use maxminddb::{Reader, geoip2::City};

/// A database of places; cheap to clone.
#[derive(Clone)]
pub struct Places(Arc<Reader<Vec<u8>>>);

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places").finish_non_exhaustive()
    }
}

impl Places {
    /// Reads the database at `path` into memory.
    ///
    /// # Errors
    /// If the file cannot be read, or is not an MMDB file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let reader = Reader::from_source(std::fs::read(path)?);
        reader.map(|reader| Self(Arc::new(reader))).map_err(io::Error::other)
    }

    /// The place of a network such as `192.0.2.0/24`, in English; `None` if it is unknown.
    pub(crate) fn find(&self, network: &str) -> Option<String> {
        let address: IpAddr = network.split('/').next()?.parse().ok()?;
        let found = self.0.lookup(address).ok()?.decode::<City<'_>>().ok()??;
        let names = [found.city.names.english, found.country.names.english];
        let names: Vec<&str> = names.into_iter().flatten().collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}
