//! Checks whether the pixels of a JPEG are complete, and finds their end.
//!
//! Decoders invent missing data: the missing part of a truncated file becomes grey. The end marker (EOI) proves little:
//! cameras omit it or write their own trailers after the pixels, and programs append it to truncated files. So this
//! module parses the Huffman codes of every block of every scan, without computing a pixel (ITU T.81, annexes F and G).
//! Files that do not use Huffman coding are left to the decoder.

use std::time::Instant;

use blegram_domain::Media;

use super::{FILLER, ImageRejection, MAX_SIDE, check};

const MAX_COMPONENTS: usize = 4;

/// The decoder's own limit.
const MAX_SCANS: usize = 100;

/// The offset after the last byte of the pixels; `None` for files that only the decoder can check.
///
/// # Errors
/// [`ImageRejection::Broken`] if pixels are missing or damaged; [`ImageRejection::TooSlow`] at `until`.
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
            0xda => {
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

/// F.2.2.
fn baseline(bits: &mut Bits<'_>, dc: &Table, ac: &Table) -> Option<()> {
    first_dc(bits, dc)?;
    let mut at = 1;
    while at < 64 {
        let (run, size) = ac.run_and_size(bits)?;
        match (run, size) {
            (15, 0) => at += 16,
            (_, 0) => break,
            _ => {
                at += run as usize + 1;
                bits.skip(size)?;
            }
        }
    }
    Some(())
}

/// G.1.2.1.
fn first_dc(bits: &mut Bits<'_>, dc: &Table) -> Option<()> {
    let size = dc.read(bits)?;
    bits.skip(u32::from(size).min(16))
}

/// G.1.2.2.
fn first_ac(
    bits: &mut Bits<'_>,
    ac: &Table,
    (first, last): (usize, usize),
    nonzero: &mut u64,
    eob_run: &mut u32,
) -> Option<()> {
    if *eob_run > 0 {
        *eob_run -= 1;
        return Some(());
    }
    let mut at = first;
    while at <= last {
        let (run, size) = ac.run_and_size(bits)?;
        match (run, size) {
            (15, 0) => at += 16,
            (_, 0) => {
                *eob_run = (1 << run) - 1 + bits.take(run)?;
                break;
            }
            _ => {
                at += run as usize;
                *nonzero |= 1_u64.checked_shl(u32::try_from(at).ok()?).unwrap_or(0);
                bits.skip(size)?;
                at += 1;
            }
        }
    }
    Some(())
}

/// G.1.2.3.
fn refine_ac(
    bits: &mut Bits<'_>,
    ac: &Table,
    (first, last): (usize, usize),
    nonzero: &mut u64,
    eob_run: &mut u32,
) -> Option<()> {
    let mut at = first;
    while *eob_run == 0 && at <= last {
        let (mut run, size) = ac.run_and_size(bits)?;
        if size == 0 && run < 15 {
            *eob_run = (1 << run) + bits.take(run)?;
            break;
        }
        if size > 0 {
            // The sign of a newly nonzero coefficient.
            bits.skip(1)?;
        }
        while at <= last {
            if *nonzero >> at & 1 == 1 {
                bits.skip(1)?;
            } else if run == 0 {
                break;
            } else {
                run -= 1;
            }
            at += 1;
        }
        if size > 0 && at <= last {
            *nonzero |= 1 << at;
        }
        at += 1;
    }
    if *eob_run > 0 {
        let corrections = (at..=last).filter(|at| *nonzero >> at & 1 == 1).count();
        for _ in 0..corrections {
            bits.skip(1)?;
        }
        *eob_run -= 1;
    }
    Some(())
}

#[derive(Default)]
struct Tables {
    dc: [Option<Box<Table>>; 4],
    ac: [Option<Box<Table>>; 4],
}

impl Tables {
    /// B.2.4.2.
    fn read(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((&kind, rest)) = segment.split_first() {
            let (counts, rest) = rest.split_at_checked(16)?;
            let total: usize = counts.iter().map(|count| usize::from(*count)).sum();
            let (values, rest) = rest.split_at_checked(total)?;
            let tables = if kind >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            *tables.get_mut(usize::from(kind & 15))? = Some(Box::new(Table::new(counts, values)?));
            segment = rest;
        }
        Some(())
    }

    fn dc(&self, part: &Part) -> Option<&Table> {
        self.dc[part.dc].as_deref()
    }

    fn ac(&self, part: &Part) -> Option<&Table> {
        self.ac[part.ac].as_deref()
    }
}

const QUICK_BITS: u32 = 9;

/// A Huffman table (annex C).
struct Table {
    /// Indexed by the next bits: the length of the code that they start with, and its value. Longer codes have no
    /// entry.
    quick: [(u8, u8); 1 << QUICK_BITS],
    /// For each code length: the end of its codes, its first code, and the index of its first value.
    ends: [u32; 17],
    begins: [u32; 17],
    places: [usize; 17],
    values: Vec<u8>,
}

impl Table {
    fn new(counts: &[u8], values: &[u8]) -> Option<Self> {
        let (mut ends, mut begins, mut places) = ([0; 17], [0; 17], [0; 17]);
        let mut quick = [(0, 0); 1 << QUICK_BITS];
        let (mut code, mut place) = (0_u32, 0);
        for (count, length) in counts.iter().zip(1_u32..) {
            let at = length as usize;
            (begins[at], places[at]) = (code, place);
            for _ in 0..*count {
                if code >= 1 << length {
                    return None;
                }
                if length <= QUICK_BITS {
                    let spare = QUICK_BITS - length;
                    let entry = (u8::try_from(length).ok()?, *values.get(place)?);
                    quick[(code << spare) as usize..((code + 1) << spare) as usize].fill(entry);
                }
                code += 1;
                place += 1;
            }
            ends[at] = code;
            code <<= 1;
        }
        Some(Self { quick, ends, begins, places, values: values.to_vec() })
    }

    fn read(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let next = bits.peek();
        let (length, value) = self.quick[(next >> (16 - QUICK_BITS)) as usize];
        if length > 0 {
            bits.skip(u32::from(length))?;
            return Some(value);
        }
        let length =
            (QUICK_BITS + 1..=16).find(|length| next >> (16 - length) < self.ends[*length as usize])?;
        let code = next >> (16 - length);
        let place = self.places[length as usize] + code.checked_sub(self.begins[length as usize])? as usize;
        bits.skip(length)?;
        self.values.get(place).copied()
    }

    fn run_and_size(&self, bits: &mut Bits<'_>) -> Option<(u32, u32)> {
        let value = self.read(bits)?;
        Some((u32::from(value >> 4), u32::from(value & 15)))
    }
}

/// The bits of a scan, up to a marker or the end of the file.
struct Bits<'a> {
    file: &'a [u8],
    at: usize,
    buffer: u64,
    count: u32,
    /// The offsets of the last bytes loaded into the buffer.
    places: [usize; 8],
    loaded: usize,
}

