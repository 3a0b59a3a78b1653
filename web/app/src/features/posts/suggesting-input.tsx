import {
  type ClipboardEvent,
  type KeyboardEvent,
  type Ref,
  useEffect,
  useId,
  useImperativeHandle,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { useTexts } from "../../i18n";
import styles from "./suggesting-input.module.css";
import { Suggestions } from "./suggestions";
import { complete, type Token, tokenAt } from "./token";
import { useSuggestions } from "./use-suggestions";

interface SuggestingInputProps {
  label: string;
  value: string;
  onChange: (text: string) => void;
  placeholder?: string;
  /** Called by Ctrl+Enter or ⌘+Enter, and by Enter where `isSentByEnter`; never while a syllable is composed. */
  onSubmit?: () => void;
  isSentByEnter?: boolean;
  onPaste?: (event: ClipboardEvent) => void;
  invalid?: boolean;
  describedBy?: string;
  rows?: number;
  autoFocus?: boolean;
  readOnly?: boolean;
  ref?: Ref<{ focus: () => void }>;
}

/** A text that grows with its lines and suggests names after `@` and hashtags after `#`. */
export function SuggestingInput({ value, onChange, onSubmit, isSentByEnter = false, ...props }: SuggestingInputProps) {
  const t = useTexts("compose");
  const id = useId();
  const input = useRef<HTMLTextAreaElement>(null);
  /** A suggestion is being pressed. */
  const isChoosing = useRef(false);
  /** Where to put the caret when the completed text is rendered. */
  const caret = useRef<number>(undefined);
  const [token, setToken] = useState<Token>();
  const [chosen, setChosen] = useState(0);
  const suggestions = useSuggestions(token);
  const isOpen = token !== undefined && suggestions.length > 0;
  useImperativeHandle(props.ref, () => ({ focus: () => input.current?.focus() }));
  useGrowing(input, value);

  useLayoutEffect(() => {
    if (caret.current === undefined) return;
    input.current?.focus();
    input.current?.setSelectionRange(caret.current, caret.current);
    caret.current = undefined;
  });
  useEffect(() => {
    if (props.autoFocus) input.current?.focus();
  }, [props.autoFocus]);

  const look = () => {
    const { current } = input;
    if (!current) return;
    setToken(
      current.selectionStart === current.selectionEnd ? tokenAt(current.value, current.selectionEnd) : undefined,
    );
    setChosen(0);
  };
  const choose = (name: string) => {
    const { current } = input;
    isChoosing.current = false;
    if (!token || !current) return;
    // What the user sees, also if the input method has just finished a syllable.
    const done = complete(current.value, token, current.selectionEnd, name);
    caret.current = done.caret;
    setToken(undefined);
    onChange(done.text);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // Keys of an input method are not for the app: Enter ends a syllable. Safari reports it as 229, after `compositionend`.
    if (event.nativeEvent.isComposing || event.keyCode === 229) return;
    const suggestion = isOpen ? suggestions[chosen] : undefined;
    if (suggestion) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) setChosen((chosen + step + suggestions.length) % suggestions.length);
      else if ((event.key === "Enter" && !event.ctrlKey && !event.metaKey) || event.key === "Tab")
        choose(suggestion.name);
      else if (event.key === "Escape") {
        setToken(undefined);
        event.stopPropagation();
      } else return;
      event.preventDefault();
    } else if (event.key === "Enter" && onSubmit) {
      if (!(event.ctrlKey || event.metaKey || (isSentByEnter && !event.shiftKey))) return;
      event.preventDefault();
      onSubmit();
    }
  };

  return (
    <div className={styles.box}>
      <textarea
        ref={input}
        value={value}
        rows={props.rows ?? 1}
        dir="auto"
        aria-label={props.label}
        placeholder={props.placeholder}
        readOnly={props.readOnly}
        aria-invalid={props.invalid || undefined}
        aria-describedby={props.describedBy}
        aria-autocomplete="list"
        aria-controls={isOpen ? id : undefined}
        aria-activedescendant={isOpen ? `${id}-${chosen}` : undefined}
        autoComplete="off"
        onChange={(event) => {
          onChange(event.target.value);
          look();
        }}
        onKeyDown={onKeyDown}
        onKeyUp={(event) => ["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key) && look()}
        onClick={look}
        onBlur={() => !isChoosing.current && setToken(undefined)}
        onPaste={props.onPaste}
        onCompositionEnd={look}
      />
      {isOpen && (
        <Suggestions
          id={id}
          suggestions={suggestions}
          chosen={chosen}
          onPress={() => {
            // Without the focus, the input method writes the syllable into the text, and does not write it again later.
            isChoosing.current = true;
            input.current?.blur();
          }}
          onChoose={choose}
        />
      )}
      <span role="status" className="spoken">
        {isOpen && t("suggestions", { count: suggestions.length })}
      </span>
    </div>
  );
}

/** The input is as high as its text; the style limits it. */
function useGrowing(input: React.RefObject<HTMLTextAreaElement | null>, value: string): void {
  // biome-ignore lint/correctness/useExhaustiveDependencies: measured again for each text
  useLayoutEffect(() => {
    const { current } = input;
    if (!current) return;
    current.style.height = "auto";
    current.style.height = `${current.scrollHeight + current.offsetHeight - current.clientHeight}px`;
  }, [input, value]);
}
