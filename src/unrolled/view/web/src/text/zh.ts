// Every word of the page in Simplified Chinese; the type holds it to the keys of text/en.ts.

import type { en } from './en';
import { analysis } from './zh/analysis';
import { sentence } from './zh/sentence';
import { shell } from './zh/shell';
import { tour } from './zh/tour';
import { trap } from './zh/trap';
import { view } from './zh/view';

export const zh: Record<keyof typeof en, string> = { ...analysis, ...sentence, ...shell, ...tour, ...trap, ...view };
