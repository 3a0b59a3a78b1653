// Changes of how an account logs in need a recent login (`reauthentication-required`). One mechanism for all of them: the action
// is tried, a dialog lets the user confirm their identity, and the action is repeated.

import { Problem } from "@blegram/client";
import { useSyncExternalStore } from "react";
import { Unavailable } from "../../problems";

/** A dialog that is open, or `undefined`. */
export interface Confirmation {
  confirm: () => void;
  cancel: () => void;
}

let open: Confirmation | undefined;
let answer: Promise<void> | undefined;
const listeners = new Set<() => void>();

/** Runs an action that may need a recent login; fails with `cancelled` if the user does not confirm. */
export async function withIdentity<Result>(action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== "reauthentication-required") throw error;
  }
  await askOnce();
  return action();
}

/** Actions at the same time share one dialog. */
function askOnce(): Promise<void> {
  answer ??= new Promise<void>((resolve, reject) => {
    change({ confirm: resolve, cancel: () => reject(new Unavailable("cancelled")) });
  }).finally(() => {
    answer = undefined;
    change(undefined);
  });
  return answer;
}

function change(next: Confirmation | undefined): void {
  open = next;
  for (const listener of listeners) listener();
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/** The confirmation that waits for the user. */
export const useConfirmation = () => useSyncExternalStore(subscribe, () => open);
