// What is selected: candidates ('c12') and labels ('a...'), by click or by stepping.

export class Selection extends EventTarget {
  constructor(model, labels, views) {
    super();
    this.model = model;
    this.labels = labels;
    this.keys = labels.selected;
    for (const { map } of views.maps) {
      // A listener that returns false would keep the event from others.
      map.on('click', (event) => {
        if (this.enabled) this.click(map, event);
      });
    }
    this.enabled = true;
  }

  click(map, { pixel, originalEvent }) {
    const found = [];
    map.forEachFeatureAtPixel(pixel, (feature) => void found.push(feature), {
      hitTolerance: 3,
      layerFilter: (layer) => layer.getClassName() === 'labels',
    });
    // Of several, the smallest: a large one can still be hit beside it.
    found.sort((a, b) => a.getGeometry().getArea() - b.getGeometry().getArea());
    const key = found[0]?.getId();
    if (!key) return originalEvent.shiftKey ? undefined : this.set([]);
    if (!originalEvent.shiftKey) return this.set([key]);
    const keys = new Set(this.keys);
    if (!keys.delete(key)) keys.add(key);
    return this.set([...keys]);
  }

  set(keys) {
    this.keys.clear();
    for (const key of keys) this.keys.add(key);
    this.labels.source.changed();
    this.dispatchEvent(new Event('change'));
  }

  prune() {
    const kept = [...this.keys].filter((key) => this.find(key));
    if (kept.length !== this.keys.size) this.set(kept);
  }

  find(key) {
    if (!key) return null;
    const map = key[0] === 'c' ? this.model.candidates : this.model.annotations;
    return map.get(key[0] === 'c' ? Number(key.slice(1)) : key.slice(1)) ?? null;
  }

  get first() {
    return [...this.keys][0] ?? null;
  }

  get all() {
    return [...this.keys].map((key) => [key, this.find(key)]).filter(([, one]) => one);
  }

  get features() {
    return [...this.keys].map((key) => this.labels.source.getFeatureById(key)).filter(Boolean);
  }
}
