//! What each compression level of each codec makes of a response: bytes and CPU time.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use brotli::enc::BrotliEncoderParams;
use flate2::{Compression, write::GzEncoder};
use serde::Serialize;

/// How long each level is measured.
const TIME: Duration = Duration::from_millis(200);

#[derive(Serialize)]
struct Measured {
    codec: &'static str,
    level: u32,
    bytes: usize,
    micros: f64,
}

/// Prints a JSON array of all codecs and levels.
pub(crate) fn run(file: &Path) -> Result<()> {
    let body = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let mut all = Vec::new();
    for level in [1, 3, 6] {
        all.push(measure("zstd", level, || {
            Ok(zstd::bulk::compress(&body, i32::try_from(level).unwrap_or(1))?)
        })?);
    }
    for level in [2, 4, 6] {
        all.push(measure("br", level, || brotli(&body, level))?);
    }
    for level in [1, 5, 9] {
        all.push(measure("gzip", level, || {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
            encoder.write_all(&body)?;
            Ok(encoder.finish()?)
        })?);
    }
    println!("{}", serde_json::to_string(&all)?);
    Ok(())
}

/// With the window of blegram (`crates/http/src/compression.rs`).
fn brotli(body: &[u8], level: u32) -> Result<Vec<u8>> {
    let params = BrotliEncoderParams {
        quality: i32::try_from(level)?,
        lgwin: 18,
        size_hint: body.len(),
        ..BrotliEncoderParams::default()
    };
    let mut output = Vec::new();
    brotli::BrotliCompress(&mut &*body, &mut output, &params)?;
    Ok(output)
}

fn measure(codec: &'static str, level: u32, compress: impl Fn() -> Result<Vec<u8>>) -> Result<Measured> {
    // Once before, for the tables that a codec builds first.
    let bytes = compress()?.len();
    let (begin, mut runs) = (Instant::now(), 0_u32);
    while begin.elapsed() < TIME {
        compress().map_err(io::Error::other)?;
        runs += 1;
    }
    Ok(Measured { codec, level, bytes, micros: begin.elapsed().as_secs_f64() * 1e6 / f64::from(runs) })
}
