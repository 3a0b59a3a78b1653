import type { Media } from "@blegram/client";
import { useMutation } from "@tanstack/react-query";
import { Captions, CaptionsOff, RotateCw, X } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useTexts } from "../../i18n";
import { useProblemText } from "../../problems";
import { blegram } from "../../site";
import { Button, IconButton } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { TextArea } from "../../ui/field";
import { toastError } from "../../ui/toast";
import { useInstance } from "../session/session";
import styles from "./attachment-tiles.module.css";
import type { Attachment } from "./attachments";

interface AttachmentTilesProps {
  attachments: Attachment[];
  onRemove: (key: string) => void;
  onRetry: (attachment: Attachment) => void;
  onDescribed: (media: Media) => void;
}

/** The images of a message that is being written. */
export function AttachmentTiles({ attachments, onRemove, onRetry, onDescribed }: AttachmentTilesProps) {
  const t = useTexts("chat");
  const problemText = useProblemText();
  const [described, setDescribed] = useState<Media>();
  return (
    <>
      <ul className={styles.tiles}>
        {attachments.map((attachment, index) => {
          const { key, preview, progress, media, error } = attachment;
          const number = index + 1;
          return (
            <li key={key} className={`${styles.tile} ${error === undefined ? "" : styles.failed}`}>
              <img src={preview} alt={media?.alt ?? ""} className={media ? "" : styles.pending} />
              {!media && error === undefined && (
                <progress
                  value={progress}
                  aria-label={t("uploading", { number, percent: Math.round(progress * 100) })}
                />
              )}
              {error !== undefined && (
                <IconButton
                  icon={RotateCw}
                  label={t("upload_again", { number })}
                  className={styles.action}
                  size={18}
                  onClick={() => onRetry(attachment)}
                />
              )}
              {media && (
                <IconButton
                  icon={media.alt ? Captions : CaptionsOff}
                  label={t("describe_image", { number })}
                  className={styles.action}
                  size={18}
                  onClick={() => setDescribed(media)}
                />
              )}
              <IconButton
                icon={X}
                label={t("remove_image", { number })}
                className={styles.remove}
                size={16}
                onClick={() => onRemove(key)}
              />
            </li>
          );
        })}
      </ul>
      {attachments.map(
        ({ key, error }, index) =>
          error !== undefined && (
            <p key={key} className={styles.reason} role="alert">
              {t("upload_failed", { number: index + 1 })}: {problemText(error)}
            </p>
          ),
      )}
      {described && (
        <AltDialog
          media={described}
          onClose={() => setDescribed(undefined)}
          onSaved={(media) => {
            onDescribed(media);
            setDescribed(undefined);
          }}
        />
      )}
    </>
  );
}

interface AltDialogProps {
  media: Media;
  onClose: () => void;
  onSaved: (media: Media) => void;
}

/** Describes an image for people who cannot see it. */
function AltDialog({ media, onClose, onSaved }: AltDialogProps) {
  const t = useTexts("chat");
  const common = useTexts("common");
  const { alt_max_chars } = useInstance().limits;
  const save = useMutation({
    mutationFn: (alt: string) => blegram.media.update(media.id, { alt: alt || null }),
    onSuccess: onSaved,
    onError: toastError,
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    save.mutate(String(new FormData(event.currentTarget).get("alt")).trim());
  };
  return (
    <Dialog title={t("alt")} onClose={onClose}>
      <form onSubmit={submit}>
        <TextArea
          name="alt"
          label={t("alt")}
          hint={t("alt_hint")}
          defaultValue={media.alt ?? ""}
          maxLength={alt_max_chars}
          dir="auto"
        />
        <Button type="submit" kind="primary" wide busy={save.isPending}>
          {common("save")}
        </Button>
      </form>
    </Dialog>
  );
}
