// Translation: a table for each language, {placeholders} filled in, `backticks` around what is code.

import { en } from './en';
import { zh } from './zh';

export type Language = 'en' | 'zh';
export type Key = keyof typeof en;
export type Values = Record<string, string | number>;
export type Translate = (key: Key, values?: Values) => string;

export const tables: Record<Language, Record<Key, string>> = { en, zh };

/** The function that turns a key into words; a placeholder without a value stays visible as `{name}`. */
export function translate(language: Language): Translate {
  const table = tables[language];
  return (key, values = {}) =>
    table[key].replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}

/** Whether a key made at run time is in the tables. */
export function isKey(key: string): key is Key {
  return Object.hasOwn(en, key);
}

/** A text cut where its backticks are, for a view to set `code` in a monospaced face. */
export function parts(text: string): { code: boolean; text: string }[] {
  return text
    .split('`')
    .map((piece, k) => ({ code: k % 2 === 1, text: piece }))
    .filter((part) => part.text !== '');
}
