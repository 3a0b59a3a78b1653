import type { Comment, Post } from "@blegram/client";
import { Flag, Heart, History, Pencil, Trash2 } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { Link } from "react-router";
import { useTexts } from "../../i18n";
import { Avatar } from "../../ui/avatar";
import { IconButton } from "../../ui/button";
import { Menu } from "../../ui/menu";
import { RichText } from "../../ui/rich-text";
import { Time } from "../../ui/time";
import { useAsMember } from "../posts/as-member";
import { useMe } from "../session/session";
import { useLikeComment } from "./actions";
import styles from "./comment-row.module.css";

const ReportDialog = lazy(() => import("../reports/report-dialog"));
const DeleteComment = lazy(() => import("./delete-comment"));
const EditComment = lazy(() => import("./edit-comment"));
const Likers = lazy(() => import("./comment-likers"));
const Revisions = lazy(() => import("../posts/revisions"));

type Dialog = "report" | "delete" | "likers" | "revisions";

interface CommentRowProps {
  comment: Comment;
  post: Post;
  onReply: (comment: Comment) => void;
}

/** A comment or a reply. */
export function CommentRow({ comment, post, onReply }: CommentRowProps) {
  const t = useTexts("compose");
  const posts = useTexts("posts");
  const [isEditing, setEditing] = useState(false);
  const [dialog, setDialog] = useState<Dialog>();
  const asMember = useAsMember();
  const { author, id } = comment;
  const close = () => setDialog(undefined);

  if (!author) return <p className={styles.deleted}>{t("comment_deleted")}</p>;
  return (
    <article className={styles.comment} aria-label={t("comment_by", { name: author.display_name })}>
      <Link to={`/@${author.username}`} className={styles.avatar} tabIndex={-1} aria-hidden>
        <Avatar user={author} size={36} />
      </Link>
      <div className={styles.body}>
        <div className={styles.head}>
          <Link to={`/@${author.username}`} className={styles.name}>
            <strong dir="auto">{author.display_name}</strong>
          </Link>
          <Time at={comment.created_at} />
          {comment.edited_at && <span className="faint">{posts("edited")}</span>}
        </div>
        {isEditing ? (
          <Suspense>
            <EditComment comment={comment} onClose={() => setEditing(false)} />
          </Suspense>
        ) : (
          <p>
            <RichText text={comment.text ?? ""} mentions={comment.mentions} />
          </p>
        )}
        <div className={styles.actions}>
          <button type="button" onClick={() => asMember(() => onReply(comment))}>
            {t("reply")}
          </button>
          {comment.like_count > 0 && (
            <button type="button" onClick={() => setDialog("likers")}>
              {posts("likes", { count: comment.like_count })}
            </button>
          )}
        </div>
      </div>
      <Like comment={comment} />
      <CommentMenu comment={comment} post={post} onEdit={() => setEditing(true)} onDialog={setDialog} />
      <Suspense>
        {dialog === "report" && <ReportDialog subject={{ type: "comment", id }} onClose={close} />}
        {dialog === "delete" && <DeleteComment comment={comment} onClose={close} />}
        {dialog === "likers" && <Likers comment={id} onClose={close} />}
        {dialog === "revisions" && <Revisions subject={{ type: "comment", id }} onClose={close} />}
      </Suspense>
    </article>
  );
}

function Like({ comment }: { comment: Comment }) {
  const t = useTexts("posts");
  const like = useLikeComment(comment);
  const asMember = useAsMember();
  const isLiked = comment.viewer?.liked ?? false;
  return (
    <IconButton
      icon={Heart}
      size={18}
      label={t("like")}
      aria-pressed={isLiked}
      filled={isLiked}
      className={isLiked ? styles.liked : styles.like}
      onClick={() => asMember(() => like.mutate(!isLiked))}
    />
  );
}

interface CommentMenuProps {
  comment: Comment;
  post: Post;
  onEdit: () => void;
  onDialog: (dialog: Dialog) => void;
}

/** Authors edit and delete their comments, and delete those on their posts; others report them. */
function CommentMenu({ comment, post, onEdit, onDialog }: CommentMenuProps) {
  const t = useTexts("compose");
  const posts = useTexts("posts");
  const common = useTexts("common");
  const me = useMe();
  if (!me) return null;
  const isMine = comment.author?.id === me.id;
  const mayDelete = isMine || post.author.id === me.id;
  return (
    <Menu
      label={t("comment_menu")}
      items={[
        isMine && { label: common("edit"), icon: Pencil, onSelect: onEdit },
        isMine &&
          comment.edited_at !== null && {
            label: t("revisions"),
            icon: History,
            onSelect: () => onDialog("revisions"),
          },
        mayDelete && { label: common("delete"), icon: Trash2, danger: true, onSelect: () => onDialog("delete") },
        !isMine && { label: posts("report"), icon: Flag, danger: true, onSelect: () => onDialog("report") },
      ]}
    />
  );
}
