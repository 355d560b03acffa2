import { expect, test } from "vitest";
import { en } from "./en";
import { ko } from "./ko";

const PROMISE = /mailbox|by mail|we (have )?sen[dt]|the mail says|메일함|(?<!이)메일로|보내는 링크|메일을 보/i;

/** Every text with its path; of a function, its source. */
function* sentences(value: unknown, path: string): Generator<[string, string]> {
  if (typeof value === "string" || typeof value === "function") yield [path, String(value)];
  else if (value && typeof value === "object")
    for (const [name, each] of Object.entries(value)) yield* sentences(each, path ? `${path}.${name}` : name);
}

test.each([
  ["en", en],
  ["ko", ko],
])("mails are promised only in the words for servers that send mail: %s", (_, catalogue) => {
  const promises = [...sentences(catalogue, "")].filter(([, text]) => PROMISE.test(text));
  expect(promises.map(([path]) => path)).toEqual(["signedOut.byMail.password", "signedOut.byMail.sent"]);
});
