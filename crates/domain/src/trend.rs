//! Trending hashtags: those that more accounts use than the day before.

use std::time::Duration;

use crate::Hashtag;

/// A hashtag that more accounts use than the day before.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    /// The hashtag.
    pub hashtag: Hashtag,
    /// Number of public posts with the hashtag.
    pub post_count: u64,
    /// Number of accounts that used it within the last day.
    pub account_count: u64,
    /// How unexpected the rise is; the largest score comes first.
    pub score: f64,
}

/// The smallest number of accounts for a trend, so that two friends cannot make one.
pub const MIN_ACCOUNTS: u64 = 3;

/// The time after which an unused hashtag has lost half of its score.
const HALF_LIFE: Duration = Duration::from_hours(4);

/// The score of a hashtag that `accounts` used within the last day, the latest of them `ago`, and `before` the day
/// before; `None` if it is not a trend.
///
/// It counts accounts, not posts: one account that writes a hundred posts makes no trend.
pub fn score(accounts: u64, before: u64, ago: Duration) -> Option<f64> {
    let expected = before.max(1);
    if accounts < MIN_ACCOUNTS || accounts <= expected {
        return None;
    }
    let number = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let rise = number(accounts - expected);
    let age = ago.as_secs_f64() / HALF_LIFE.as_secs_f64();
    Some(rise * rise / number(expected) * (-age).exp2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trend_score_depends_on_accounts_and_age() {
        let hours = Duration::from_hours;
        let table = [
            (3, 0, 0, Some(4.0)),
            (3, 1, 0, Some(4.0)),
            (3, 1, 4, Some(2.0)),
            (3, 1, 8, Some(1.0)),
            (10, 5, 0, Some(5.0)),
            (2, 0, 0, None),
            (5, 5, 0, None),
            (5, 9, 0, None),
        ];
        for (accounts, before, ago, expected) in table {
            assert_eq!(score(accounts, before, hours(ago)), expected, "{accounts} {before} {ago}");
        }
    }
}
