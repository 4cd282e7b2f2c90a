// The equations of the cells in TeX, vector by vector, as PyTorch writes them; formulas.plugin.ts makes MathML of them.
// Where a key ends in '.unbiased' the layer has no biases. "t − 1" is the step that a direction has read before.

/** A gate before its nonlinearity. */
function sum(gate: string, bias: boolean, more = ''): string {
  const terms = [`W_{i${gate}} x_t`, `b_{i${gate}}`, `W_{h${gate}} h_{t-1}`, `b_{h${gate}}`];
  return terms.filter((term) => bias || !term.startsWith('b')).join(' + ') + more;
}

/** As `sum`, but the reset gate acts after the product with h (as in cuDNN), or before it (as in the paper). */
function candidate(bias: boolean, after: boolean): string {
  const [bi, bh] = bias ? [' + b_{in}', ' + b_{hn}'] : ['', ''];
  const recurrent = after && !bias ? 'W_{hn} h_{t-1}' : `(W_{hn} h_{t-1}${bh})`;
  const inner = after ? `r_t \\odot ${recurrent}` : `W_{hn} (r_t \\odot h_{t-1})${bh}`;
  return `n_t = \\tanh(W_{in} x_t${bi} + ${inner})`;
}

/** What any gate of a layer-normalised LSTM adds up to. */
function normalised(bias: boolean): string {
  const term = (of: string, v: string) =>
    `\\gamma_${of} \\odot \\operatorname{norm}(W_${of} ${v})${bias ? ` + b_${of}` : ''}`;
  return `s_t = ${term('i', 'x_t')} + ${term('h', 'h_{t-1}')}`;
}

function gates(bias: boolean): Record<string, string> {
  return {
    'lstm.i': `i_t = \\sigma(${sum('i', bias)})`,
    'lstm.f': `f_t = \\sigma(${sum('f', bias)})`,
    'lstm.g': `g_t = \\tanh(${sum('g', bias)})`,
    'lstm.o': `o_t = \\sigma(${sum('o', bias)})`,
    'lstm.i.peephole': `i_t = \\sigma(${sum('i', bias, ' + w_{ci} \\odot c_{t-1}')})`,
    'lstm.f.peephole': `f_t = \\sigma(${sum('f', bias, ' + w_{cf} \\odot c_{t-1}')})`,
    'lstm.o.peephole': `o_t = \\sigma(${sum('o', bias, ' + w_{co} \\odot c_t')})`,
    'gru.r': `r_t = \\sigma(${sum('r', bias)})`,
    'gru.z': `z_t = \\sigma(${sum('z', bias)})`,
    'gru.n': candidate(bias, true),
    'gru.n.before': candidate(bias, false),
    'rnn.h': `h_t = \\tanh(${sum('h', bias)})`,
    'rnn.h.relu': `h_t = \\operatorname{ReLU}(${sum('h', bias)})`,
    'lstm.normalised': normalised(bias),
    'lstm.h.normalised': `h_t = o_t \\odot \\tanh(\\gamma_c \\odot \\operatorname{norm}(c_t)${bias ? ' + b_c' : ''})`,
    head: `y = W v${bias ? ' + b' : ''}`,
  };
}

const unbiased = Object.entries(gates(false)).map(([name, tex]) => [`${name}.unbiased`, tex] as const);

export const formulas: Record<string, string> = {
  ...gates(true),
  ...Object.fromEntries(unbiased),
  'lstm.i.coupled': 'i_t = 1 - f_t',
  'lstm.c': 'c_t = f_t \\odot c_{t-1} + i_t \\odot g_t',
  'lstm.h': 'h_t = o_t \\odot \\tanh(c_t)',
  'lstm.h.projected': 'h_t = W_{hr} (o_t \\odot \\tanh(c_t))',
  'gru.h': 'h_t = (1 - z_t) \\odot n_t + z_t \\odot h_{t-1}',
  'head.relu': 'y = \\operatorname{ReLU}(v)',
  'head.tanh': 'y = \\tanh(v)',
  'head.sigmoid': 'y = \\sigma(v)',
};
