//! Checks whether the pixels of a JPEG are complete, and finds their end.
//!
//! Decoders invent missing data: the missing part of a truncated file becomes grey. The end marker (EOI) proves little:
//! cameras omit it or write their own trailers after the pixels, and programs append it to truncated files. So this
//! module parses the Huffman codes of every block of every scan, without computing a pixel (ITU T.81, annexes F and G).
//! Files that do not use Huffman coding are left to the decoder.

mod blocks;
mod huffman;
#[cfg(test)]
mod tests;

use std::time::Instant;

use blegram_domain::Media;

use self::{
    blocks::{baseline, first_ac, first_dc, refine_ac},
    huffman::{Bits, Tables},
};
use super::{FILLER, ImageRejection, MAX_SIDE, check};

const MAX_COMPONENTS: usize = 4;

/// The marker in front of each scan (B.1.1.3).
const START_OF_SCAN: u8 = 0xda;

/// The decoder's own limit.
const MAX_SCANS: usize = 100;

/// The largest number of blocks in all scans: those of 24 scans of a gray image with [`Media::MAX_PIXELS`]. A photo of
/// that size in full colour has 14 times its blocks with the scans that encoders make. Each block of each scan costs
/// time, however few bytes it has.
const MAX_BLOCKS: u64 = 24 * Media::MAX_PIXELS / 64;

/// The number of scans, or more: within parameters, such as those of a thumbnail, the bytes of a marker count, too.
pub(super) fn count_scans(file: &[u8]) -> usize {
    file.windows(2).filter(|bytes| *bytes == [0xFF, START_OF_SCAN]).count()
}

/// The offset after the last byte of the pixels; `None` for files that only the decoder can check.
///
/// # Errors
/// [`ImageRejection::Broken`] if pixels are missing or damaged; [`ImageRejection::TooSlow`] at `until`, or with more blocks
/// than any photo has.
pub(super) fn end_of_pixels(file: &[u8], until: Instant) -> Result<Option<usize>, ImageRejection> {
    let mut walk = Walk { file, at: 2, ..Walk::default() };
    let mut scans = 0;
    loop {
        let marker = walk.next_marker().ok_or(ImageRejection::Broken)?;
        match marker {
            // The encoder marks the end, even if it left out frequency bands.
            0xd9 => {
                return walk.has_every_component().then_some(Some(walk.end)).ok_or(ImageRejection::Broken);
            }
            0x01 | 0xd0..=0xd8 => {}
            0xc0..=0xc2 => {
                let segment = walk.segment()?;
                match Frame::parse(segment, marker == 0xc2) {
                    Some(frame) if walk.frame.is_none() => walk.frame = Some(frame),
                    _ => return Ok(None),
                }
            }
            0xc4 => {
                let segment = walk.segment()?;
                walk.tables.read(segment).ok_or(ImageRejection::Broken)?;
            }
            // Other coding processes: lossless, arithmetic.
            0xc3 | 0xc5..=0xcf => return Ok(None),
            0xdd => {
                let &[high, low, ..] = walk.segment()? else { return Err(ImageRejection::Broken) };
                walk.restart_interval = usize::from(u16::from_be_bytes([high, low]));
            }
            START_OF_SCAN => {
                scans += 1;
                if scans > MAX_SCANS {
                    return Err(ImageRejection::Broken);
                }
                walk.scan(until)?;
                if walk.is_complete() {
                    return Ok(Some(walk.end));
                }
            }
            _ => {
                walk.segment()?;
            }
        }
    }
}

#[derive(Default)]
struct Walk<'a> {
    file: &'a [u8],
    at: usize,
    /// The offset after the data of the last scan.
    end: usize,
    frame: Option<Frame>,
    tables: Tables,
    restart_interval: usize,
    /// The number of blocks in all scans so far.
    blocks: u64,
}

impl<'a> Walk<'a> {
    /// The next marker. Skips stray bytes before it, as decoders do.
    fn next_marker(&mut self) -> Option<u8> {
        loop {
            let rest = self.file.get(self.at..)?;
            self.at += rest.iter().position(|byte| *byte == 0xff)? + 1;
            let next = *self.file.get(self.at)?;
            // `ff` is a fill byte, and `ff 00` stands for the byte `ff` in data.
            if next != 0xff {
                self.at += 1;
                if next != 0 {
                    return Some(next);
                }
            }
        }
    }

