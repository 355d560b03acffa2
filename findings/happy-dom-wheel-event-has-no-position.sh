#!/usr/bin/env bash
# happy-dom with d3-zoom: a WheelEvent has no position, and a zoom by wheel makes the transform NaN.
#
# Versions:    happy-dom 21.0.4, jsdom 29.1.1 for comparison, d3-zoom 3.0.1, d3-selection 3.0.1.
# Expectation: UI Events, section 5.4: WheelEvent inherits from MouseEvent, so that `new WheelEvent("wheel", { clientX: 40 })`
#              has clientX 40, and d3-zoom keeps the point below the pointer in place.
# Behaviour:   in happy-dom WheelEvent inherits from UIEvent. The dictionary's clientX and clientY are dropped without an
#              error and read as undefined, so that d3-selection computes the pointer as NaN. d3-zoom then stores x and y as
#              NaN, while the scale is right; every later pan keeps the NaN.
# Consequence: a test that checks only the scale after a wheel passes with a broken camera. A test in happy-dom defines
#              clientX and clientY on the event object itself, or the wheel is tested in a browser.
# Output seen:
#   jsdom:     MouseEvent true, clientX 40, zoomed to x -34.6 y -17.3 k 1.87
#   happy-dom: MouseEvent false, clientX undefined, zoomed to x NaN y NaN k 1.87
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
npm install --silent --no-audit --no-fund --prefix "$work" happy-dom@21.0.4 jsdom@29.1.1 d3-zoom@3.0.1 d3-selection@3.0.1 >/dev/null
cat > "$work/check.mjs" <<'JS'
import assert from "node:assert/strict";
import { select } from "d3-selection";
import { zoom, zoomTransform } from "d3-zoom";
import { Window } from "happy-dom";
import { JSDOM } from "jsdom";

function look(window) {
  const element = window.document.createElement("div");
  window.document.body.append(element);
  // An element has no size in either.
  select(element).call(zoom().touchable(false).extent([[0, 0], [200, 100]]));
  const event = new window.WheelEvent("wheel", { clientX: 40, clientY: 20, deltaY: -450, bubbles: true, cancelable: true });
  element.dispatchEvent(event);
  const { x, y, k } = zoomTransform(element);
  const round = (value, digits) => Number(value.toFixed(digits));
  return `MouseEvent ${event instanceof window.MouseEvent}, clientX ${event.clientX}, zoomed to x ${round(x, 1)} y ${round(y, 1)} k ${round(k, 2)}`;
}
const byJsdom = look(new JSDOM("<body></body>").window);
const byHappyDom = look(new Window());
console.log(`jsdom:     ${byJsdom}`);
console.log(`happy-dom: ${byHappyDom}`);
assert.match(byJsdom, /^MouseEvent true, clientX 40, zoomed to x -[\d.]+ y -[\d.]+ k 1\.87$/);
assert.equal(byHappyDom, "MouseEvent false, clientX undefined, zoomed to x NaN y NaN k 1.87");
process.exit(0);
JS
cd "$work"
node check.mjs
