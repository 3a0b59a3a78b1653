//! How much an account may store.

use std::fmt;

/// A number of files and their total size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// The number of files. An image counts once, whatever the number of its variants.
    pub files: u64,
    /// Their total size; for an image, that of its variants.
    pub bytes: u64,
}

impl Amount {
    /// Whether one of the two numbers is above that of `limit`.
    const fn exceeds(self, limit: Self) -> bool {
        self.files > limit.files || self.bytes > limit.bytes
    }

    const fn plus(self, other: Self) -> Self {
        Self { files: self.files.saturating_add(other.files), bytes: self.bytes.saturating_add(other.bytes) }
    }

    const fn minus(self, other: Self) -> Self {
        Self { files: self.files.saturating_sub(other.files), bytes: self.bytes.saturating_sub(other.bytes) }
    }
}

/// What an account stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// All images, and the pending direct uploads with their announced sizes.
    pub total: Amount,
    /// The part of `total` that is not attached to a post, a message or a profile.
    pub unattached: Amount,
}

impl Usage {
    /// The usage with a new image or upload, which is not attached to anything yet.
    #[must_use]
    pub const fn plus(self, added: Amount) -> Self {
        Self { total: self.total.plus(added), unattached: self.unattached.plus(added) }
    }

    const fn minus(self, added: Amount) -> Self {
        Self { total: self.total.minus(added), unattached: self.unattached.minus(added) }
    }
}

/// What an account may store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The limit of [`Usage::total`].
    pub total: Amount,
    /// The limit of [`Usage::unattached`].
    pub unattached: Amount,
}

const MIB: u64 = 1024 * 1024;

impl Default for Quota {
    fn default() -> Self {
        Self {
            total: Amount { files: 20_000, bytes: 5 * 1024 * MIB },
            unattached: Amount { files: 100, bytes: 500 * MIB },
        }
    }
}

impl Quota {
    /// Checks `usage`, which includes `added`, the new image or upload.
    ///
    /// # Errors
    /// [`QuotaExceeded`] with the usage without `added`.
    pub fn check(&self, usage: Usage, added: Amount) -> Result<(), QuotaExceeded> {
        let used = usage.minus(added);
        if usage.total.exceeds(self.total) {
            Err(QuotaExceeded::Total { used: used.total, quota: self.total })
        } else if usage.unattached.exceeds(self.unattached) {
            Err(QuotaExceeded::Unattached { used: used.unattached, quota: self.unattached })
        } else {
            Ok(())
        }
    }
}

/// A new image or upload does not fit into the quota. The text has the figures and says how to free space, in English
/// and Korean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuotaExceeded {
    /// The limit of [`Usage::total`] is reached.
    #[error(
        "Your images use {} of {} and are {} of {} files; there is no room for this one. Delete posts, messages or unused \
         images to free space. 이미지 저장 공간 {1} 중 {0}, 파일 {3}개 중 {2}개를 사용하고 있어 더 저장할 수 없습니다. 게시글이나 \
         메시지, 쓰지 않는 이미지를 삭제하면 공간이 생깁니다.",
        Mib(used.bytes), Mib(quota.bytes), used.files, quota.files
    )]
    Total {
        /// What is used.
        used: Amount,
        /// What is allowed.
        quota: Amount,
    },
    /// The limit of [`Usage::unattached`] is reached.
    #[error(
        "Your images and direct uploads that are not in a post, a message or your profile use {} of {} and are {} of {} \
         files; there is no room for this one. Use or delete some of them, or wait: an unused image is deleted after a \
         day, an incomplete direct upload after two hours. 게시글, 메시지, 프로필에 쓰지 않은 이미지와 직접 업로드가 {1} 중 {0}, \
         파일 {3}개 중 {2}개를 차지하고 있어 더 저장할 수 없습니다. 일부를 사용하거나 삭제하세요. 쓰지 않은 이미지는 하루 뒤에, \
         완료하지 않은 직접 업로드는 두 시간 뒤에 삭제됩니다.",
        Mib(used.bytes), Mib(quota.bytes), used.files, quota.files
    )]
    Unattached {
        /// What is used.
        used: Amount,
        /// What is allowed.
        quota: Amount,
    },
}

/// A number of bytes, shown in MiB.
struct Mib(u64);

impl fmt::Display for Mib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Integers, because 64 bits do not fit into a float.
        let (whole, tenth) = (self.0 / MIB, self.0 % MIB * 10 / MIB);
        write!(f, "{whole}.{tenth} MiB")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota =
        Quota { total: Amount { files: 10, bytes: 100 }, unattached: Amount { files: 3, bytes: 30 } };

    const fn amount(files: u64, bytes: u64) -> Amount {
        Amount { files, bytes }
    }

    #[test]
    fn quota_admits_what_fits_exactly() {
        for (total, unattached, is_admitted) in [
            (amount(9, 90), amount(2, 20), true),
            (amount(10, 90), amount(0, 0), false),
            (amount(9, 91), amount(0, 0), false),
            (amount(5, 50), amount(3, 0), false),
            (amount(5, 50), amount(0, 21), false),
            (amount(u64::MAX, u64::MAX), amount(0, 0), false),
        ] {
            let added = amount(1, 10);
            let checked = QUOTA.check(Usage { total, unattached }.plus(added), added);
            assert_eq!(checked.is_ok(), is_admitted, "{total:?} {unattached:?}");
        }
    }

    #[test]
    fn error_has_the_figures_without_the_new_file() {
        let quota = Quota::default();
        let used = Usage { total: amount(20_000, 3 * MIB + MIB / 2), ..Usage::default() };
        let error = quota.check(used.plus(amount(1, MIB)), amount(1, MIB)).unwrap_err();
        assert_eq!(error, QuotaExceeded::Total { used: used.total, quota: quota.total });
        let text = error.to_string();
        for words in [
            "use 3.5 MiB of 5120.0 MiB and are 20000 of 20000 files",
            "5120.0 MiB 중 3.5 MiB, 파일 20000개 중 20000개",
        ] {
            assert!(text.contains(words), "{text}");
        }
    }
}
