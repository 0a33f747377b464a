// Work of the server in the background, watched while it runs.
import { Lost, get } from './api.js';

const AGAIN_MS = 1500;

export class Jobs extends EventTarget {
  constructor() {
    super();
    Object.assign(this, { list: [], states: new Map(), timer: 0 });
  }

  get busy() {
    return this.list.some((job) => job.state === 'running');
  }

  async watch() {
    clearTimeout(this.timer);
    try {
      this.list = (await get('api/jobs')).jobs;
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
    }
    this.dispatchEvent(new Event('news'));
    for (const job of this.list) {
      const ended = this.states.get(job.id) === 'running' && job.state !== 'running';
      this.states.set(job.id, job.state);
      if (ended) this.dispatchEvent(new CustomEvent('end', { detail: job }));
    }
    if (this.busy) this.timer = setTimeout(() => this.watch(), AGAIN_MS);
  }
}
