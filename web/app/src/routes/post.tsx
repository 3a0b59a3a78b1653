import { Problem } from "@blegram/client";
import { FileX2 } from "lucide-react";
import { useParams } from "react-router";
import { CommentList } from "../features/comments/comment-list";
import { PostCard } from "../features/posts/post-card";
import { PostSkeleton } from "../features/posts/post-skeleton";
import { usePost } from "../features/posts/use-post";
import { useTexts } from "../i18n";
import { ButtonLink } from "../ui/button";
import { Page } from "../ui/page";
import { Empty, Failure } from "../ui/states";

/** A post with its comments. */
export default function PostPage() {
  const t = useTexts("posts");
  const { id = "" } = useParams();
  const { data: post, error, refetch } = usePost(id);
  const isMissing = error instanceof Problem && error.status === 404;
  return (
    <Page title={t("post")} back>
      {isMissing ? (
        <Missing />
      ) : post ? (
        <>
          <PostCard post={post} isPage isFirst />
          <CommentList key={id} post={post} />
        </>
      ) : error ? (
        <Failure error={error} onRetry={() => void refetch()} />
      ) : (
        <PostSkeleton />
      )}
    </Page>
  );
}

function Missing() {
  const t = useTexts("posts");
  const common = useTexts("common");
  return (
    <Empty icon={FileX2} title={t("post_missing")}>
      <p>{common("not_found_more")}</p>
      <ButtonLink to="/" kind="primary">
        {common("to_home")}
      </ButtonLink>
    </Empty>
  );
}
