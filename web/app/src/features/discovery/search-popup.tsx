import { Hash, Search } from "lucide-react";
import { type ReactNode, useEffect } from "react";
import { useTexts } from "../../i18n";
import { Avatar } from "../../ui/avatar";
import { Marked } from "./marked";
import styles from "./search-field.module.css";
import type { SearchOption } from "./search-options";

interface SearchPopupProps {
  /** Begins the ids of the options. */
  id: string;
  options: SearchOption[];
  /** The key of the option that Enter opens. */
  active: string | undefined;
  /** What is searched for. */
  text: string;
  onChoose: (option: SearchOption) => void;
}

/** What a search field suggests. The focus stays in the field, which says which option is active. */
export function SearchPopup({ id, options, active, text, onChoose }: SearchPopupProps) {
  const t = useTexts("discovery");
  useEffect(() => {
    if (active) document.getElementById(`${id}-${active}`)?.scrollIntoView({ block: "nearest" });
  }, [id, active]);

  const group = (kind: SearchOption["kind"], label: string) => {
    const members = options.filter((option) => option.kind === kind);
    if (members.length === 0) return null;
    return (
      // biome-ignore lint/a11y/useSemanticElements: a fieldset is not allowed in a list of options
      <div role="group" aria-labelledby={`${id}-group-${kind}`}>
        <div id={`${id}-group-${kind}`} className={kind === "search" ? "spoken" : styles.group}>
          {label}
        </div>
        {members.map((option) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the field has the keys
          <div
            key={option.key}
            id={`${id}-${option.key}`}
            role="option"
            // It is reached by the arrows of the field.
            tabIndex={-1}
            aria-selected={option.key === active}
            className={styles.option}
            // The field does not lose the focus.
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => onChoose(option)}
          >
            <Content option={option} text={text} searchLabel={t("search_for", { text })} />
          </div>
        ))}
      </div>
    );
  };
  const count = options.length - 1;
  return (
    <>
      <p role="status" className="spoken">
        {options.length > 0 && t("suggestions_count", { count })}
      </p>
      <div
        id={`${id}-options`}
        role="listbox"
        aria-label={t("suggestions")}
        className={styles.popup}
        hidden={options.length === 0}
      >
        {group("search", t("search"))}
        {group("user", t("people"))}
        {group("hashtag", t("hashtags"))}
      </div>
    </>
  );
}

function Content({
  option,
  text,
  searchLabel,
}: {
  option: SearchOption;
  text: string;
  searchLabel: string;
}): ReactNode {
  const t = useTexts("discovery");
  switch (option.kind) {
    case "search":
      return (
        <>
          <span className={styles.symbol}>
            <Search size={18} aria-hidden />
          </span>
          <span className={styles.names}>
            <strong dir="auto">{searchLabel}</strong>
          </span>
        </>
      );
    case "user":
      return (
        <>
          <Avatar user={option.user} size={36} />
          <span className={styles.names}>
            <span dir="auto">
              <Marked text={option.user.display_name} query={text} />
            </span>
            <span className="faint">
              @<Marked text={option.user.username} query={text} />
            </span>
          </span>
        </>
      );
    case "hashtag":
      return (
        <>
          <span className={styles.symbol}>
            <Hash size={18} aria-hidden />
          </span>
          <span className={styles.names}>
            <span dir="auto">
              #<Marked text={option.hashtag.name} query={text} />
            </span>
            <span className="faint">{t("post_count", { count: option.hashtag.post_count })}</span>
          </span>
        </>
      );
  }
}
