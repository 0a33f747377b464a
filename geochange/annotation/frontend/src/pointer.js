// Where the pointer is: pixel, and place on the ground where there is one.
import { h } from './dom.js';

export function makePointer(views, project) {
  const box = h('span', { class: 'pointer', id: 'pointer' });
  const [a, b, c, d, e, f] = project.affine;
  const digits = project.gsd_m ? 2 : 6;
  views.addEventListener('pointer', ({ detail: [x, y] }) => {
    const place = project.crs ? ` · ${(a * x - b * y + c).toFixed(digits)}, ${(d * x - e * y + f).toFixed(digits)}` : '';
    box.textContent = `column ${Math.floor(x)}, row ${Math.floor(-y)}${place}`;
  });
  return box;
}
