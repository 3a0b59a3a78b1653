//! Generated images for the demo community: views from random parameters.

use std::io::Cursor;

use image::{
    DynamicImage, ExtendedColorType, ImageEncoder, Rgb, RgbImage,
    codecs::png::{CompressionType, FilterType, PngEncoder},
    imageops,
};
use rand::{RngExt, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

/// What an image shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scene {
    Sea,
    Mountains,
    City,
    Snow,
    Coffee,
}

impl Scene {
    pub(super) const ALL: [Self; 5] = [Self::Sea, Self::Mountains, Self::City, Self::Snow, Self::Coffee];
}

/// Red, green and blue, from 0 to 255.
type Colour = [f32; 3];

/// The colours of an evening: zenith, horizon, ground.
const EVENINGS: [[Colour; 3]; 5] = [
    [[38.0, 54.0, 110.0], [255.0, 158.0, 92.0], [36.0, 62.0, 96.0]],
    [[84.0, 140.0, 200.0], [250.0, 214.0, 180.0], [40.0, 108.0, 128.0]],
    [[60.0, 28.0, 82.0], [240.0, 96.0, 104.0], [44.0, 30.0, 66.0]],
    [[130.0, 170.0, 190.0], [236.0, 236.0, 224.0], [86.0, 120.0, 124.0]],
    [[16.0, 24.0, 54.0], [92.0, 110.0, 160.0], [14.0, 28.0, 48.0]],
];

/// The distance between flakes of snow.
const FLAKES: f32 = 0.065;

const SUN: Colour = [255.0, 244.0, 214.0];
const DARK: Colour = [10.0, 16.0, 24.0];
const WHITE: Colour = [246.0, 248.0, 252.0];

/// Generates an image of this size, as PNG. Its coordinates are fractions of its height, so a wide one shows more.
pub(super) fn picture(rng: &mut ChaCha8Rng, scene: Scene, width: u16, height: u16) -> Vec<u8> {
    let wide = f32::from(width) / f32::from(height);
    let colour: Box<dyn Fn(f32, f32) -> Colour> = match scene {
        Scene::Sea => Box::new(sea(rng, wide)),
        Scene::Mountains => Box::new(mountains(rng, wide)),
        Scene::City => Box::new(city(rng, wide)),
        Scene::Snow => Box::new(snow(rng, wide)),
        Scene::Coffee => Box::new(coffee(rng, wide)),
    };
    // It is computed at half of the size, because that takes a quarter of the time, which is long without optimisation.
    let (columns, lines) = (width / 2, height / 2);
    let scale = f32::from(lines);
    let half = RgbImage::from_fn(columns.into(), lines.into(), |x, y| {
        Rgb(colour(x as f32 / scale, y as f32 / scale).map(|channel| channel as u8))
    });
    let whole =
        DynamicImage::from(half).resize_exact(width.into(), height.into(), imageops::FilterType::CatmullRom);
    encode(&whole.into_rgb8())
}

fn sea(rng: &mut ChaCha8Rng, wide: f32) -> impl Fn(f32, f32) -> Colour + use<> {
    let [high, low, water] = evening(rng);
    let horizon = rng.random_range(0.55..0.72_f32);
    let sun = (wide * rng.random_range(0.2..0.8), horizon - rng.random_range(0.02..0.3));
    let radius = rng.random_range(0.04..0.09_f32);
    let hills = [0.12, 0.085, 0.05].map(|tall| Ridge::new(rng, horizon - tall, tall, 3.0));
    move |x, y| {
        let away = distance((x, y), sun);
        if y > horizon {
            // The reflection of the sun, in waves that are wider near the shore.
            let depth = (y - horizon) / (1.0 - horizon);
            let wave = (depth.sqrt() * 90.0 + (x * 14.0).sin()).sin() * 0.5 + 0.5;
            let path = (1.0 - (x - sun.0).abs() / (radius * (1.0 + depth * 2.0))).max(0.0);
            return mix(mix(low, water, depth.sqrt()), [255.0, 226.0, 170.0], wave * path * 0.7);
        }
        let glow = (1.0 - away / (radius * 6.0)).max(0.0).powi(2);
        let sky = mix(mix(high, low, y / horizon), [255.0, 236.0, 190.0], glow * 0.7);
        let sky = mix(sky, SUN, edge(radius - away));
        hills
            .iter()
            .zip([0.25, 0.45, 0.65])
            .fold(sky, |colour, (hill, shade)| mix(colour, mix(water, DARK, shade), edge(y - hill.top(x))))
    }
}

