import { Eye, EyeOff } from "lucide-react";
import { type ComponentProps, useState } from "react";
import { useTexts } from "../../i18n";
import { IconButton } from "../../ui/button";
import { Field } from "../../ui/field";
import { useMe } from "./session";

interface PasswordFieldProps extends Omit<ComponentProps<typeof Field>, "type" | "end" | "autoComplete" | "onChange"> {
  /** `new-password` makes password managers offer one. */
  autoComplete: "current-password" | "new-password";
  onChange: (password: string) => void;
}

/** An input of a password that can be shown. */
export function PasswordField({ onChange, ...props }: PasswordFieldProps) {
  const t = useTexts("account");
  const [isVisible, setVisible] = useState(false);
  return (
    <Field
      name="password"
      required
      // What the browser would change in a text that is shown.
      autoCapitalize="none"
      autoCorrect="off"
      spellCheck={false}
      {...props}
      type={isVisible ? "text" : "password"}
      onChange={(event) => onChange(event.target.value)}
      end={
        <IconButton
          icon={isVisible ? EyeOff : Eye}
          label={isVisible ? t("hide_password") : t("show_password")}
          aria-pressed={isVisible}
          size={20}
          onClick={() => setVisible(!isVisible)}
        />
      }
    />
  );
}

/** Whose password it is, for password managers. Put it into forms that ask an account that is logged in. */
export function AccountName() {
  const me = useMe();
  return me && <input type="text" name="username" value={me.username} autoComplete="username" readOnly hidden />;
}
