/** sqlite answers a question about rows that JavaScript made. */

import type { SourceLibrary } from 'fromsource';
import { Database } from '../sqlite.ts';
import type { Landscape } from './picture.ts';
import { formatCount, formatMs, formatTable, paint, printStory } from './screen.ts';

const QUESTION = `
  SELECT kind, count(*) AS places, 100.0 * count(*) / sum(count(*)) OVER () AS share, avg(height) AS height
  FROM (SELECT height, CASE WHEN height < 112 THEN 'sea' WHEN height < 124 THEN 'shore'
                            WHEN height < 158 THEN 'forest' ELSE 'mountain' END AS kind FROM place)
  GROUP BY kind ORDER BY avg(height)`;

/** Tells the story. Throws when sqlite counts otherwise than JavaScript does. */
export function tellLand(sqlite: SourceLibrary, { width, height, heights }: Landscape): void {
  using db = new Database(sqlite, ':memory:');
  db.all('CREATE TABLE place (x INTEGER, y INTEGER, height INTEGER)');
  using insert = db.prepare('INSERT INTO place VALUES (?, ?, ?)');
  const started = performance.now();
  let inserted = 0;
  db.all('BEGIN');
  for (let y = 0; y < height; y += 4) {
    for (let x = 0; x < width; x += 4, inserted++) insert.all(x, y, heights[y * width + x] ?? 0);
  }
  db.all('COMMIT');
  const filled = performance.now();
  const answer = db.all(QUESTION);
  const answered = performance.now();

  const counted = answer.reduce((sum, row) => sum + Number(row.places), 0);
  if (counted !== inserted) throw new Error(`sqlite counts ${counted} places, JavaScript made ${inserted}`);
  const rows = answer.map(({ kind, places, share, height: mean }) => [
    String(kind),
    formatCount(Number(places)),
    `${Number(share).toFixed(1)} %`,
    Number(mean).toFixed(0),
  ]);
  const [head = '', ...lines] = formatTable([['land', 'places', 'share', 'mean height'], ...rows], '   ');
  const bars = answer.map(({ share }) => '█'.repeat(Math.max(1, Math.round(Number(share) / 3))));
  printStory('sql', [
    paint('dim', head),
    ...lines.map((line, index) => `${line}   ${paint('cyan', bars[index] ?? '')}`),
    `${formatCount(inserted)} rows inserted in ${formatMs(filled - started)}, the question answered in ${formatMs(answered - filled)}`,
  ]);
}
