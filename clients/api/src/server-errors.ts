/** The server's errors in both languages, by their code. `docs/openapi.json` has the shape of an error. */

import type { ApiError } from "./errors.ts";
import { shortDate } from "./format.ts";
import { type Language, plural } from "./messages.ts";

type Words = (values: Record<string, string>, language: Language) => string;

const day = (iso: string | undefined, language: Language): string =>
  iso === undefined ? "" : shortDate(new Date(iso), new Date(), language);

const modelFailed = {
  en: "The AI model could not be used. Try again later.",
  ko: "AI 모델을 쓸 수 없었어요. 나중에 다시 시도하세요.",
};

/** One entry for each code; `tests/architecture/test_error_codes.py` compares them with the server. */
export const SERVER_ERRORS: Record<string, { en: string | Words; ko: string | Words }> = {
  ACCOUNT_CLOSED: {
    en: ({ erased_at }, language) =>
      `This account is closed, and its data is deleted${erased_at ? ` on ${day(erased_at, language)}` : " soon"}. Until then the operator of the server can open it again.`,
    ko: ({ erased_at }, language) =>
      `닫힌 계정이고, 데이터는 ${erased_at ? `${day(erased_at, language)}에` : "곧"} 삭제돼요. 그 전에는 서버 운영자가 다시 열 수 있어요.`,
  },
  ACCOUNT_HELD: {
    en: "The data of this account is kept for a legal reason and cannot be deleted now.",
    ko: "법적인 이유로 이 계정의 데이터를 보관하고 있어 지금은 삭제할 수 없어요.",
  },
  ALREADY_SUBSCRIBED: {
    en: "You have a paid plan already. Change it instead.",
    ko: "이미 유료 요금제를 쓰고 있어요. 요금제를 변경해 주세요.",
  },
  ANSWER_UNUSABLE: modelFailed,
  BAD_REQUEST: { en: "The server did not understand the request.", ko: "서버가 요청을 이해하지 못했어요." },
  BILLING_CHANGED: {
    en: "The payment service refused this, because something has changed there. Load the page again in a moment.",
    ko: "결제 서비스에서 바뀐 것이 있어 처리하지 못했어요. 잠시 뒤 새로 불러오세요.",
  },
  BILLING_DISABLED: {
    en: "This server does not sell plans.",
    ko: "이 서버에서는 요금제를 판매하지 않아요.",
  },
  BILLING_UNAVAILABLE: {
    en: "The payment service cannot be reached. Try again in a moment.",
    ko: "결제 서비스에 연결할 수 없어요. 잠시 뒤 다시 시도하세요.",
  },
  CANNOT_DELETE_DEFAULT: { en: "The default cannot be deleted.", ko: "기본값은 지울 수 없어요." },
  CONCURRENT_SESSION_LIMIT: {
    en: ({ allowed }) =>
      `Your plan allows ${allowed === "1" || !allowed ? "one recording" : `${allowed} recordings`} at a time. Stop one first.`,
    ko: ({ allowed }) => `요금제에서 동시에 기록할 수 있는 것은 ${allowed ?? 1}개예요. 하나를 먼저 종료하세요.`,
  },
  CONFIGURATION_ERROR: { en: "The server is not set up for this.", ko: "서버에 설정되지 않은 기능이에요." },
  CONFLICT: {
    en: "Something changed meanwhile. Reload and try again.",
    ko: "그사이 바뀌었어요. 새로 불러온 뒤 다시 시도하세요.",
  },
  DEADLINE_EXCEEDED: {
    en: "The server took too long. Try again in a moment.",
    ko: "서버가 제때 답하지 못했어요. 잠시 뒤 다시 시도하세요.",
  },
  EMAIL_NOT_VERIFIED: {
    en: "There is an account with this address that is not confirmed. Sign in with your password first.",
    ko: "이 주소로 만든 계정이 아직 확인되지 않았어요. 먼저 비밀번호로 로그인하세요.",
  },
  ERROR: { en: "The request failed.", ko: "요청이 잘 되지 않았어요." },
  FORBIDDEN: { en: "This account may not do that.", ko: "이 계정으로는 할 수 없어요." },
  HEADERS_TOO_LARGE: {
    en: "The browser sent too much. Clear the cookies of this site.",
    ko: "브라우저가 너무 많이 보냈어요. 이 사이트의 쿠키를 지우세요.",
  },
  ILLEGAL_TRANSITION: {
    en: "This is not possible in the current state. Reload the page.",
    ko: "지금 상태에서는 할 수 없어요. 새로 불러오세요.",
  },
  INTERNAL_SERVER_ERROR: { en: "Something went wrong on the server.", ko: "서버에 문제가 생겼어요." },
  INVALID_SIGNATURE: {
    en: "The request is not signed correctly.",
    ko: "요청의 서명이 올바르지 않아요.",
  },
  LOGIN_LOCKED: {
    en: "Too many wrong passwords. Wait a minute, or set a new password.",
    ko: "비밀번호를 너무 많이 틀렸어요. 1분 뒤에 다시 시도하거나 비밀번호를 새로 정하세요.",
  },
  LOGIN_TOO_OLD: {
    en: "Sign in again first: this needs a login of the last ten minutes.",
    ko: "먼저 다시 로그인하세요. 10분 안에 로그인해야 할 수 있어요.",
  },
  MAP_FAILED: { en: "The map could not be drawn.", ko: "지도를 그리지 못했어요." },
  MAP_INTERRUPTED: {
    en: "The drawing of the map was interrupted too often.",
    ko: "지도 그리기가 여러 번 중단됐어요.",
  },
  METHOD_NOT_ALLOWED: { en: "The server cannot do that.", ko: "서버가 할 수 없는 요청이에요." },
  NOTHING_TO_REFUND: {
    en: "This invoice has no payment of that amount that could be returned.",
    ko: "이 청구서에는 그 금액만큼 환불할 결제가 없어요.",
  },
  NOT_FOUND: { en: "It does not exist, or it was deleted.", ko: "없거나 삭제됐어요." },
  NO_PROVIDER: modelFailed,
  NO_SUBSCRIPTION: {
    en: "This account has no paid plan.",
    ko: "이 계정에는 유료 요금제가 없어요.",
  },
  OTHER_ACCOUNT: {
    en: "This link belongs to another account. Sign in with that one.",
    ko: "다른 계정의 링크예요. 그 계정으로 로그인하세요.",
  },
  PAYLOAD_TOO_LARGE: { en: "This is more than the server takes at once.", ko: "한 번에 보낼 수 있는 양을 넘었어요." },
  PAYMENT_DECLINED: {
    en: "The payment was declined. Choose another payment method.",
    ko: "결제가 거절됐어요. 다른 결제 수단을 선택하세요.",
  },
  PLAN_UPGRADE_REQUIRED: { en: "Your plan does not include this.", ko: "요금제에 없는 기능이에요." },
  PROVIDER_DOWN: modelFailed,
  PROVIDER_FAILED: modelFailed,
  PROVIDER_FORMAT: modelFailed,
  PROVIDER_REFUSED: modelFailed,
  PROVIDER_THROTTLED: modelFailed,
  PROVIDER_TIMEOUT: modelFailed,
  PRICE_MISMATCH: {
    en: "The price is set up differently at the payment service, so nothing was sold. The operator has to correct it.",
    ko: "결제 서비스에 설정된 가격이 달라서 판매하지 않았어요. 운영자가 고쳐야 해요.",
  },
  PURCHASE_BLOCKED: {
    en: "A payment is open or disputed. Settle it first.",
    ko: "미납되었거나 이의가 제기된 결제가 있어요. 먼저 해결해 주세요.",
  },
  RATE_LIMIT_EXCEEDED: {
    en: "Too many requests. The server asked us to wait a little.",
    ko: "요청이 너무 많아요. 서버가 잠시 기다려 달라고 했어요.",
  },
  RECORDING_IS_OPEN: {
    en: "Stop the recording first. Then parts of it can be forgotten.",
    ko: "먼저 기록을 종료하세요. 그다음에 일부를 지울 수 있어요.",
  },
  REFUND_PERIOD_OVER: {
    en: "A payment can be returned within seven days. You can cancel the plan instead.",
    ko: "결제는 7일 안에만 환불할 수 있어요. 대신 요금제를 해지할 수 있어요.",
  },
  REQUEST_TIMEOUT: {
    en: "Sending took too long. Check the connection and try again.",
    ko: "보내는 데 너무 오래 걸렸어요. 연결을 확인하고 다시 시도하세요.",
  },
  SERVICE_UNAVAILABLE: {
    en: "The server cannot answer: it is starting, or a part of it is not running. Try again in a moment.",
    ko: "서버가 응답할 수 없어요. 시작하는 중이거나 일부가 작동하지 않아요. 잠시 후 다시 시도하세요.",
  },
  SESSION_CLOSED: { en: "This session has ended.", ko: "끝난 세션이에요." },
  SESSION_GONE: { en: "This session was deleted.", ko: "삭제된 세션이에요." },
  SOURCE_DELETED: {
    en: "A session of this map was deleted. Draw the map again.",
    ko: "이 지도의 세션이 삭제됐어요. 지도를 다시 그리세요.",
  },
  SESSION_STILL_RECORDING: {
    en: "The session still records. Stop it first, then its map is drawn.",
    ko: "아직 기록 중인 세션이에요. 기록을 멈추면 지도를 그려요.",
  },
  STORAGE_LIMIT: {
    en: "Your plan has no room for more recordings. Delete some; what is recorded now waits on this device.",
    ko: "요금제의 저장 공간이 가득 찼어요. 기록을 지워 주세요. 지금 기록하는 것은 이 기기에서 기다려요.",
  },
  TOKEN_LIMIT_EXCEEDED: {
    en: ({ resets_at }, language) =>
      `Your plan's tokens do not cover this map.${resets_at ? ` They are renewed on ${day(resets_at, language)}.` : ""} Your sessions stay readable.`,
    ko: ({ resets_at }, language) =>
      `요금제에 남은 토큰으로는 이 지도를 그릴 수 없어요.${resets_at ? ` ${day(resets_at, language)}에 다시 채워져요.` : ""} 세션은 계속 볼 수 있어요.`,
  },
  TOO_MANY_PAGES: {
    en: ({ num_pages, max_pages }) =>
      num_pages
        ? `These sessions have ${plural(num_pages, "page")}, and a map takes ${max_pages}. Choose fewer.`
        : "These sessions have too many pages for one map. Choose fewer.",
    ko: ({ num_pages, max_pages }) =>
      num_pages
        ? `세션의 페이지가 ${num_pages}개인데 지도에는 ${max_pages}개까지 들어가요. 세션을 줄이세요.`
        : "지도 하나에 담기에는 페이지가 너무 많아요. 세션을 줄이세요.",
  },
  UNAUTHORIZED: { en: "Sign in again to go on.", ko: "계속하려면 다시 로그인하세요." },
  UNKNOWN_HOST: {
    en: "The server does not answer at this address. Open it at the address it is set up for.",
    ko: "서버가 이 주소로는 응답하지 않아요. 서버에 설정된 주소로 여세요.",
  },
  UNKNOWN_PRICE: {
    en: "The server is not set up for this plan.",
    ko: "서버에 설정되지 않은 요금제예요.",
  },
  UNSUPPORTED_MEDIA_TYPE: { en: "The server did not understand the request.", ko: "서버가 요청을 이해하지 못했어요." },
  USER_BUFFER_FULL: {
    en: "Events arrive faster than they can be stored. They are sent again.",
    ko: "저장하는 것보다 빠르게 도착하고 있어요. 다시 보낼게요.",
  },
  WEAKER_MAP: {
    en: "The new map was made without a model, so the better one stays.",
    ko: "새 지도는 모델 없이 만들어져서 더 나은 지도를 그대로 두었어요.",
  },
  VALIDATION_ERROR: { en: "Some of what you entered is not valid.", ko: "입력한 값 가운데 올바르지 않은 것이 있어요." },
  WRONG_STRIPE_MODE: {
    en: "The event is of the other mode of Stripe, test or live.",
    ko: "Stripe의 다른 모드(테스트 또는 라이브)에서 온 이벤트예요.",
  },
};

/** The sentence of an error code; null for a code that this client does not know. */
export function wordErrorCode(code: string, values: Record<string, string>, language: Language): string | null {
  const words = SERVER_ERRORS[code]?.[language];
  if (words === undefined) return null;
  return typeof words === "string" ? words : words(values, language);
}

/** The sentence of a server's error in the user's language; null when it did not come from the server. */
export function wordError(error: ApiError, language: Language): string | null {
  return wordErrorCode(error.code, error.values, language);
}
