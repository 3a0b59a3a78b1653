import { etagOf, type Post, Problem } from "@blegram/client";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useEffect, useId, useMemo } from "react";
import { useNavigate, useParams } from "react-router";
import { updatePost } from "../features/posts/cache";
import { Composer, useCheck } from "../features/posts/composer/composer";
import { Editor, type Photo } from "../features/posts/composer/editor";
import { remote } from "../features/posts/composer/remote";
import { useMe } from "../features/session/session";
import { useTexts } from "../i18n";
import { blegram } from "../site";
import { Button } from "../ui/button";
import { Page } from "../ui/page";
import { Failure, Spinner } from "../ui/states";
import { toast } from "../ui/toast";
import styles from "./edit-post.module.css";
import NotFound from "./not-found";

/** A post, and which version of it is edited. */
interface Version {
  post: Post;
  etag: string | undefined;
}

/** Changes a post. */
export default function EditPost() {
  const t = useTexts("compose");
  const { id = "" } = useParams();
  const me = useMe();
  const { data, error, refetch } = useQuery({
    queryKey: ["post-version", id],
    queryFn: async ({ signal }): Promise<Version> => {
      const post = await blegram.posts.get(id, { signal });
      return { post, etag: etagOf(post) };
    },
    // What is edited does not change while it is: the server says if it did.
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  if ((error instanceof Problem && error.status === 404) || (data && data.post.author.id !== me?.id))
    return <NotFound />;
  if (data) return <Form key={data.etag} version={data} onReload={() => void refetch()} />;
  return (
    <Page title={t("edit_post")} back>
      {error ? <Failure error={error} onRetry={() => void refetch()} /> : <Spinner />}
    </Page>
  );
}

function Form({ version: { post, etag }, onReload }: { version: Version; onReload: () => void }) {
  const t = useTexts("compose");
  const common = useTexts("common");
  const navigate = useNavigate();
  const id = useId();
  const editor = useMemo(() => new Editor(contentOf(post), remote), [post]);
  const { canSend } = useCheck(editor);
  useEffect(() => () => editor.close(), [editor]);
  useLeaveWarning(editor, post);
  const save = useMutation({
    mutationFn: async () => {
      const { text, visibility, media_ids } = editor.body();
      await editor.saveAlts();
      const body = { text: text ?? "", ...(visibility && { visibility }), media_ids };
      return blegram.posts.update(post.id, body, etag ? { ifMatch: etag } : {});
    },
    onSuccess: (edited) => {
      updatePost(edited);
      toast(t("saved"));
      if (window.history.state?.idx > 0) navigate(-1);
      else navigate(`/posts/${post.id}`, { replace: true });
    },
  });
  const isChanged = save.error instanceof Problem && save.error.status === 412;
  return (
    <Page
      title={t("edit_post")}
      back
      actions={
        <Button kind="primary" type="submit" form={id} busy={save.isPending} disabled={!canSend}>
          {common("save")}
        </Button>
      }
    >
      {isChanged && <Changed onReload={onReload} />}
      <Composer
        id={id}
        editor={editor}
        error={isChanged ? null : save.error}
        onSubmit={() => {
          if (!save.isPending) save.mutate();
        }}
      />
    </Page>
  );
}

/** The post was edited on another device meanwhile. */
function Changed({ onReload }: { onReload: () => void }) {
  const t = useTexts("compose");
  return (
    <div role="alert" className={styles.notice}>
      <p>{t("changed_elsewhere")}</p>
      <Button small onClick={onReload}>
        {t("load_current")}
      </Button>
    </div>
  );
}

function contentOf({ text, visibility, media }: Post) {
  const photos = media.map(({ id, alt, variants, url, created_at }): Photo => {
    const thumb = variants.find(({ name }) => name === "thumb")?.url ?? url;
    return {
      id,
      alt: alt ?? "",
      savedAlt: alt ?? "",
      media: { id, at: Date.parse(created_at) },
      url: thumb,
      state: "ready",
      progress: 1,
      isOfPost: true,
    };
  });
  return { text, visibility: visibility === "followers" ? ("followers" as const) : ("public" as const), photos };
}

/** Asks before the tab is closed with changes that are not saved. */
function useLeaveWarning(editor: Editor, post: Post): void {
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => {
      const { text, media_ids } = editor.body();
      if (text !== post.text || String(media_ids) !== String(post.media.map(({ id }) => id))) event.preventDefault();
    };
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [editor, post]);
}
