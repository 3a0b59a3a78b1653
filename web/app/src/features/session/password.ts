// The rules of new passwords while they are typed. The server estimates the strength (zxcvbn) and decides: its dictionaries are
// many times as large as this app, so here are the rules that can be said in a sentence.

/** What is wrong with a password; the key of its text. */
export type PasswordProblem = "password_short" | "password_long" | "password_repeats" | "password_name";

interface Limits {
  password_min_chars: number;
  password_max_chars: number;
}

/** The first rule that a password violates. `names` are what others know of the user. */
export function passwordProblem(
  raw: string,
  limits: Limits,
  names: readonly string[] = [],
): PasswordProblem | undefined {
  const password = raw.normalize("NFC");
  const length = passwordLength(password);
  if (length < limits.password_min_chars) return "password_short";
  if (length > limits.password_max_chars) return "password_long";
  if (isRepetitive(password.toLowerCase())) return "password_repeats";
  if (names.some((name) => isMostly(password.toLowerCase(), name.normalize("NFC").toLowerCase())))
    return "password_name";
  return undefined;
}

/** The length of a password in code points of NFC, as the server counts. */
export const passwordLength = (raw: string) => [...raw.normalize("NFC")].length;

/** `aaaaaaaaaa`, `abcabcabcabc`, `1234567890`: a few characters again and again, or one after the other. */
function isRepetitive(password: string): boolean {
  const codes = [...password].map((character) => character.codePointAt(0) ?? 0);
  const steps = codes.slice(1).filter((code, index) => Math.abs(code - (codes[index] ?? 0)) <= 1).length;
  return new Set(codes).size < 5 || steps > codes.length * 0.7;
}

/** Whether little is left of a password without the name. */
function isMostly(password: string, name: string): boolean {
  return name.length >= 3 && password.includes(name) && passwordLength(password.replaceAll(name, "")) < 6;
}
