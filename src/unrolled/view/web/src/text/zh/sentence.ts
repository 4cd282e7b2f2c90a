// Simplified Chinese: the sentence.* texts, under the English table's keys.

import type { sentence as English } from '../en/sentence';

export const sentence: Record<keyof typeof English, string> = {
  'sentence.unknown': '不在本页中',
  'sentence.unit': '单元 {unit}',
  'sentence.unit.layer': '第 {layer} 层单元 {unit}',
  'sentence.unit.forward': '第 {layer} 层正向单元 {unit}',
  'sentence.unit.reverse': '第 {layer} 层反向单元 {unit}',
  'sentence.feature': '输入特征 {feature}',

  'sentence.x': '样本 {sample} 在第 {step} 步的输入特征 {feature}：{value}。',

  'sentence.pre': '样本 {sample} 第 {step} 步，{unit} 的门 `{gate}` 在非线性函数之前的总和：{value}。',
  'sentence.gate': '样本 {sample} 第 {step} 步，{unit} 的门 `{gate}`：{value}。',
  'sentence.gate.i': '样本 {sample} 第 {step} 步，{unit} 的输入门 `i`，即 `g` 写入 `c` 的比例：{value}。',
  'sentence.gate.f': '样本 {sample} 第 {step} 步，{unit} 的遗忘门 `f`，即旧的 `c` 被保留的比例：{value}。',
  'sentence.gate.g': '样本 {sample} 第 {step} 步，{unit} 的候选值 `g`，即可能写入 `c` 的内容：{value}。',
  'sentence.gate.o': '样本 {sample} 第 {step} 步，{unit} 的输出门 `o`，即 tanh(`c`) 作为 `h` 输出的比例：{value}。',
  'sentence.gate.r': '样本 {sample} 第 {step} 步，{unit} 的重置门 `r`，即候选值能看到多少旧的 `h`：{value}。',
  'sentence.gate.z': '样本 {sample} 第 {step} 步，{unit} 的更新门 `z`，即旧的 `h` 被保留的比例：{value}。',
  'sentence.gate.n': '样本 {sample} 第 {step} 步，{unit} 的候选值 `n`，即可能取代 `h` 的内容：{value}。',

  'sentence.state': '样本 {sample} 第 {step} 步之后，{unit} 的状态 `{state}`：{value}。',
  'sentence.start': '样本 {sample} 在读入任何一步之前，{unit} 的初始状态 `{state}_0`：{value}。',
  'sentence.h': '样本 {sample} 第 {step} 步之后，{unit} 的隐藏状态 `h`：{value}。',
  'sentence.h.last':
    '样本 {sample} 第 {step} 步之后，{unit} 的隐藏状态 `h`；这是该方向读入的最后一步，因此存放在 `h_n` 中：{value}。',
  'sentence.c': '样本 {sample} 第 {step} 步之后，{unit} 的细胞状态 `c`：{value}。',
  'sentence.c.last':
    '样本 {sample} 第 {step} 步之后，{unit} 的细胞状态 `c`；这是该方向读入的最后一步，因此存放在 `c_n` 中：{value}。',

  'sentence.weight': '{unit} 的参数 `{name}`，每一步都相同：{value}。',
  'sentence.weight_ih': '{unit} 的门 `{gate}` 对 {source} 的权重，每一步都相同：{value}。',
  'sentence.weight_hh': '{unit} 的门 `{gate}` 对前一步中单元 {column} 的 `h` 的权重，每一步都相同：{value}。',
  'sentence.bias_ih': '{unit} 的门 `{gate}` 的输入偏置，每一步都相同：{value}。',
  'sentence.bias_hh': '{unit} 的门 `{gate}` 的循环偏置，每一步都相同：{value}。',
  'sentence.weight_hr': '隐藏单元 {column} 在投影后的 `h` 的第 {row} 个数中所占的权重，每一步都相同：{value}。',
  'sentence.weight_peephole': '隐藏单元 {column} 的一个门对该单元细胞状态 `c` 的窥孔权重，每一步都相同：{value}。',
  'sentence.head.weight': '输出头的输出 {row} 对其输入 {column} 的权重：{value}。',
  'sentence.head.bias': '输出头的输出 {row} 的偏置：{value}。',

  'sentence.answer': '模型对样本 {sample} 的回答 {label}：{value}。',
};
