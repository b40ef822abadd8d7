import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { AnnotatorTraits } from "../traits";
import type { FromWorker, GivenImage, LabelFile, SavedStep } from "./page_data";
import { PageKernel } from "./page_kernel";

const SIZE = { width: 4, height: 2 };
const MASK = { size: [2, 4] as [number, number], counts: [1, 2, 5] };
const CUP = { id: 1, label: "cup", mask: MASK };

function image(name: string, instances = [CUP]): GivenImage {
  return { name, ...SIZE, mime: "image/png", instances };
}

/** Open a page of images; `damaged` cannot be decoded. */
function open(images: GivenImage[], steps: SavedStep[] = []) {
  const posted: FromWorker[] = [];
  const traits = { labels: ["cup"], label: "", view_only: false } as unknown as AnnotatorTraits;
  const files = images.map(({ name }) => ({ name, type: "image/png", arrayBuffer: async () => new ArrayBuffer(0) }));
  const start = { kind: "start" as const, page: { id: "p", traits, images }, images: files as never, steps };
  const kernel = new PageKernel({ ...start, network: null }, (message) => posted.push(message));
  const stepsOf = () => posted.flatMap((message) => (message.kind === "step" ? [message.step] : []));

  async function request<Result>(op: string, fields = {}): Promise<Result> {
    const id = `${posted.length}`;
    kernel.receive({ id, op, ...fields });
    type Content = { id: string; ok: boolean; error: string; result: Result };
    const reply = () =>
      posted.map((message) => (message as { content?: Content }).content).find((one) => one?.id === id);
    await vi.waitFor(() => expect(reply()).toBeDefined());
    const { ok, error, result } = reply() as Content;
    if (!ok) throw new Error(error);
    return result;
  }

  return { request, stepsOf };
}

beforeEach(() => {
  vi.stubGlobal("createImageBitmap", async ({ name }: { name: string }) => {
    if (name === "damaged") throw new Error("the image cannot be decoded");
    return { ...SIZE, close() {} };
  });
  const context = { drawImage() {}, getImageData: () => ({ data: new Uint8Array(4 * SIZE.width * SIZE.height) }) };
  vi.stubGlobal(
    "OffscreenCanvas",
    class {
      getContext = () => context;
    },
  );
});
afterEach(() => vi.unstubAllGlobals());

test("labels are saved although the browser cannot decode another image", async () => {
  const { request } = open([image("a"), image("damaged")]);
  await request("apply", { action: { type: "relabel", instance: 1, label: "mug" }, key: 1 });
  const file = await request<LabelFile>("save");
  expect(file.annotations.map(({ image_id, segmentation }) => [image_id, segmentation])).toEqual([
    [1, MASK],
    [2, MASK],
  ]);
  expect(file.info.exif_orientation).toBe("applied"); // so that Python does not guess
  expect(file.categories.map(({ name }) => name)).toEqual(["cup", "mug"]);
  expect(file.sessions.a.actions).toEqual([{ type: "relabel", instance: 1, label: "mug" }]);
});

test("the next image without objects is found next to one that cannot be decoded", async () => {
  const { request } = open([image("a"), image("damaged"), image("c", [])]);
  await request("goto", { index: null });
  expect((await request<{ key: number }>("image")).key).toBe(2);
});

describe("loading labels", () => {
  const images = [image("a", []), image("b", [])];

  async function fileWith(change: (file: LabelFile) => unknown): Promise<LabelFile> {
    const file = await open([image("a"), image("b", [])]).request<LabelFile>("save");
    change(file);
    return file;
  }

  test("the objects of a file replace those of its images, and only images with objects are done", async () => {
    const { request, stepsOf } = open(images);
    await request("load", { file: await fileWith(() => {}) });
    expect(stepsOf().map(({ image, kind }) => [image, kind])).toEqual([
      [0, "restart"],
      [1, "restart"],
    ]);
    const marks = await request<{ images: unknown[] }>("marks", { start: 0, stop: 2 });
    expect(marks.images).toEqual([
      { name: "a", done: true },
      { name: "b", done: false },
    ]);
    const reloaded = await open(images, stepsOf()).request<LabelFile>("save");
    expect(reloaded.annotations.map(({ segmentation }) => segmentation)).toEqual([MASK]);
  });

  test("objects are replaced only if the user agrees", async () => {
    const { request, stepsOf } = open([image("a"), image("b", [])]);
    const file = await fileWith(({ annotations: [one] }) => (one.segmentation.counts = [0, 8]));
    await expect(request("load", { file })).rejects.toThrow("replaces the objects of 1 image.");
    expect(stepsOf()).toEqual([]);
    await request("load", { file, replaces: true });
    expect((await request<LabelFile>("save")).annotations.map(({ area }) => area)).toEqual([8]);
  });

  const damages: [string, (file: LabelFile) => unknown, string][] = [
    [
      "polygons",
      ({ annotations: [one] }) => Object.assign(one, { segmentation: [[0, 0, 1, 1, 2, 0]] }),
      "no mask of 4 × 2",
    ],
    [
      "compressed runs",
      ({ annotations: [{ segmentation }] }) => Object.assign(segmentation, { counts: "12" }),
      "no mask",
    ],
    ["another size", ({ annotations: [{ segmentation }] }) => (segmentation.size = [4, 2]), "no mask"],
    ["too many pixels", ({ annotations: [{ segmentation }] }) => segmentation.counts.push(1), "no mask"],
    ["no lists", (file) => Object.assign(file, { images: undefined }), "not a file of labels"],
    ["entries of nothing", (file) => file.categories.push(null as never), "not a file of labels"],
    [
      "other images",
      ({ images }) => images.map((one) => Object.assign(one, { file_name: "x" })),
      "none of these images",
    ],
  ];

  test.each(damages)("a file with %s changes nothing", async (_, damage, error) => {
    const { request, stepsOf } = open(images);
    await expect(request("load", { file: await fileWith(damage) })).rejects.toThrow(error);
    expect(stepsOf()).toEqual([]);
  });
});
