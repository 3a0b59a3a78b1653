//! How a setting is defined: name, type, default, range and description, from which the structures, the parsing and the
//! reference are made.

use super::{layers::Layers, value::Shape};

/// The default of a setting.
#[derive(Debug, Clone, Copy)]
pub(super) enum Preset {
    Fixed(&'static str),
    /// Computed at start; the text says from what.
    Derived(&'static str),
    /// No default; the text says what that means.
    Absent(&'static str),
}
/// The definition of one setting.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    pub(super) preset: Preset,
    pub(super) expected: &'static str,
    pub(super) example: &'static str,
    pub(super) shape: Shape,
    /// The accepted values of a number.
    pub(super) range: Option<(u64, u64)>,
    pub(super) meaning: &'static str,
}

impl Setting {
    /// The accepted values; completes "expected …".
    pub(super) fn expected(&self) -> String {
        match self.range {
            Some((least, most)) => format!("a whole number from {least} to {most}"),
            None => self.expected.to_owned(),
        }
    }

    /// An accepted value.
    pub(super) const fn example(&self) -> &'static str {
        match (self.range, self.preset) {
            (Some(_), Preset::Fixed(default)) => default,
            _ => self.example,
        }
    }

    /// Whether a number is in the accepted range; true for everything that is no number.
    pub(super) fn admits(&self, text: &str) -> bool {
        let number = text.parse::<u64>().ok();
        let in_range =
            |(least, most): (u64, u64)| number.is_none_or(|number| (least..=most).contains(&number));
        self.range.is_none_or(in_range)
    }

    /// The full key, such as `server.listen`.
    pub(super) fn key(&self) -> String {
        if self.section.is_empty() { self.name.to_owned() } else { format!("{}.{}", self.section, self.name) }
    }

    /// The environment variable, such as `BLEGRAM_SERVER__LISTEN`.
    pub(super) fn variable(&self) -> String {
        format!("BLEGRAM_{}", self.key().replace('.', "__").to_uppercase())
    }
}

/// A section of the configuration file.
pub(super) trait Section: Sized {
    const NAME: &'static str;
    const ABOUT: &'static str;
    const SETTINGS: &'static [Setting];

    /// Reads all settings of the section. Returns `None` if a value is invalid; `layers` then has the problems of all
    /// of them.
    fn read(layers: &mut Layers) -> Option<Self>;
}

macro_rules! setting {
    ($section:expr, $name:expr, $type:ty, $preset:expr, $range:expr, $($doc:literal)+) => {
        Setting {
            section: $section,
            name: $name,
            preset: $preset,
            expected: <$type>::EXPECTED,
            example: <$type>::EXAMPLE,
            shape: <$type>::SHAPE,
            range: $range,
            meaning: concat!($($doc),+),
        }
    };
}

macro_rules! range {
    () => {
        None
    };
    ($least:literal, $most:literal) => {
        Some(($least, $most))
    };
}

macro_rules! section {
    ($(#[doc = $about:literal])+ $vis:vis $struct:ident, $section:literal: $($(#[doc = $doc:literal])+ $field:ident: $type:ty = $preset:expr $(, $least:literal..=$most:literal)?;)+) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone)]
        $vis struct $struct { $($(#[doc = $doc])+ $vis $field: $type,)+ }

        impl Section for $struct {
            const NAME: &'static str = $section;
            const ABOUT: &'static str = concat!($($about),+);
            const SETTINGS: &'static [Setting] =
                &[$(setting!($section, stringify!($field), $type, $preset, range!($($least, $most)?), $($doc)+)),+];

            fn read(layers: &mut Layers) -> Option<Self> {
                let mut settings = Self::SETTINGS.iter();
                $(let $field = layers.value::<$type>(settings.next()?);)+
                Some(Self { $($field: $field?,)+ })
            }
        }
    };
}

macro_rules! rates {
    ($(#[doc = $about:literal])+ $struct:ident, $section:literal: $(#[doc = $loopback:literal])+ loopback_factor = $preset:expr; $($(#[doc = $doc:literal])+ $field:ident = $burst:expr, per $seconds:expr;)+) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone)]
        pub struct $struct {
            /// The rate limits.
            pub quotas: Quotas,
            /// The rate limits of clients that connect over loopback.
            pub loopback_quotas: Quotas,
        }

        impl Section for $struct {
            const NAME: &'static str = $section;
            const ABOUT: &'static str = concat!($($about),+);
            const SETTINGS: &'static [Setting] = &[setting!($section, "loopback_factor", NonZeroU32, $preset, Some((1, 1_000_000)), $($loopback)+), $(
                setting!($section, concat!(stringify!($field), ".burst"), NonZeroU32, $burst, Some((1, 1_000_000_000)), $($doc)+),
                setting!($section, concat!(stringify!($field), ".per_seconds"), NonZeroU32, $seconds, Some((1, 31_536_000)), " Seconds in which the full burst is refilled."),
            )+];

            fn read(layers: &mut Layers) -> Option<Self> {
                let mut settings = Self::SETTINGS.iter();
                let factor = layers.value::<NonZeroU32>(settings.next()?);
                $(let $field = (layers.value(settings.next()?), layers.value::<NonZeroU32>(settings.next()?));)+
                let quotas = Quotas {
                    $($field: Quota { burst: $field.0?, per: Duration::from_secs($field.1?.get().into()) },)+
                };
                let is_set = |field: &str| {
                    ["burst", "per_seconds"].iter().any(|name| layers.is_set(&format!("{}.{field}.{name}", $section)))
                };
                Some(Self { quotas, loopback_quotas: quotas.widened(factor?.get(), is_set) })
            }
        }
    };
}

pub(super) use {range, rates, section, setting};
