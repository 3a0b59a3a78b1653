import { type Auth, cookieAuth } from "./auth.js";
import { type Environment, environment } from "./environment.js";
import { Gateway, type GatewayOptions } from "./gateway.js";
import type { Groups } from "./generated/groups.js";
import type { CreatePost, Media, MediaUpload, Post } from "./generated/models.js";
import { Http, LIMITS, type Limits } from "./http.js";
import { bindGroups } from "./operation.js";
import type { Options } from "./options.js";
import { Problem } from "./problem.js";
import { type Raw, rawFetch } from "./raw.js";
import { type ImageInput, type ImageUpload, type UploadOptions, uploadDirect, uploadForm } from "./upload.js";

export interface ClientOptions {
  /** The public URL of the site. Default: the origin of the page. */
  baseUrl?: string;
  /** Default: {@link cookieAuth}. */
  auth?: Auth;
  limits?: Partial<Limits>;
  /** Replaces parts of the platform. */
  environment?: Partial<Environment>;
}

/** The operations of the API, grouped by subject, and what makes them easy to use. */
export interface ApiClient extends Omit<Groups, "posts" | "media"> {
  posts: Omit<Groups["posts"], "create"> & {
    /** Create a post. Images in `media` are uploaded first. (`createPost`) */
    create(
      body: CreatePost & { media?: ImageInput[] },
      options?: Options<"idempotencyKey"> & Pick<UploadOptions, "onProgress">,
    ): Promise<Post>;
  };
  media: Omit<Groups["media"], "upload"> & {
    /** Upload up to ten images as a form. (`uploadMedia`) */
    upload(images: ImageInput | ImageInput[] | FormData, options?: UploadOptions): Promise<MediaUpload>;
    /** Upload an image straight to the storage. (`createUpload`, `completeUpload`) */
    uploadDirect(image: Blob | (ImageUpload & { file: Blob }), options?: UploadOptions): Promise<Media>;
  };
  /** The typed fetch: any operation by its method and path, with the response. */
  raw: Raw;
  /** The URL of a path of the API, such as a page to open. */
  url(path: string, query?: object): string;
  /** @internal */
  http: Http;
}

/** All of {@link ApiClient}, and the realtime gateway. */
export interface Client extends ApiClient {
  /** Connects to the realtime gateway. */
  gateway: Groups["gateway"] & ((options?: GatewayOptions) => Gateway);
}

/** A client of the site at `baseUrl`. */
export function createClient(options?: ClientOptions): Client {
  const client = createApiClient(options);
  return {
    ...client,
    gateway: Object.assign((more?: GatewayOptions) => new Gateway(client.http, more), client.gateway),
  };
}

/**
 * A client of the site at `baseUrl` without the gateway, which is about half of the code. A page that shows something before it
 * is connected imports `openGateway` of `@blegram/client/gateway` later.
 */
export function createApiClient(options: ClientOptions = {}): ApiClient {
  const env = environment(options.environment);
  const baseUrl = (options.baseUrl ?? env.origin).replace(/\/+$/, "");
  const auth = options.auth ?? cookieAuth();
  const http = new Http(baseUrl, env, auth, { ...LIMITS, ...options.limits });
  const groups = bindGroups(http);
  const { posts, media } = groups;
  const { logOut } = groups.auth;
  return {
    ...groups,
    auth: {
      ...groups.auth,
      logOut: (logOutOptions) => logOut(logOutOptions).then(() => auth.clear()),
    },
    posts: {
      ...posts,
      async create({ media: images = [], ...body }, { onProgress, ...calls } = {}) {
        if (images.length === 0) return posts.create(body, calls);
        const { signal, timeout } = calls;
        const { items, problems } = await uploadForm(http, images, { signal, timeout, onProgress });
        // A post without one of its images is not the post that the user wrote.
        if (problems[0]) throw new Problem(422, { ...problems[0], errors: problems });
        return posts.create({ ...body, media_ids: [...(body.media_ids ?? []), ...items.map(({ id }) => id)] }, calls);
      },
    },
    media: {
      ...media,
      upload: (images, uploadOptions) => uploadForm(http, images, uploadOptions),
      uploadDirect: (image, uploadOptions) => uploadDirect(http, image, uploadOptions),
    },
    raw: rawFetch(http),
    url: (path, query) => http.url(path, query),
    http,
  };
}
