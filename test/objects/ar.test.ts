import { describe, expect, test } from 'vitest';
import { ArchiveError, readArchive } from '../../src/objects/ar.ts';
import { archive, header, member } from './archives.ts';

const namesAndContents = (bytes: Uint8Array): string[][] =>
  readArchive(bytes).map(({ name, bytes }) => [name, Buffer.from(bytes).toString()]);

describe('the members of an archive', () => {
  test.each([
    [
      'GNU: a short name ends with a slash',
      archive(member('a.o/', 'one'), member('b c.o/', 'four')),
      [
        ['a.o', 'one'],
        ['b c.o', 'four'],
      ],
    ],
    [
      'GNU: a long name is in a table',
      archive(
        member('//', 'a_very_long_member_name.o/\nanother_long_member_name.o/\n'),
        member('/0', 'x'),
        member('/27', 'yz'),
      ),
      [
        ['a_very_long_member_name.o', 'x'],
        ['another_long_member_name.o', 'yz'],
      ],
    ],
    [
      'GNU: indexes are passed over',
      archive(member('/', 'index'), member('/SYM64/', 'more'), member('a.o/', 'x')),
      [['a.o', 'x']],
    ],
    ['BSD: a short name is as it is', archive(member('a.o', 'x')), [['a.o', 'x']]],
    [
      'BSD: a long name begins the content',
      archive(member('#1/20', `long_member_name.o\0\0content`)),
      [['long_member_name.o', 'content']],
    ],
    [
      'BSD: indexes are passed over',
      archive(member('__.SYMDEF', 'i'), member('#1/20', '__.SYMDEF SORTED\0\0\0\0i'), member('a.o', 'x')),
      [['a.o', 'x']],
    ],
    ['a name in UTF-8', archive(member('#1/6', 'ü.o\0\0x')), [['ü.o', 'x']]],
    [
      'two of one name',
      archive(member('a.o/', 'x'), member('a.o/', 'y')),
      [
        ['a.o', 'x'],
        ['a.o', 'y'],
      ],
    ],
    ['the last one without the byte that fills up', archive(member('a.o/', 'x').subarray(0, -1)), [['a.o', 'x']]],
    ['none at all', archive(), []],
  ])('%s', (_, bytes, members) => {
    expect(namesAndContents(bytes)).toEqual(members);
  });

  test.each([
    ['nothing', Buffer.alloc(0), 'it is not an archive'],
    ['an object', Buffer.from('\x7fELF'), 'it is not an archive'],
    [
      'a thin archive',
      Buffer.from('!<thin>\n'),
      'it is a thin archive, which has only the names of its members: make it without `T`',
    ],
    ['a header that is cut', archive(header('a.o/', 0).subarray(0, 40)), 'the member header at byte 8 is damaged'],
    ['a header with another end', archive(header('a.o/', 0, 'xx')), 'the member header at byte 8 is damaged'],
    [
      'a size that is no number',
      archive(Buffer.from(header('a.o/', 1).toString().replace('1 ', '-1'))),
      'the member header at byte 8 is damaged',
    ],
    [
      'a member that is cut',
      archive(header('a.o/', 100), Buffer.from('short')),
      'the member at byte 8 claims 100 bytes, and 5 are left',
    ],
    [
      'a long name outside the table',
      archive(member('//', 'a.o/\n'), member('/99', 'x')),
      'the name of the member at byte 74 is not in the table of names',
    ],
    [
      'a long name without a table',
      archive(member('/0', 'x')),
      'the name of the member at byte 8 is not in the table of names',
    ],
    [
      'a name longer than the member',
      archive(member('#1/99', 'x')),
      'the name of the member at byte 8 is longer than it',
    ],
  ])('are refused of %s', (_, bytes, message) => {
    expect(() => readArchive(bytes)).toThrow(new ArchiveError(message));
  });

  test('whatever the bytes, are read or refused', () => {
    const whole = archive(member('//', 'a_long_member_name_it_is.o/\n'), member('/0', 'content'), member('b.o/', 'x'));
    for (let at = 0; at < whole.length; at += 1) {
      for (const byte of [0, 0x20, 0x39, 0x7f, 0xff]) {
        const damaged = Buffer.from(whole);
        damaged[at] = byte;
        try {
          readArchive(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(ArchiveError);
        }
      }
    }
  });
});
