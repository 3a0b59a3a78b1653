import { FollowPage } from "../features/people/follow-page";

export default function Followers() {
  return <FollowPage side="followers" />;
}
