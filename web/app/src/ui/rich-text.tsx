import { Fragment } from "react";
import { Link } from "react-router";
import styles from "./rich-text.module.css";
import { splitText } from "./split-text";

interface RichTextProps {
  text: string;
  /** The hashtags that the server has found; by default everything that looks like one. */
  hashtags?: readonly string[];
  /** The users that the server has found; without them, no name is a link. */
  mentions?: readonly { username: string }[];
}

/** A text of a user: line breaks stay, and addresses, hashtags and mentions are links. Everything else is text. */
export function RichText({ text, hashtags, mentions }: RichTextProps) {
  const usernames = mentions?.map(({ username }) => username);
  return (
    <span className={styles.text} dir="auto">
      {splitText(text, hashtags, usernames).map((part) => (
        <Fragment key={part.at}>
          {part.kind === "text" && part.text}
          {part.kind === "url" && (
            <a href={part.to} className="link" target="_blank" rel="nofollow ugc noopener noreferrer">
              {part.text}
            </a>
          )}
          {part.kind === "page" && (
            <Link to={part.to} className={`link ${styles.name}`}>
              {part.text}
            </Link>
          )}
        </Fragment>
      ))}
    </span>
  );
}
