// The rules of usernames while they are typed. The server decides: names that look alike, are reserved or taken are its matter.

/** What is wrong with a username; the key of its text. */
export type UsernameProblem = "username_characters" | "username_dots" | "username_short" | "username_long";

interface Limits {
  username_min_chars: number;
  username_max_chars: number;
}

/** The username that is stored: in NFC and lower case, without the `@` that people put before names. */
export const normalizeUsername = (raw: string) => raw.trim().replace(/^@/, "").normalize("NFC").toLowerCase();

/** The first rule that a username violates. */
export function usernameProblem(raw: string, limits: Limits): UsernameProblem | undefined {
  const name = normalizeUsername(raw);
  if (!/^[a-z0-9._가-힣]*$/.test(name)) return "username_characters";
  if (/^\.|\.\.|\.$/.test(name)) return "username_dots";
  if (name.length < limits.username_min_chars) return "username_short";
  if (name.length > limits.username_max_chars) return "username_long";
  return undefined;
}
