// Puts the page together.
import { get } from './api.js';
import { Actions } from './actions.js';
import { watchBackground } from './background.js';
import { Palette, TopBar } from './bars.js';
import { makeCommands } from './commands.js';
import { helpDialog } from './dialogs.js';
import { Display } from './display.js';
import { byId, h, toast } from './dom.js';
import { Fusing } from './fusing.js';
import { Improver } from './improver.js';
import { Jobs } from './jobs.js';
import { listen } from './keys.js';
import { DateLayer, Labels, ScoreLayer } from './layers.js';
import { Lists } from './lists.js';
import { Loader } from './loading.js';
import { Model } from './model.js';
import { Pairs } from './pairs.js';
import { Panel } from './panel.js';
import { makeGrid } from './pixels.js';
import { Nudge } from './nudge.js';
import { makePointer } from './pointer.js';
import { Scores } from './scores.js';
import { Selection } from './selection.js';
import { TileBar } from './tilebar.js';
import { ToolOptions } from './tooloptions.js';
import { Tools } from './tools.js';
import { Tour } from './tour.js';
import { Verdicts } from './verdicts.js';
import { MODES, Views } from './views.js';
import { makeRedraw, wire } from './wiring.js';

// Everything that is shown or done has one place on this object.
function makeParts(model) {
  const page = { model };
  const { project } = model;
  const world = makeGrid(project);
  page.display = new Display(project, model.settings.display);
  page.dates = { before: new DateLayer(world, 'before', page.display), after: new DateLayer(world, 'after', page.display) };
  page.score = new ScoreLayer(world);
  page.labels = new Labels(model);
  const [before, after] = ['before', 'after'].map((name, n) => (project.dates[n] ? `${name} · ${project.dates[n]}` : name));
  page.views = new Views(world, page.dates, page.score, page.labels, { before, after });
  page.selection = new Selection(model, page.labels, page.views);
  page.actions = new Actions(model, page.selection);
  page.tools = new Tools(page.views, page.labels, page.selection, page.actions, model);
  page.nudge = new Nudge(page);
  page.tour = new Tour(model, page.views);
  page.loader = new Loader(model, page.views);
  page.scores = new Scores(page);
  page.jobs = new Jobs();
  page.help = helpDialog();
  return page;
}

function makeControls(page) {
  const { model, views, tools } = page;
  page.lists = new Lists(page);
  page.verdicts = new Verdicts(page);
  page.on = makeCommands(page);
  page.panel = new Panel(page);
  page.improver = new Improver(page);
  page.fusing = new Fusing(page);
  page.pairs = new Pairs(page);
  page.top = new TopBar(page);
  page.palette = new Palette(page.on);
  page.bar = new TileBar(page);
  page.options = new ToolOptions(tools, model.project);
  page.crowd = h('div', { class: 'hint crowd', id: 'crowd', hidden: true });
  Object.assign(page, makeRedraw(page));
  const overview = watchBackground(page);
  const stage = h('main', {}, views.box, page.options.root, page.crowd, page.improver.offer, overview, makePointer(views, model.project));
  const toasts = h('div', { class: 'toast', id: 'toast', role: 'status', 'aria-live': 'polite' });
  byId('app').replaceChildren(page.top.root, page.palette.root, stage, page.panel.root, page.bar.root, page.help, toasts);
  document.title = `${model.project.name} · geochange`;
  new ResizeObserver(() => views.arrange()).observe(stage);
}

async function begin(page) {
  const { model, views, tools, tour, scores, top, panel, jobs, on } = page;
  scores.showRun();
  top.showMode(views.mode);
  top.showHistory();
  top.showLink();
  tools.use('select');
  views.arrange();
  if (MODES.includes(model.settings.mode)) on.mode(model.settings.mode);
  await tour.start(model.settings.tile);
  if (model.settings.scoreOn) on.score(true);
  jobs.watch();
  page.improver.watch();
  page.fusing.watch();
  page.pairs.refresh();
  get('api/detectors').then((found) => panel.model.setDetectors(found)).catch(() => null);
  if (!model.settings.seen) toast('Press ? for the keys.');
}

async function start() {
  const page = makeParts(await new Model().open());
  makeControls(page);
  wire(page);
  listen(page.on);
  await begin(page);
  window.geochange = { ...page, setThreshold: page.on.setThreshold };
  document.body.dataset.ready = 'true';
}

// The token belongs into memory and the cookie, not into the address bar or the history.
if (location.search) history.replaceState(null, '', location.pathname);
start().catch((error) => {
  byId('app').replaceChildren(h('p', { class: 'loading' }, `The page could not start: ${error.message}`));
  throw error;
});
