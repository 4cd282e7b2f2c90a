// English: the trap.* texts. Each trap: a title, what happens, and why it cannot happen with a given batch.

export const trap = {
  'trap.not.padded': 'Every sample of this batch fills all {time} steps: there is no padding.',
  'trap.not.batch': 'This is a single sequence without padding.',

  'trap.last_step.title': '`output[:, -1]` of a padded row',
  'trap.last_step.text':
    'The last row of `output` is the last step of the longest sample. Sample {sample} ends after {length} of {time} steps, and there it holds nothing but zeros; `h_n` is taken after the last valid step.',

  'trap.backward_half.title': 'The backward half at the last step',
  'trap.backward_half.text':
    'The backward direction starts at the end: at the last step it has read that one step only. Its final state stands at step 0, and `h_n[-1]` holds it. That is the backward half alone; the forward half is `h_n[-2]`.',
  'trap.backward_half.not.one': 'This layer has one direction only.',
  'trap.backward_half.not.short': 'Sample {sample} has fewer than two steps: both directions read the same.',

  'trap.reshape.title': 'Reshaping `h_n` into one row a sample',
  'trap.reshape.text':
    '`h_n` has {rows} layers and directions in front and the {batch} samples behind them, with `batch_first` too. Reshaping it at once cuts it across samples: the row of sample {sample} then holds numbers of others.',
  'trap.reshape.not.one': 'With one sample there are no others to mix it with.',
  'trap.reshape.not.tuple': 'Here `h_n` is a tuple, which cannot be reshaped at once.',
  'trap.reshape.not.row': 'Here `h_n` has a single row in front: reshaping it mixes nothing.',

  'trap.no_lengths.title': 'Padding without lengths',
  'trap.no_lengths.text':
    'Told nothing of lengths, the layer reads the padding of sample {sample} as {time} steps of data, here with zeros after step {length}, and its final state is that after the padding.',
  'trap.no_lengths.not.computed': 'The page cannot compute this layer, and so not what padding would make of it.',
  'trap.no_lengths.not.large': 'This layer is too large to be computed again in passing.',
};
