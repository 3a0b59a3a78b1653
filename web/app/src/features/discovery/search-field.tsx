import { Search, X } from "lucide-react";
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { useNavigate } from "react-router";
import { useTexts } from "../../i18n";
import { IconButton } from "../../ui/button";
import { RecentSearchList } from "./recent-search-list";
import { kindOf, searchAddress } from "./search-address";
import styles from "./search-field.module.css";
import { neighbour, optionsOf, type SearchOption } from "./search-options";
import { SearchPopup } from "./search-popup";
import { searchTextOf } from "./search-text";
import { useSuggestions } from "./suggestions";

interface SearchFieldProps {
  /** What was searched for. */
  initial?: string;
  /** For a page that is only there to search. */
  isFocused?: boolean;
  /** Shows the recent searches while the field is empty. */
  hasRecent?: boolean;
}

/**
 * A search field with suggestions (ARIA APG, editable combobox with list autocomplete).
 *
 * The text of the field is always what the input method has put there, so a composition is never interrupted; suggestions
 * follow it. While composing, keys belong to the input method. Enter submits the form, as the browser decides: that is after
 * the last syllable is in the text.
 */
export function SearchField({ initial = "", isFocused = false, hasRecent = true }: SearchFieldProps) {
  const t = useTexts("discovery");
  const navigate = useNavigate();
  const id = useId();
  const box = useRef<HTMLFormElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(initial);
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState<string>();
  const searched = searchTextOf(text);
  const suggestions = useSuggestions(isOpen ? text : "");
  const options = isOpen && searched ? optionsOf(searched, suggestions) : [];
  const current = options.find(({ key }) => key === active);

  useEffect(() => {
    if (isFocused) input.current?.focus();
  }, [isFocused]);
  useEffect(() => {
    if (!isOpen) return;
    const outside = ({ target }: PointerEvent) => !box.current?.contains(target as Node) && setOpen(false);
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, [isOpen]);

  const close = () => {
    setOpen(false);
    setActive(undefined);
  };
  const open = (to: string) => {
    close();
    // The keyboard of a phone covers the results.
    input.current?.blur();
    navigate(to);
  };
  const search = () => {
    // The state may be one event behind what the input method has just put into the field.
    const entered = searchTextOf(input.current?.value ?? "");
    if (entered) open(searchAddress(entered, kindOf(null, entered)));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // Safari ends the composition before the key that ended it: 229 says so.
    if (event.nativeEvent.isComposing || event.keyCode === 229) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      setOpen(true);
      setActive(neighbour(options, active, event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter" && current) {
      event.preventDefault();
      open(current.to);
    } else if (event.key === "Escape") {
      event.preventDefault();
      if (isOpen) close();
      else setText("");
    }
  };
  return (
    <search>
      <form
        ref={box}
        className={styles.box}
        onSubmit={(event) => {
          event.preventDefault();
          search();
        }}
        onKeyDown={({ key, target }) => {
          // From the recent searches, back to the field; a question about them closes by itself.
          if (key !== "Escape" || target === input.current || (target as Element).closest("dialog")) return;
          input.current?.focus();
          close();
        }}
        onBlur={({ relatedTarget, currentTarget }) => {
          if (relatedTarget && !currentTarget.contains(relatedTarget)) close();
        }}
      >
        <span className={styles.field}>
          <Search size={18} aria-hidden />
          <input
            ref={input}
            type="search"
            role="combobox"
            aria-label={t("search")}
            aria-expanded={options.length > 0}
            aria-controls={`${id}-options`}
            aria-autocomplete="list"
            aria-activedescendant={current ? `${id}-${current.key}` : undefined}
            placeholder={t("search_placeholder")}
            value={text}
            dir="auto"
            autoCapitalize="none"
            autoComplete="off"
            autoCorrect="off"
            spellCheck={false}
            enterKeyHint="search"
            onFocus={() => setOpen(true)}
            onClick={() => setOpen(true)}
            onChange={({ target }) => {
              setText(target.value);
              setOpen(true);
              setActive(undefined);
            }}
            onKeyDown={onKeyDown}
          />
          {text && (
            <IconButton
              icon={X}
              size={18}
              label={t("clear")}
              onClick={() => {
                setText("");
                input.current?.focus();
              }}
            />
          )}
        </span>
        <SearchPopup
          id={id}
          options={options}
          active={current?.key}
          text={searched}
          onChoose={(option: SearchOption) => open(option.to)}
        />
        {isOpen && hasRecent && !text.trim() && (
          <div className={styles.popup}>
            <RecentSearchList onOpen={close} />
          </div>
        )}
      </form>
    </search>
  );
}
