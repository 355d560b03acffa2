// @vitest-environment happy-dom
import { expect, test } from "vitest";

import { mathText } from "./math";

test.each([
  ["<mrow><mi>E</mi><mo>=</mo><mi>m</mi><msup><mi>c</mi><mn>2</mn></msup></mrow>", "E=mc^2"],
  ["<mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mn>2</mn></mfrac>", "(a+b)/2"],
  ["<semantics><msub><mi>x</mi><mi>i</mi></msub><annotation>x_{i}</annotation></semantics>", "x_i"],
  ["<msqrt><mn>2</mn></msqrt>", "√2"],
])("%s", (markup, expected) => {
  const math = document.createElement("math");
  math.innerHTML = markup;
  expect(mathText(math)).toBe(expected);
});