fn mountains(rng: &mut ChaCha8Rng, wide: f32) -> impl Fn(f32, f32) -> Colour + use<> {
    let [high, low, ground] = evening(rng);
    let sun = (wide * rng.random_range(0.15..0.85), rng.random_range(0.15..0.4));
    let ridges: [Ridge; 6] = std::array::from_fn(|nearness| {
        let near = nearness as f32 / 5.0;
        Ridge::new(rng, 0.36 + near * 0.44, 0.1 + near * 0.1, 2.0 + near * 2.0)
    });
    move |x, y| {
        let away = distance((x, y), sun);
        let glow = (1.0 - away / 0.5).max(0.0).powi(2);
        let sky = mix(mix(high, low, (y / 0.6).min(1.0)), SUN, glow * 0.5 + edge(0.045 - away));
        ridges.iter().enumerate().fold(sky, |colour, (nearness, ridge)| {
            let near = nearness as f32 / 5.0;
            // Far ranges are pale, and fog lies between them.
            let rock = mix(mix(low, ground, 0.25 + near * 0.75), DARK, near * 0.55);
            let fog = ((y - ridge.top(x)) * 2.2).clamp(0.0, 0.55) * (1.0 - near);
            mix(colour, mix(rock, low, fog), edge(y - ridge.top(x)))
        })
    }
}

fn city(rng: &mut ChaCha8Rng, wide: f32) -> impl Fn(f32, f32) -> Colour + use<> {
    let [high, low, ground] = [evening(rng), EVENINGS[4]][usize::from(rng.random_bool(0.5))];
    let (shore, column) = (rng.random_range(0.7..0.8_f32), rng.random_range(0.05..0.075_f32));
    let count = (wide / column).ceil() as usize + 1;
    let houses: Vec<(f32, u32)> =
        (0..count).map(|_| (rng.random_range(0.12..0.5), rng.random_range(0..u32::MAX))).collect();
    move |x, y| {
        // What is below the shore is its image in the river.
        let is_river = y > shore;
        let (x, up) =
            if is_river { (x + (y * 160.0).sin() * 0.004, (y - shore) * 1.4) } else { (x, shore - y) };
        let at = ((x / column).max(0.0) as usize).min(houses.len() - 1);
        let (tall, seed) = houses[at];
        let side = x - at as f32 * column;
        let sky = mix(low, high, (up / shore).min(1.0));
        let mut colour = mix(sky, mix(ground, DARK, 0.55), edge(tall - up) * edge(side - column * 0.04));
        let (floor, room) = ((up / 0.022) as u32, (side / (column / 5.0)) as u32);
        let is_window = (up / 0.022).fract() > 0.4 && (side / (column / 5.0)).fract() > 0.4;
        let is_lit = (seed ^ (floor * 7 + room * 13)).wrapping_mul(2_654_435_761) >> 30 == 0;
        if is_window && is_lit && up < tall - 0.02 && (1..5).contains(&room) {
            colour = mix(colour, [255.0, 214.0, 140.0], 0.85);
        }
        if is_river { mix(colour, mix(ground, DARK, 0.4), 0.45) } else { colour }
    }
}

fn snow(rng: &mut ChaCha8Rng, wide: f32) -> impl Fn(f32, f32) -> Colour + use<> {
    let high = [150.0, 168.0, 192.0];
    let hills: [Ridge; 3] = std::array::from_fn(|near| Ridge::new(rng, 0.45 + near as f32 * 0.17, 0.09, 2.0));
    let trees: Vec<(f32, f32, usize)> = (0..26)
        .map(|_| (rng.random_range(0.0..wide), rng.random_range(0.05..0.13), rng.random_range(0..3)))
        .collect();
    let seed = rng.random_range(0..u32::MAX);
    move |x, y| {
        let mut colour = mix(high, WHITE, y * 0.9);
        for (near, hill) in hills.iter().enumerate() {
            let shade = mix(WHITE, [190.0, 204.0, 224.0], 0.5 - near as f32 * 0.2);
            let is_close = |tree: &&(f32, f32, usize)| tree.2 == near && (x - tree.0).abs() < tree.1;
            for (at, tall, _) in trees.iter().filter(is_close) {
                let above = hill.top(*at) + 0.015 - y;
                // A fir is a triangle of which each layer is wider than the one above.
                let layer = (1.0 - above / tall) * 0.35 * tall * (0.75 + 0.25 * (above * 130.0).sin());
                let is_tree = edge(layer - (x - at).abs()) * edge(above) * edge(tall - above);
                colour = mix(colour, mix([38.0, 62.0, 66.0], high, 0.5 - near as f32 * 0.2), is_tree);
            }
            colour = mix(colour, shade, edge(y - hill.top(x)));
        }
        // One flake in each square of a grid.
        let square = (x / FLAKES, y / FLAKES);
        let mut random = ((square.0 as u32) ^ (square.1 as u32) << 8 ^ seed).wrapping_mul(2_654_435_761);
        let mut next = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 8) as f32 / (1 << 24) as f32
        };
        let flake = (next() * 0.8 + 0.1, next() * 0.8 + 0.1);
        let away = distance((square.0.fract(), square.1.fract()), flake) * FLAKES;
        mix(colour, WHITE, edge(0.0015 + next() * 0.004 - away) * 0.9)
    }
}

