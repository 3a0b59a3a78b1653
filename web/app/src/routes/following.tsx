import { FollowPage } from "../features/people/follow-page";

export default function Following() {
  return <FollowPage side="following" />;
}
