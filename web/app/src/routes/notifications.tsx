import { NotificationList } from "../features/notifications/notification-list";
import { useTexts } from "../i18n";
import { Page } from "../ui/page";

export default function Notifications() {
  const t = useTexts("common");
  return (
    <Page title={t("notifications")}>
      <NotificationList />
    </Page>
  );
}
