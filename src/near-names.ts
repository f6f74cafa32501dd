/** Pure: which known names a wrong one was probably meant to be. */

/** Names longer than this are not compared: the cost grows with the square. */
const MAX_LENGTH = 200;

/**
 * Up to three of `candidates` that `name` is likely a misspelling of, the nearest first: at most a third of its
 * characters inserted, deleted, changed or swapped, or a difference in case and underscores only.
 */
export function nearNames(name: string, candidates: Iterable<string>): string[] {
  if (name.length > MAX_LENGTH) return [];
  const plain = fold(name);
  const limit = Math.max(1, Math.floor(name.length / 3));
  const near = new Map<string, number>();
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - name.length) > limit && fold(candidate) !== plain) continue;
    const distance = fold(candidate) === plain ? 0 : editDistance(name, candidate, limit);
    if (distance <= limit) near.set(candidate, distance);
  }
  return [...near]
    .sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1))
    .slice(0, 3)
    .map(([candidate]) => candidate);
}

function fold(name: string): string {
  return name.replaceAll('_', '').toLowerCase();
}

/** Damerau-Levenshtein distance with adjacent swaps, or anything above `limit` when it is above. */
function editDistance(a: string, b: string, limit: number): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    let least = i;
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(cost);
      least = Math.min(least, cost);
    }
    if (least > limit) return least;
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
