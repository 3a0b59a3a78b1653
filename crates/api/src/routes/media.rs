use blegram_http::{Viewer, conditional::IfMatch, edge::Id};
use blegram_limits::Policy;
use blegram_media::{Media as Images, Source};
use poem::Request;
use poem_openapi::{OpenApi, param::Path};

use crate::{
    answer::{Answer, ApiResult, Created, NoContent, Versioned},
    body::Body,
    form::Form,
    operation::{Login, Operation},
    param::{MediaParam, UploadParam},
    problem::{Code, Problem},
    routes::{AppData, Tag},
    schema::{
        media::{CreateUpload, Media, MediaUpload, UpdateMedia, Upload},
        usage::Usage,
    },
};

pub(crate) struct MediaApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::write("uploadMedia", Login::Required, &[Code::MediaEmpty, Code::QuotaExceeded])
        .with_form()
        .taking_images()
        .limited(Policy::Upload)
        .with_key(),
    Operation::write("createUpload", Login::Required, &[Code::NotFound, Code::QuotaExceeded])
        .with_body()
        .limited(Policy::Upload)
        .with_key(),
    Operation::write(
        "completeUpload",
        Login::Required,
        &[
            Code::NotFound,
            Code::UploadNotArrived,
            Code::UploadExpired,
            Code::UploadMismatch,
            Code::MediaTypeMismatch,
            Code::QuotaExceeded,
        ],
    )
    .taking_images()
    .limited(Policy::Upload)
    .tagged()
    .with_key(),
    Operation::read("getMedia", Login::Required, &[Code::NotFound]).tagged(),
    Operation::write("updateMedia", Login::Required, &[Code::NotFound])
        .with_body()
        .tagged()
        .with_precondition()
        .with_key(),
    Operation::write("deleteMedia", Login::Required, &[Code::NotFound, Code::MediaInUse])
        .with_precondition()
        .with_key(),
    Operation::read("getUsage", Login::Required, &[]),
];

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Media")]
impl MediaApi {
    /// Upload images
    ///
    /// Uploads up to ten files at once; `alt` contains their alt texts in the same order. Images are rotated upright,
    /// converted to sRGB and stripped of metadata such as the location; of animated images only the first frame is
    /// kept. Rejected files are listed in `problems`; if every file is rejected, the response is the first file's
    /// problem. An image that stays unused for a day is deleted. HEIC and AVIF photos are rejected (415): on an iPhone,
    /// choose Settings › Camera › Formats › Most Compatible, or share the photo as JPEG; on Android, turn off HEIF
    /// pictures in the camera's settings. An account can send at most eight forms at the same time (429), and has a quota
    /// (403 `quota-exceeded`, see getUsage).
    /// 한 번에 파일을 열 개까지 올릴 수 있으며, 대체 텍스트는 같은 순서로 `alt`에 넣습니다. 이미지는 바로 세워지고
    /// sRGB로 변환되며, 위치 같은 메타데이터는 지워집니다. 움직이는 이미지는 첫 프레임만 남습니다. 거부된 파일은
    /// `problems`에 나오며, 모두 거부되면 첫 번째 파일의 오류를 반환합니다. 하루 동안 쓰지 않은 이미지는 삭제됩니다.
    /// HEIC와 AVIF 사진은 받지 않습니다(415). iPhone에서는 설정 › 카메라 › 포맷에서 '높은 호환성'을 선택하거나 JPEG로
    /// 공유하고, Android에서는 카메라 설정에서 HEIF 사진을 끄세요. 한 계정이 동시에 보낼 수 있는 폼은 여덟
    /// 개이며(429), 저장 공간에는 한도가 있습니다(403 `quota-exceeded`, getUsage 참고).
    #[oai(path = "/media", method = "post", operation_id = "uploadMedia")]
    async fn upload_media(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        request: &Request,
        form: Form,
    ) -> ApiResult<Created<MediaUpload>> {
        let id = request.data::<Id>().map(|id| id.0.clone()).unwrap_or_default();
        let (links, mut alts) = (app.media.links(), form.alts.into_iter());
        let (mut items, mut failures, mut first) = (Vec::new(), Vec::new(), None);
        for (at, file) in form.files.into_iter().enumerate() {
            let alt = alts.next().flatten();
            match take(&app.media, viewer, file, alt).await {
                Ok(media) => items.push(Media::of_owner(media, &links)),
                Err(problem) => {
                    failures.push(problem.failure(format!("/file/{at}"), &id));
                    first.get_or_insert(problem);
                }
            }
        }
        match first {
            Some(problem) if items.is_empty() => Err(problem.with_failures(failures)),
            _ => Ok(Created { location: None, version: None, body: MediaUpload::new(items, failures) }),
        }
    }

