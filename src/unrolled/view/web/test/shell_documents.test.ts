import { describe, expect, it } from 'vitest';
import { open } from '../src/shell/documents';
import { load } from './load';

const { document } = load('lstm');
const good = JSON.stringify(document);

describe('what Python put into the page', () => {
  it('opens the user’s model, and the tour’s beside it', () => {
    const { user, tour, problem } = open(good, good);
    expect([user?.title, tour?.title, problem]).toEqual([document.title, document.title, null]);
  });

  it('is no problem when there is only the tour', () => {
    const { user, tour, problem } = open('  \n', good);
    expect([user, tour?.networks.length, problem]).toEqual([null, document.networks.length, null]);
  });

  it('is no problem when there is no tour', () => {
    expect(open(good, '')).toMatchObject({ tour: null, problem: null });
  });

  it('says that nothing is there', () => {
    expect(open('', '').problem?.key).toBe('shell.problem.missing');
  });

  it.each([good.slice(0, good.length / 2), 'null', '[]', '{}', '{"schema": "unrolled-page/1"}', 'not json'])(
    'says that it is damaged, and keeps the tour: %.20s',
    (text) => {
      const { user, tour, problem } = open(text, good);
      expect([user, problem?.key]).toEqual([null, 'shell.problem.damaged']);
      expect(tour).not.toBeNull();
    },
  );

  it('says which form a newer one has', () => {
    const newer = JSON.stringify({ ...document, schema: 'unrolled-page/2' });
    expect(open(newer, '').problem).toEqual({
      key: 'shell.problem.newer',
      values: { schema: 'unrolled-page/2', known: 'unrolled-page/1' },
    });
  });

  it('says that a page is damaged whose lengths cannot be read', () => {
    const [network, ...others] = document.networks;
    const trace = { ...network!.trace, lengths: { ...network!.trace.lengths, data: '!' } };
    const page = { ...document, networks: [{ ...network, trace }, ...others] };
    expect(open(JSON.stringify(page), good).problem?.key).toBe('shell.problem.damaged');
  });

  it('says that a page without any network is damaged', () => {
    expect(open(JSON.stringify({ ...document, networks: [] }), good).problem?.key).toBe('shell.problem.damaged');
  });
});
