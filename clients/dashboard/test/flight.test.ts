/** Animated movements of the camera begin and end where they should, and keep the centre of a zoom. */
import { expect, it } from "vitest";
import { flight, zoomed } from "~/map/flight";

const SIZE = { width: 800, height: 600 };
const FROM = { x: 10, y: -20, k: 0.5 };
const TO = { x: -900, y: 400, k: 2 };

/** The point of the map in the centre of the view. */
function centre({ x, y, k }: typeof FROM): [number, number] {
  return [(SIZE.width / 2 - x) / k, (SIZE.height / 2 - y) / k];
}

it("flies from one camera to the other", () => {
  const at = flight(FROM, TO, SIZE);
  const start = at(0);
  expect(start.x).toBeCloseTo(FROM.x);
  expect(start.y).toBeCloseTo(FROM.y);
  expect(start.k).toBeCloseTo(FROM.k);
  expect(at(1)).toEqual(TO);
  const last = at(0.9999);
  expect(Math.abs(last.x - TO.x) + Math.abs(last.y - TO.y)).toBeLessThan(1);
});

it("moves the centre along a straight line, always forwards", () => {
  const at = flight(FROM, TO, SIZE);
  const [ax, ay] = centre(FROM);
  const [bx, by] = centre(TO);
  let before = 0;
  for (let i = 1; i <= 20; i++) {
    const [x, y] = centre(at(i / 20));
    const share = (x - ax) / (bx - ax);
    expect((y - ay) / (by - ay)).toBeCloseTo(share, 5);
    expect(share).toBeGreaterThanOrEqual(before);
    before = share;
  }
  expect(before).toBeCloseTo(1);
});

it("zooms around the centre of the view and within the limits", () => {
  const near = zoomed(FROM, 1.25, SIZE, [0.03, 6]);
  expect(near.k).toBeCloseTo(0.625);
  expect(centre(near)[0]).toBeCloseTo(centre(FROM)[0]);
  expect(centre(near)[1]).toBeCloseTo(centre(FROM)[1]);
  expect(zoomed(FROM, 100, SIZE, [0.03, 6]).k).toBe(6);
  expect(zoomed(FROM, 0.001, SIZE, [0.03, 6]).k).toBe(0.03);
});
