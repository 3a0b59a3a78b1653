import styles from "./avatar.module.css";

interface AvatarProps {
  user: { id: string; display_name: string; username: string; avatar_url: string | null };
  size?: number;
  /** A dot: the user is online. */
  online?: boolean | undefined;
}

/** The picture of a user, or the first letter of the name. The name is beside it, so it says nothing to screen readers. */
export function Avatar({ user, size = 40, online }: AvatarProps) {
  const letter = [...new Intl.Segmenter().segment(user.display_name || user.username)][0]?.segment ?? "";
  return (
    <span className={styles.avatar} style={{ width: size, height: size, fontSize: size * 0.45 }} aria-hidden>
      {user.avatar_url ? (
        <img src={user.avatar_url} alt="" width={size} height={size} loading="lazy" decoding="async" />
      ) : (
        <span className={styles.letter} style={{ "--hue": hue(user.id) } as React.CSSProperties}>
          {letter.toUpperCase()}
        </span>
      )}
      {online && <span className={styles.online} />}
    </span>
  );
}

/** A colour that stays with the user. */
function hue(id: string): number {
  return Number.parseInt(id.slice(-4), 16) % 360;
}
