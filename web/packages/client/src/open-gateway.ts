// `@blegram/client/gateway`: the gateway as a module of its own, which a page can load after the rest.

import type { ApiClient } from "./client.js";
import { Gateway, type GatewayOptions } from "./gateway.js";

export type { Gateway, GatewayEvents, GatewayOptions, NewMessage } from "./gateway.js";

/** Connects to the realtime gateway with the login of `client`. */
export function openGateway(client: ApiClient, options?: GatewayOptions): Gateway {
  return new Gateway(client.http, options);
}
