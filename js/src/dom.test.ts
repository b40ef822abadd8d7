import { beforeEach, expect, test, vi } from "vitest";
import { FullScreen } from "./dom";

/** A tree of elements: the document, or a shadow tree in it. */
class FakeTree extends EventTarget {
  fullscreenElement: unknown = null;
}

let page: FakeTree & { exitFullscreen?: () => void };
beforeEach(() => {
  page = new FakeTree();
  vi.stubGlobal("document", page);
});

function openIn(tree: FakeTree, host: object | null) {
  const root = {
    getRootNode: () => tree,
    async requestFullscreen() {
      tree.fullscreenElement = root;
      page.fullscreenElement = host ?? root; // the document sees only the host of a shadow tree
    },
  };
  page.exitFullscreen = () => {
    tree.fullscreenElement = null;
    page.fullscreenElement = null;
  };
  return new FullScreen(root as unknown as HTMLElement, () => {}, new AbortController().signal);
}

test.each([
  ["the document", null],
  ["a shadow tree", { name: "host" }],
])("a widget in %s fills the screen and leaves it again", (_name, host) => {
  const screen = openIn(host ? new FakeTree() : page, host);
  expect(screen.isOn).toBe(false);
  screen.toggle();
  expect(screen.isOn).toBe(true);
  screen.toggle();
  expect(screen.isOn).toBe(false);
});

test("another element that fills the screen is not the widget", () => {
  const screen = openIn(page, null);
  page.fullscreenElement = { name: "video" };
  expect(screen.isOn).toBe(false);
});