    /// The parameters of the marker.
    fn segment(&mut self) -> Result<&'a [u8], ImageRejection> {
        let length = self.file.get(self.at..self.at + 2).ok_or(ImageRejection::Broken)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let segment = self.file.get(self.at + 2..self.at + length).ok_or(ImageRejection::Broken)?;
        self.at += length;
        Ok(segment)
    }

    fn has_every_component(&self) -> bool {
        self.frame
            .as_ref()
            .is_some_and(|frame| frame.components.iter().all(|component| component.bands[0] != UNSEEN))
    }

    /// Whether all bits of all coefficients are present.
    fn is_complete(&self) -> bool {
        let is_complete = |component: &Component| component.bands.iter().all(|low_bit| *low_bit == 0);
        self.frame.as_ref().is_some_and(|frame| frame.components.iter().all(is_complete))
    }

    /// Parses a scan to its end.
    fn scan(&mut self, until: Instant) -> Result<(), ImageRejection> {
        let header = self.segment()?;
        let frame = self.frame.as_mut().ok_or(ImageRejection::Broken)?;
        let scan = Scan::parse(header, frame).ok_or(ImageRejection::Broken)?;
        let mut bits = Bits::new(self.file, self.at);
        let mut eob_run = 0;
        let (across, down) = scan.units(frame);
        self.blocks += (across * down * scan.blocks_per_unit(frame)) as u64;
        if self.blocks > MAX_BLOCKS {
            return Err(ImageRejection::TooSlow);
        }
        let mut left = self.restart_interval;
        for row in 0..down {
            check(until)?;
            for column in 0..across {
                if self.restart_interval > 0 && left == 0 {
                    bits.restart().ok_or(ImageRejection::Broken)?;
                    (left, eob_run) = (self.restart_interval, 0);
                }
                left = left.wrapping_sub(1);
                scan.unit(frame, &self.tables, &mut bits, &mut eob_run, (column, row))
                    .ok_or(ImageRejection::Broken)?;
            }
        }
        for part in &scan.parts {
            frame.components[part.component].bands[scan.first..=scan.last].fill(scan.low_bit);
        }
        self.at = bits.position();
        self.end = self.at;
        if self.is_filled() { Err(ImageRejection::Broken) } else { Ok(()) }
    }

    /// Whether the scan ends with zeros that no encoder wrote: an interrupted download was stored in its full length,
    /// or a memory card lost a block. Zeros can be valid codes, but an encoder pads its last byte with ones and writes
    /// a marker after it.
    fn is_filled(&self) -> bool {
        let (before, behind) = self.file.split_at(self.end);
        let has_marker = behind.first() == Some(&0xff);
        !has_marker && before.iter().rev().take_while(|byte| **byte == 0).count() >= FILLER
    }
}

/// The image size and its components (B.2.2).
struct Frame {
    width: usize,
    height: usize,
    is_progressive: bool,
    components: Vec<Component>,
    max_across: usize,
    max_down: usize,
}

struct Component {
    id: u8,
    /// Sampling factors.
    across: usize,
    down: usize,
    /// Blocks per row, including those that only pad a unit.
    stride: usize,
    /// For each block of a progressive image, a bit mask of the coefficients that are not zero so far.
    nonzero: Vec<u64>,
    /// For each coefficient, the lowest bit that is known.
    bands: [u8; 64],
}

const UNSEEN: u8 = u8::MAX;

impl Frame {
    /// `None` for frames that the decoder rejects itself.
    fn parse(segment: &[u8], is_progressive: bool) -> Option<Self> {
        let &[8, h1, h2, w1, w2, count, ref rest @ ..] = segment else { return None };
        let (width, height) = (u16::from_be_bytes([w1, w2]), u16::from_be_bytes([h1, h2]));
        let count = usize::from(count);
        let is_size_accepted = width > 0
            && height > 0
            && u32::from(width.max(height)) <= MAX_SIDE
            && u64::from(width) * u64::from(height) <= Media::MAX_PIXELS;
        if !is_size_accepted || !(1..=MAX_COMPONENTS).contains(&count) || rest.len() < 3 * count {
            return None;
        }
        let (width, height) = (usize::from(width), usize::from(height));
        let factors = rest.chunks_exact(3).take(count).map(|part| {
            let (across, down) = (usize::from(part[1] >> 4), usize::from(part[1] & 15));
            ((1..=4).contains(&across) && (1..=4).contains(&down)).then_some((part[0], across, down))
        });
        let factors = factors.collect::<Option<Vec<_>>>()?;
        let max_across = factors.iter().map(|(_, across, _)| *across).max()?;
        let max_down = factors.iter().map(|(_, _, down)| *down).max()?;
        let (units, rows) = (width.div_ceil(8 * max_across), height.div_ceil(8 * max_down));
        let component = |(id, across, down)| Component {
            id,
            across,
            down,
            stride: units * across,
            nonzero: if is_progressive { vec![0; units * across * rows * down] } else { Vec::new() },
            bands: [UNSEEN; 64],
        };
        let components = factors.into_iter().map(component).collect();
        Some(Self { width, height, is_progressive, components, max_across, max_down })
    }
}

