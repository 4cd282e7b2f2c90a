// What Python put into the page: the user's model and the tour's, or plain words on why they cannot be read.

import { decodePage, type Page } from '../decode';
import type { Key, Values } from '../text';
import { beginning } from './selection';

const KNOWN = 'unrolled-page/1';

/** Why a page cannot be shown, as a text to translate. */
export interface Problem {
  key: Key;
  values: Values;
}

export interface Opened {
  user: Page | null;
  tour: Page | null;
  problem: Problem | null;
}

/** Reads both scripts: an empty one holds nothing, and that is no problem while there is the tour. */
export function open(userText: string, tourText: string): Opened {
  const user = read(userText);
  const tour = read(tourText);
  const first = user.problem ?? (user.page ? null : tour.problem);
  const missing: Problem | null = user.page || tour.page ? null : { key: 'shell.problem.missing', values: {} };
  return { user: user.page, tour: tour.page, problem: first ?? missing };
}

function read(text: string): { page: Page | null; problem: Problem | null } {
  if (text.trim() === '') return { page: null, problem: null };
  try {
    return parse(JSON.parse(text));
  } catch {
    return { page: null, problem: { key: 'shell.problem.damaged', values: {} } };
  }
}

function parse(document: unknown): { page: Page | null; problem: Problem | null } {
  const schema = typeof document === 'object' && document !== null && 'schema' in document ? document.schema : null;
  if (typeof schema === 'string' && schema !== KNOWN) {
    return { page: null, problem: { key: 'shell.problem.newer', values: { schema, known: KNOWN } } };
  }
  const page = decodePage(document as Parameters<typeof decodePage>[0]);
  if (page.networks.length === 0) throw new Error('a page without a network');
  // Arrays are read when they are first needed: those that every part of the page needs, now.
  page.networks.forEach(beginning);
  return { page, problem: null };
}
