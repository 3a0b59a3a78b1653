import type { Conversation } from "@blegram/client";
import type { UseInfiniteQueryResult } from "@tanstack/react-query";
import { MessageCircle, SquarePen } from "lucide-react";
import { lazy, Suspense, useEffect, useLayoutEffect, useRef, useState } from "react";
import { VList, type VListHandle } from "virtua";
import { useTexts } from "../../i18n";
import { itemsOf, type Loaded } from "../../query";
import { Button, IconButton } from "../../ui/button";
import { Empty, Failure, Skeleton, Spinner } from "../../ui/states";
import { setTitle } from "../../ui/title";
import styles from "./conversation-list.module.css";
import { ConversationRow } from "./conversation-row";

const NewConversation = lazy(() => import("./new-conversation"));

interface ConversationListProps {
  query: UseInfiniteQueryResult<Loaded<Conversation>>;
  me: string;
  /** The conversation that is shown beside the list. */
  current: string | undefined;
}

/** Load the next page when so many pixels are left. */
const AHEAD = 800;

/** Where the list was when it was left. */
let place = 0;

export function ConversationList({ query, me, current }: ConversationListProps) {
  const t = useTexts("chat");
  const common = useTexts("common");
  const [isStarting, setStarting] = useState(false);
  const list = useRef<VListHandle>(null);
  const conversations = itemsOf(query.data);
  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = query;
  const isReady = conversations.length > 0;

  useEffect(() => {
    if (!current) setTitle(common("messages"));
  }, [current, common]);
  useLayoutEffect(() => {
    if (isReady) list.current?.scrollTo(place);
  }, [isReady]);
  const onScroll = (offset: number) => {
    place = offset;
    const { scrollSize = 0, viewportSize = 0 } = list.current ?? {};
    const isNear = scrollSize - offset - viewportSize < AHEAD;
    if (isNear && hasNextPage && !isFetchingNextPage && !isFetchNextPageError) void fetchNextPage();
  };
  const Heading = current ? "h2" : "h1";
  const start = () => setStarting(true);

  return (
    <div className={styles.pane}>
      <header className={styles.header}>
        <Heading>{common("messages")}</Heading>
        <IconButton icon={SquarePen} label={t("new_chat")} onClick={start} />
      </header>
      {query.isPending && <Skeletons />}
      {query.isError && !isReady && <Failure error={query.error} onRetry={() => void query.refetch()} />}
      {query.isSuccess && !isReady && (
        <Empty icon={MessageCircle} title={t("no_conversations")}>
          <p>{t("no_conversations_more")}</p>
          <Button kind="primary" onClick={start}>
            {t("new_chat")}
          </Button>
        </Empty>
      )}
      {isReady && (
        <nav className={styles.list} aria-label={t("conversations")}>
          <VList ref={list} onScroll={onScroll} tabIndex={-1}>
            {conversations.map((conversation) => (
              <ConversationRow
                key={conversation.id}
                conversation={conversation}
                me={me}
                isCurrent={conversation.id === current}
              />
            ))}
            {isFetchingNextPage && <Spinner key="loading" />}
            {isFetchNextPageError && <Failure key="failure" error={query.error} onRetry={() => void fetchNextPage()} />}
            {hasNextPage && !isFetchingNextPage && !isFetchNextPageError && (
              <Button key="more" kind="quiet" wide onClick={() => void fetchNextPage()}>
                {common("load_more")}
              </Button>
            )}
          </VList>
        </nav>
      )}
      {isStarting && (
        <Suspense>
          <NewConversation onClose={() => setStarting(false)} />
        </Suspense>
      )}
    </div>
  );
}

function Skeletons() {
  return (
    <div className={styles.skeletons} aria-hidden>
      {[70, 45, 60, 80, 50].map((width) => (
        <div key={width}>
          <Skeleton height={48} width={48} round />
          <span>
            <Skeleton height={14} width="40%" />
            <Skeleton height={12} width={`${width}%`} />
          </span>
        </div>
      ))}
    </div>
  );
}
