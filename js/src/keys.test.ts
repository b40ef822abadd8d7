import { expect, test } from "vitest";
import { belongsToHost, commandOf, keyName } from "./keys";
import { isChoice, isSecondary } from "./pointers";

const press = (key: string, o: Partial<KeyboardEvent> = {}) =>
  keyName({ key, code: "", ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...o });

test("keys have names", () => {
  expect(press("z", { ctrlKey: true })).toBe("Ctrl+Z");
  expect(press("Z", { metaKey: true, shiftKey: true })).toBe("Ctrl+Shift+Z");
  expect(press("?", { shiftKey: true })).toBe("?");
  expect(press(" ")).toBe("Space");
  expect(press("Enter", { shiftKey: true })).toBe("Shift+Enter");
});

test("shortcuts work with a Cyrillic layout", () => {
  expect(press("я", { code: "KeyZ", ctrlKey: true })).toBe("Ctrl+Z");
});

test("a command is found by any of its keys, in any case", () => {
  const shortcuts = { redo: ["Ctrl+Shift+Z", "ctrl+y"], peek: ["V"] };
  expect(commandOf("Ctrl+Y", shortcuts)).toBe("redo");
  expect(commandOf("V", shortcuts)).toBe("peek");
  expect(commandOf("Shift+V", shortcuts)).toBeUndefined();
});

test("while the widget has the focus, the notebook receives only keys that leave it, and chords without Enter", () => {
  const belongs = (key: string, ctrlKey = false) => belongsToHost({ key, ctrlKey, metaKey: false });
  expect(["d", "Enter", "ArrowDown", "F9"].map((key) => belongs(key))).toEqual([false, false, false, false]);
  expect([belongs("Tab"), belongs("Escape"), belongs("s", true), belongs("Enter", true)]).toEqual([
    true,
    true,
    true,
    false,
  ]);
});

test("Ctrl+click chooses an object, on a Mac Cmd+click; there, Ctrl+click is the second button", () => {
  const press = { button: 0, ctrlKey: false, metaKey: false };
  expect([isChoice({ ...press, ctrlKey: true }, false), isChoice({ ...press, ctrlKey: true }, true)]).toEqual([
    true,
    false,
  ]);
  expect(isChoice({ ...press, metaKey: true }, true)).toBe(true);
  const state = {
    clientX: 0,
    clientY: 0,
    altKey: false,
    shiftKey: false,
    pointerType: "mouse",
    pressure: 0,
    button: 0,
  };
  expect([isSecondary({ ...state, ctrlKey: true }, false), isSecondary({ ...state, ctrlKey: true }, true)]).toEqual([
    false,
    true,
  ]);
  expect(isSecondary({ ...state, button: 2 }, false)).toBe(true);
});
