// Bands and brightness of both dates: one stretch for both, unless told otherwise.

const STRETCHES = { 'Min – max': [0, 100], '0.5 – 99.5 %': [0.5, 99.5], '2 – 98 %': [2, 98], '5 – 95 %': [5, 95] };
export const STRETCH_NAMES = Object.keys(STRETCHES);

export class Display {
  constructor(project, kept = {}) {
    this.project = project;
    this.version = `${project.version}${project.cached ? 'c' : ''}`;
    this.stretch = kept.stretch in STRETCHES ? kept.stretch : '2 – 98 %';
    this.gamma = kept.gamma >= 0.3 && kept.gamma <= 3 ? kept.gamma : 1;
    this.shared = project.stretch.shared !== null && kept.shared !== false;
    this.matched = kept.matched === true && this.matchable;
    this.combo = this.combos().some((one) => one.name === kept.combo) ? kept.combo : this.combos()[0].name;
  }

  // Whether the after date can be shown with the before date's histogram.
  get matchable() {
    return this.project.bands.before.length === this.project.bands.after.length;
  }

  get settings() {
    return { stretch: this.stretch, gamma: this.gamma, shared: this.shared, matched: this.matched, combo: this.combo };
  }

  // The first one is what the project proposes; then known composites; then every band alone.
  combos() {
    const { bands, display_bands: shown } = this.project;
    const title = (date) => shown[date].map((band) => bands[date][band]).join(' · ');
    const found = [{ name: title('before') === title('after') ? title('before') : `${title('before')} | ${title('after')}`, ...shown }];
    const names = bands.before.map((name) => name.toLowerCase());
    const pick = (...wanted) => wanted.map((one) => names.findIndex((name) => name === one || name.startsWith(`${one} `)));
    const alike = bands.before.length === bands.after.length;
    const add = (places) => {
      if (!alike || places.some((place) => place < 0)) return;
      const name = places.map((place) => bands.before[place]).join(' · ');
      if (!found.some((one) => one.name === name)) found.push({ name, before: places, after: places });
    };
    add(pick('nir', 'red', 'green'));
    add(pick('swir1', 'nir', 'red'));
    add(pick('b08', 'b04', 'b03'));
    add(pick('b12', 'b08', 'b04'));
    if (alike) bands.before.forEach((_, band) => add([band]));
    return found;
  }

  of(date) {
    const bands = this.combos().find((one) => one.name === this.combo)[date];
    const table = this.matched ? this.project.stretch.before : this.shared ? this.project.stretch.shared : this.project.stretch[date];
    const [low, high] = STRETCHES[this.stretch];
    const at = (wanted) => this.project.stretch.percentiles.indexOf(wanted);
    const limits = bands.map((band) => {
      const values = table[band];
      const [bottom, top] = [values[at(low)], values[at(high)]];
      return [bottom, top > bottom ? top : bottom + 1];
    });
    return { bands, limits, gamma: this.gamma };
  }
}