fn coffee(rng: &mut ChaCha8Rng, wide: f32) -> impl Fn(f32, f32) -> Colour + use<> {
    let tables = [[150.0, 108.0, 74.0], [206.0, 188.0, 164.0], [72.0, 78.0, 84.0], [112.0, 128.0, 108.0]];
    let table = tables.choose(rng).copied().unwrap_or(tables[0]);
    let middle = (wide * rng.random_range(0.4..0.6), rng.random_range(0.42..0.58_f32));
    let (cup, turn) = (rng.random_range(0.2..0.26_f32), rng.random_range(0.0..6.3_f32));
    move |x, y| {
        let (away, angle) = (distance((x, y), middle), (y - middle.1).atan2(x - middle.0) + turn);
        let grain = ((y * 60.0 + (x * 5.0 + turn).sin() * 3.0).sin() * 0.5 + 0.5) * 0.12;
        let shadow = edge(cup * 1.75 - distance((x - 0.02, y - 0.03), middle)) * 0.35;
        let mut colour = mix(mix(table, DARK, grain), DARK, shadow);
        // The saucer, the cup with its handle, the coffee, and milk in it.
        colour = mix(colour, mix(WHITE, high_light(angle), 0.5), edge(cup * 1.7 - away));
        colour = mix(colour, [214.0, 216.0, 220.0], edge(0.006 - (away - cup * 1.25).abs()));
        let handle =
            distance((x, y), (middle.0 + turn.cos() * cup * 1.15, middle.1 + turn.sin() * cup * 1.15));
        colour = mix(colour, WHITE, edge(cup * 0.05 - (handle - cup * 0.2).abs()));
        colour = mix(colour, WHITE, edge(cup - away));
        let swirl = ((angle * 3.0 + away * 60.0).sin() * 0.5 + 0.5) * (1.0 - away / cup).max(0.0);
        let brew = mix([70.0, 40.0, 22.0], [226.0, 190.0, 148.0], swirl.powf(0.8));
        mix(colour, brew, edge(cup * 0.88 - away))
    }
}

/// How light falls on a round edge.
fn high_light(angle: f32) -> Colour {
    mix(WHITE, [176.0, 180.0, 188.0], angle.sin() * 0.5 + 0.5)
}

/// The line of a range of hills.
struct Ridge {
    base: f32,
    tall: f32,
    waves: [(f32, f32, f32); 4],
}

impl Ridge {
    fn new(rng: &mut ChaCha8Rng, base: f32, tall: f32, rough: f32) -> Self {
        let waves = std::array::from_fn(|octave| {
            let often = rough * 2.1_f32.powi(octave as i32);
            (rng.random_range(0.0..6.3), often * rng.random_range(0.8..1.2), 0.5_f32.powi(octave as i32))
        });
        Self { base, tall, waves }
    }

    /// Where the range begins at `x`, from above.
    fn top(&self, x: f32) -> f32 {
        let wave = |(phase, often, strong): &(f32, f32, f32)| (x * often + phase).sin() * strong;
        self.base + self.tall * 0.5 * self.waves.iter().map(wave).sum::<f32>()
    }
}

fn evening(rng: &mut ChaCha8Rng) -> [Colour; 3] {
    EVENINGS.choose(rng).copied().unwrap_or(EVENINGS[0])
}

fn distance(one: (f32, f32), other: (f32, f32)) -> f32 {
    (one.0 - other.0).hypot(one.1 - other.1)
}

/// 1 inside of a shape, 0 outside, and smooth at its edge.
fn edge(inside: f32) -> f32 {
    (inside * 500.0 + 0.5).clamp(0.0, 1.0)
}

fn mix(one: Colour, other: Colour, much: f32) -> Colour {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn scenes_have_many_colours_in_every_part() {
        for scene in Scene::ALL {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let image = image::load_from_memory(&picture(&mut rng, scene, 160, 120)).unwrap().into_rgb8();
            for part in image.rows().collect::<Vec<_>>().chunks(40) {
                let colours: BTreeSet<[u8; 3]> =
                    part.iter().cloned().flatten().map(|pixel| pixel.0).collect();
                assert!(colours.len() > 30, "{scene:?}: {}", colours.len());
            }
        }
    }
}
