import { FollowRequests } from "../features/people/follow-requests";
import { useTexts } from "../i18n";
import { Page } from "../ui/page";

export default function FollowRequestsPage() {
  const t = useTexts("people");
  return (
    <Page title={t("requests")} back>
      <FollowRequests />
    </Page>
  );
}
