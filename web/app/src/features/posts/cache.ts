// Posts in the query cache: `["post", id]` is one, and every list of posts has a key that begins with `["posts"]`.

import type { Post } from "@blegram/client";
import { changeItems, type Loaded, queries } from "../../query";

export const postKey = (id: string) => ["post", id] as const;
/** `postsKey("home")`, `postsKey("user", id)`, … */
export const postsKey = (...list: string[]) => ["posts", ...list] as const;

/** Changes a post wherever it is shown; `undefined` removes it. */
export function changePost(id: string, change: (post: Post) => Post | undefined): void {
  const changeIt = (post: Post) => (post.id === id ? change(post) : post);
  queries.setQueriesData<Loaded<Post>>({ queryKey: ["posts"] }, (data) => data && changeItems(data, changeIt));
  const one = queries.getQueryData<Post>(postKey(id));
  const changed = one && change(one);
  if (changed) queries.setQueryData(postKey(id), changed);
  else if (one) void queries.invalidateQueries({ queryKey: postKey(id) });
}