/// The data that a scan adds to its components (B.2.3).
struct Scan {
    parts: Vec<Part>,
    /// The range of coefficients, inclusive.
    first: usize,
    last: usize,
    /// Whether the scan refines known coefficients by a bit, and the lowest bit known afterwards.
    refines: bool,
    low_bit: u8,
    is_progressive: bool,
}

struct Part {
    component: usize,
    dc: usize,
    ac: usize,
}

impl Scan {
    fn parse(header: &[u8], frame: &Frame) -> Option<Self> {
        let (&count, rest) = header.split_first()?;
        let count = usize::from(count);
        if !(1..=frame.components.len()).contains(&count) || rest.len() < 2 * count + 3 {
            return None;
        }
        let part = |part: &[u8]| {
            let component = frame.components.iter().position(|component| component.id == part[0])?;
            Some(Part { component, dc: usize::from(part[1] >> 4 & 3), ac: usize::from(part[1] & 3) })
        };
        let parts = rest.chunks_exact(2).take(count).map(part).collect::<Option<Vec<_>>>()?;
        if !frame.is_progressive {
            return Some(Self {
                parts,
                first: 0,
                last: 63,
                refines: false,
                low_bit: 0,
                is_progressive: false,
            });
        }
        let &[first, last, bits, ..] = &rest[2 * count..] else { return None };
        let (first, last) = (usize::from(first), usize::from(last));
        // Either the first coefficient, of several components, or other coefficients of one component.
        let is_fit = if first == 0 { last == 0 } else { last >= first && last < 64 && count == 1 };
        let (refines, low_bit) = (bits >> 4 != 0, bits & 15);
        is_fit.then_some(Self { parts, first, last, refines, low_bit, is_progressive: true })
    }

    /// The number of units per row, and of rows.
    fn units(&self, frame: &Frame) -> (usize, usize) {
        match self.parts[..] {
            // A scan of one component has single blocks as units, and no padding blocks (A.2.2).
            [Part { component, .. }] => {
                let Component { across, down, .. } = frame.components[component];
                (
                    (frame.width * across).div_ceil(8 * frame.max_across),
                    (frame.height * down).div_ceil(8 * frame.max_down),
                )
            }
            _ => (frame.width.div_ceil(8 * frame.max_across), frame.height.div_ceil(8 * frame.max_down)),
        }
    }

    fn blocks_per_unit(&self, frame: &Frame) -> usize {
        match self.parts[..] {
            [_] => 1,
            _ => self
                .parts
                .iter()
                .map(|part| &frame.components[part.component])
                .map(|part| part.across * part.down)
                .sum(),
        }
    }

    fn unit(
        &self,
        frame: &mut Frame,
        tables: &Tables,
        bits: &mut Bits<'_>,
        eob_run: &mut u32,
        (column, row): (usize, usize),
    ) -> Option<()> {
        let is_single = self.parts.len() == 1;
        for part in &self.parts {
            let component = &mut frame.components[part.component];
            let (across, down) = if is_single { (1, 1) } else { (component.across, component.down) };
            for block in 0..across * down {
                let at = (row * down + block / across) * component.stride + column * across + block % across;
                match (self.is_progressive, self.first, self.refines) {
                    (false, ..) => baseline(bits, tables.dc(part)?, tables.ac(part)?)?,
                    (true, 0, false) => first_dc(bits, tables.dc(part)?)?,
                    (true, 0, true) => bits.skip(1)?,
                    (true, _, refines) => {
                        let nonzero = component.nonzero.get_mut(at)?;
                        let (ac, band) = (tables.ac(part)?, (self.first, self.last));
                        if refines {
                            refine_ac(bits, ac, band, nonzero, eob_run)?;
                        } else {
                            first_ac(bits, ac, band, nonzero, eob_run)?;
                        }
                    }
                }
            }
        }
        Some(())
    }
}
