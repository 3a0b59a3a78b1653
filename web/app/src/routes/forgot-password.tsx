import { useMutation } from "@tanstack/react-query";
import { MailCheck, MailX } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";
import { Entrance } from "../features/session/entrance";
import { Form, useFormErrors } from "../features/session/form";
import { useInstance } from "../features/session/session";
import { useTexts } from "../i18n";
import { blegram } from "../site";
import { Button } from "../ui/button";
import { Field } from "../ui/field";
import { Empty } from "../ui/states";

/** Sends a mail with a link that leads to a new password. */
export default function ForgotPassword() {
  const t = useTexts("account");
  const { features } = useInstance();
  const toLogin = (
    <Link to="/login" className="link">
      {t("to_login")}
    </Link>
  );
  return (
    <Entrance title={t("reset_password")} foot={toLogin}>
      {features.mail ? (
        <RequestReset />
      ) : (
        <Empty icon={MailX} title={t("no_mail")}>
          {t("no_mail_more")}
        </Empty>
      )}
    </Entrance>
  );
}

function RequestReset() {
  const t = useTexts("account");
  const [email, setEmail] = useState("");
  const { mutate, error, isPending, isSuccess } = useMutation({
    mutationFn: () => blegram.auth.requestPasswordReset({ email: email.trim() }),
  });
  const errors = useFormErrors(error, { "/email": [] });
  if (isSuccess)
    return (
      <div role="status">
        {/* The same for addresses without an account, which nothing may reveal. */}
        <Empty icon={MailCheck} title={t("reset_sent")}>
          {t("reset_sent_more", { email: email.trim() })}
        </Empty>
      </div>
    );
  return (
    <Form onSubmit={mutate} error={error} general={errors.general}>
      <Field
        label={t("email")}
        hint={t("reset_hint")}
        name="email"
        type="email"
        value={email}
        required
        autoFocus
        autoComplete="email"
        onChange={(event) => setEmail(event.target.value)}
        error={errors.at("/email")}
      />
      <Button type="submit" kind="primary" wide busy={isPending} disabled={!email.trim()}>
        {t("send_link")}
      </Button>
    </Form>
  );
}
