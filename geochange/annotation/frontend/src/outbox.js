// Edits wait in IndexedDB until the server has them; a lost server or a closed page loses none.

export class Outbox {
  static async open(name) {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore('edits', { keyPath: 'n' });
    const outbox = new Outbox();
    outbox.db = await settle(request);
    const waiting = await settle(outbox.store('readonly').getAll());
    outbox.items = waiting;
    outbox.unkept = 0;
    outbox.next = (waiting.at(-1)?.n ?? 0) + 1;
    return outbox;
  }

  store(mode) {
    return this.db.transaction('edits', mode).objectStore('edits');
  }

  async add(edit) {
    const item = { n: this.next++, edit };
    this.items.push(item);
    this.unkept += 1;
    try {
      await settle(this.store('readwrite').put(item));
    } finally {
      this.unkept -= 1;
    }
  }

  async drop(item) {
    this.items = this.items.filter((other) => other !== item);
    await settle(this.store('readwrite').delete(item.n));
  }

  async update(item) {
    await settle(this.store('readwrite').put(item));
  }
}

function settle(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
