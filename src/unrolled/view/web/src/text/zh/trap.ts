// Simplified Chinese: the trap.* texts, under the English table's keys.

import type { trap as English } from '../en/trap';

export const trap: Record<keyof typeof English, string> = {
  'trap.not.padded': '这一批的每个样本都占满全部 {time} 步，没有填充。',
  'trap.not.batch': '这是一条单独的序列，没有填充。',

  'trap.last_step.title': '对有填充的行取 `output[:, -1]`',
  'trap.last_step.text':
    '`output` 的最后一步是最长样本的最后一步。样本 {sample} 在 {time} 步中的第 {length} 步之后就结束了，那里只有零；`h_n` 则取自最后一个有效步之后。',

  'trap.backward_half.title': '在最后一步取反向的一半',
  'trap.backward_half.text':
    '反向从序列末尾读起：在最后一步，它只读过这一步。它的最终状态位于第 0 步，存放在 `h_n[-1]` 中。注意那只是反向的一半，正向的一半是 `h_n[-2]`。',
  'trap.backward_half.not.one': '这一层只有一个方向。',
  'trap.backward_half.not.short': '样本 {sample} 不足两步，两个方向读到的内容相同。',

  'trap.reshape.title': '把 `h_n` 直接变形为每个样本一行',
  'trap.reshape.text':
    '`h_n` 的第一维是 {rows} 个层与方向，第二维才是 {batch} 个样本，即使 `batch_first` 为真也是如此。直接变形会把不同样本混在一起：样本 {sample} 那一行里会出现其他样本的数值。',
  'trap.reshape.not.one': '只有一个样本，不会与其他样本混淆。',
  'trap.reshape.not.tuple': '这里的 `h_n` 是元组，不能直接变形。',
  'trap.reshape.not.row': '这里 `h_n` 的第一维只有一行，变形不会混淆样本。',

  'trap.no_lengths.title': '有填充却没有给出长度',
  'trap.no_lengths.text':
    '如果不给出长度，层会把样本 {sample} 的填充也当作数据，一直读满 {time} 步（这里第 {length} 步之后为零），最终状态就成了读完填充之后的状态。',
  'trap.no_lengths.not.computed': '本页无法计算这一层，因此也算不出填充的影响。',
  'trap.no_lengths.not.large': '这一层太大，不便在此顺带重新计算。',
};
