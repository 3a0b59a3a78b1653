import { useMutation } from "@tanstack/react-query";
import { useEffect, useId, useState } from "react";
import { useNavigate, useSearchParams } from "react-router";
import { addPost } from "../features/posts/cache";
import { Composer, useCheck } from "../features/posts/composer/composer";
import { drafts } from "../features/posts/composer/draft-store";
import { Editor } from "../features/posts/composer/editor";
import { remote } from "../features/posts/composer/remote";
import { useMe } from "../features/session/session";
import { useTexts } from "../i18n";
import { Button } from "../ui/button";
import { Confirm } from "../ui/dialog";
import { Page } from "../ui/page";
import { Spinner } from "../ui/states";
import { toast } from "../ui/toast";

/** Where a post is written. What was written before is there again. */
export default function NewPost() {
  const title = useTexts("common")("new_post");
  const me = useMe();
  const [search] = useSearchParams();
  const [editor, setEditor] = useState<Editor>();
  const account = me?.id;
  const text = search.get("text") ?? "";

  useEffect(() => {
    if (!account) return;
    let opened: Editor | undefined;
    let isLeft = false;
    Editor.resume(remote, drafts, account, text).then((resumed) => {
      opened = resumed;
      if (isLeft) resumed.close();
      else setEditor(resumed);
    });
    return () => {
      isLeft = true;
      opened?.close();
    };
  }, [account, text]);

  if (!editor) {
    return (
      <Page title={title} back>
        <Spinner />
      </Page>
    );
  }
  return <Form editor={editor} onDiscard={setEditor} />;
}

function Form({ editor, onDiscard }: { editor: Editor; onDiscard: (next: Editor) => void }) {
  const t = useTexts("compose");
  const common = useTexts("common");
  const me = useMe();
  const navigate = useNavigate();
  const id = useId();
  const { canSend, isEmpty } = useCheck(editor);
  const [isAsking, setAsking] = useState(false);
  const create = useMutation({
    mutationFn: () => editor.post(),
    onSuccess: async (post) => {
      await editor.discard(false);
      addPost(post);
      navigate("/", { replace: true });
      toast(t("posted"), { label: t("see_post"), run: () => navigate(`/posts/${post.id}`) });
    },
  });
  const discard = async () => {
    await editor.discard(true);
    setAsking(false);
    if (me) onDiscard(await Editor.resume(remote, drafts, me.id));
  };
  return (
    <Page
      title={common("new_post")}
      back
      actions={
        <>
          {!isEmpty && (
            <Button kind="quiet" onClick={() => setAsking(true)} disabled={create.isPending}>
              {t("discard")}
            </Button>
          )}
          <Button kind="primary" type="submit" form={id} busy={create.isPending} disabled={!canSend}>
            {t("post_it")}
          </Button>
        </>
      }
    >
      <Composer
        id={id}
        editor={editor}
        error={create.error}
        onSubmit={() => {
          if (!create.isPending) create.mutate();
        }}
      />
      {isAsking && (
        <Confirm
          title={t("discard_draft")}
          action={t("discard")}
          onConfirm={() => void discard()}
          onClose={() => setAsking(false)}
        >
          <p>{t("discard_draft_more")}</p>
        </Confirm>
      )}
    </Page>
  );
}