    /// Create a direct upload
    ///
    /// For apps that put files into storage themselves: announce the file, PUT it to `url` with `headers`, and complete
    /// the upload within two hours. Only one request at a time can send the file (409 `upload-in-progress`), and an
    /// account can send at most eight files at the same time (429). Until the upload is complete or deleted, its announced
    /// size counts against your quota (403 `quota-exceeded`, see getUsage).
    /// 파일을 저장소에 직접 올리는 앱을 위한 방법입니다. 먼저 파일 정보를 보내고, `url`로 `headers`와 함께 파일을 PUT한
    /// 뒤, 두 시간 안에 완료를 요청하세요. 파일은 한 번에 한 요청으로만 보낼 수 있고(409 `upload-in-progress`), 한
    /// 계정은 동시에 여덟 개까지 보낼 수 있습니다(429). 업로드를 완료하거나 삭제될
    /// 때까지, 미리 알린 크기가 저장 공간 한도에 포함됩니다(403 `quota-exceeded`, getUsage 참고).
    #[oai(path = "/media/uploads", method = "post", operation_id = "createUpload")]
    async fn create_upload(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        body: Body<CreateUpload>,
    ) -> ApiResult<Created<Upload>> {
        let announced = app.media.create_upload(viewer.id(), body.0).await?;
        Ok(Created { location: None, version: None, body: announced.into() })
    }

    /// Complete a direct upload
    ///
    /// Checks and converts the file as uploadMedia does; it must have the type that was announced. If the response is
    /// lost, send the request again: it returns the same image.
    /// uploadMedia와 같은 검사와 변환을 거치며, 미리 알린 형식이어야 합니다. 응답을 받지 못했다면 다시 요청하세요. 같은
    /// 이미지를 반환합니다.
    #[oai(path = "/media/uploads/:upload/complete", method = "post", operation_id = "completeUpload")]
    async fn complete_upload(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the upload. 업로드 ID.
        upload: Path<UploadParam>,
    ) -> ApiResult<Versioned<Media>> {
        let media = app.media.complete_upload(viewer.id(), upload.id()?).await?;
        Ok(Versioned { version: media.version, body: Media::of_owner(media, &app.media.links()) })
    }

    /// Get an image
    ///
    /// Returns your own image. Its links are always signed here, even if the image is public.
    /// 내 이미지를 반환합니다. 공개된 이미지라도 여기에서는 항상 서명된 링크를 받습니다.
    #[oai(path = "/media/:media", method = "get", operation_id = "getMedia")]
    async fn get_media(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the image. 이미지 ID.
        media: Path<MediaParam>,
    ) -> ApiResult<Versioned<Media>> {
        let media = app.media.get_media(viewer.id(), media.id()?).await?;
        Ok(Versioned { version: media.version, body: Media::of_owner(media, &app.media.links()) })
    }

    /// Update an image's alt text
    ///
    /// The alt text describes your image to people who cannot see it.
    /// 대체 텍스트는 이미지를 볼 수 없는 사람을 위한 설명입니다.
    #[oai(path = "/media/:media", method = "patch", operation_id = "updateMedia")]
    async fn update_media(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the image. 이미지 ID.
        media: Path<MediaParam>,
        if_match: IfMatch,
        body: Body<UpdateMedia>,
    ) -> ApiResult<Versioned<Media>> {
        let updated = app.media.update_media(viewer.id(), media.id()?, body.0, &if_match.0).await;
        let media = updated?;
        Ok(Versioned { version: media.version, body: Media::of_owner(media, &app.media.links()) })
    }

    /// Delete an image
    ///
    /// Deletes your own image if it is unused. An image in use is deleted with the post, message or profile picture
    /// that shows it.
    /// 쓰이지 않는 내 이미지를 삭제합니다. 쓰이는 이미지는 그 이미지가 있는 게시글, 메시지, 프로필 사진과 함께
    /// 삭제됩니다.
    #[oai(path = "/media/:media", method = "delete", operation_id = "deleteMedia")]
    async fn delete_media(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the image. 이미지 ID.
        media: Path<MediaParam>,
        if_match: IfMatch,
    ) -> ApiResult<NoContent> {
        app.media.delete_media(viewer.id(), media.id()?, &if_match.0).await?;
        Ok(NoContent)
    }

    /// Get your storage usage
    ///
    /// Returns how much your images use and how much they may use. An image counts with all its variants until you
    /// delete it, or the post or message that shows it; an incomplete direct upload counts with its announced size until
    /// it is deleted, two hours after it was created. Uploads above a limit are rejected (403 `quota-exceeded`).
    /// 이미지의 저장 공간 사용량과 한도를 반환합니다. 이미지는 그 이미지나 그 이미지가 있는 게시글 또는 메시지를 삭제할
    /// 때까지 모든 크기의 파일이 포함되고, 완료하지 않은 직접 업로드는 생성 후 두 시간이 지나 삭제될 때까지 미리 알린 크기가
    /// 포함됩니다. 한도를 넘는 업로드는 거부됩니다(403 `quota-exceeded`).
    #[oai(path = "/me/usage", method = "get", operation_id = "getUsage")]
    async fn get_usage(&self, app: AppData<'_>, viewer: Viewer) -> ApiResult<Answer<Usage>> {
        Ok(Answer(Usage::new(app.media.get_usage(viewer.id()).await?, app.media.quota())))
    }
}

async fn take(
    images: &Images,
    viewer: Viewer,
    file: blegram_media::Result<Source>,
    alt: Option<blegram_domain::AltText>,
) -> Result<blegram_domain::Media, Problem> {
    Ok(images.upload(viewer.id(), file?, alt).await?)
}
