import styles from "./marked.module.css";
import { matchesIn } from "./matches";

/** A text with the words of a search marked. */
export function Marked({ text, query }: { text: string; query: string }) {
  const matches = matchesIn(text, query);
  return (
    <bdi>
      {matches.map(({ from, to }, index) => (
        <span key={from}>
          {text.slice(matches[index - 1]?.to ?? 0, from)}
          <mark className={styles.match}>{text.slice(from, to)}</mark>
        </span>
      ))}
      {text.slice(matches.at(-1)?.to ?? 0)}
    </bdi>
  );
}
