// English: the view.* texts.

export const view = {
  'view.padding': 'padding',
  'view.cell.padding': 'Padding: there is no number here.',
  'view.cell.role': 'cell of {name}',
  'view.legend.marks': 'the larger, the more; hollow below zero',
  'view.legend.weights': 'weights',
  'view.legend.answer': 'answer',
  'view.stack.title': 'One network, used {count} times',
  'view.stack.title.folded': 'One network with a loop: what it writes at one step, it reads at the next',
  'view.stack.note':
    'Each column is the same network at another step. Only `h` and `c` go from one step to the next; only `h` goes up.',
  'view.stack.note.h':
    'Each column is the same network at another step. Its state `h` goes on to the next step and up to the next layer.',
  'view.stack.fold': 'Folded',
  'view.stack.unfold': 'Unrolled over time',
  'view.stack.same': 'same weights × {count}',
  'view.stack.layer': 'layer {layer}',
  'view.stack.layer.reverse': 'layer {layer} ←',
  'view.stack.layers.more': '⋮ {count} more layers',
  'view.stack.loop': 'read at step t + 1',
  'view.stack.loop.reverse': 'read at step t − 1',
  'view.stack.padding.zero': '= 0',
  'view.axis.time': 'time',
  'view.axis.batch': 'batch',
  'view.cube.title': 'A batch is one block of numbers: {batch} samples × {time} steps × {feature} features',
  'view.cube.title.single': 'A batch is one block of numbers: {batch} sample × {time} steps × {feature} features',
  'view.cube.title.one': 'One sequence is a table of numbers: {time} steps × {feature} features',
  'view.cube.note':
    'Time is an axis of the data, not more neurons. Choose a sample to see its sheet; the blue plane is what all samples hold at one step.',
  'view.cube.note.one': 'Time is an axis of the data, not more neurons: the network reads one column after the other.',
  'view.cube.axis': 'axis {axis}',
  'view.cube.sample': 'Sample {sample}',
  'view.cube.slice': 'All samples at step {step}',
  'view.cube.choose': 'sample {sample}',
  'view.cube.turned': 'The numbers stay where they are: only their order in the index changes.',
  'view.step.title': 'Step {step}: every unit weighs all inputs and all units of the step before',
  'view.step.note':
    'One line is one unit. A row of the weights, times the numbers below its columns, plus the biases, gives that unit’s gate.',
  'view.step.note.large':
    'One line is one unit. The weights of this layer are too large for the page: what they made of the inputs is shown.',
  'view.step.layer': 'layer {layer} · h',
  'view.step.some': '{shown} of {size} units drawn',
  'view.step.gates': 'Weights of gate',
  'view.step.cells': 'What a cell of the weights shows',
  'view.step.weights': 'weight',
  'view.step.products': 'weight × value',
  'view.legend.products': 'weight × value',
  'view.unit.title.LSTM': 'Unit {unit} over time: `f` keeps, `i` · `g` writes, `o` shows',
  'view.unit.title.GRU':
    'Unit {unit} over time: `z` keeps, 1 − `z` lets `n` in, `r` decides how much of the past `n` sees',
  'view.unit.title.other': 'Unit {unit} over time: its state is all that it remembers',
  'view.unit.note':
    'One line for each gate and state, over the same steps. The numbers at the right are those at the dashed line.',
  'view.unit.note.reverse': 'This direction reads from right to left: each step follows from the one at its right.',
  'view.unit.note.beyond':
    'Your changes push numbers beyond the scale: there the curve runs along its edge. The numbers at the right are exact.',
  'view.unit.note.survival':
    'The lowest row: what each step wrote that is still there at the end. Filled bars add to the final state, hollow ones take away.',
  'view.sum.title': '`{name}` is a sum of {count} products',
  'view.sum.title.bent': '`{name}` is a sum of {count} products, bent by one curve',
  'view.sum.title.given': '`{name}` is given, not computed',
  'view.sum.title.left': '`{name}` is a sum whose numbers are not all in this page',
  'view.sum.product': 'product',
  'view.sum.running': 'total so far',
  'view.sum.more': '… and {count} more',
  'view.sum.all': 'Show all {count} products',
  'view.sum.fewer': 'Show the largest only',
  'view.sum.bound': 'kept within ±{bound}',
  'view.sum.set': 'You set this number: it is not what its products make.',
  'view.sum.given':
    'This number comes from outside: it is an input, a weight or an initial state. Choose a gate, a state or the answer to see what it is made of.',
  'view.sum.compute':
    'This model is large, and the page holds only some of the numbers that this one is made of. Let the page compute the whole sample to see every product.',
  'view.sum.left':
    'The page does not hold all the numbers that this one is made of. Choose another, or open a smaller model.',
  'view.sum.curve': '{name} takes {from} to {to}',
};
