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

test("a refused request says nothing more, and the first image has no previous one", async () => {
  const { host, doc } = hostAt(1);
  await COMMANDS.copy_previous.run(host);
  expect(doc.say).not.toHaveBeenCalled();
  expect(COMMANDS.copy_previous.whyOff?.(hostAt(0).host)).toBe("This is the first image");
});
