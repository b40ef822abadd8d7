import { expect, test } from "vitest";
import type { Box } from "./bitmap";
import { fitCamera, pan, toImage, toScreen, zoomAt, zoomToBox } from "./camera";

const image = { width: 600, height: 400 };
const stage = { width: 900, height: 500 };

test("fit shows the whole image, centered", () => {
  const camera = fitCamera(image, stage);
  expect(camera.scale).toBe(1.25);
  expect(toScreen(camera, 300, 200)).toEqual([450, 250]);
});

test("fit limits the scale of a small image", () => {
  expect(fitCamera({ width: 4, height: 4 }, stage).scale).toBe(48);
});

test("the image point under the cursor stays under it while zooming", () => {
  let camera = fitCamera(image, stage);
  const before = toImage(camera, 700, 120);
  for (let i = 0; i < 9; i++) camera = zoomAt(camera, 700, 120, 1.3, image, stage);
  const after = toImage(camera, 700, 120);
  expect(after[0]).toBeCloseTo(before[0]);
  expect(after[1]).toBeCloseTo(before[1]);
});

test("zoom stops at both ends", () => {
  const whole = fitCamera(image, stage);
  expect(zoomAt(whole, 0, 0, 1e9, image, stage).scale).toBe(48);
  expect(zoomAt(whole, 0, 0, 1e-9, image, stage).scale).toBe(0.5);
});

test("panning keeps part of the image visible", () => {
  const camera = pan(fitCamera(image, stage), 1e6, -1e6, image, stage);
  expect(camera.x).toBe(stage.width - 24);
  expect(camera.y).toBe(24 - image.height * camera.scale);
});

function zoomedTo(box: Box, scale = 0.5, stage = { clientWidth: 800, clientHeight: 600 }) {
  const done: number[][] = [];
  zoomToBox(
    {
      stage,
      camera: { scale, x: 0, y: 0 },
      zoom: (factor) => done.push([factor]),
      center: (x, y) => done.push([x, y]),
    },
    box,
  );
  return done;
}

test("zoomToBox fits a small object by its tighter side", () => {
  expect(zoomedTo([100, 200, 140, 220])).toEqual([[0.4 * 40], [120, 210]]);
  expect(zoomedTo([0, 0, 10, 200])).toEqual([[0.4 * 6], [5, 100]]);
});

test("zoomToBox does not zoom in on a large object", () => {
  expect(zoomedTo([0, 0, 700, 300])).toEqual([]);
  expect(zoomedTo([0, 0, 300, 300])).toEqual([]);
});

test("zoomToBox leaves a stage alone that is not laid out yet", () => {
  expect(zoomedTo([100, 200, 140, 220], 0)).toEqual([]);
  expect(zoomedTo([100, 200, 140, 220], 0, { clientWidth: 800, clientHeight: 0 })).toEqual([]);
});
