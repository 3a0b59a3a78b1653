import { expect, test } from "vitest";
import { queries } from "../../query";
import { message } from "./testing";
import { addSent, removeSent, setPending, type Unsent } from "./unsent";

const draft = (client_id: string) => ({ conversation_id: "c", client_id, text: client_id });
const listed = () =>
  (queries.getQueryData<Unsent[]>(["unsent"]) ?? []).map(
    ({ draft: { client_id }, error, isSent }) => client_id + (error ? "!" : "") + (isSent ? "✓" : ""),
  );

test("a message is shown from the outbox until its event is there, and never disappears in between", () => {
  setPending([{ draft: draft("1") }, { draft: draft("2") }]);
  expect(listed()).toEqual(["1", "2"]);
  // The gateway removes a message from the outbox before it reports that it was sent.
  setPending([{ draft: draft("2") }]);
  addSent(draft("1"), false);
  expect(listed()).toEqual(["1✓", "2"]);
  setPending([]);
  addSent(draft("2"), false);
  expect(listed()).toEqual(["1✓", "2✓"]);
  removeSent([message(1, { client_id: "1" })]);
  expect(listed()).toEqual(["2✓"]);
  removeSent([message(2, { client_id: "2" })]);
  expect(listed()).toEqual([]);
});

test("an event that is faster than the reply leaves nothing behind", () => {
  setPending([{ draft: draft("1") }]);
  removeSent([message(1, { client_id: "1" })]);
  setPending([]);
  addSent(draft("1"), true);
  expect(listed()).toEqual([]);
});

test("rejected messages stay at their place", () => {
  setPending([{ draft: draft("1"), error: { code: "blocked", detail: "no" } }, { draft: draft("2") }]);
  addSent(draft("2"), false);
  setPending([{ draft: draft("1"), error: { code: "blocked", detail: "no" } }]);
  expect(listed()).toEqual(["2✓", "1!"]);
});
