import { useLocation, useNavigate } from "react-router";
import { useTexts } from "../../i18n";
import { toast } from "../../ui/toast";
import { useMe } from "../session/session";

/** Runs what only accounts can do; asks visitors to log in, and leads them back to this page. */
export function useAsMember(): (run: () => void) => void {
  const t = useTexts("posts");
  const common = useTexts("common");
  const me = useMe();
  const navigate = useNavigate();
  const { pathname, search } = useLocation();
  return (run) => {
    if (me) return run();
    const login = () => navigate(`/login?next=${encodeURIComponent(pathname + search)}`);
    toast(t("log_in_first"), { label: common("log_in"), run: login });
  };
}
