import { expect, test } from "vitest";
import { commandOf, keepKeys, keyName } from "./keys";
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

const KEYS_OF_HOST = [{ key: "Tab" }, { key: "Escape" }, { key: "s", ctrlKey: true }, { key: "S", metaKey: true }];
const KEYS_OF_WIDGET = ["d", "b", "Delete", "Enter", "ArrowDown", "F9", "Shift"]
  .map((key): Partial<KeyboardEvent> => ({ key }))
  .concat({ key: "Enter", ctrlKey: true }, { key: "z", ctrlKey: true }, { key: "s" });

test.each(["keydown", "keypress", "keyup"])("a focused widget stops every %s, except leaving it and saving", (type) => {
  const root = new EventTarget();
  const controller = new AbortController();
  keepKeys(root, controller.signal);
  const isStopped = (fields: Partial<KeyboardEvent>) => {
    const event = Object.assign(new Event(type), { code: "", ...fields });
    root.dispatchEvent(event);
    return event.cancelBubble;
  };
  expect(KEYS_OF_WIDGET.map(isStopped)).toEqual(KEYS_OF_WIDGET.map(() => true));
  expect(KEYS_OF_HOST.map(isStopped)).toEqual(KEYS_OF_HOST.map(() => false));
  controller.abort();
  expect(isStopped({ key: "d" })).toBe(false);
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
