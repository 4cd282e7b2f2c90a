// Every word of the page in English; text/zh.ts holds the same keys in Simplified Chinese.

import { analysis } from './en/analysis';
import { sentence } from './en/sentence';
import { shell } from './en/shell';
import { tour } from './en/tour';
import { trap } from './en/trap';
import { view } from './en/view';

export const en = { ...analysis, ...sentence, ...shell, ...tour, ...trap, ...view };
