//! Huffman tables, and the reader of the bits that they decode.

use super::{Part, Walk};

#[derive(Default)]
pub(super) struct Tables {
    dc: [Option<Box<Table>>; 4],
    ac: [Option<Box<Table>>; 4],
}

impl Tables {
    /// B.2.4.2.
    pub(super) fn read(&mut self, mut segment: &[u8]) -> Option<()> {
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

    pub(super) fn dc(&self, part: &Part) -> Option<&Table> {
        self.dc[part.dc].as_deref()
    }

    pub(super) fn ac(&self, part: &Part) -> Option<&Table> {
        self.ac[part.ac].as_deref()
    }
}

const QUICK_BITS: u32 = 9;

/// A Huffman table (annex C).
pub(super) struct Table {
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

    pub(super) fn read(&self, bits: &mut Bits<'_>) -> Option<u8> {
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

    pub(super) fn run_and_size(&self, bits: &mut Bits<'_>) -> Option<(u32, u32)> {
        let value = self.read(bits)?;
        Some((u32::from(value >> 4), u32::from(value & 15)))
    }
}

/// The bits of a scan, up to a marker or the end of the file.
pub(super) struct Bits<'a> {
    file: &'a [u8],
    at: usize,
    buffer: u64,
    count: u32,
    /// The offsets of the last bytes loaded into the buffer.
    places: [usize; 8],
    loaded: usize,
}

impl<'a> Bits<'a> {
    pub(super) const fn new(file: &'a [u8], at: usize) -> Self {
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
    pub(super) fn skip(&mut self, count: u32) -> Option<()> {
        if self.count < count {
            self.fill();
        }
        self.count = self.count.checked_sub(count)?;
        Some(())
    }

    /// Reads a value of up to 14 bits.
    pub(super) fn take(&mut self, count: u32) -> Option<u32> {
        let value = self.peek() >> (16 - count);
        self.skip(count).map(|()| value)
    }

    /// The offset after the last byte of which a bit was read.
    pub(super) fn position(&self) -> usize {
        let unread = (self.count / 8) as usize;
        if unread == 0 { self.at } else { self.places[(self.loaded - unread) % 8] }
    }

    /// Continues after the next restart marker (F.2.2.4).
    pub(super) fn restart(&mut self) -> Option<()> {
        let mut walk = Walk { file: self.file, at: self.position(), ..Walk::default() };
        let is_restart = matches!(walk.next_marker()?, 0xd0..=0xd7);
        *self = Self::new(self.file, walk.at);
        is_restart.then_some(())
    }
}
