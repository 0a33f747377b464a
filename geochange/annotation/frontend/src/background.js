// When work of the server in the background ends, the page shows what it led to.
import { get } from './api.js';
import { h, toast } from './dom.js';
import { jobLine } from './modelsection.js';

export function watchBackground(page) {
  const { model, jobs, panel, display, dates, tools, scores, loader, soon } = page;
  const overview = h('div', { class: 'overview', hidden: true });

  jobs.addEventListener('news', () => {
    panel.model.renderJobs(jobs.list);
    const busy = jobs.list.filter((job) => job.state === 'running');
    overview.hidden = !busy.length;
    overview.replaceChildren(...busy.map((job) => jobLine(job)));
    soon();
  });
  jobs.addEventListener('end', async ({ detail: job }) => {
    if (job.state === 'failed') toast(job.message, 'error');
    if (job.state !== 'done') return;
    toast(job.message, 'good');
    Object.assign(model.project, await get('api/project'));
    const { project } = model;
    const version = `${project.version}${project.cached ? 'c' : ''}`;
    if (version !== display.version) {
      display.version = version;
      dates.before.refresh();
      dates.after.refresh();
    }
    if (job.kind === 'levels') return;
    await model.loadTiles();
    if (project.runs.length) tools.wandOn = 'score';
    scores.showRun();
    await loader.load(true);
  });
  return overview;
}
