import { expect, test } from "vitest";
import { FIT, move, zoom } from "./zoom";

const frame = { width: 400, height: 800 };
const middle = { x: 0, y: 0 };

test("the point under the fingers stays where it is", () => {
  const at = { x: 100, y: -50 };
  const view = zoom(FIT, 2, at, frame);
  // A point of the photo is at `p * scale + shift`.
  expect({ x: 100 * view.scale + view.x, y: -50 * view.scale + view.y }).toEqual(at);
});

test("it is between the size of the frame and six times of it", () => {
  expect(zoom(FIT, 0.5, middle, frame).scale).toBe(1);
  expect(zoom(FIT, 100, middle, frame).scale).toBe(6);
});

test("an enlarged photo is not moved out of its frame", () => {
  const view = zoom(FIT, 2, middle, frame);
  expect(move(view, 1000, -1000, frame)).toEqual({ scale: 2, x: 200, y: -400 });
  expect(move(FIT, 50, 50, frame)).toEqual({ scale: 1, x: 0, y: 0 });
});

test("back at the size of the frame it is in the middle", () => {
  const view = move(zoom(FIT, 3, middle, frame), 200, 200, frame);
  expect(zoom(view, 1 / 3, { x: 150, y: 150 }, frame)).toEqual(FIT);
});
