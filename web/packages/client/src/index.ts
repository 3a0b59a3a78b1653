export {
  type Auth,
  cookieAuth,
  memoryStore,
  type TokenAuthOptions,
  type TokenStore,
  tokenAuth,
} from "./auth.js";
export { type ApiClient, type Client, type ClientOptions, createApiClient, createClient } from "./client.js";
export type { Environment, Socket } from "./environment.js";
export type { ConversationChange, Draft, GatewayEvent, Page, Updates } from "./gateway/io.js";
export {
  indexedDbOutbox,
  memoryOutbox,
  type OutboxEntry,
  type OutboxStore,
  type PendingMessage,
} from "./gateway/storage.js";
export type { Gateway, GatewayEvents, GatewayOptions, NewMessage } from "./gateway.js";
export type * from "./generated/gateway.js";
export type * from "./generated/models.js";
export { type Answer, etagOf, type Limits } from "./http.js";
export type { BaseOptions, Options } from "./options.js";
export { type PageOf, Pages } from "./pages.js";
export { AbortError, isTemporary, NetworkError, Problem } from "./problem.js";
export type { ImageFile, ImageInput, ImageUpload, UploadOptions } from "./upload.js";
