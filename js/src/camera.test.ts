import { expect, test } from "vitest";
import { fit, pan, toImage, toScreen, zoomAt } from "./camera";

const image = { width: 600, height: 400 };
const stage = { width: 900, height: 500 };

test("fit shows the whole image, centred", () => {
  const camera = fit(image, stage);
  expect(camera.scale).toBe(1.25);
  expect(toScreen(camera, 300, 200)).toEqual([450, 250]);
});

test("fit does not blow up an icon beyond recognition", () => {
  expect(fit({ width: 4, height: 4 }, stage).scale).toBe(48);
});

test("the image point under the cursor stays under it while zooming", () => {
  let camera = fit(image, stage);
  const before = toImage(camera, 700, 120);
  for (let i = 0; i < 9; i++) camera = zoomAt(camera, 700, 120, 1.3, image, stage);
  const after = toImage(camera, 700, 120);
  expect(after[0]).toBeCloseTo(before[0]);
  expect(after[1]).toBeCloseTo(before[1]);
});

test("zoom stops at both ends", () => {
  const whole = fit(image, stage);
  expect(zoomAt(whole, 0, 0, 1e9, image, stage).scale).toBe(48);
  expect(zoomAt(whole, 0, 0, 1e-9, image, stage).scale).toBe(0.5);
});

test("panning never loses the image", () => {
  const camera = pan(fit(image, stage), 1e6, -1e6, image, stage);
  expect(camera.x).toBe(stage.width - 24);
  expect(camera.y).toBe(24 - image.height * camera.scale);
});
