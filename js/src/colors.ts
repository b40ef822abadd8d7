/** The colors of objects: by their label, by their id, or gray without a label. `cdwidget/widget/colors.py` computes the same. */

export const UNLABELED_COLOR = "#8b949e";

export function objectColor(
  { id, label }: { id: number; label: string },
  labels: readonly string[],
  colors: readonly string[],
): string {
  const number = labels.indexOf(label);
  if (number >= 0) return colors[number % colors.length];
  if (label) return colors[(labels.length + hash(label)) % colors.length];
  return labels.length ? UNLABELED_COLOR : colors[(id - 1) % colors.length];
}

/** A number of a text that is the same in every page and in Python. */
function hash(text: string): number {
  let value = 0;
  for (let i = 0; i < text.length; i++) value = (31 * value + (text.charCodeAt(i) & 255)) % 2 ** 31;
  return value;
}
