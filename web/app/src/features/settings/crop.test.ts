import { expect, test } from "vitest";
import { CENTRE, clampCrop, MAX_ZOOM, moveCrop, squareOf } from "./crop";

const WIDE = { width: 400, height: 200 };
const HIGH = { width: 200, height: 400 };

test("the first square is the largest one in the middle", () => {
  expect(squareOf(WIDE, CENTRE)).toEqual({ left: 100, top: 0, side: 200 });
  expect(squareOf(HIGH, CENTRE)).toEqual({ left: 0, top: 100, side: 200 });
});

test("zooming makes the square smaller around its centre", () => {
  expect(squareOf(WIDE, { ...CENTRE, zoom: 2 })).toEqual({ left: 150, top: 50, side: 100 });
});

test("the square never leaves the image", () => {
  expect(squareOf(WIDE, { x: -3, y: 9, zoom: 1 })).toEqual({ left: 0, top: 0, side: 200 });
  expect(squareOf(WIDE, { x: 1, y: 1, zoom: 2 })).toEqual({ left: 300, top: 100, side: 100 });
  // Zooming out at an edge moves it back inside.
  expect(clampCrop(WIDE, { x: 0.875, y: 0.75, zoom: 1 })).toEqual({ x: 0.75, y: 0.5, zoom: 1 });
});

test("the zoom has limits", () => {
  expect(clampCrop(WIDE, { ...CENTRE, zoom: 0 }).zoom).toBe(1);
  expect(clampCrop(WIDE, { ...CENTRE, zoom: 99 }).zoom).toBe(MAX_ZOOM);
});

test("the image follows the finger", () => {
  const { left, top } = squareOf(WIDE, moveCrop(WIDE, CENTRE, 0.25, 0.25));
  // A quarter of the square to the left; up and down there is no room.
  expect([left, top]).toEqual([50, 0]);
});
