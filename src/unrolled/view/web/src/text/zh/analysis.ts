// Simplified Chinese: the analysis.* texts, under the English table's keys.

import type { analysis as English } from '../en/analysis';

export const analysis: Record<keyof typeof English, string> = {
  'analysis.saturation': '饱和度',
  'analysis.saturation.read': '在有效时间步中，门低于 0.1（关）或高于 0.9（开）的比例：总停在一端的门不再做任何决定。',
  'analysis.saturation.trust': '样本少而短时，门可能只是看似饱和；一直打开的遗忘门也可能正是任务所需。',
  'analysis.memory': '记忆长度',
  'analysis.memory.read': '对每个单元：若不再写入，细胞状态经过多少步缩小到 1/e，即 −1 除以遗忘门几何平均值的对数。',
  'analysis.memory.trust':
    '它是这一批各步的平均，而且只看单个单元：单元也能通过 `h` 传递信息；超过数据长度的值只是外推。',
  'analysis.contributions': '贡献',
  'analysis.contributions.read':
    '每一步写入细胞的内容有多少还留在最终状态中。各部分加上初始状态的剩余，恰好等于最终状态。',
  'analysis.contributions.trust': '只改变了门、从而决定保留什么的那一步，在这里不计分；符号相反的大贡献可能互相抵消。',
  'analysis.gradient_flow': '梯度流',
  'analysis.gradient_flow.read': '每一步 ‖∂L/∂h_t‖ 与 ‖∂L/∂c_t‖ 的大小，L 是回答之和，没有输出头时是 `output` 之和：逆着读取的方向越来越淡，说明损失教不到远处的时间步。',
  'analysis.gradient_flow.trust':
    '它只对这一批、这个损失和这些权重成立；梯度小也可能是因为那一步已经学好，或本来就不重要。',
  'analysis.attribution': '归因',
  'analysis.attribution.read': '与基线相比，每个输入数把回答推动了多少：正值使它变大，负值使它变小。',
  'analysis.attribution.trust':
    '它取决于基线，并把共同产生的作用分摊开来；若完备性差距与回答相比不小，就需要更多的积分步数。',

  'analysis.fact.low': '低于此值算关',
  'analysis.fact.high': '高于此值算开',
  'analysis.fact.largest_gap': '各部分之和与最终状态的最大差距',
  'analysis.fact.completeness_gap': '完备性差距：各份之和与变化量的最大差距',
  'analysis.fact.largest_change': '待解释的回答的最大变化',
  'analysis.fact.baseline': '基线',
  'analysis.fact.method': '方法',
  'analysis.fact.why': '采用该方法的原因',
  'analysis.fact.answer': '针对的回答',
};
