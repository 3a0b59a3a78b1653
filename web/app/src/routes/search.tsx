import { useSearchParams } from "react-router";
import { RecentSearchList } from "../features/discovery/recent-search-list";
import { kindOf } from "../features/discovery/search-address";
import { SearchField } from "../features/discovery/search-field";
import { SearchResults } from "../features/discovery/search-results";
import { searchTextOf } from "../features/discovery/search-text";
import { Trends } from "../features/discovery/trends";
import { useTexts } from "../i18n";
import { useIsWide } from "../ui/media-query";
import { Page } from "../ui/page";

/** `/search?q=…&type=…`; without a text, what was searched for before. */
export default function SearchPage() {
  const t = useTexts("discovery");
  const isWide = useIsWide();
  const [params] = useSearchParams();
  const text = searchTextOf(params.get("q") ?? "");
  const kind = kindOf(params.get("type"), text);
  return (
    <Page
      title={text ? t("results_for", { text }) : t("search")}
      heading={<SearchField key={text} initial={text} isFocused={!text} hasRecent={Boolean(text)} />}
      back
    >
      {text ? (
        <SearchResults key={`${kind} ${text}`} text={text} kind={kind} />
      ) : (
        <>
          <RecentSearchList />
          {!isWide && <Trends />}
        </>
      )}
    </Page>
  );
}