impl<'a> Bits<'a> {
    const fn new(file: &'a [u8], at: usize) -> Self {
        Self { file, at, buffer: 0, count: 0, places: [0; 8], loaded: 0 }
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let (byte, length) = match self.file.get(self.at..) {
                Some([0xff, 0, ..]) => (0xff, 2),
                Some([0xff, ..] | []) | None => return,
                Some([byte, ..]) => (*byte, 1),
            };
            self.places[self.loaded % 8] = self.at;
            self.loaded += 1;
            self.buffer = self.buffer << 8 | u64::from(byte);
            self.count += 8;
            self.at += length;
        }
    }

    /// The next 16 bits, padded with zeros at the end.
    fn peek(&mut self) -> u32 {
        if self.count < 16 {
            self.fill();
        }
        let bits = if self.count >= 16 {
            self.buffer >> (self.count - 16)
        } else {
            self.buffer << (16 - self.count)
        };
        u32::try_from(bits & 0xffff).unwrap_or(0)
    }

    /// Skips up to 16 bits.
    fn skip(&mut self, count: u32) -> Option<()> {
        if self.count < count {
            self.fill();
        }
        self.count = self.count.checked_sub(count)?;
        Some(())
    }

    /// Reads a value of up to 14 bits.
    fn take(&mut self, count: u32) -> Option<u32> {
        let value = self.peek() >> (16 - count);
        self.skip(count).map(|()| value)
    }

    /// The offset after the last byte of which a bit was read.
    fn position(&self) -> usize {
        let unread = (self.count / 8) as usize;
        if unread == 0 { self.at } else { self.places[(self.loaded - unread) % 8] }
    }

    /// Continues after the next restart marker (F.2.2.4).
    fn restart(&mut self) -> Option<()> {
        let mut walk = Walk { file: self.file, at: self.position(), ..Walk::default() };
        let is_restart = matches!(walk.next_marker()?, 0xd0..=0xd7);
        *self = Self::new(self.file, walk.at);
        is_restart.then_some(())
    }
}
