// English: the tour.* texts. Each step has a title and two sentences.

export const tour = {
  'tour.label': 'Guided tour',
  'tour.progress': '{step} of {count}',
  'tour.back': 'Back',
  'tour.next': 'Next',
  'tour.exit': 'Leave the tour',
  'tour.finish': 'Finish and look around',
  'tour.finished': 'The tour is over: the model is yours to play with.',

  'tour.cube.title': 'A table with time is a cube',
  'tour.cube.first':
    'A table has a row for each sample and a column for each feature; when every sample is a series, time is a third axis, and the batch is a cube of N × T × F numbers.',
  'tour.cube.second': '`batch_first` only says which of N and T comes first in the shape: the numbers stay the same.',
  'tour.slice.title': 'The network reads one step at a time',
  'tour.slice.first': 'The cube is never read at once: at each step the network gets the F numbers of that one time.',
  'tour.slice.second': 'One of them is lit, and the panel beside it says its place in `x`, as code to paste.',
  'tour.loop.title': 'One network with a loop',
  'tour.loop.first':
    'There is a single network: it reads a step and, by the loop, what it handed to itself after the step before.',
  'tour.loop.second': 'How often the loop runs is not a matter of the network but of the data: once for each step.',
  'tour.unfold.title': 'Unfolded: the same weights {T} times',
  'tour.unfold.first': 'Unfolding lays the steps side by side, from left to right.',
  'tour.unfold.second':
    'The dashed lines tie every copy to one and the same set of weights: {T} steps, but not {T} networks, and a longer series would need no more weights.',
  'tour.carry.title': 'h and c are carried along',
  'tour.carry.first':
    'Two rows of numbers run from step to step: `h`, which is also what the layer puts out, and `c`, its memory.',
  'tour.carry.second':
    'They begin as zeros unless you pass a start of your own; press Play to follow them through time.',
  'tour.step.title': 'One step is a small network',
  'tour.step.first':
    'Inside one step the inputs and the `h` of the step before meet the weights and become four gates a unit.',
  'tour.step.second': 'The gates decide what is written into `c`, what is kept there and what is shown as `h`.',
  'tour.unit.title': 'One unit over time',
  'tour.unit.first': 'This is one unit alone, its gates and states from the first step to the last.',
  'tour.unit.second': 'Where `f` is near 1 it keeps what it has; where `i` is near 0 it writes nothing new.',
  'tour.sum.title': 'One number is a sum',
  'tour.sum.first':
    'A gate is σ of a sum: every input times its weight, every former `h` times its weight, and the biases.',
  'tour.sum.second':
    'The terms are sorted by size, so that those which decide come first; point at one to see where it is from.',
  'tour.layers.title': 'Layers, and what output is',
  'tour.layers.first': 'The second layer reads the `h` of the first at the same step: layers add depth, not time.',
  'tour.layers.second': '`output` is the `h` of the top layer at every step; the layers below are not in it.',
  'tour.finals.title': 'h_n and c_n beside output, with padding',
  'tour.finals.first':
    '`output` has every step, while `h_n` and `c_n` have one state for each layer: that after the last valid step.',
  'tour.finals.second':
    'This sample is shorter than the batch, so its last state is at step {last} and not in `output[:, -1]`, where there is only padding, hatched.',
  'tour.directions.title': 'Two directions',
  'tour.directions.first':
    'A bidirectional layer has a second network that reads from the end to the beginning, and `output` holds the two side by side.',
  'tour.directions.second':
    'The reverse one finishes at step 0: the number that is lit is the last that it made, and so in `h_n`.',
  'tour.edit.title': 'Change a number, and the forecast follows',
  'tour.edit.first':
    'One input of this sample was just changed, and all that follows from it, up to the model’s answer, was computed again in this page.',
  'tour.edit.second': 'Undo it or change other numbers: inputs, states and gates are all yours to try.',
};
