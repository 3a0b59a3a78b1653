// Passkeys by the browser (WebAuthn Level 3): the server's options in, the server's credential out.

import { Unavailable } from "../../problems";

/** Whether the browser can use passkeys. Those before 2024 have no conversion from and to JSON. */
export const supportsPasskeys = () =>
  typeof PublicKeyCredential === "function" &&
  "parseRequestOptionsFromJSON" in PublicKeyCredential &&
  "parseCreationOptionsFromJSON" in PublicKeyCredential;

/** What the server sends and expects: JSON of the browser, which the client hands on as it is. */
type Json = Record<string, unknown>;

interface GetPasskey {
  /** Offers passkeys in the form's autocompletion, until the signal aborts it. */
  conditional?: boolean;
  signal?: AbortSignal;
}

/** Lets the user prove a passkey. */
export async function getPasskey(options: Json, { conditional = false, signal }: GetPasskey = {}): Promise<Json> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(
    options as unknown as PublicKeyCredentialRequestOptionsJSON,
  );
  const request: CredentialRequestOptions = { publicKey };
  if (conditional) request.mediation = "conditional";
  if (signal) request.signal = signal;
  return toJson(await navigator.credentials.get(request).catch(explain));
}

/** Lets the user create a passkey. */
export async function createPasskey(options: Json): Promise<Json> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(
    options as unknown as PublicKeyCredentialCreationOptionsJSON,
  );
  return toJson(await navigator.credentials.create({ publicKey }).catch(explain));
}

function toJson(credential: Credential | null): Json {
  if (!(credential instanceof PublicKeyCredential)) throw new Unavailable("passkey-cancelled");
  return credential.toJSON() as Json;
}

/** Browsers do not say whether the user cancelled, the time was over, or there is no passkey: that would reveal accounts. */
function explain(error: unknown): never {
  if (error instanceof DOMException && error.name === "NotAllowedError") throw new Unavailable("passkey-cancelled");
  if (error instanceof DOMException && error.name === "InvalidStateError") throw new Unavailable("passkey-in-use");
  throw error;
}
