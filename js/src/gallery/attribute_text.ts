/** Attributes as the text that a user types, such as "occluded: true". */
import type { AttributeValue } from "./traits";

export interface Attribute {
  name: string;
  value: AttributeValue | null; // null removes the attribute
}
type Known = Readonly<Record<string, readonly AttributeValue[]>>;

const NONE = "–"; // in place of a value: removes the attribute
const FLAGS: readonly AttributeValue[] = [true, false];

/** Return a text for each known value; a flag has both, and each attribute can be removed. */
export function attributeTexts(known: Known): string[] {
  return listedAttributes(known).map(attributeText);
}

function listedAttributes(known: Known): Attribute[] {
  return Object.entries(known).flatMap(([name, values]) => {
    const isFlag = values.every((value) => typeof value === "boolean");
    return [...(isFlag ? FLAGS : values), null].map((value) => ({ name, value }));
  });
}

function attributeText({ name, value }: Attribute): string {
  return `${name}: ${value ?? NONE}`.trim();
}

/** Return the attribute that a text means; null if it has no name and colon. An unknown value is a flag, a number or a text. */
export function parseAttribute(text: string, known: Known): Attribute | null {
  const listed = listedAttributes(known).find((attribute) => attributeText(attribute) === text.trim());
  if (listed) return listed;
  const [, name, typed] = /^\s*([^:]+?)\s*:\s*(.*?)\s*$/.exec(text) ?? [];
  if (!name) return null;
  if (!typed || typed === NONE) return { name, value: null };
  if (typed === "true" || typed === "false") return { name, value: typed === "true" };
  const number = Number(typed);
  return { name, value: Number.isFinite(number) ? number : typed };
}
