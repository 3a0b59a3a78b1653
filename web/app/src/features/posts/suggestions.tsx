import { Hash } from "lucide-react";
import { useTexts } from "../../i18n";
import { Avatar } from "../../ui/avatar";
import styles from "./suggesting-input.module.css";
import type { Suggestion } from "./use-suggestions";

interface SuggestionsProps {
  id: string;
  suggestions: Suggestion[];
  chosen: number;
  /** A finger or the mouse is on a suggestion. */
  onPress: () => void;
  onChoose: (name: string) => void;
}

/** The names or hashtags that may be meant. The focus stays in the text. */
export function Suggestions({ id, suggestions, chosen, onPress, onChoose }: SuggestionsProps) {
  const t = useTexts("compose");
  const posts = useTexts("posts");
  return (
    <div id={id} role="listbox" aria-label={t("suggestions", { count: suggestions.length })} className={styles.list}>
      {suggestions.map((suggestion, index) => (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the text has the keys
        // biome-ignore lint/a11y/useFocusableInteractive: the text has the focus
        <div
          key={suggestion.name}
          id={`${id}-${index}`}
          role="option"
          aria-selected={index === chosen}
          className={styles.option}
          onPointerDown={(event) => {
            event.preventDefault();
            onPress();
          }}
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => onChoose(suggestion.name)}
        >
          {suggestion.user ? <Avatar user={suggestion.user} size={32} /> : <Hash size={20} aria-hidden />}
          <span>
            <strong>{suggestion.user ? suggestion.user.display_name : `#${suggestion.name}`}</strong>
            <span className="faint">
              {suggestion.user ? `@${suggestion.name}` : posts("posts", { count: suggestion.posts })}
            </span>
          </span>
        </div>
      ))}
    </div>
  );
}
