import createClient, { type Client } from "openapi-fetch";

import { errorOf, reached, toApiError } from "./errors.ts";
import type { components, operations, paths } from "./schema.ts";

export type TrailmindClient = Client<paths>;

/** A named schema of the contract: `Schema<"SessionReply">`. */
export type Schema<Name extends keyof components["schemas"]> = components["schemas"][Name];

/** The JSON of an operation's request: `Body<"login">`. */
export type Body<Id extends keyof operations> = operations[Id] extends { requestBody?: infer Request }
  ? JsonOf<NonNullable<Request>>
  : never;

type JsonOf<Message> = Message extends { content: { "application/json": infer Json } } ? Json : never;

export interface Options {
  /** Where the server is, without `/v1`: `http://127.0.0.1:9000`. */
  baseUrl: string;
  /** Returns an access token or an API key before every request; null sends none. */
  token?: () => string | null | Promise<string | null>;
  /** Another `fetch`, for example one that renews the login. */
  fetch?: (request: Request) => Promise<Response>;
}

/**
 * Every operation of the API as a typed call: `client.GET("/v1/sessions", { params: { query: { limit: 5 } } })`.
 * A call resolves to `{ data, error, response }`; `unwrap` turns that into the data or a thrown ApiError.
 */
export function trailmind({ baseUrl, token, fetch }: Options): TrailmindClient {
  const send = fetch ?? ((request: Request) => reached(globalThis.fetch(request)));
  const client = createClient<paths>({ baseUrl, fetch: async (request) => readCompletely(await send(request)) });
  if (token) {
    client.use({
      async onRequest({ request }) {
        const value = await token();
        if (value) request.headers.set("Authorization", `Bearer ${value}`);
        return request;
      },
    });
  }
  return client;
}

/** The response after its body has arrived, so that a connection that breaks in the middle is not a malformed reply. */
async function readCompletely(response: Response): Promise<Response> {
  const body = await reached(response.arrayBuffer());
  const { status, statusText, headers } = response;
  return new Response(body.byteLength > 0 ? body : null, { status, statusText, headers });
}

/**
 * The data of a call; undefined for a response without a body.
 *
 * @throws ApiError for a response outside 2xx and when no usable response arrives.
 */
export async function unwrap<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call.catch((reason: unknown) => {
    throw toApiError(reason);
  });
  if (!response.ok) throw errorOf(response, error);
  return data as T;
}

/** The properties of `record` that are not undefined, for optional parameters under `exactOptionalPropertyTypes`. */
export function defined<T extends object>(record: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]?: Exclude<T[Key], undefined>;
  };
}
