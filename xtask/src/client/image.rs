//! Generates images, and forms that contain them.

/// A progressive gray JPEG of `side` times `side` pixels with `scans` scans: that of the first coefficient, and one for
/// each further one, all zero. In a scan of zeros, 15 bits stand for 32,767 blocks, so that a small file costs the decoder
/// much time. More than one scan requires 16,384 blocks.
pub(crate) fn jpeg(side: u16, scans: u8) -> Vec<u8> {
    let [high, low] = side.to_be_bytes();
    let mut file = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
    file.extend([1; 64]);
    file.extend([0xff, 0xc2, 0, 11, 8, high, low, high, low, 1, 1, 0x11, 0]);
    // Two tables with one code of one bit each: no difference for the first coefficient, a run of zeros for the others.
    for (class, symbol) in [(0x00, 0x00), (0x10, 0xe0)] {
        file.extend([0xff, 0xc4, 0, 20, class, 1]);
        file.extend([0; 15]);
        file.push(symbol);
    }
    let blocks = usize::from(side).div_ceil(8).pow(2);
    for at in 0..scans {
        file.extend([0xff, 0xda, 0, 8, 1, 1, 0x00, at, at, 0]);
        if at == 0 {
            file.extend(vec![0; blocks / 8]);
            // Ones fill the last byte.
            file.extend((blocks % 8 > 0).then_some(0xff >> (blocks % 8)));
        } else {
            file.extend(runs_of_zeros(blocks));
        }
    }
    file.extend([0xff, 0xd9]);
    file
}

/// The code 0, and 14 bits for the length of the run above 16,384.
fn runs_of_zeros(blocks: usize) -> Vec<u8> {
    const LONGEST: usize = 32_767;
    const SHORTEST: usize = 16_384;
    let (mut left, mut bits) = (blocks, Vec::new());
    while left > 0 {
        // Leaves enough for a run after this one.
        let run = if left > LONGEST && left < LONGEST + SHORTEST { SHORTEST } else { left.min(LONGEST) };
        bits.push(false);
        bits.extend((0..14).rev().map(|bit| (run - SHORTEST) >> bit & 1 == 1));
        left -= run;
    }
    bits.resize(bits.len().next_multiple_of(8), true);
    let bytes = bits.chunks(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit)));
    // A zero after each `ff` tells it from a marker.
    bytes.flat_map(|byte| if byte == 0xff { vec![byte, 0] } else { vec![byte] }).collect()
}

/// The type of [`form`].
pub(crate) const FORM_TYPE: &str = "multipart/form-data; boundary=siege";
/// The head of a file in a form.
pub(crate) const PART: &[u8] =
    b"--siege\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\ncontent-type: image/jpeg\r\n\r\n";

/// A form with `count` files.
pub(crate) fn form(file: &[u8], count: usize) -> Vec<u8> {
    let part = [PART, file, b"\r\n"].concat();
    [&part.repeat(count)[..], b"--siege--\r\n"].concat()
}
