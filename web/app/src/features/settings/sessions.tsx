import type { Session } from "@blegram/client";
import { useMutation, useSuspenseQuery } from "@tanstack/react-query";
import { useState } from "react";
import { fullTime, timeAgo, useTexts } from "../../i18n";
import { queries } from "../../query";
import { blegram } from "../../site";
import { Button } from "../../ui/button";
import { Confirm } from "../../ui/dialog";
import { toast, toastError } from "../../ui/toast";
import { useInstance } from "../session/session";
import { Lead, Row } from "./parts";

const SESSIONS = ["sessions"] as const;

/** Where the account is logged in. */
export default function Sessions() {
  const t = useTexts("settings");
  const { data: sessions } = useSuspenseQuery({
    queryKey: SESSIONS,
    // An account has at most 20.
    queryFn: async ({ signal }) => (await blegram.auth.listSessions({ limit: 50 }, { signal }).page()).items,
    staleTime: 0,
  });
  const [isAsking, setAsking] = useState(false);
  const revokeOthers = useMutation({
    mutationFn: () => blegram.auth.revokeOtherSessions(),
    onSuccess: () => toast(t("others_ended")),
    onError: toastError,
    onSettled: () => {
      setAsking(false);
      return queries.invalidateQueries({ queryKey: SESSIONS });
    },
  });
  // This one first: it is what people compare the others with.
  const sorted = [...sessions].sort((one, two) => Number(two.is_current) - Number(one.is_current));
  return (
    <>
      <Lead>{t("sessions_lead")}</Lead>
      <ul>
        {sorted.map((session) => (
          <SessionRow key={session.id} session={session} />
        ))}
      </ul>
      {sessions.length > 1 && (
        <p style={{ marginTop: "var(--space-5)" }}>
          <Button kind="danger" onClick={() => setAsking(true)}>
            {t("end_others")}
          </Button>
        </p>
      )}
      {isAsking && (
        <Confirm
          title={t("end_others")}
          action={t("end_others")}
          busy={revokeOthers.isPending}
          onConfirm={() => revokeOthers.mutate()}
          onClose={() => setAsking(false)}
        >
          <p>{t("end_others_more")}</p>
        </Confirm>
      )}
    </>
  );
}

function SessionRow({ session }: { session: Session }) {
  const t = useTexts("settings");
  const { login_providers: providers } = useInstance();
  const { mutate, isPending } = useMutation({
    mutationFn: () => blegram.auth.revokeSession(session.id),
    onSuccess: () => {
      queries.setQueryData<Session[]>(SESSIONS, (all) => all?.filter(({ id }) => id !== session.id));
      toast(t("session_ended"));
    },
    onError: (error) => {
      toastError(error);
      void queries.invalidateQueries({ queryKey: SESSIONS });
    },
  });
  const [, program, system] = session.device?.match(/^(.+) on (.+)$/) ?? [];
  const described = program && system ? t("device", { program, system }) : session.device;
  const device = session.device_name ?? described ?? (session.kind === "native" ? t("an_app") : t("a_browser"));
  const provider = providers.find(({ id }) => id === session.provider)?.name ?? session.provider;
  return (
    <Row
      title={device}
      badge={session.is_current && t("this_device")}
      notes={[
        [session.place, session.address].filter(Boolean).join(" · "),
        <span key="time" title={fullTime(session.created_at)}>
          {t("session_times", { login: timeAgo(session.created_at), used: timeAgo(session.last_seen_at) })}
        </span>,
        provider && t("session_provider", { name: provider }),
      ]}
      action={
        !session.is_current && (
          <Button small busy={isPending} aria-label={t("end_session", { device })} onClick={() => mutate()}>
            {t("end")}
          </Button>
        )
      }
    />
  );
}
