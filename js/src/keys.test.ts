import { expect, test } from "vitest";
import { commandOf, keyName } from "./keys";

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
