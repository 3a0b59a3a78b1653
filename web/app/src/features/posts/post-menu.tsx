import type { Post } from "@blegram/client";
import { Ban, BellOff, Flag, Link2, Pencil, Trash2 } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useNavigate } from "react-router";
import { useTexts } from "../../i18n";
import { Menu } from "../../ui/menu";
import { useMuteAction } from "../people/mute-action";
import { useMe } from "../session/session";
import { useCopyLink } from "./share";

const ReportDialog = lazy(() => import("../reports/report-dialog"));
const BlockDialog = lazy(() => import("../people/block-dialog"));
const DeletePost = lazy(() => import("./delete-post"));

type Dialog = "report" | "block" | "delete";

/** What else can be done with a post: by its author, and by others. */
export default function PostMenu({ post, isPage }: { post: Post; isPage: boolean }) {
  const t = useTexts("posts");
  const common = useTexts("common");
  const me = useMe();
  const navigate = useNavigate();
  const setMuted = useMuteAction(post.author);
  const copyLink = useCopyLink(post);
  const [dialog, setDialog] = useState<Dialog>();
  const { author, id } = post;
  const isMine = me?.id === author.id;
  const isOther = me !== null && !isMine;
  const name = author.display_name;
  const close = () => setDialog(undefined);
  return (
    <>
      <Menu
        label={t("post_menu")}
        items={[
          { label: t("copy_link"), icon: Link2, onSelect: copyLink },
          isMine && { label: common("edit"), icon: Pencil, onSelect: () => navigate(`/posts/${id}/edit`) },
          isMine && { label: common("delete"), icon: Trash2, danger: true, onSelect: () => setDialog("delete") },
          isOther && { label: t("mute", { name }), icon: BellOff, onSelect: () => void setMuted(true) },
          isOther && { label: t("block", { name }), icon: Ban, onSelect: () => setDialog("block") },
          isOther && { label: t("report"), icon: Flag, danger: true, onSelect: () => setDialog("report") },
        ]}
      />
      <Suspense>
        {dialog === "delete" && (
          <DeletePost
            post={post}
            onClose={close}
            {...(isPage && { onDeleted: () => navigate("/", { replace: true }) })}
          />
        )}
        {dialog === "block" && <BlockDialog user={author} onClose={close} />}
        {dialog === "report" && <ReportDialog subject={{ type: "post", id }} onClose={close} />}
      </Suspense>
    </>
  );
}
