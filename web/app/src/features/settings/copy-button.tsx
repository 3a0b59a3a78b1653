import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { useTexts } from "../../i18n";
import { Button } from "../../ui/button";
import { toast } from "../../ui/toast";

/** Copies a text, and says so. */
export function CopyButton({ text }: { text: string }) {
  const t = useTexts("settings");
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      // Without https, or without permission.
      toast(t("not_copied"));
    }
  };
  return (
    <Button icon={isCopied ? Check : Copy} onClick={() => void copy()}>
      <span aria-live="polite">{isCopied ? t("copied") : t("copy")}</span>
    </Button>
  );
}
