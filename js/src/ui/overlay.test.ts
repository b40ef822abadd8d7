import { expect, test, vi } from "vitest";

vi.stubGlobal("document", {});
const { showsHint } = await import("./overlay");

type Host = Parameters<typeof showsHint>[0];

/** A view of an image without masks, with some of its members changed. */
function viewOf(change: { doc?: object; modes?: object; isDrawing?: boolean }): Host {
  const doc = {
    pending: [],
    instances: [{ outline: null }],
    message: "",
    picture: {},
    isEditable: true,
    ...change.doc,
  };
  const modes = { helping: false, tracing: false, ...change.modes };
  return { doc, modes, viewer: { isDrawing: change.isDrawing ?? false } } as unknown as Host;
}

test("the hint is over an image without masks", () => {
  expect(showsHint(viewOf({}))).toBe(true);
});

test.each([
  ["the first drag", { isDrawing: true }],
  ["the first request", { doc: { pending: [{ kind: "dot" }] } }],
  ["a mask", { doc: { instances: [{ outline: {} }] } }],
  ["a message", { doc: { message: "Saved" } }],
  ["an image that is still loading", { doc: { picture: null } }],
  ["a read-only image", { doc: { isEditable: false } }],
  ["the help", { modes: { helping: true } }],
  ["the colors of the sources", { modes: { tracing: true } }],
])("%s hides the hint", (_reason, change) => {
  expect(showsHint(viewOf(change))).toBe(false);
});
