// What states, orders and reasons are called on the page.

const STATES = {
  todo: 'to do', labelled: 'done', no_change: 'no change', unsure: 'unsure', unusable: 'unusable',
  returned: 'sent back',
};

export const ORDERS = {
  mix: 'Mix: unsure, unlike, random', uncertainty: 'Unsure first', diversity: 'Unlike first',
  random: 'Random', systematic: 'Row by row',
};

export const REASONS = {
  uncertainty: 'the model is unsure here', diversity: 'unlike the others', random: 'a random check', systematic: '',
};

export function stateName(state) {
  return STATES[state];
}

export function duration(seconds) {
  if (seconds < 90) return `${Math.max(Math.round(seconds), 1)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
