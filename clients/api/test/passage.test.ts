import { describe, expect, it } from "vitest";
import { placeOf, textDirective, wholeWords, withTextDirective } from "../src/passage.ts";

const decoded = (directive: string) => decodeURIComponent(directive);

describe("wholeWords", () => {
  const widened = (text: string, part: string, language?: string) => {
    const start = text.indexOf(part);
    const span = wholeWords(text, { start, end: start + part.length }, language);
    return text.slice(span.start, span.end);
  };
  it("completes words that are cut in two", () => {
    expect(widened("every working tree contains", "ery working tre")).toBe("every working tree");
    expect(widened("검색 증강 생성은 널리 쓰인다", "검색 증강 생성", "ko")).toBe("검색 증강 생성은");
    expect(widened("2026년에 시행한다", "2026년", "ko")).toBe("2026년에");
  });
  it("uses the words of a language without spaces", () => {
    expect(widened("東京都に住んでいます。", "京都に住", "ja")).not.toBe("京都に住");
    expect(widened("量子计算机的未来", "子计算机的未", "zh")).toBe("量子计算机的未来");
    expect(widened("ประวัติศาสตร์ของเมืองเชียงใหม่", "วัติศาสตร์ของเมื", "th")).toBe("ประวัติศาสตร์ของเมือง");
    expect(widened("ພາສາລາວແລະພາສາໄທ", "ສາລາວ", "lo")).toBe("ພາສາລາວ");
  });
  it("does not leave the line", () => {
    expect(widened("first line\nsecond line", "line\nsecond")).toBe("line\nsecond");
  });
});

describe("placeOf", () => {
  it("finds a quote whose white space was collapsed", () => {
    const text = "one\ntwo   three";
    expect(placeOf(text, { quote: "one two three" })).toEqual({ start: 0, end: text.length });
  });
  it("finds the place that the context points to", () => {
    const text = "the same words, then\nmore and the same words again";
    expect(placeOf(text, { quote: "the same words", prefix: "more and ", suffix: " again" })?.start).toBe(30);
    expect(placeOf(text, { quote: "the same words" })?.start).toBe(0);
    expect(placeOf(text, { quote: "other words" })).toBeNull();
  });
});

describe("textDirective", () => {
  const pageText = [
    "정부는 올해 하반기부터 새로운 제도를 시행한다고 밝혔다.",
    "정부는 올해 하반기부터 새로운 제도를 도입해 지원한다.",
    "A first paragraph that ends here",
    "A second paragraph, which is longer, that begins there",
    "Tea",
    "Milk",
  ].join("\n");
  it("is one term for a quote inside one block", () => {
    expect(decoded(textDirective({ quote: "정부는 올해 하반기부터 새로운 제도를 도입해", pageText }))).toBe(
      "정부는 올해 하반기부터 새로운 제도를 도입해",
    );
  });
  it("names what stands before a text that occurs earlier", () => {
    const passage = { quote: "새로운 제도를", prefix: "올해 하반기부터 ", suffix: " 도입해", pageText };
    expect(textDirective(passage)).toMatch(/-,/);
    expect(decoded(textDirective(passage))).toBe("정부는 올해 하반기부터-,새로운 제도를");
  });
  it("is a range of the ends for a quote over two blocks", () => {
    expect(decoded(textDirective({ quote: "paragraph that ends here A second paragraph, which", pageText }))).toBe(
      "paragraph that ends here,A second paragraph, which",
    );
  });
  it("is the longest block when an end is too short", () => {
    expect(decoded(textDirective({ quote: "longer, that begins there Tea Milk", pageText }))).toBe(
      "longer, that begins there",
    );
  });
  it("completes words from the context when the page is not known", () => {
    expect(decoded(textDirective({ quote: "생성", prefix: "검색 증강 ", suffix: "은 널리" }))).toBe("생성은");
  });
});

it("keeps a page's own fragment and replaces an older directive", () => {
  expect(withTextDirective("https://a.example/#/doc/7", "x")).toBe("https://a.example/#/doc/7:~:text=x");
  expect(withTextDirective("https://a.example/#:~:text=old", "x")).toBe("https://a.example/#:~:text=x");
  expect(withTextDirective("https://a.example/", "")).toBe("https://a.example/");
});
