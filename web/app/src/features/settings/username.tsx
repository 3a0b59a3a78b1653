import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTexts } from "../../i18n";
import { ME, queries } from "../../query";
import { blegram } from "../../site";
import { Button } from "../../ui/button";
import { toast } from "../../ui/toast";
import { Form, useFormErrors } from "../session/form";
import { useInstance, useMe } from "../session/session";
import { normalizeUsername, usernameProblem } from "../session/username";
import { UsernameField } from "../session/username-field";
import { Lead } from "./parts";

/** Another username. */
export default function Username() {
  const t = useTexts("settings");
  const me = useMe();
  const { limits } = useInstance();
  const [username, setUsername] = useState(me?.username ?? "");
  const { mutate, error, isPending } = useMutation({
    mutationFn: () => blegram.users.changeUsername({ username: normalizeUsername(username) }),
    onSuccess: (account) => {
      queries.setQueryData(ME, account);
      setUsername(account.username);
      toast(t("username_changed", { name: account.username }));
    },
  });
  const errors = useFormErrors(error, { "/username": ["username-taken"] });
  const isChanged = normalizeUsername(username) !== me?.username;
  return (
    <Form onSubmit={mutate} error={error} general={errors.general}>
      <Lead>{t("username_lead")}</Lead>
      <UsernameField value={username} onChange={setUsername} error={errors.at("/username")} />
      <Button
        type="submit"
        kind="primary"
        busy={isPending}
        disabled={!isChanged || Boolean(usernameProblem(username, limits))}
      >
        {t("change")}
      </Button>
    </Form>
  );
}
