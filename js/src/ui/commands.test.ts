import { expect, test, vi } from "vitest";
import { COMMANDS } from "./commands";
import type { AnnotatorHost } from "./host";

function hostAt(index: number, reply: { result: { message: string } } | null = null) {
  const doc = {
    image: { index, count: 3, key: 5 },
    whyReadOnly: "",
    kernel: { run: vi.fn(async () => reply) },
    say: vi.fn(),
  };
  return { host: { doc } as unknown as AnnotatorHost, doc };
}

test.each(["copy_previous", "follow_previous"])(
  "%s requests the objects of the previous image and says which",
  async (op) => {
    const { host, doc } = hostAt(1, { result: { message: "Copied 2 objects" } });
    expect(COMMANDS[op].whyOff?.(host)).toBe("");
    await COMMANDS[op].run(host);
    expect(doc.kernel.run).toHaveBeenCalledExactlyOnceWith(op, { key: 5 });
    expect(doc.say).toHaveBeenCalledExactlyOnceWith("Copied 2 objects");
  },
);

test.each([true, false])("the next image receives followed objects if Python says so: %s", async (follows) => {
  const { host, doc } = hostAt(1, { result: { message: "Followed cup 9" } });
  const changeImage = vi.fn(async () => follows);
  Object.assign(doc, { changeImage });
  await COMMANDS.next.run(host);
  expect(changeImage).toHaveBeenCalledExactlyOnceWith("go", { step: 1 });
  expect(doc.kernel.run.mock.calls).toEqual(follows ? [["follow_previous", { key: 5 }]] : []);
});

test("a refused request says nothing more, and the first image has no previous one", async () => {
  const { host, doc } = hostAt(1);
  await COMMANDS.copy_previous.run(host);
  expect(doc.say).not.toHaveBeenCalled();
  expect(COMMANDS.copy_previous.whyOff?.(hostAt(0).host)).toBe("This is the first image");
});

test("similar searches for the selected objects, or for the class under the pointer", async () => {
  const { host, doc } = hostAt(0);
  let pointed: string | null = null;
  const search = vi.fn();
  Object.assign(doc, { instances: [] });
  Object.assign(host, { similar: { search }, objects: { targets: [4] }, pointedClass: () => pointed });
  COMMANDS.similar.run(host);
  pointed = "cup";
  expect(COMMANDS.similar.whyOff?.(host)).toBe("");
  COMMANDS.similar.run(host);
  expect(search.mock.calls).toEqual([
    [[4], null],
    [[4], "cup"],
  ]);
});
