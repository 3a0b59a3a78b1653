// Which topic of the gateway belongs to which list of posts.

import { postsKey } from "./cache";

const TIMELINES = ["home", "public"];
const NAMES: Record<string, string> = { tag: "hashtag", user: "user" };

/** The topic of a list of posts by its key: those that are sorted by time have one. */
export function topicOf([, list, of, ...more]: readonly unknown[]): string | undefined {
  if (typeof list !== "string" || more.length > 0) return undefined;
  if (TIMELINES.includes(list) && of === undefined) return `timeline:${list}`;
  const name = NAMES[list];
  return name && typeof of === "string" ? `${name}:${of}` : undefined;
}

/** The key of the list with a topic. */
export function listOf(topic: string): readonly unknown[] | undefined {
  const colon = topic.indexOf(":");
  const [name, of] = [topic.slice(0, colon), topic.slice(colon + 1)];
  if (name === "timeline") return postsKey(of);
  const [list] = Object.entries(NAMES).find(([, known]) => known === name) ?? [];
  return list ? postsKey(list, of) : undefined;
}
