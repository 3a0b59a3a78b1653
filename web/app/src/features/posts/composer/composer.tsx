import { type ClipboardEvent, type DragEvent, useId, useState, useSyncExternalStore } from "react";
import { useTexts } from "../../../i18n";
import { useProblemText } from "../../../problems";
import { Avatar } from "../../../ui/avatar";
import { toast } from "../../../ui/toast";
import { PhotoPicker } from "../../media/photo-picker";
import { useInstance, useMe } from "../../session/session";
import { charsText } from "../chars-text";
import { charsLeft } from "../count";
import { SuggestingInput } from "../suggesting-input";
import styles from "./composer.module.css";
import type { Visibility } from "./draft-store";
import type { Editor } from "./editor";
import { PhotoRows } from "./photo-rows";

interface ComposerProps {
  /** Of the form, for the button that sends it. */
  id: string;
  editor: Editor;
  /** Called if the post can be sent. */
  onSubmit: () => void;
  /** Why it was not sent. */
  error: unknown;
}

/** The text, the photos and the audience of a post. */
export function Composer({ id, editor, onSubmit, error }: ComposerProps) {
  const t = useTexts("compose");
  const me = useMe();
  const { features } = useInstance();
  const problemText = useProblemText();
  const { text, photos } = useContent(editor);
  const { left, canSend } = useCheck(editor);
  const files = usePhotoFiles(editor);
  const note = useId();
  const submit = () => canSend && onSubmit();
  return (
    <form
      id={id}
      className={`${styles.composer} ${files.isOver ? styles.over : ""}`}
      {...files.handlers}
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <div className={styles.text}>
        {me && <Avatar user={me} />}
        <SuggestingInput
          label={t("text")}
          placeholder={t("text_placeholder")}
          value={text}
          onChange={(next) => editor.change({ text: next })}
          onSubmit={submit}
          onPaste={files.onPaste}
          invalid={left < 0}
          describedBy={note}
          rows={4}
          autoFocus
        />
      </div>
      <PhotoRows editor={editor} photos={photos} />
      {error !== null && (
        <p role="alert" className={styles.error}>
          {problemText(error)}
          {editor.isUncertain && ` ${t("sent_once")}`}
        </p>
      )}
      <div className={styles.tools}>
        {features.media && <PhotoPicker label={t("add_photos")} onPick={files.add} disabled={files.room === 0} />}
        <Audience editor={editor} />
        <span id={note} className={left < 0 ? styles.tooLong : styles.left}>
          <span aria-hidden>{left}</span>
          <span className="spoken">{charsText(t, left)}</span>
        </span>
      </div>
      {files.isOver && <p className={styles.drop}>{t("drop_photos")}</p>}
    </form>
  );
}

export const useContent = (editor: Editor) => useSyncExternalStore(editor.subscribe, editor.snapshot);

/** Whether the server would accept the post. */
export function useCheck(editor: Editor) {
  const { limits } = useInstance();
  const { text, photos } = useContent(editor);
  const left = charsLeft(text, { chars: limits.post_max_chars, bytes: limits.post_max_bytes });
  const isEmpty = text.trim() === "" && photos.length === 0;
  const isTooLong = left < 0 || photos.some(({ alt }) => charsLeft(alt, altLimit(limits)) < 0);
  return { left, isEmpty, canSend: !isEmpty && !isTooLong && editor.isReady };
}

export const altLimit = ({ alt_max_chars }: { alt_max_chars: number }) => ({
  chars: alt_max_chars,
  bytes: Number.POSITIVE_INFINITY,
});

/** Photos that are picked, dropped or pasted, as many as a post can have. */
function usePhotoFiles(editor: Editor) {
  const t = useTexts("compose");
  const { limits } = useInstance();
  const { photos } = useContent(editor);
  const [isOver, setOver] = useState(false);
  const room = limits.post_max_media - photos.length;
  const add = (files: File[]) => {
    if (files.length > room) toast(t("too_many_photos", { count: limits.post_max_media }));
    if (room > 0 && files.length > 0) editor.add(files.slice(0, room));
  };
  const hasFiles = ({ dataTransfer }: DragEvent) => dataTransfer.types.includes("Files");
  return {
    add,
    room,
    isOver,
    onPaste: (event: ClipboardEvent) => {
      const files = [...event.clipboardData.files];
      if (files.length === 0) return;
      event.preventDefault();
      add(files);
    },
    handlers: {
      onDragOver: (event: DragEvent) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        setOver(true);
      },
      onDragLeave: (event: DragEvent) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOver(false);
      },
      onDrop: (event: DragEvent) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        setOver(false);
        add([...event.dataTransfer.files]);
      },
    },
  };
}

const AUDIENCES: Visibility[] = ["public", "followers"];

/** Who can see the post. */
function Audience({ editor }: { editor: Editor }) {
  const t = useTexts("compose");
  const posts = useTexts("posts");
  const { visibility } = useContent(editor);
  return (
    <select
      className={styles.audience}
      aria-label={t("audience")}
      value={visibility}
      onChange={({ target }) => editor.change({ visibility: target.value as Visibility })}
    >
      {AUDIENCES.map((audience) => (
        <option key={audience} value={audience}>
          {posts(`for_${audience}`)}
        </option>
      ))}
    </select>
  );
}
