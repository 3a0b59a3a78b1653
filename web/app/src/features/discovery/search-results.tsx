import type { Hashtag } from "@blegram/client";
import { Hash, SearchX } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { useTexts } from "../../i18n";
import { usePages } from "../../query";
import { blegram } from "../../site";
import { PageList } from "../../ui/page-list";
import { Empty } from "../../ui/states";
import { TabLinks } from "../../ui/tab-links";
import { usersKey } from "../people/cache";
import { UserList } from "../people/user-list";
import { postsKey } from "../posts/cache";
import { PostList } from "../posts/post-list";
import { Highlighted } from "./highlighted";
import { KINDS, type Kind, searchAddress } from "./search-address";
import styles from "./search-results.module.css";

interface SearchResultsProps {
  text: string;
  kind: Kind;
}

/** What a search has found, by kind. The server adds each search to the recent ones. */
export function SearchResults({ text, kind }: SearchResultsProps) {
  const t = useTexts("discovery");
  const label = t("results_for", { text });
  const empty = (
    <Empty icon={SearchX} title={t(`none_${kind}`, { text })}>
      <p>{t(`try_${kind}`)}</p>
    </Empty>
  );
  return (
    <>
      <TabLinks
        label={label}
        tabs={KINDS.map((each) => ({ to: searchAddress(text, each), label: t(each), isCurrent: each === kind }))}
      />
      <Highlighted query={text}>
        {kind === "posts" && (
          <PostList
            queryKey={postsKey("search", text)}
            list={(query, options) => blegram.discovery.searchPosts({ q: text, ...query }, options)}
            label={label}
            empty={empty}
          />
        )}
        {kind === "users" && (
          <UserList
            queryKey={usersKey("search", text)}
            list={(query, options) => blegram.discovery.searchUsers({ q: text, ...query }, options)}
            label={label}
            empty={empty}
          />
        )}
        {kind === "hashtags" && <Hashtags text={text} label={label} empty={empty} />}
      </Highlighted>
    </>
  );
}

function Hashtags({ text, label, empty }: { text: string; label: string; empty: ReactNode }) {
  const t = useTexts("discovery");
  const query = usePages<Hashtag>(["hashtags", "search", text], (page, options) =>
    blegram.discovery.searchHashtags({ q: text, ...page }, options),
  );
  return (
    <PageList query={query} keyOf={({ name }) => name} label={label} empty={empty}>
      {({ name, post_count: count }) => (
        <Link to={`/tags/${encodeURIComponent(name)}`} className={styles.hashtag}>
          <span className={styles.symbol}>
            <Hash size={20} aria-hidden />
          </span>
          <span className={styles.names}>
            <strong dir="auto">#{name}</strong>
            <span className="faint">{t("post_count", { count })}</span>
          </span>
        </Link>
      )}
    </PageList>
  );
}
