// English: the analysis.* texts. Each analysis says how to read it and when not to trust it.

export const analysis = {
  'analysis.saturation': 'saturation',
  'analysis.saturation.read':
    'The share of valid steps at which a gate stands below 0.1 (shut) or above 0.9 (open): a gate that is always at one end no longer decides anything.',
  'analysis.saturation.trust':
    'On a few short samples a gate may only look saturated, and a forget gate that stays open may be exactly what the task needs.',
  'analysis.memory': 'memory length',
  'analysis.memory.read':
    'For each unit, after how many steps a cell state that nothing is added to has shrunk to 1/e: −1 / log of the geometric mean of its forget gate.',
  'analysis.memory.trust':
    'It is an average over the steps of this batch and looks at one unit alone: units can also hand on what they know through `h`, and above the length of the data it is an extrapolation.',
  'analysis.contributions': 'contributions',
  'analysis.contributions.read':
    'How much of what each step wrote into the cell is still in the final state. The parts, with what is left of the initial state, add up to it exactly.',
  'analysis.contributions.trust':
    'A step that only moved a gate, and so decided what is kept, counts nothing here; large parts of opposite sign may cancel.',
  'analysis.gradient_flow': 'gradient flow',
  'analysis.gradient_flow.read':
    'The size of ‖∂L/∂h_t‖ and ‖∂L/∂c_t‖ at each step, L being the sum of the answer, or of `output` where there is no head: where it fades against the direction of reading, the loss cannot teach the steps far away anything.',
  'analysis.gradient_flow.trust':
    'It holds for this batch, this loss and these weights; a small gradient may also mean that the step is already learned or simply does not matter.',
  'analysis.attribution': 'attribution',
  'analysis.attribution.read':
    'How much each input number moved the answer, compared with a baseline in its place: positive raised it, negative lowered it.',
  'analysis.attribution.trust':
    'It depends on the baseline and shares out effects that only arise together; where the completeness gap is not small beside the answer, more steps are needed.',

  'analysis.fact.low': 'shut below',
  'analysis.fact.high': 'open above',
  'analysis.fact.largest_gap': 'the parts miss the final state by at most',
  'analysis.fact.completeness_gap': 'completeness gap: the shares miss the change by at most',
  'analysis.fact.largest_change': 'largest change of the answer that was to be explained',
  'analysis.fact.baseline': 'baseline',
  'analysis.fact.method': 'method',
  'analysis.fact.why': 'why this method',
  'analysis.fact.answer': 'of which answer',
};
