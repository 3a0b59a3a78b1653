import { Camera } from "lucide-react";
import { SearchField } from "../features/discovery/search-field";
import { SuggestedUsers } from "../features/discovery/suggested-users";
import { Trends } from "../features/discovery/trends";
import { PostViews } from "../features/people/post-views";
import { postsKey } from "../features/posts/cache";
import { useTexts } from "../i18n";
import { blegram } from "../site";
import { useIsWide } from "../ui/media-query";
import { Page } from "../ui/page";

/** What there is to see beyond the accounts that one follows. */
export default function Explore() {
  const t = useTexts("discovery");
  // Then they are beside the page.
  const isWide = useIsWide();
  return (
    <Page title={t("explore")} heading={<SearchField />}>
      {!isWide && (
        <>
          <Trends />
          <SuggestedUsers layout="cards" />
        </>
      )}
      <PostViews
        queryKey={postsKey("public")}
        list={(query, options) => blegram.timelines.public(query, options)}
        label={t("everyone")}
        icon={Camera}
        empty={{ title: t("no_posts") }}
      />
    </Page>
  );
}
