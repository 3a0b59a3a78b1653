import { type PointerEvent, useRef, useState, type WheelEvent } from "react";
import { FIT, move, type View, zoom } from "./zoom";

/** A swipe is at least so long, in pixels. */
const SWIPE = 60;
const DOUBLE = 280;

interface Gestures {
  onSwipe: (step: 1 | -1) => void;
  onSwipeDown: () => void;
}

type Point = { x: number; y: number };

/** Enlarges what is in a frame by fingers, mouse, wheel and double tap; what is not enlarged can be swiped away. */
export function useZoom({ onSwipe, onSwipeDown }: Gestures) {
  const frame = useRef<HTMLDivElement>(null);
  const [view, setView] = useState<View>(FIT);
  const pointers = useRef(new Map<number, Point>());
  /** Where a gesture with one finger started; not set after a second one has joined. */
  const start = useRef<Point>(undefined);
  const lastTap = useRef(0);

  const size = () => frame.current?.getBoundingClientRect() ?? new DOMRect();
  const fromMiddle = ({ x, y }: Point): Point => {
    const { left, top, width, height } = size();
    return { x: x - left - width / 2, y: y - top - height / 2 };
  };
  const by = (factor: number, at: Point = { x: 0, y: 0 }) => setView((now) => zoom(now, factor, at, size()));

  const onPointerDown = (event: PointerEvent<HTMLElement>) => {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    const point = { x: event.clientX, y: event.clientY };
    pointers.current.set(event.pointerId, point);
    start.current = pointers.current.size === 1 ? point : undefined;
  };

  const onPointerMove = (event: PointerEvent) => {
    const before = pointers.current.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    const [other] = [...pointers.current].flatMap(([id, point]) => (id === event.pointerId ? [] : [point]));
    pointers.current.set(event.pointerId, now);
    if (!other) {
      setView((shown) => move(shown, now.x - before.x, now.y - before.y, size()));
      return;
    }
    const factor = distance(now, other) / Math.max(1, distance(before, other));
    const middle = fromMiddle({ x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
    setView((shown) =>
      move(zoom(shown, factor, middle, size()), (now.x - before.x) / 2, (now.y - before.y) / 2, size()),
    );
  };

  const onPointerUp = (event: PointerEvent) => {
    const end = { x: event.clientX, y: event.clientY };
    pointers.current.delete(event.pointerId);
    const from = start.current;
    start.current = undefined;
    if (!from) return;
    const [x, y] = [end.x - from.x, end.y - from.y];
    if (Math.hypot(x, y) < 10) tap(event.timeStamp, end);
    else if (view.scale === 1 && Math.abs(x) > SWIPE && Math.abs(x) > Math.abs(y)) onSwipe(x < 0 ? 1 : -1);
    else if (view.scale === 1 && y > SWIPE && event.pointerType !== "mouse") onSwipeDown();
  };

  const tap = (at: number, point: Point) => {
    const isDouble = at - lastTap.current < DOUBLE;
    lastTap.current = isDouble ? 0 : at;
    if (isDouble) setView((now) => (now.scale > 1 ? FIT : zoom(now, 2.5, fromMiddle(point), size())));
  };

  return {
    frame,
    view,
    by,
    reset: () => setView(FIT),
    handlers: {
      onPointerDown,
      onPointerMove,
      onPointerUp,
      onPointerCancel: ({ pointerId }: PointerEvent) => {
        pointers.current.delete(pointerId);
        start.current = undefined;
      },
      onWheel: ({ deltaY, clientX, clientY }: WheelEvent) =>
        by(Math.exp(-deltaY / 300), fromMiddle({ x: clientX, y: clientY })),
    },
  };
}

const distance = (a: Point, b: Point) => Math.hypot(a.x - b.x, a.y - b.y);
