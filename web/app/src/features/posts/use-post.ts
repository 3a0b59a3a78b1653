import type { Post } from "@blegram/client";
import { useQuery } from "@tanstack/react-query";
import { type Loaded, queries } from "../../query";
import { blegram } from "../../site";
import { changePost, postKey } from "./cache";

/** A post; one that a list has already is shown at once, and loaded again. */
export function usePost(id: string) {
  return useQuery({
    queryKey: postKey(id),
    queryFn: async ({ signal }) => {
      const post = await blegram.posts.get(id, { signal });
      changePost(id, () => post);
      return post;
    },
    initialData: () => findPost(id),
    initialDataUpdatedAt: 0,
    refetchOnWindowFocus: true,
  });
}

function findPost(id: string): Post | undefined {
  for (const [, data] of queries.getQueriesData<Loaded<Post>>({ queryKey: ["posts"] })) {
    const found = data?.pages.flatMap(({ items }) => items).find((post) => post.id === id);
    if (found) return found;
  }
  return undefined;
}
