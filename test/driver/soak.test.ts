import { describe, expect, it } from 'vitest';
import { DriverClient, whyNoDriver } from './client.ts';

const missing = whyNoDriver();
if (missing !== null) console.warn(`skipped: ${missing}`);

describe.skipIf(missing !== null)('a driver that has compiled for long', () => {
  it('holds no more memory after 2,000 compiles, of which many fail, than after 300', async () => {
    await using client = await DriverClient.start();
    const resident: number[] = [];
    for (let index = 0; index < 2000; index += 1) {
      const kind = index % 5;
      const text = `${kind > 2 ? '#include <stdio.h>\n#include <string.h>\n' : ''}int f${index}(int x) { return x * ${index}${
        kind === 2 ? ' + missing' : ''
      }; }\n`;
      const flags = ['-O2', `-DN=${index % 90}`];
      const { message } = await client.compile({ text, flags, preamble: kind === 4 });
      expect(message.status).toBe(kind === 2 ? 'failed' : 'ok');
      resident.push(message.memory.resident);
    }
    const highest = Math.max(...resident.slice(250, 350));
    expect(Math.max(...resident.slice(-100)) / highest).toBeLessThan(1.2);
  });

  it('answers requests that are sent all at once in their order', async () => {
    await using client = await DriverClient.start();
    const all = Array.from({ length: 200 }, (_, index) =>
      client.compile({ text: `int f${index}(void) { return ${index}; }\n` }),
    );
    const answers = await Promise.all(all);
    expect(answers.map(({ message }) => message.id)).toEqual(all.map((_, index) => index + 1));
    for (const [index, { object }] of answers.entries()) expect(object.includes(`f${index}\0`)).toBe(true);
  });
});
