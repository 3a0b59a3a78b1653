import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { useTexts } from "../../i18n";
import { blegram } from "../../site";
import styles from "./trends.module.css";

const MOST = 10;

const useTrends = () =>
  useQuery({
    queryKey: ["trends"],
    queryFn: async ({ signal }) =>
      (await blegram.discovery.listTrendingHashtags({ limit: MOST }, { signal }).page()).items,
    staleTime: 5 * 60_000,
  }).data ?? [];

/** The hashtags that more people use than the day before. Nothing if there are none: the rest of the page is there. */
export function Trends({ most = MOST }: { most?: number }) {
  const t = useTexts("discovery");
  const trends = useTrends();
  if (trends.length === 0) return null;
  return (
    <section className={styles.trends} aria-labelledby="trends">
      <h2 id="trends">{t("trends")}</h2>
      <ul className={styles.list}>
        {trends.slice(0, most).map(({ hashtag: { name }, account_count: count }) => (
          <li key={name}>
            <Link to={`/tags/${encodeURIComponent(name)}`} className={styles.trend}>
              <bdi className={styles.name}>#{name}</bdi>
              <span className={styles.count}>{t("people_today", { count })}</span>
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}
