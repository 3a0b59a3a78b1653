use blegram_domain::media::quota::{self, Quota};
use poem_openapi::Object;
use serde::Serialize;

/// What your account stores, and may store.
/// 내 계정의 저장 공간 사용량과 한도.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Usage {
    /// All images, and direct uploads that are not complete.
    /// 모든 이미지와 완료하지 않은 직접 업로드.
    media: MediaUsage,
    /// Those of `media` that are not in a post, a message or your profile.
    /// `media` 가운데 게시글, 메시지, 프로필에 쓰지 않은 것.
    unattached_media: MediaUsage,
}

/// An amount of images, and its limits.
/// 이미지의 양과 한도.
#[derive(Debug, Object, Serialize)]
pub(crate) struct MediaUsage {
    /// Total size, in bytes: of an image, the size of all its variants; of a direct upload, its announced size.
    /// 더한 바이트 수. 이미지는 모든 크기의 파일을, 직접 업로드는 미리 알린 크기를 더합니다.
    bytes: u64,
    /// Maximum of `bytes`.
    /// `bytes`의 한도.
    max_bytes: u64,
    /// Number of images and direct uploads.
    /// 이미지와 직접 업로드의 수.
    files: u64,
    /// Maximum of `files`.
    /// `files`의 한도.
    max_files: u64,
}

impl Usage {
    pub(crate) fn new(usage: quota::Usage, quota: &Quota) -> Self {
        let of = |used: quota::Amount, max: quota::Amount| MediaUsage {
            bytes: used.bytes,
            max_bytes: max.bytes,
            files: used.files,
            max_files: max.files,
        };
        Self { media: of(usage.total, quota.total), unattached_media: of(usage.unattached, quota.unattached) }
    }
}
