import type { Message } from "@blegram/client";
import { SendHorizontal, X } from "lucide-react";
import {
  type ClipboardEvent,
  type FormEvent,
  type KeyboardEvent,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { useTexts } from "../../i18n";
import { IconButton } from "../../ui/button";
import { hasTouchKeyboard } from "../../ui/media-query";
import { toast } from "../../ui/toast";
import { PhotoPicker } from "../media/photo-picker";
import { useInstance } from "../session/session";
import { AttachmentTiles } from "./attachment-tiles";
import { useAttachments } from "./attachments";
import styles from "./composer.module.css";
import { isComposing } from "./composing";
import { type ComposerDraft, readDraft, saveDraft } from "./drafts";
import { summaryOf } from "./names";
import { lengthOf } from "./text-length";

/** As many as the server allows in a message. */
const MOST_IMAGES = 10;

interface ComposerProps {
  conversation: string;
  me: string;
  /** The message that is edited, instead of writing a new one. */
  edited?: Message | undefined;
  replyTo?: Message | undefined;
  onReplyTo: (message: Message | undefined) => void;
  onCancelEdit: () => void;
  onTyping: () => void;
  /** Fails if the message could not be accepted; it stays in the composer then. */
  onSend: (draft: ComposerDraft) => Promise<void>;
}

/** Where messages are written. What was written is stored until it is sent. */
export function Composer(props: ComposerProps) {
  const { conversation, me, edited, replyTo, onReplyTo, onCancelEdit, onTyping, onSend } = props;
  const t = useTexts("chat");
  const { limits } = useInstance();
  const field = useRef<HTMLTextAreaElement>(null);
  const [draft] = useState(() => (edited ? undefined : readDraft(me, conversation)));
  const [text, setText] = useState(edited?.text ?? draft?.text ?? "");
  const images = useAttachments(draft?.media ?? []);
  const { media } = images;
  const isWaiting = useRef(false);

  const mediaIds = media.map(({ id }) => id).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: images are the same if their ids are
  useEffect(() => {
    if (!edited) saveDraft(me, conversation, { text, media, replyTo });
  }, [edited, me, conversation, text, mediaIds, replyTo]);
  useFocus(field, Boolean(edited), replyTo);
  useGrow(field, text);

  const length = lengthOf(text, { maxChars: limits.message_max_chars, maxBytes: limits.message_max_bytes });
  const isEmpty = text.trim() === "" && media.length === 0;
  const canSend = !isEmpty && !length.isTooLong && images.isReady;

  const send = () => {
    // The field has more than the state while a syllable is being composed.
    const content: ComposerDraft = { text: (field.current?.value ?? text).normalize("NFC"), media, replyTo };
    if (!canSend) return;
    setText("");
    images.clear();
    onReplyTo(undefined);
    onSend(content).catch(() => {
      setText((typed) => typed || content.text);
      images.restore(content.media);
    });
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    // Ends the composition of the last syllable, which would otherwise appear again in the empty field.
    if (isWaiting.current) {
      field.current?.blur();
      field.current?.focus();
    }
    send();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (isComposing(event)) return;
    if (event.key === "Enter" && !event.shiftKey && !hasTouchKeyboard()) {
      event.preventDefault();
      send();
    } else if (event.key === "Escape" && (edited || replyTo)) {
      event.preventDefault();
      if (edited) onCancelEdit();
      else onReplyTo(undefined);
    }
  };
  const addFiles = (files: File[]) => {
    const room = MOST_IMAGES - images.attachments.length;
    if (files.length > room) toast(t("too_many_images", { limit: MOST_IMAGES }));
    images.add(files.slice(0, room));
  };
  const onPaste = (event: ClipboardEvent) => {
    const files = [...event.clipboardData.files].filter(({ type }) => type.startsWith("image/"));
    if (edited || files.length === 0) return;
    event.preventDefault();
    addFiles(files);
  };
  return (
    <div className={styles.composer}>
      {edited && (
        <Banner title={t("editing")} text={summaryOf(edited, t)} cancel={t("cancel_edit")} onCancel={onCancelEdit} />
      )}
      {!edited && replyTo && (
        <Banner
          title={t("replying_to", { name: replyTo.sender?.display_name ?? t("deleted_account") })}
          text={summaryOf(replyTo, t)}
          cancel={t("cancel_reply")}
          onCancel={() => onReplyTo(undefined)}
        />
      )}
      {images.attachments.length > 0 && (
        <AttachmentTiles
          attachments={images.attachments}
          onRemove={images.remove}
          onRetry={images.retry}
          onDescribed={images.replace}
        />
      )}
      <form className={styles.line} onSubmit={submit}>
        {!edited && <PhotoPicker label={t("add_images")} onPick={addFiles} />}
        <textarea
          ref={field}
          rows={1}
          dir="auto"
          aria-label={t("message")}
          placeholder={t("write")}
          aria-invalid={length.isTooLong}
          value={text}
          onChange={({ target }) => {
            setText(target.value);
            if (!edited && target.value.trim()) onTyping();
          }}
          onKeyDown={onKeyDown}
          onPaste={onPaste}
          onCompositionStart={() => {
            isWaiting.current = true;
          }}
          onCompositionEnd={() => {
            isWaiting.current = false;
          }}
        />
        <button
          type="submit"
          className={styles.send}
          aria-label={t("send")}
          title={t("send")}
          disabled={!canSend}
          // The keyboard of a phone stays.
          onPointerDown={(event) => event.preventDefault()}
        >
          <SendHorizontal size={20} aria-hidden />
        </button>
      </form>
      <p className={`${styles.counter} ${length.isTooLong ? styles.over : ""}`} role="status">
        {length.near === "chars" && t("chars_left", { count: length.chars, limit: limits.message_max_chars })}
        {length.near === "bytes" &&
          t("bytes_left", { count: round(length.bytes / 1024), limit: round(limits.message_max_bytes / 1024) })}
      </p>
    </div>
  );
}

const round = (kilobytes: number) => Math.ceil(kilobytes * 10) / 10;

interface BannerProps {
  title: string;
  text: string;
  cancel: string;
  onCancel: () => void;
}

/** What the text is for, above the field. */
function Banner({ title, text, cancel, onCancel }: BannerProps) {
  return (
    <div className={styles.banner}>
      <span className={styles.about}>
        <strong>{title}</strong>
        <span className="faint" dir="auto">
          {text}
        </span>
      </span>
      <IconButton icon={X} label={cancel} size={18} onClick={onCancel} />
    </div>
  );
}

/** The field has the focus on desks when it is opened, and everywhere when the user wants to reply or edit. */
function useFocus(field: { current: HTMLTextAreaElement | null }, isEdit: boolean, replyTo: Message | undefined): void {
  const isFirst = useRef(true);
  useEffect(() => {
    const isWanted = isFirst.current ? isEdit || !hasTouchKeyboard() : replyTo !== undefined;
    isFirst.current = false;
    if (!isWanted) return;
    field.current?.focus({ preventScroll: true });
    const end = field.current?.value.length ?? 0;
    field.current?.setSelectionRange(end, end);
  }, [field, isEdit, replyTo]);
}

/** The field is as high as its text, up to a part of the screen. */
function useGrow(field: { current: HTMLTextAreaElement | null }, text: string): void {
  // biome-ignore lint/correctness/useExhaustiveDependencies: the height follows the text
  useLayoutEffect(() => {
    const { current } = field;
    if (!current) return;
    current.style.height = "auto";
    current.style.height = `${current.scrollHeight}px`;
  }, [field, text]);
}
