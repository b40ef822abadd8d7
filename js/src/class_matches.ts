/** The order in which the classes are offered while a name is typed. */

const RANKS: ((name: string, typed: string) => boolean)[] = [
  (name, typed) => name === typed,
  (name, typed) => name.startsWith(typed),
  (name, typed) => name.split(/[^\p{L}\p{N}]+/u).some((word) => word.startsWith(typed)),
  (name, typed) => name.includes(typed),
  (name, typed) => isSubsequence(typed, name),
];

/** Return the labels that match a typed text, the best first; of equally good ones, those used last come first. */
export function matchLabels(typed: string, labels: readonly string[], recent: readonly string[]): string[] {
  const wanted = typed.trim().toLowerCase();
  const found = labels.map((label, number) => {
    const name = label.toLowerCase();
    const age = recent.indexOf(label);
    const rank = wanted ? RANKS.findIndex((matches) => matches(name, wanted)) : 0;
    return { label, rank, age: age < 0 ? recent.length : age, number };
  });
  return found
    .filter(({ rank }) => rank >= 0)
    .sort((a, b) => a.rank - b.rank || a.age - b.age || a.number - b.number)
    .map(({ label }) => label);
}

function isSubsequence(typed: string, name: string): boolean {
  let at = 0;
  for (const letter of name) if (letter === typed[at]) at++;
  return at === typed.length;
}
