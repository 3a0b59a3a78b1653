//! Generated images for the demo community: a sunset by the sea, from random parameters.

use std::io::Cursor;

use image::{
    ExtendedColorType, ImageEncoder, Rgb, RgbImage,
    codecs::png::{CompressionType, FilterType, PngEncoder},
};
use rand::{RngExt, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

/// Colour palettes: zenith, horizon, sea.
const EVENINGS: [[[f32; 3]; 3]; 5] = [
    [[38.0, 54.0, 110.0], [255.0, 158.0, 92.0], [36.0, 62.0, 96.0]],
    [[84.0, 140.0, 200.0], [250.0, 214.0, 180.0], [40.0, 108.0, 128.0]],
    [[60.0, 28.0, 82.0], [240.0, 96.0, 104.0], [44.0, 30.0, 66.0]],
    [[130.0, 170.0, 190.0], [236.0, 236.0, 224.0], [86.0, 120.0, 124.0]],
    [[16.0, 24.0, 54.0], [92.0, 110.0, 160.0], [14.0, 28.0, 48.0]],
];

/// Generates an image of this size, as PNG: sky, sun, sea and hills.
pub(super) fn landscape(rng: &mut ChaCha8Rng, width: u16, height: u16) -> Vec<u8> {
    let [high, low, sea] = EVENINGS.choose(rng).copied().unwrap_or(EVENINGS[0]);
    let (w, h) = (f32::from(width), f32::from(height));
    let horizon = h * rng.random_range(0.55..0.72);
    let sun = (w * rng.random_range(0.2..0.8), horizon - h * rng.random_range(0.02..0.3));
    let radius = h * rng.random_range(0.04..0.09);
    // The height of each range of hills at each column, the furthest range first.
    let hills: [Vec<f32>; 3] = [0.12_f32, 0.085, 0.05].map(|tall| {
        let (phase, waves) = (rng.random_range(0.0..6.3_f32), rng.random_range(1.5..4.5_f32));
        (0..width).map(|x| h * tall * ((f32::from(x) / w * waves + phase).sin() * 0.5 + 0.5)).collect()
    });
    let pixel = |column: u32, y: u32| {
        let (x, y) = (column as f32, y as f32);
        let away = ((x - sun.0).powi(2) + (y - sun.1).powi(2)).sqrt();
        let glow = (1.0 - away / (radius * 6.0)).max(0.0).powi(2);
        let mut colour = if y < horizon {
            mix(mix(high, low, y / horizon), [255.0, 236.0, 190.0], glow * 0.7)
        } else {
            // The reflection of the sun, in stripes.
            let stripe = ((y * 0.9).sin() * 0.5 + 0.5) * (1.0 - (x - sun.0).abs() / (radius * 3.0)).max(0.0);
            mix(mix(low, sea, ((y - horizon) / (h - horizon)).sqrt()), [255.0, 226.0, 170.0], stripe * 0.6)
        };
        if away < radius && y < horizon {
            colour = [255.0, 244.0, 214.0];
        }
        for (range, shade) in hills.iter().zip([0.25, 0.45, 0.65]) {
            if y < horizon && y > horizon - range[column as usize] {
                colour = mix(sea, [10.0, 16.0, 24.0], shade);
            }
        }
        Rgb(colour.map(|channel| channel as u8))
    };
    encode(&RgbImage::from_fn(width.into(), height.into(), pixel))
}

fn mix(one: [f32; 3], other: [f32; 3], much: f32) -> [f32; 3] {
    std::array::from_fn(|channel| one[channel] + (other[channel] - one[channel]) * much.clamp(0.0, 1.0))
}

fn encode(image: &RgbImage) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let encoder = PngEncoder::new_with_quality(&mut file, CompressionType::Fast, FilterType::Sub);
    encoder
        .write_image(image, image.width(), image.height(), ExtendedColorType::Rgb8)
        .expect("writing to memory cannot fail");
    file.into_inner()
}
