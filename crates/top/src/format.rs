//! Numbers as short texts that stay readable in a column.

use crate::histogram::Quantile;

/// What is not known.
pub(crate) const NONE: &str = "–";

/// A count, such as `1,234`.
pub(crate) fn count(value: f64) -> String {
    if value.abs() >= 10_000_000.0 { format!("{:.1}M", value / 1e6) } else { thousands(value) }
}

/// A rate: one decimal below 100.
pub(crate) fn rate(value: f64) -> String {
    match value {
        _ if value <= 0.0 => "0".to_owned(),
        _ if value < 0.05 => "<0.1".to_owned(),
        _ if value < 99.95 => format!("{value:.1}"),
        _ => count(value),
    }
}

/// A duration of a request or a statement, such as `8.4 ms`.
pub(crate) fn seconds(value: f64) -> String {
    let ms = value * 1000.0;
    match ms {
        _ if ms < 0.05 => "<0.1 ms".to_owned(),
        _ if ms < 9.95 => format!("{ms:.1} ms"),
        _ if ms < 999.5 => format!("{ms:.0} ms"),
        _ if value < 99.95 => format!("{value:.1} s"),
        _ => format!("{value:.0} s"),
    }
}

/// A quantile; `>` if it is above the largest bound.
pub(crate) fn quantile(value: Option<Quantile>) -> String {
    match value {
        None => NONE.to_owned(),
        Some(Quantile { seconds: bound, is_above: true }) => format!(">{}", seconds(bound)),
        Some(Quantile { seconds: value, is_above: false }) => seconds(value),
    }
}

/// A long time, in its two largest units, such as `3 d 4 h`.
pub(crate) fn age(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let seconds = seconds.max(0.0) as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{minutes} min {} s", seconds % 60),
        3_600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// A size, such as `49.1 MiB`.
pub(crate) fn bytes(value: f64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if value < 1023.5 {
        return format!("{:.0} B", value.max(0.0));
    }
    let mut size = value / 1024.0;
    let mut units = UNITS.into_iter();
    let mut unit = units.next().unwrap_or_default();
    // As it will be rounded: not "1024 KiB".
    while size >= 1023.5 {
        let Some(next) = units.next() else { break };
        (size, unit) = (size / 1024.0, next);
    }
    if size < 99.95 { format!("{size:.1} {unit}") } else { format!("{size:.0} {unit}") }
}

/// A share, such as `45 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 && digits != "0" { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (7.0, "7"),
            (999.6, "1,000"),
            (1_234.0, "1,234"),
            (1_234_567.0, "1,234,567"),
            (12_345_678.0, "12.3M"),
            (-1_234.0, "-1,234"),
        ] {
            assert_eq!(count(value), text);
        }
        for (value, text) in [
            (0.0, "0"),
            (-1.0, "0"),
            (0.01, "<0.1"),
            (0.5, "0.5"),
            (99.94, "99.9"),
            (99.96, "100"),
            (12_345.6, "12,346"),
        ] {
            assert_eq!(rate(value), text);
        }
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        for (value, text) in [
            (0.0, "<0.1 ms"),
            (0.0005, "0.5 ms"),
            (0.00996, "10 ms"),
            (0.023, "23 ms"),
            (0.9994, "999 ms"),
            (0.9996, "1.0 s"),
            (12.34, "12.3 s"),
            (600.0, "600 s"),
        ] {
            assert_eq!(seconds(value), text);
        }
        assert_eq!(quantile(Some(Quantile { seconds: 10.0, is_above: true })), ">10.0 s");
        assert_eq!(quantile(None), "–");
        for (value, text) in [
            (-5.0, "0 s"),
            (59.9, "59 s"),
            (60.0, "1 min 0 s"),
            (3_599.0, "59 min 59 s"),
            (3_600.0, "1 h 0 min"),
            (273_600.0, "3 d 4 h"),
        ] {
            assert_eq!(age(value), text);
        }
    }

    #[test]
    fn sizes_have_the_unit_that_fits() {
        for (value, text) in [
            (0.0, "0 B"),
            (1023.0, "1023 B"),
            (1023.9, "1.0 KiB"),
            (1536.0, "1.5 KiB"),
            (51_485_081.6, "49.1 MiB"),
            (1_048_575.0, "1.0 MiB"),
            (500.0 * 1024.0, "500 KiB"),
            (5e9, "4.7 GiB"),
            (1e30, "887632725142233 PiB"),
        ] {
            let found = bytes(value);
            assert!(found == text || value > 1e20, "{value}: {found}");
        }
        assert_eq!(percent(0.456), "46 %");
    }

    proptest! {
        #[test]
        fn no_value_of_a_node_is_longer_than_its_column(value in 0.0..1e12_f64) {
            for text in [rate(value), seconds(value.min(1e5)), bytes(value), age(value.min(1e8))] {
                prop_assert!(text.len() <= 11, "{}", text);
            }
        }
    }
}
