// English: the sentence.* texts. {unit} is one of the sentence.unit texts; {value} a number or sentence.unknown.

export const sentence = {
  'sentence.unknown': 'not in this page',
  'sentence.unit': 'unit {unit}',
  'sentence.unit.layer': 'unit {unit} of layer {layer}',
  'sentence.unit.forward': 'unit {unit} of layer {layer}, forward direction',
  'sentence.unit.reverse': 'unit {unit} of layer {layer}, reverse direction',
  'sentence.feature': 'input feature {feature}',

  'sentence.x': 'Input feature {feature} of sample {sample} at step {step}: {value}.',

  'sentence.pre':
    'What gate `{gate}` of {unit} adds up to at step {step} of sample {sample}, before its nonlinearity: {value}.',
  'sentence.gate': 'Gate `{gate}` of {unit} at step {step} of sample {sample}: {value}.',
  'sentence.gate.i':
    'Input gate `i` of {unit} at step {step} of sample {sample}, the share of `g` that is written into `c`: {value}.',
  'sentence.gate.f':
    'Forget gate `f` of {unit} at step {step} of sample {sample}, the share of the old `c` that is kept: {value}.',
  'sentence.gate.g':
    'Candidate `g` of {unit} at step {step} of sample {sample}, what may be written into `c`: {value}.',
  'sentence.gate.o':
    'Output gate `o` of {unit} at step {step} of sample {sample}, the share of tanh(`c`) that is shown as `h`: {value}.',
  'sentence.gate.r':
    'Reset gate `r` of {unit} at step {step} of sample {sample}, how much of the old `h` the candidate sees: {value}.',
  'sentence.gate.z':
    'Update gate `z` of {unit} at step {step} of sample {sample}, the share of the old `h` that is kept: {value}.',
  'sentence.gate.n':
    'Candidate `n` of {unit} at step {step} of sample {sample}, what may take the place of `h`: {value}.',

  'sentence.state': 'State `{state}` of {unit} after step {step} of sample {sample}: {value}.',
  'sentence.start': 'Initial state `{state}_0` of {unit} for sample {sample}, before any step is read: {value}.',
  'sentence.h': 'Hidden state `h` of {unit} after step {step} of sample {sample}: {value}.',
  'sentence.h.last':
    'Hidden state `h` of {unit} after step {step} of sample {sample}, the last that this direction reads, so that it stands in `h_n`: {value}.',
  'sentence.c': 'Cell state `c` of {unit} after step {step} of sample {sample}: {value}.',
  'sentence.c.last':
    'Cell state `c` of {unit} after step {step} of sample {sample}, the last that this direction reads, so that it stands in `c_n`: {value}.',

  'sentence.weight': 'Parameter `{name}` of {unit}, the same at every step: {value}.',
  'sentence.weight_ih': 'How strongly gate `{gate}` of {unit} listens to {source}, the same at every step: {value}.',
  'sentence.weight_hh':
    'How strongly gate `{gate}` of {unit} listens to `h` of unit {column} a step before, the same at every step: {value}.',
  'sentence.bias_ih': 'The input bias of gate `{gate}` of {unit}, the same at every step: {value}.',
  'sentence.bias_hh': 'The recurrent bias of gate `{gate}` of {unit}, the same at every step: {value}.',
  'sentence.weight_hr':
    'How much hidden unit {column} counts in number {row} of the projected `h`, the same at every step: {value}.',
  'sentence.weight_peephole':
    'How strongly a gate of hidden unit {column} sees that unit’s cell state `c`, the same at every step: {value}.',
  'sentence.head.weight': 'How strongly output {row} of the dense head listens to its input {column}: {value}.',
  'sentence.head.bias': 'The bias of output {row} of the dense head: {value}.',

  'sentence.answer': 'The model’s answer {label} for sample {sample}: {value}.',
};
