/** Finds the word somebody probably meant. */

/** Levenshtein distance, over one row. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, replace));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** `; did you mean "x"?` if one of `choices` is near to `given`, else ''. */
export function nearMiss(given: string, choices: readonly string[]): string {
  const word = given.toLowerCase();
  let best = '';
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const choice of choices) {
    const edits = editDistance(word, choice.toLowerCase());
    if (edits < bestDistance) {
      best = choice;
      bestDistance = edits;
    }
  }
  return best === '' ? '' : `; did you mean "${best}"?`;
}
